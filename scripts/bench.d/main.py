"""The command line of scripts/bench: one module for each thing that is measured."""

import importlib
import subprocess
import sys

from measure import Failed

# A command's module has `main(arguments)`, which prints what it found and gives the exit status.
COMMANDS = {"profile": "functions"}


def main(arguments):
    """Runs the command line, gives the exit status."""
    if not arguments or arguments[0] not in COMMANDS:
        print(f"bench: which of {', '.join(COMMANDS)}? --help says what they do", file=sys.stderr)
        return 2
    try:
        return importlib.import_module(COMMANDS[arguments[0]]).main(arguments[1:])
    except Failed as problem:
        print(f"bench: {problem}", file=sys.stderr)
    except subprocess.CalledProcessError as problem:
        print(f"bench: `{' '.join(problem.cmd)}` ended with status {problem.returncode}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
