"""scripts/bench fsp: how fast a file is fetched over FSP when the service and its client share one CPU."""

import argparse
import hashlib
import os
import re
import socket
import subprocess
import time

from measure import Failed, Folder, Program

BINARY = os.path.join(os.environ.get("CARGO_TARGET_DIR", "target"), "release", "callrec")
NAME = "Record_20260102_101500.wav"
PATH = f"Recorder/20260102/{NAME}"
PASSWORD = "measured"
# Payload: MB/s that the C server of the phones' vendor reached in the same setting, and its microseconds of CPU a request.
AIMS = {1024: (43, 11.0), 1460: (None, None), 14708: (236, None)}


def main(arguments):
    """Prints the table; status 1 if an aim was missed."""
    parser = argparse.ArgumentParser(prog="scripts/bench fsp", description=__doc__)
    parser.add_argument("--mb", type=int, default=50, help="of the file [50]")
    parser.add_argument("--runs", type=int, default=5, help="of which the best counts: others share this machine [5]")
    options = parser.parse_args(arguments)
    subprocess.run(["cargo", "build", "--quiet", "--release", "--bin", "callrec"], check=True)
    missed = 0
    print("| payload | MB/s | aim | service, us CPU a request | aim |\n| ---: | ---: | ---: | ---: | ---: |")
    with Folder() as folder:
        content = os.urandom(options.mb * 1_000_000)
        os.mkdir(f"{folder}/stick")
        with open(f"{folder}/stick/{NAME}", "wb") as file:
            file.write(content)
        with Service(folder) as service:
            for payload, (speed, cpu) in AIMS.items():
                runs = [service.fetch(payload, hashlib.sha256(content)) for _ in range(options.runs)]
                fastest, least = max(run[0] for run in runs), min(run[1] for run in runs)
                print(f"| {payload} | {fastest:.0f} | {speed or ''} | {least:.1f} | {cpu or ''} |", flush=True)
                missed += bool(speed and fastest < speed) + bool(cpu and least > cpu)
    return 1 if missed else 0


class Service(Program):
    """The daemon with one file on its stick, on one CPU."""

    def __init__(self, folder):
        self.folder, self.cpu = folder, max(os.sched_getaffinity(0))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        for name, text in (
            ("password", PASSWORD),
            (
                "conf",
                f"usbMount = {folder}/stick\nusbRequireMount = 0\ncontrolSocket = {folder}/s\nfspEnabled = 1\n"
                f"fspAddr = 127.0.0.1\nfspPort = {self.port}\nfspPassword = {PASSWORD}\nfspMaxPayload = 14708\n"
                f"fspPasswordFile = {folder}/changed\n",
            ),
        ):
            with open(f"{folder}/{name}", "w", encoding="ascii") as file:
                file.write(text)
        super().__init__(self.pinned("run", "-c", f"{folder}/conf"), f"{folder}/log")

    def pinned(self, *arguments):
        """Our program on that CPU."""
        return ["taskset", "-c", str(self.cpu), BINARY, *arguments]

    def is_ready(self):
        """It has bound its sockets."""
        return os.path.exists(f"{self.folder}/s")

    def fetch(self, payload, expected):
        """MB/s of one fetch, and the service's microseconds of CPU for each request."""
        before, started = self.usage(), time.monotonic()
        options = ["--password-file", f"{self.folder}/password", "--max-payload", str(payload)]
        command = ["fetch", "--ip", f"127.0.0.1:{self.port}", *options, "--flat", "get", "--to", f"{self.folder}/to", PATH]
        subprocess.run(self.pinned(*command), check=True, stdout=subprocess.DEVNULL)
        took, after = time.monotonic() - started, self.usage()
        with open(f"{self.folder}/to/{NAME}", "rb") as file:
            fetched = file.read()
        if hashlib.sha256(fetched).digest() != expected.digest():
            raise Failed("what was fetched is another file")
        return len(fetched) / took / 1e6, (after[0] - before[0]) / 1000 / (after[1] - before[1])

    def usage(self):
        """Nanoseconds of CPU it has had, and requests it has looked at."""
        with open(f"/proc/{self.process.pid}/schedstat", encoding="ascii") as file:
            nanoseconds = int(file.read().split()[0])
        with socket.socket(socket.AF_UNIX) as control:
            control.connect(f"{self.folder}/s")
            control.sendall(b"cmd=StatsRequest\n")
            answer = control.makefile().readline()
        return nanoseconds, int(re.search(r"&fsp_requests=(\d+)", answer)[1])
