"""scripts/bench profile: where our user instructions a frame go, for the one who makes them fewer."""

import argparse
import collections
import os
import re

import ours
from compare import counted, patiently

FUNCTION = re.compile(r"\s*(?:pub(?:\(\w+\))? )?(?:const |unsafe )*fn (\w+)")


def main(arguments):
    """Prints our functions by what they cost."""
    parser = argparse.ArgumentParser(prog="scripts/bench profile", description=__doc__)
    parser.add_argument("--seconds", type=int, default=10, help="of audio that are counted [10]")
    parser.add_argument("--top", type=int, default=25, help="lines of each table [25]")
    options = parser.parse_args(arguments)
    counts = patiently(counted, ours.Recorder, options.seconds)
    print(f"{counts.total():8.1f} user instructions a frame of two legs, in the middle of a call")
    show(counts, lambda function, *_: short(function), "as compiled, with what was inlined", options.top)
    show(counts, written_in, "as written", options.top)
    show(counts, lambda function, file, line: f"{in_project(file)}:{line}", "by source line", options.top)
    return 0


def show(counts, name, title, top):
    """One table."""
    sums = collections.Counter()
    for place, cost in counts.items():
        sums[name(*place)] += cost
    print(f"\n{title}")
    for what, cost in sums.most_common(top):
        print(f"{cost:8.1f}  {what}")


def short(function):
    """A function's name without its file and hash."""
    return re.sub(r"::h[0-9a-f]{16}$", "", function)


def in_project(file):
    """A path as it is in the project, or its last parts."""
    return os.path.relpath(file) if file.startswith(os.getcwd()) else "/".join(file.split("/")[-3:])


def written_in(function, file, line):
    """The function in whose source the line stands; the compiled one's name where there is no source."""
    for start, name in reversed(functions_of(file)):
        if start <= line:
            return f"{in_project(file)}: {name}"
    return f"{in_project(file)}: in {short(function)}"


def functions_of(file, known={}):
    """(line, name) of each function in a Rust source file."""
    if file not in known:
        known[file] = []
        if file.endswith(".rs") and os.path.exists(file):
            with open(file, encoding="utf-8") as lines:
                found = ((number, FUNCTION.match(line)) for number, line in enumerate(lines, 1))
                known[file] = [(number, match[1]) for number, match in found if match]
    return known[file]
