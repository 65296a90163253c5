"""Our recorder: built as the firmware is, run in a folder of its own, its recording checked sample for sample."""

import functools
import os
import socket
import subprocess
import time

from measure import Failed, Program

BINARY = os.path.join(os.environ.get("CARGO_TARGET_DIR", "target"), "profiling", "callrec")

# A multiple of all its wake-up periods, in seconds.
TURNS = 1.2


@functools.cache
def build():
    """The release with the firmware's features, for this machine, with symbols."""
    command = "cargo build --quiet --profile profiling --no-default-features --features fsp --bin callrec"
    subprocess.run(command.split(), check=True)


class Recorder(Program):
    """The daemon, with a plain folder in the stick's place."""

    @classmethod
    def title(cls):
        """What the table calls it."""
        return "**callrec**"

    def __init__(self, folder, before=()):
        self.stick, self.socket = os.path.join(folder, "stick"), os.path.join(folder, "socket")
        self.control = self.answers = self.recording = None
        os.mkdir(self.stick)
        config = os.path.join(folder, "callrec.conf")
        with open(config, "w", encoding="ascii") as file:
            file.write(f"usbMount = {self.stick}\nusbRequireMount = 0\ncontrolSocket = {self.socket}\n")
        super().__init__([*before, BINARY, "run", "-c", config], os.path.join(folder, "log"))

    def __enter__(self):
        build()
        return super().__enter__()

    def is_ready(self):
        self.control = socket.socket(socket.AF_UNIX)
        if self.control.connect_ex(self.socket):
            return False
        self.answers = self.control.makefile("r", encoding="utf-8")
        return True

    def ask(self, message):
        """A control message: the keys and values of its answer, and of a recording's line before it."""
        self.control.sendall(f"cmd={message}\n".encode())
        answer, line = {}, "-"
        while line and "result" not in answer:
            line = self.answers.readline().strip()
            answer.update(pair.split("=", 1) for pair in line.split("&") if "=" in pair)
        if answer.get("result") != "success":
            raise Failed(f"callrec refused {message}: {answer.get('reason', 'it is gone')}")
        return answer

    def frames(self, call):
        # It wakes at multiples of some hundred milliseconds: just after one, the counts cover whole turns.
        time.sleep(TURNS - time.monotonic() % TURNS + 0.02)
        return int(self.ask("RecordStatusRequest")["frames"])

    def files(self):
        """As other programs', without symbols."""
        stripped = os.path.join(self.stick, "stripped")
        subprocess.run(["strip", "-o", stripped, BINARY], check=True)
        return super().files() - {os.path.realpath(BINARY)} | {stripped}

    def begin(self):
        """A call begins: the ports of its legs."""
        self.recording = self.ask("RecordStartRequest&sink=local&legs=2")
        return [int(port) for port in self.recording["leg_ports"].split(",")]

    def finish(self, call):
        """The call is over, and so is the program; a failure unless the whole call was recorded, and exactly."""
        self.ask(f"RecordStopRequest&id={self.recording['id']}")
        self.stop()
        with open(os.path.join(self.stick, self.recording["file"]), "rb") as file:
            content = file.read()[76:]
        wrong = call.exact_in(b"".join(content[at + 12 : at + 172] for at in range(0, len(content), 172)))
        if wrong:
            raise Failed(wrong)
        return "every sample is the exact mix"
