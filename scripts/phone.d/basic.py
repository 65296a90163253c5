"""Scenarios with a stick that does its work: calls, several at once, pauses, parts, the clock."""

import recording
from machine import Failed, fields
from setting import EXACT_CALL, PLAYED, WATCH, boot, configure, expect, path, say, take
from stick import Stick


def call():
    """Boot, init starts the daemon, a 30 s call, its file on the stick bit for bit."""
    stick = Stick(path("call.img"))
    with boot(stick) as phone:
        status = phone.run("/etc/init.d/S80callrec status")
        expect("is running" in status[0], f"the init script started it: {status[0]}")
        said = phone.run(f"{EXACT_CALL} --seconds 30")
        expect("recorded 1500 frames, 30000 ms" in said, f"the daemon's answer: {said[-2]}")
        _nothing_lost(phone)
        phone.cut()
    taken = take(stick)
    expect(taken.exact and len(taken.frames) == 1500, f"{taken.name}: {len(taken.frames)} frames, header exact: {taken.exact}")
    start = recording.find(taken.payloads(), PLAYED)
    expect(start == 0, f"240000 samples as they were played, from sample {start} on")
    stick.check()


def late_clock():
    """A call over the moment in January 2038 at which 32 bits of seconds end, and one after it: files named right."""
    stick = Stick(path("late-clock.img"))
    # (A 32-bit kernel accepts no later time from a clock chip; its own clock continues beyond it.)
    with boot(stick, extra=["-rtc", "base=2038-01-19T03:14:00,clock=vm"]) as phone:
        phone.run(f"{EXACT_CALL} --seconds 10; sleep 1; {EXACT_CALL} --seconds 3")
        phone.cut()
    names = stick.recordings()
    expect(len(names) == 2, f"two recordings: {names}")
    over, after = (take(stick, name) for name in names)
    right = over.name < "Record_20380119_031408" < after.name < "Record_20380119_0315"
    expect(right, f"named by the time of their first frame: {over.name}, {after.name}")
    expect((len(over.frames), len(after.frames)) == (500, 150), f"{len(over.frames)} frames of 500, {len(after.frames)} of 150")
    expect(recording.find(over.payloads(), PLAYED[:500]) == 0, "the one over that moment is bit for bit what was played")


def eight():
    """Eight recordings at once with maxRecordings = 8, each complete; the ninth gets `busy`."""
    stick = Stick(path("eight.img"))
    with boot(stick) as phone:
        configure(phone, maxRecordings=8)
        phone.run(f"for n in 1 2 3 4 5 6 7 8; do {EXACT_CALL} --seconds 10 >/tmp/sim$n 2>&1 & usleep 50000; done; sleep 3")
        running = phone.ctl("RecordStatusRequest")
        expect(running["count"] == "8", f"{running['count']} recordings run")
        ninth = phone.ctl("cmd=RecordStartRequest&sink=local")
        expect(ninth["reason"].startswith("busy"), f"the ninth: {ninth['reason']}")
        phone.until("! pidof callrec-sim >/dev/null", 30)
        _nothing_lost(phone)
        phone.cut()
    names, shifts = stick.recordings(), []
    for name in names:
        taken = take(stick, name)
        # The simulators delay each other at the start, so a first packet is late and its leg is repositioned.
        shifts.append(recording.follow(taken.payloads(), PLAYED[:499]))
        if not taken.exact or not 500 <= len(taken.frames) <= 503:
            raise Failed(f"{name}: {len(taken.frames)} frames, header exact: {taken.exact}")
    expect(len(names) == 8, f"8 files of 500 frames and up to 3, {names[0]} to {names[-1]}")
    say(f"all that was played is in each, moved by {max(shifts)} samples at the most")
    stick.check()


def pause():
    """Pause and resume: what was said in between is not there, sequence and time go on."""
    stick = Stick(path("pause.img"))
    with boot(stick) as phone:
        phone.run(WATCH)
        told = "n=$(sed -n 's/^recording \\([0-9]*\\).*/\\1/p' /tmp/sim); "
        talk = f"{EXACT_CALL} --seconds 12 >/tmp/sim 2>&1 & sleep 5; {told}"
        both = "callrec ctl \"cmd=RecordPauseRequest&id=$n\"; sleep 3; callrec ctl \"cmd=RecordResumeRequest&id=$n\"; wait"
        answers = phone.run(talk + both)
        successes = sum("result=success" in line for line in answers)
        expect(len(answers) == successes == 2, f"{len(answers)} answers: success")
        states = [fields(line)["state"] for line in phone.run("grep RecordEvent /tmp/events")]
        expect(states == ["recording", "paused", "resumed", "stopped"], f"events: {' '.join(states)}")
        phone.cut()
    taken = take(stick)
    expect(taken.exact and 448 <= len(taken.frames) <= 453, f"{len(taken.frames)} frames of 9 s, no gap in their numbers")
    recording.find(taken.payloads(), PLAYED[:245])
    recording.find(taken.payloads(), PLAYED[405:599])
    expect(PLAYED[300] not in taken.payloads(), "before and after the pause bit for bit, nothing of in between")


def roll_over():
    """A call of 260 s with fileSizeLimit = 1: parts of 1 MiB at most, no frame lost between them."""
    stick = Stick(path("roll-over.img"))
    with boot(stick) as phone:
        configure(phone, fileSizeLimit=1)
        # The file that is played has a header of 76 bytes, then the same frames nine times.
        phone.run("cp /test/near /tmp/long; for n in 2 3 4 5 6 7 8 9; do tail -c +77 /test/near >>/tmp/long; done")
        said = phone.run("callrec-sim call --quiet --near /tmp/long --set legs=1 --seconds 260")
        _nothing_lost(phone)
        phone.cut()
    parts = [take(stick, name) for name in stick.recordings()]
    frames = [len(part.frames) for part in parts]
    expect(f"recorded {sum(frames)} frames" in said[-len(parts) - 1], f"parts of {frames} frames; {said[-len(parts) - 1]}")
    expect(frames == [6095, 6095, 810], "each as long as 1 MiB allows, together the call")
    last = None
    for part in parts:
        last = part.check_frames(last)
        if not part.exact or part.size > 1024 * 1024:
            raise Failed(f"{part.name}: {part.size} bytes, header exact: {part.exact}")
    say("sequence and timestamp go on from part to part, every header exact")
    # Delays of the simulator make single packets late, and the recorder follows them.
    shift = recording.follow([frame for part in parts for frame in part.payloads()], (PLAYED * 9)[:12999])
    say(f"together they are what was played, moved by {shift} samples at the most")
    stick.check()


def _nothing_lost(phone):
    counters = phone.ctl("StatsRequest")
    lost = {key: counters[key] for key in ("kernel_drop", "frames_lost", "late", "concealed", "failed", "bug")}
    expect(set(lost.values()) == {"0"}, f"nothing dropped, late or made up: {lost}")
