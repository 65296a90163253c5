"""scripts/bench: our recorder against what people would use instead, on the same call."""

import argparse
import os
import shutil
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import ours
import peers
from feed import RATE, Call
from measure import Failed, Folder, callgrind, total
from packages import need

# The most user instructions a frame of two legs; a prototype in C that does the same takes 3 100.
AIM = 4500
# The shorter of the two calls whose difference counts: seconds that leave out start and end.
SHORTER = 5
# Seconds in which a running program is watched, in a call (twice: with strace, and without) and idle.
WATCHED, IDLE, SETTLING = 10, 5, 2
HEAD = """\
| | user instructions a frame | system calls a frame | switches a frame | wake-ups a second, in a call / idle | \
resident, KiB | program, KiB |
| --- | --- | --- | --- | --- | --- | --- |"""


def main(arguments):
    """Prints the table; 1 if a program failed or ours is above the aim."""
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument("--seconds", type=int, default=20, help="of audio whose instructions are counted [20]")
    parser.add_argument("--ours", action="store_true", help="only our instructions, against the aim; needs no root")
    options = parser.parse_args(arguments)
    if options.ours:
        return judge(per_frame(ours.Recorder, options.seconds))
    if os.geteuid() != 0:
        if not shutil.which("sudo"):
            raise Failed("strace and tcpdump need root, and there is no sudo; --ours and profile do not")
        keep = [f"{name}={os.environ[name]}" for name in ("PATH", "HOME")]
        os.execvp("sudo", ["sudo", "env", *keep, "scripts/bench", *arguments])
    need("strace", *peers.PACKAGES)
    rows = {program: row(program, options.seconds) for program in [ours.Recorder, *peers.ALL]}
    print(HEAD)
    for program, cells in rows.items():
        print("|", " | ".join([program.title(), *(cells or ["failed", *["-"] * 5])]), "|")
    print()
    missed = rows[ours.Recorder] is None or judge(int(rows[ours.Recorder][0].replace(" ", "")))
    return int(missed or None in rows.values())


def judge(instructions):
    """Ours against the aim: the exit status."""
    print(f"callrec: {instructions:.0f} user instructions a frame of two legs; the aim is {AIM} at the most")
    return int(instructions > AIM)


def row(program, seconds):
    """One program's cells; `None`, and why, if it did not do the work."""
    say(f"{program.title()}: a call to be watched, then two to be counted")
    try:
        watched = watch(program)
        instructions = per_frame(program, seconds)
    except Failed as problem:
        say(f"{program.title()} FAILED: {problem}")
        return None
    return [f"{instructions:,.0f}".replace(",", " "), *watched]


def watch(program):
    """What the kernel says of a program: idle, in a call, and in a call under strace."""
    call = Call(2 * SETTLING + 2 * WATCHED)
    with Folder() as folder, program(folder) as running, ThreadPoolExecutor(1) as pool:
        time.sleep(SETTLING)
        idle, _ = rates(running, IDLE)
        sending = pool.submit(call.send, running.begin())
        time.sleep(SETTLING)
        woken, forced = rates(running, WATCHED)
        calls = running.system_calls(WATCHED) / WATCHED
        resident, size = running.resident(), sum(os.path.getsize(file) for file in running.files())
        sending.result()
        say(f"  {running.finish(call)}")
    frame = [f"{number / RATE:.2f}" for number in (calls, woken + forced)]
    return [*frame, f"{woken:.0f} / {idle:.0f}", f"{resident}", f"{size / 1024:.0f}"]


def rates(running, seconds):
    """Switches a second, voluntary and forced."""
    before, started = running.switches(), time.monotonic()
    time.sleep(seconds)
    after, passed = running.switches(), time.monotonic() - started
    return [(more - fewer) / passed for fewer, more in zip(before, after)]


def per_frame(program, seconds):
    """User instructions a frame: what a longer call costs more than a shorter one."""
    with Folder() as folder:
        shorter, longer = (total(output) for output in counted(program, folder, seconds))
    return (longer - shorter) / (seconds * RATE)


def counted(program, folder, seconds):
    """Callgrind's files of two runs with a call each, the second `seconds` longer."""
    need("valgrind")
    outputs = []
    for length in (SHORTER, SHORTER + seconds):
        place = os.path.join(folder, str(length))
        os.mkdir(place)
        outputs.append(os.path.join(place, "callgrind.out"))
        call = Call(length)
        with program(place, callgrind(outputs[-1])) as running:
            call.send(running.begin())
            say(f"  counted {length} s: {running.finish(call)}")
    return outputs


def say(text):
    """Progress, for the one who waits."""
    print(f"bench: {text}", file=sys.stderr, flush=True)
