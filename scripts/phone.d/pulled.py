"""Scenarios in which a stick or the power goes away while something is recorded."""

import os
import random
import re

import recording
from machine import Failed, fields
from setting import EXACT_CALL, PLAYED, WATCH, boot, expect, path, say, take, wait_mounted
from stick import Stick

CUTS = int(os.environ.get("PHONE_CUTS", "10"))
AT_RISK = 2.0


def pull():
    """The stick pulled while recording and put back, on a phone that unmounts it and on one that does not."""
    stick = Stick(path("pull.img"))
    with boot(stick) as phone:
        phone.run(WATCH)
        daemon = phone.run("cat /var/run/callrec.pid")
        first = _pulled(phone, stick, [])
        say("put back, on a phone that does not unmount what is pulled:")
        phone.run("touch /tmp/no-unmount")
        second = _pulled(phone, stick, [first])
        expect(phone.run("cat /var/run/callrec.pid") == daemon, "the daemon is the one that init started")
        phone.run(f"{EXACT_CALL} --seconds 3; sync")
        phone.cut()
    last = [name for name in stick.recordings() if name not in (first, second)]
    expect(len(last) == 1, f"a third recording after it: {last}")
    taken = take(stick, last[0])
    whole = taken.exact and recording.find(taken.payloads(), PLAYED[:150]) == 0
    expect(whole, f"{last[0]}: {len(taken.frames)} frames, bit for bit what was played")
    for name in (first, second):
        expect(take(stick, name).exact, f"{name} is whole")
    stick.check()


def _pulled(phone, stick, before):
    """Records, pulls, looks, puts back, waits until the file is repaired; gives its name."""
    phone.run("> /tmp/events")
    phone.run(f"{EXACT_CALL} --seconds 30 >/tmp/sim 2>&1 & sleep 10")
    phone.run("dmesg -c")
    phone.pull()
    phone.until("grep -q state=failed /tmp/events")
    lines = phone.run("cat /tmp/events")
    started = _stamp(lines, "state=recording")[0]
    failed, event = _stamp(lines, "state=failed")
    gone = _disconnected(phone)
    reason = fields(event)["reason"]
    expect(reason.startswith(("stick-lost", "stick-error")), f"event: {reason}")
    # (The kernel's log and its uptime are two clocks.)
    expect(-0.5 < failed - gone <= 2, f"it came {max(failed - gone, 0):.2f} s after the kernel saw the pull")
    expect(phone.ctl("StatsRequest")["bug"] == "0", "the daemon answers")
    phone.run("pidof callrec-sim")
    say("the call goes on")
    name = next(name for name in stick.recordings() if name not in before)
    left = take(stick, name)
    _check_left(left, gone - started)
    phone.run("killall callrec-sim; sleep 1")
    phone.plug()
    wait_mounted(phone, 1 + len(before))
    _check_repaired(phone, stick, left)
    return name


def _stamp(lines, words):
    line = next(line for line in lines if words in line)
    now, event = line.split(" ", 1)
    return float(now), event


def _disconnected(phone):
    """When the kernel saw the stick go, on its own clock."""
    for line in phone.run("dmesg"):
        found = re.match(r"\[ *([0-9.]+)\] usb .*USB disconnect", line)
        if found:
            return float(found.group(1))
    raise Failed("the kernel did not see the stick go")


def _check_left(left, seconds):
    """A recording that was cut off after so many seconds has all but the last two, bit for bit."""
    text = f"{left.name}: {left.seconds:.2f} s there of {seconds:.2f} s, {seconds - left.seconds:.2f} s lost"
    expect(left.seconds >= seconds - AT_RISK, text)
    if left.frames:
        whole = len(left.frames) - 1
        start = recording.find(left.payloads(), PLAYED[:whole])
        if start >= 160:
            raise Failed(f"{left.name} begins {start} samples before the call")


def _check_repaired(phone, stick, left):
    """The daemon makes it exact within 10 s, and all that was there still is."""
    for _ in range(20):
        phone.run("usleep 500000")
        repaired = take(stick, left.name)
        if repaired.exact:
            break
    same = repaired.frames[: len(left.frames)] == left.frames
    expect(repaired.exact and same, f"{left.name}: header exact, {len(repaired.frames)} frames, none lost")


def power():
    """The power cut at ten random moments (or PHONE_CUTS): what is on the stick is readable, complete to 2 s before, and repaired later."""
    seed = os.environ.setdefault("PHONE_SEED", str(random.SystemRandom().randrange(1_000_000)))
    say(f"the moments of seed {seed} (PHONE_SEED={seed} repeats them)")
    stick, moments = Stick(path("power.img")), random.Random(seed)
    known, left = [], None
    for number in range(1, CUTS + 1):
        with boot(stick) as phone:
            if left:
                _check_repaired(phone, stick, left)
            seconds = _record_and_cut(phone, moments.uniform(0.5, 25))
        stick.check()
        left = _left(stick, known, seconds, number)
        known += [left.name] if left else []
    with boot(stick) as phone:
        if left:
            _check_repaired(phone, stick, left)
        phone.run(f"{EXACT_CALL} --seconds 3; sync")
        phone.cut()
    last = [name for name in stick.recordings() if name not in known]
    expect(len(last) == 1 and len(take(stick, last[0]).frames) == 150, f"a recording after all that: {last}")
    stick.check()
    say(f"{CUTS} cuts, {len(known)} recordings; each time a file system that fsck.vfat takes and the phone mounts")


def _left(stick, known, seconds, number):
    """What the cut has left of the recording that ran for so many seconds; nothing need be there of the last two."""
    names = [name for name in stick.recordings() if name not in known]
    if seconds < AT_RISK and not any(stick.read(name) for name in names):
        known += names  # its entry in the folder may be there before what is in it
        say(f"cut {number}: nothing yet after {seconds:.2f} s")
        return None
    if len(names) != 1:
        raise Failed(f"cut {number} after {seconds:.2f} s: one more recording expected, there are {names}")
    left = take(stick, names[0])
    _check_left(left, seconds)
    return left


def _record_and_cut(phone, seconds):
    """Cuts the power so many seconds into a recording; gives how many they were on the phone's clock."""
    spin = "while read -r now _ </proc/uptime; do echo at $now; done"
    begun = "until grep -q state=recording /tmp/events; do usleep 10000; done; cat /tmp/events"
    phone.run(WATCH)
    phone.send(f"{EXACT_CALL} --seconds 40 >/dev/null 2>&1 & {begun}; usleep {seconds * 1e6:.0f}; {spin}")
    lines = [phone.line()]
    while not lines[-1].startswith("at "):
        lines.append(phone.line())
    phone.cut()
    lines += phone.rest()
    stamps = [line.split()[1] for line in lines if re.fullmatch(r"at \d+\.\d\d", line)]
    return float(stamps[-1]) - _stamp(lines, "state=recording")[0]
