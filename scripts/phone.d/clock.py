"""Scenarios in which somebody sets the phone's clock, as NTP does in the middle of calls."""

import recording
import slow
from machine import Failed
from setting import EXACT_CALL, PLAYED, boot, expect, path, say, take
from stick import Stick

# The steps by which the clock is set, in seconds: back and forth, to 1970, and to a day in 2026.
STEPS = ("1", "-1", "5", "-5", "60", "-60", "3600", "-3600", "to 0", "to 1764000000")
# Interval of the steps: four batches of 600 ms and 0.26 s, so that ten steps hit ten phases of a batch.
BETWEEN = 2.66
# Counters that must stay 0 in all of these calls.
HARM = ("late", "reanchored", "concealed", "skew_steps", "kernel_drop", "frames_lost", "failed", "bug")


def clock():
    """The clock is set ten times in a call, in a stall of the stick, and while a recording is played: nothing moves."""
    stick = Stick(path("clock.img"))
    stick.filters.append("driver=blkdebug,image={below}")
    with boot(stick) as phone:
        _set_in_a_call(phone)
        _set_in_a_stall(phone)
        _set_while_played(phone)
        counters = phone.ctl("StatsRequest")
        phone.run("sync")
        phone.cut()
    harm = {name: counters[name] for name in HARM if counters[name] != "0"}
    expect(not harm, f"nothing late, moved, made up or lost: {harm or 'none'}")
    recordings = [take(stick, name) for name in stick.recordings()]
    # Files are named by the clock: the first one before it was set, the others after the step to 1970 and back.
    expect(len(recordings) == 3, f"three recordings: {[taken.name for taken in recordings]}")
    for taken in recordings:
        seconds = len(taken.frames) // 50
        expect(taken.exact and seconds >= 10, f"{taken.name}: {len(taken.frames)} frames, header exact: {taken.exact}")
        start = recording.find(taken.payloads(), PLAYED[: seconds * 50 - 50])
        say(f"{taken.name}: bit for bit what was played, from sample {start} on")
    stick.check()


def _set(step):
    """The command that sets the clock by so many seconds, or to a time."""
    if step.startswith("to "):
        return f"date -s @{step[3:]} >/dev/null"
    return f"date -s @$(($(date +%s) + {step})) >/dev/null"


def _set_in_a_call(phone):
    phone.run(f"{EXACT_CALL} --seconds 29 >/tmp/call 2>&1 & usleep 1500000")
    for step in STEPS:
        phone.run(f"{_set(step)}; usleep {int(BETWEEN * 1e6)}")
    phone.until("! pidof callrec-sim >/dev/null", 30)
    say(f"in a call the clock was set by or to {', '.join(STEPS)} s")


def _set_in_a_stall(phone):
    phone.run(f"{EXACT_CALL} --seconds 20 >/tmp/stalled 2>&1 & sleep 4")
    for step in ("-1", "3600", "-5"):
        phone.block(0, "break write_aio stalled")
        phone.run(slow.BEGUN)
        phone.run(f"usleep 700000; {_set(step)}; usleep 1300000")
        phone.block(0, "resume stalled")
        phone.run("sleep 2")
    phone.until("! pidof callrec-sim >/dev/null", 30)
    turn = int(phone.ctl("StatsRequest")["longest_turn_us"]) / 1e6
    expect(turn > 1.5, f"the stick held the daemon up, {turn:.2f} s in one turn, and the clock was set meanwhile")


def _set_while_played(phone):
    """What is played goes into another recording: the player's packets, and their arrivals."""
    name = phone.run("ls /mnt/usb* -d; ls /mnt/usb*/Record_*.wav | head -n 1")[-1].rsplit("/", 1)[-1]
    start = phone.ctl("cmd=RecordStartRequest&sink=local&legs=1")
    if start.get("result") != "success":
        raise Failed(f"start: {start}")
    port = start["leg_ports"]
    played = phone.ctl(f"cmd=PlayStartRequest&file={name}&host=127.0.0.1&port={port}")
    expect(played.get("result") == "success", f"{name} is played into a recording")
    for step in ("-3600", "5", "-60", "3600"):
        phone.run(f"{_set(step)}; usleep {int(BETWEEN * 1e6)}")
    phone.ctl(f"cmd=PlayStopRequest&id={played['id']}")
    phone.ctl(f"cmd=RecordStopRequest&id={start['id']}")
