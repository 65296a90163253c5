"""The command line of scripts/bench: one module for each thing that is measured."""

import importlib
import signal
import subprocess
import sys

from measure import Failed

# A command's module has `main(arguments)`, which prints what it found and gives the exit status.
COMMANDS = {"profile": "functions", "play": "playing", "load": "load", "fsp": "fsp", "box": "home_box",
            "cloud": "cloud", "archive": "archive", "relay": "relay"}
DEFAULT = "compare"


def main(arguments):
    """Runs the command line, gives the exit status."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # what was started is ended on the way out
    module = DEFAULT
    if arguments and not arguments[0].startswith("-"):
        module, arguments = COMMANDS.get(arguments[0]), arguments[1:]
    if module is None:
        print(f"bench: no such command: {', '.join(COMMANDS)}, or none; --help says what they do", file=sys.stderr)
        return 2
    try:
        return importlib.import_module(module).main(arguments)
    except Failed as problem:
        print(f"bench: {problem}", file=sys.stderr)
    except subprocess.CalledProcessError as problem:
        print(f"bench: `{' '.join(problem.cmd)}` ended with status {problem.returncode}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
