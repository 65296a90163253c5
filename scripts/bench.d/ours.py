"""Our recorder: built as the firmware is, run in a folder of its own, its recording checked sample for sample."""

import os
import socket
import subprocess

from measure import Failed, Program

BINARY = os.path.join(os.environ.get("CARGO_TARGET_DIR", "target"), "profiling", "callrec")


def build():
    """The release of the firmware's features, for this machine, with symbols."""
    command = "cargo build --quiet --profile profiling --no-default-features --bin callrec"
    subprocess.run(command.split(), check=True)


class Recorder(Program):
    """The daemon, with a plain folder in the stick's place."""

    def __init__(self, folder, before=()):
        self.stick, self.socket = os.path.join(folder, "stick"), os.path.join(folder, "socket")
        os.mkdir(self.stick)
        config = os.path.join(folder, "callrec.conf")
        with open(config, "w", encoding="ascii") as file:
            file.write(f"usbMount = {self.stick}\nusbRequireMount = 0\ncontrolSocket = {self.socket}\n")
        super().__init__([*before, BINARY, "run", "-c", config], os.path.join(folder, "log"))

    def __enter__(self):
        super().__enter__()
        self.control = socket.socket(socket.AF_UNIX)

        def connected():
            return os.path.exists(self.socket) and self.control.connect_ex(self.socket) == 0

        self.wait_until(connected, "callrec's control socket")
        self.answers = self.control.makefile("r", encoding="utf-8")
        return self

    def ask(self, message):
        """A control message: its answer's keys and values."""
        self.control.sendall(f"cmd={message}\n".encode())
        answer = dict(pair.split("=", 1) for pair in self.answers.readline().strip().split("&") if "=" in pair)
        if answer.get("result") != "success":
            raise Failed(f"callrec refused {message}: {answer.get('reason', 'it is gone')}")
        return answer

    def record(self, call):
        """Records the whole call: the number of frames, once they have been checked."""
        start = self.ask("RecordStartRequest&sink=local&legs=2")
        call.send([int(port) for port in start["leg_ports"].split(",")])
        stop = self.ask(f"RecordStopRequest&id={start['id']}")
        with open(os.path.join(self.stick, start["file"]), "rb") as file:
            content = file.read()[76:]
        wrong = call.exact_in(b"".join(content[at + 12 : at + 172] for at in range(0, len(content), 172)))
        if wrong:
            raise Failed(f"callrec: {wrong}")
        return int(stop["frames"])
