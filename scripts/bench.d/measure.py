"""What a program costs: instructions as callgrind counts them; system calls, switches and memory as the kernel does."""

import collections
import contextlib
import glob
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time

PATIENCE = 60
# Files that are in memory anyway, because every program uses them: the C library and its loader.
LIBC = re.compile(r"/(ld-linux|lib(c|m|mvec|dl|rt|pthread|resolv|nss_\w+))[-.\w]*\.so")


class Failed(Exception):
    """What did not work, in words."""


class Busy(Failed):
    """This machine was too busy to measure anything."""


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
        try:
            self.wait_until(self.is_ready, f"the start of {' '.join(self.command)}")
        except BaseException:
            self.__exit__()
            raise
        return self

    def is_ready(self):
        """It may be called."""
        return True

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

    def wait_until(self, ready, what):
        """Waits until `ready()`."""
        until = time.monotonic() + PATIENCE
        while not ready():
            self.must_run()
            if time.monotonic() > until:
                raise Failed(f"waited {PATIENCE} s in vain for {what}")
            time.sleep(0.05)

    def must_run(self):
        """A failure, with its last words, if it has ended by itself."""
        if self.process.poll() is not None:
            with open(self.log, encoding="utf-8", errors="replace") as log:
                raise Failed(f"it ended by itself: {log.read()[-2000:]}")

    def frames(self, call):
        """Frames of the call that it has dealt with."""
        return call.sent

    # --- the kernel's data about it

    def switches(self):
        """How often its threads were switched away from: of their own will (each ends in a wake-up), and by force."""
        counts = collections.Counter()
        self.must_run()
        for status in glob.glob(f"/proc/{self.process.pid}/task/*/status"):
            with contextlib.suppress(FileNotFoundError):  # a thread that has just ended
                counts.update(_status(status, "voluntary_ctxt_switches", "nonvoluntary_ctxt_switches"))
        return counts["voluntary_ctxt_switches"], counts["nonvoluntary_ctxt_switches"]

    def resident(self):
        """KiB of memory that it has."""
        self.must_run()
        return _status(f"/proc/{self.process.pid}/status", "VmRSS")["VmRSS"]

    def files(self):
        """Its program file and the libraries that it has loaded, without the C library's."""
        with open(f"/proc/{self.process.pid}/maps", encoding="utf-8") as maps:
            mapped = {line.split(maxsplit=5)[5].strip() for line in maps if len(line.split()) > 5}
        libraries = {path for path in mapped if re.search(r"\.so(\.|$)", path) and not LIBC.search(path)}
        return {os.path.realpath(f"/proc/{self.process.pid}/exe")} | libraries

    def system_calls(self, seconds):
        """System calls of all its threads in so many seconds."""
        output = f"{self.log}.strace"
        strace = ["strace", "-c", "-f", "-o", output, "-p", str(self.process.pid)]
        tracer = subprocess.Popen(strace, stderr=subprocess.DEVNULL)
        time.sleep(seconds)
        tracer.send_signal(signal.SIGINT)
        tracer.wait(PATIENCE)
        with open(output, encoding="utf-8") as lines:
            totals = [line.split() for line in lines if line.strip().endswith("total")]
        if not totals:
            raise Failed("strace counted nothing: may it trace here?")
        return int(totals[0][3])


def _status(path, *keys):
    with open(path, encoding="ascii", errors="replace") as lines:
        fields = dict(line.split(":", 1) for line in lines)
    return {key: int(fields[key].split()[0]) for key in keys}


def callgrind(output):
    """What to put before a command to have its instructions counted into a file."""
    plain = ["--compress-strings=no", "--compress-pos=no"]
    return ["valgrind", "--tool=callgrind", f"--callgrind-out-file={output}", *plain]


def dump(program, output):
    """Has what was counted since the last time written to this file, and counts from zero again."""
    order = ["vgdb", "--max-invoke-ms=1", f"--pid={program.process.pid}", "dump"]
    done = subprocess.run(order, capture_output=True, text=True, check=False)
    if done.returncode or not os.path.exists(output):
        program.must_run()
        raise Failed(f"valgrind has not written {output}: {done.stdout}{done.stderr}")


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
