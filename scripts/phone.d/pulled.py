"""Scenarios in which a stick or the power goes away while something is recorded."""

import random
import re

import recording
from machine import Failed, fields
from setting import EXACT_CALL, PLAYED, WATCH, boot, expect, path, say, take, wait_mounted
from stick import Stick

CUTS = 10
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
    expect(len(last) == 1 and take(stick, last[0]).exact, f"a third recording after it: {last[0]}")
    for name in (first, second):
        expect(take(stick, name).exact, f"{name} is whole")
    stick.check()


def _pulled(phone, stick, before):
    """Records, pulls, looks, puts back, waits until the file is repaired; gives its name."""
    phone.run("> /tmp/events")
    phone.run(f"{EXACT_CALL} --seconds 30 >/tmp/sim 2>&1 & sleep 10")
    phone.run("dmesg -c")
    phone.pull()
    lines = _wait_for_event(phone, "state=failed")
    started = _stamp(lines, "state=recording")[0]
    failed, event = _stamp(lines, "state=failed")
    gone = _disconnected(phone)
    reason = fields(event)["reason"]
    expect(reason.startswith(("stick-lost", "stick-error")), f"event: {reason}")
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
    phone.run("sync")
    _check_repaired(stick, left)
    return name


def _wait_for_event(phone, words):
    for _ in range(60):
        lines = phone.run("cat /tmp/events")
        if any(words in line for line in lines):
            return lines
        phone.run("usleep 100000")
    raise Failed(f"no event with {words}; there were: {lines}")


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


def _check_repaired(stick, left):
    repaired = take(stick, left.name)
    same = repaired.frames[: len(left.frames)] == left.frames
    expect(repaired.exact and same, f"{left.name}: repaired, {len(repaired.frames)} frames, none lost")


def power():
    """The power cut at ten random moments: what is on the stick is readable, complete to 2 s before, and repaired later."""
    stick = Stick(path("power.img"))
    moments = random.Random(3)
    known, left = [], None
    for number in range(CUTS):
        with boot(stick, counted=True) as phone:
            if left:
                _check_repaired(stick, left)
            seconds = _record_and_cut(phone, moments.uniform(0.5, 25))
        names = [name for name in stick.recordings() if name not in known]
        stick.check()
        if not names and seconds < AT_RISK:
            say(f"no file yet after {seconds:.2f} s")
            left = None
            continue
        if len(names) != 1:
            raise Failed(f"cut {number + 1} after {seconds:.2f} s: one more recording expected, there are {names}")
        left = take(stick, names[0])
        _check_left(left, seconds)
        known += names
    say(f"{CUTS} cuts, {len(known)} recordings, after each a file system that fsck.vfat takes")


def _record_and_cut(phone, seconds):
    """Cuts the power so many seconds into a recording; gives how many they were on the phone's clock."""
    spin = "while read -r now _ </proc/uptime; do echo at $now; done"
    begun = "until grep -q state=recording /tmp/events; do usleep 10000; done; cat /tmp/events"
    phone.run(WATCH)
    phone.send(f"{EXACT_CALL} --seconds 40 >/dev/null 2>&1 & {begun}; usleep {seconds * 1e6:.0f}; {spin}")
    lines = [phone.line(60)]
    while not lines[-1].startswith("at "):
        lines.append(phone.line(60))
    phone.cut()
    try:
        while True:
            lines.append(phone.line(5))
    except Failed:
        pass  # the emulator has ended: there are no more
    stamps = [line.split()[1] for line in lines if re.fullmatch(r"at \d+\.\d\d", line)]
    return float(stamps[-1]) - _stamp(lines, "state=recording")[0]
