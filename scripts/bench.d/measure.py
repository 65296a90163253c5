"""What a program costs: user instructions as callgrind counts them."""

import collections
import re
import shutil
import signal
import subprocess
import tempfile
import time

PATIENCE = 60


class Failed(Exception):
    """What did not work, in words."""


class Folder:
    """A folder that is gone afterwards; its path is short, as a socket's must be."""

    def __enter__(self):
        self.path = tempfile.mkdtemp(prefix="callrec-bench-", dir="/tmp")
        return self.path

    def __exit__(self, *_):
        shutil.rmtree(self.path, ignore_errors=True)


class Program:
    """A program that runs while the block does."""

    def __init__(self, command, log, end=signal.SIGTERM):
        self.command, self.log, self.end = command, log, end

    def __enter__(self):
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.pid = self.process.pid
        return self

    def stop(self):
        """Ends it by its signal and waits for it."""
        if self.process.poll() is None:
            self.process.send_signal(self.end)
        try:
            return self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            raise Failed(f"{self.command[0]} did not end within {PATIENCE} s") from None

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    def words(self):
        """The end of what it has said."""
        with open(self.log, encoding="utf-8", errors="replace") as log:
            return log.read()[-2000:]

    def wait_until(self, ready, what):
        """Waits until `ready()`."""
        until = time.monotonic() + PATIENCE
        while not ready():
            if self.process.poll() is not None or time.monotonic() > until:
                raise Failed(f"{what} did not come:\n{self.words()}")
            time.sleep(0.05)


def callgrind(output):
    """What to put before a command to have its instructions counted into a file."""
    plain = ["--compress-strings=no", "--compress-pos=no"]
    return ["valgrind", "--tool=callgrind", f"--callgrind-out-file={output}", *plain]


def by_place(output):
    """Instructions by (function, source file, line); the file is where the code was written, also what was inlined."""
    counts = collections.Counter()
    function = file = None
    called = False
    with open(output, encoding="utf-8", errors="replace") as lines:
        for line in lines:
            if match := re.match(r"(fl|fi|fe|fn)=(.*)", line):
                if match[1] == "fn":
                    function = match[2]
                else:
                    file = match[2]
            elif line.startswith("calls="):
                called = True  # the next line is what the called function cost
            elif line[0].isdigit():
                number, cost = line.split()[:2]
                if not called:
                    counts[function, file, int(number)] += int(cost)
                called = False
    return counts
