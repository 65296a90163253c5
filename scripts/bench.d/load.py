"""How many recordings one core of the recording server holds: the server on one CPU, the phones on another."""

import os
import shutil
import subprocess
import sys

from measure import Failed, Program

TARGET = os.environ.get("CARGO_TARGET_DIR", "target")


class Server(Program):
    """The recording server, on loopback, bound to the first CPU that we may use."""

    def __init__(self, folder):
        cpu, *self.others = sorted(os.sched_getaffinity(0))
        if not self.others:
            raise Failed("this needs two CPUs: one for the server, one for the phones")
        many = str(10_000)
        options = {"listen": "127.0.0.1:0", "dir": folder, "max-recordings": many, "max-connections": many,
                   "max-per-address": many, "rtp-ports": "20000-31999"}
        command = [word for key, value in options.items() for word in (f"--{key}", value)]
        pinned = ["taskset", "-c", str(cpu), f"{TARGET}/release/callrec-server"]
        super().__init__([*pinned, "record", *command], folder + ".log")

    def address(self):
        """Where it listens, by its log."""
        with open(self.log, encoding="utf-8") as log:
            words = log.read().split(" is ready on ")
        return words[1].split()[0].rstrip(",") if len(words) > 1 else None

    def is_ready(self):
        return self.address() is not None


def main(arguments):
    """Prints the table of `callrec-sim load`."""
    if arguments and arguments[0] in ("-h", "--help"):
        print("bench load [OPTIONS of callrec-sim load]: finds how many recordings one core holds; --phones N for one round")
        return 0
    if not any(argument.startswith("--phones") for argument in arguments):
        arguments = ["--find-limit", *arguments]
    subprocess.run(["cargo", "build", "--quiet", "--release"], check=True)
    os.makedirs(TARGET, exist_ok=True)
    # Under target: a real file system, while /tmp may be in memory.
    recordings = os.path.abspath(os.path.join(TARGET, "bench-load"))
    shutil.rmtree(recordings, ignore_errors=True)
    try:
        with Server(recordings) as server:
            command = ["taskset", "-c", ",".join(map(str, server.others)), f"{TARGET}/release/callrec-sim", "load",
                       "--server", server.address(), "--dir", recordings, "--pid", str(server.process.pid)]
            sys.stdout.flush()
            return subprocess.run(command + arguments, check=False).returncode
    finally:
        shutil.rmtree(recordings, ignore_errors=True)
        if os.path.exists(recordings + ".log"):
            os.remove(recordings + ".log")
