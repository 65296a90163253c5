"""The emulated phone's command line; scripts/phone calls it when everything is built."""

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


def shell():
    """A person's shell on the console; what is on the stick is kept from one time to the next."""
    setting.build()
    image = setting.path("stick.img")
    arguments = machine.command_line(setting.PHONE, [Stick(image, keep=True)], ["-serial", "mon:stdio"])
    return subprocess.run(arguments, check=False).returncode


def list_scenarios():
    """What there is to run."""
    for name, scenario in scenarios.ALL.items():
        print(f"{name:12} {scenario.__doc__.splitlines()[0]}")
    return 0


def run(named):
    """Runs scenarios one after the other; the exit status."""
    failed = []
    for name, scenario in named.items():
        started = time.monotonic()
        print(f"-- {name}: {scenario.__doc__.splitlines()[0]}", flush=True)
        try:
            scenario()
            print(f"ok {name} ({time.monotonic() - started:.0f} s)", flush=True)
        except Failed as problem:
            failed.append(name)
            print(f"FAILED {name}: {problem}", flush=True)
        except Exception:  # a scenario's own mistake, or an answer of another shape: the others go on
            failed.append(name)
            print(f"FAILED {name}:\n{traceback.format_exc()}", flush=True)
    print(f"phone: {len(named) - len(failed)} passed, {len(failed)} failed {' '.join(failed)}".rstrip())
    return 1 if failed else 0


def test(names):
    """The scenarios named, or all."""
    unknown = [name for name in names if name not in scenarios.ALL]
    if unknown:
        print(f"phone: no scenario '{unknown[0]}'; there are: {' '.join(scenarios.ALL)}", file=sys.stderr)
        return 2
    setting.build()
    return run({name: scenarios.ALL[name] for name in names or scenarios.ALL})


def main(arguments):
    """Runs the command line, gives the exit status."""
    command = arguments[0] if arguments else "shell"
    if command == "test":
        return test(arguments[1:])
    if command == "list":
        return list_scenarios()
    if command == "budget":
        setting.build()
        return run({"budget": budget.budget})
    return shell()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
