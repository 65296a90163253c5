"""scripts/bench: our recorder against what people would use instead, on the same call."""

import argparse
import os
import shutil
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import ours
import peers
from feed import RATE, Call
from measure import Busy, Failed, Folder, by_place, callgrind, dump
from packages import need

# The limit of user instructions per frame of two legs; a prototype in C that does the same takes 3 100.
AIM = 4500
# Seconds in which a running program is watched, in a call (twice: with strace, and without) and idle; and how long it,
# or a call, has been running before anything counts.
WATCHED, IDLE, SETTLING = 10, 5, 3
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
        return judge(patiently(counted, ours.Recorder, options.seconds).total())
    if os.geteuid() != 0:
        if not shutil.which("sudo"):
            raise Failed("strace and tcpdump need root, and there is no sudo; --ours and profile do not")
        keep = [f"{name}={os.environ[name]}" for name in ("PATH", "HOME")]
        os.execvp("sudo", ["sudo", "env", *keep, "scripts/bench", *arguments])
    need("strace", *peers.PACKAGES)
    rows = {program: row(program, options.seconds) for program in [ours.Recorder, *peers.ALL]}
    print(HEAD)
    for program, (instructions, *others) in rows.items():
        first = f"{instructions:,.0f}".replace(",", " ") if instructions else "failed"
        print("|", " | ".join([program.title(), first, *others]), "|")
    print()
    failed = [program for program, (instructions, *_) in rows.items() if not instructions]
    missed = ours.Recorder not in failed and judge(rows[ours.Recorder][0])
    return int(bool(failed or missed))


def judge(instructions):
    """Ours against the aim: the exit status."""
    print(f"callrec: {instructions:.0f} user instructions a frame of two legs; the aim is {AIM} at the most")
    return int(instructions > AIM)


def row(program, seconds):
    """What one program costs, the instructions as a number and the rest as text; no number, and why, if it failed."""
    say(f"{program.title()}: a call to be watched, then one to be counted")
    try:
        watched = patiently(watch, program)
        return [patiently(counted, program, seconds).total(), *watched]
    except Failed as problem:
        say(f"{program.title()} FAILED: {problem}")
        return [None, *["-"] * 5]


def watch(program):
    """What the kernel says of a program: idle, in a call, and in a call under strace."""
    call = Call(SETTLING + 2 * WATCHED + 2)
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


def counted(program, seconds):
    """User instructions a frame by place, over so many seconds in the middle of a call."""
    need("valgrind")
    call = Call(SETTLING + seconds + 3)
    with Folder() as folder, ThreadPoolExecutor(1) as pool:
        output = os.path.join(folder, "callgrind.out")
        with program(folder, callgrind(output)) as running:
            sending = pool.submit(call.send, running.begin())
            time.sleep(SETTLING)
            before = running.frames(call)
            dump(running, f"{output}.1")
            time.sleep(seconds)
            frames = running.frames(call) - before
            dump(running, f"{output}.2")
            sending.result()
            say(f"  {frames} frames counted; {running.finish(call)}")
        return Counter({place: cost / frames for place, cost in by_place(f"{output}.2").items()})


def patiently(measurement, *arguments):
    """A measurement, begun anew when this machine was too busy to send the call at its pace."""
    for _ in range(2):
        try:
            return measurement(*arguments)
        except Busy as problem:
            say(f"  {problem}; trying again")
    return measurement(*arguments)


def say(text):
    """Progress, for the one who waits."""
    print(f"bench: {text}", file=sys.stderr, flush=True)
