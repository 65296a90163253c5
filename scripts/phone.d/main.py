"""The emulated phone's command line; scripts/phone calls it when everything is built."""

import concurrent.futures
import os
import signal
import subprocess
import sys
import time
import traceback

import budget
import machine
import scenarios
import setting
from machine import Failed
from stick import Stick

# A phone uses one core and 250 MB.
MOST_AT_ONCE = 4


def shell():
    """A person's shell on the console; what is on the stick is kept from one time to the next."""
    stick = Stick(os.path.join(setting.PARTS, "stick.img"), keep=True)
    arguments = machine.command_line(setting.SYSTEM, setting.path("initramfs.gz"), [stick])
    return subprocess.run([*arguments, "-serial", "mon:stdio"], check=False).returncode


def list_scenarios():
    """What there is to run."""
    for name, scenario in scenarios.ALL.items():
        print(f"{name:12} {scenario.__doc__.splitlines()[0]}")
    for name, members in scenarios.GROUPS.items():
        print(f"{name:12} These together: {' '.join(members)}.")
    return 0


def run(named):
    """Runs scenarios, a phone for each core; the exit status."""
    begun, failed = time.monotonic(), []
    places = min(int(os.environ.get("PHONE_JOBS") or os.cpu_count() or 1), MOST_AT_ONCE)
    pool = concurrent.futures.ThreadPoolExecutor(places)
    try:
        # The longest scenarios start first.
        first = [name for name in scenarios.LONG if name in named] + [name for name in named if name not in scenarios.LONG]
        results = {pool.submit(_run_one, name, named[name]): name for name in first}
        for result in concurrent.futures.as_completed(results):
            failed += _told(*result.result(), results[result])
        # The host may have been too busy for two phones; a real failure occurs alone, too.
        if len(named) > 1:
            again, failed = failed, []
            for name in again:
                print(f"== once more, alone: {name}", flush=True)
                failed += _told(*_run_one(name, named[name]), name)
    finally:
        # Early only when ended from outside: the phones end, and their scenarios with them.
        pool.shutdown(wait=False, cancel_futures=True)
        machine.kill_all()
    passed, seconds = len(named) - len(failed), time.monotonic() - begun
    print(f"phone: {passed} passed, {len(failed)} failed {' '.join(failed)} ({seconds:.0f} s)")
    return 1 if failed else 0


def _told(lines, passed, name):
    print("\n".join(lines), flush=True)
    return [] if passed else [name]


def _run_one(name, scenario):
    """One scenario: what it said, and whether it passed."""
    started = time.monotonic()
    setting.said.lines = lines = [f"-- {name}: {scenario.__doc__.splitlines()[0]}"]
    try:
        scenario()
        return [*lines, f"ok {name} ({time.monotonic() - started:.0f} s)"], True
    except Failed as problem:
        return [*lines, f"FAILED {name}: {problem}"], False
    except Exception:  # a scenario's own mistake, or an answer of another shape: the others go on
        return [*lines, f"FAILED {name}:\n{traceback.format_exc()}"], False


def main(arguments):
    """Runs the command line, gives the exit status."""
    command = (arguments or ["shell"])[0]
    names = [name for named in arguments[1:] for name in scenarios.GROUPS.get(named, (named,))]
    unknown = [name for name in names if name not in scenarios.ALL]
    if unknown:
        there_are = " ".join([*scenarios.ALL, *scenarios.GROUPS])
        print(f"phone: no scenario '{unknown[0]}'; there are: {there_are}", file=sys.stderr)
        return 2
    if command == "list":
        return list_scenarios()
    # When ended from outside, it ends its phone and removes its folder.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    with setting.Run():
        # The files shared with other runs have been read: the lock of scripts/phone is released.
        os.close(int(os.environ.pop("PHONE_LOCK")))
        if command == "test":
            return run({name: scenarios.ALL[name] for name in names or scenarios.ALL})
        if command == "budget":
            return run({"budget": budget.budget})
        return shell()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
