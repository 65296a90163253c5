"""Scenarios with a stick that does its work: calls, several at once, pauses, parts, the clock."""

import recording
from setting import EXACT_CALL, PLAYED, boot, expect, path, take
from stick import Stick


def call():
    """Boot, init starts the daemon, a 30 s call, its file on the stick bit for bit."""
    stick = Stick(path("call.img"))
    with boot(stick, counted=True) as phone:
        status = phone.run("/etc/init.d/S80callrec status")
        expect("is running" in status[0], f"the init script started it: {status[0]}")
        said = phone.run(f"{EXACT_CALL} --seconds 30")
        expect("recorded 1500 frames, 30000 ms" in said, f"the daemon's answer: {said[-2]}")
        counters = phone.ctl("StatsRequest")
        bad = {key: counters[key] for key in ("kernel_drop", "frames_lost", "late", "concealed", "bug") if counters[key] != "0"}
        expect(not bad, f"nothing dropped, late or made up: {bad or 'all 0'}")
        phone.cut()
    taken = take(stick)
    expect(taken.exact and len(taken.frames) == 1500, f"{taken.name}: {len(taken.frames)} frames, header exact: {taken.exact}")
    start = recording.find(taken.payloads(), PLAYED)
    expect(start == 0, f"240000 samples as they were played, from sample {start} on")
    stick.check()


def late_clock():
    """A call over the moment in January 2038 at which 32 bits of seconds end, and one after it: files named right."""
    stick = Stick(path("late-clock.img"))
    # (The kernel takes no later time than that from a clock chip on 32 bits; its own clock goes on.)
    with boot(stick, counted=True, extra=["-rtc", "base=2038-01-19T03:14:00"]) as phone:
        phone.run(f"{EXACT_CALL} --seconds 10; sleep 1; {EXACT_CALL} --seconds 3")
        phone.cut()
    names = stick.recordings()
    expect(len(names) == 2, f"two recordings: {names}")
    over, after = (take(stick, name) for name in names)
    expect(over.name < "Record_20380119_031408" < after.name < "Record_20380119_0315", "named by the time of their first frame")
    expect((len(over.frames), len(after.frames)) == (500, 150), f"{len(over.frames)} frames of 500, {len(after.frames)} of 150")
    expect(recording.find(over.payloads(), PLAYED[:500]) == 0, "the one over that moment is bit for bit what was played")
