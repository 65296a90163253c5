"""One emulated phone: the QEMU process, its serial console (where the guest's agent listens) and its QMP socket."""

import json
import os
import queue
import shlex
import socket
import subprocess
import threading
import time

import initramfs


class Failed(Exception):
    """A check that did not hold, in words."""


BASE = (
    "qemu-system-arm -M virt,highmem=off -cpu cortex-a7 -m 128 -no-reboot -nic none -display none "
    "-device qemu-xhci,id=xhci"
)
# Guest time counts instructions, one a nanosecond, and idle time costs nothing: what runs is the same on any host.
COUNTED = "-icount shift=0,sleep=off,align=off"
APPEND = "console=ttyAMA0 quiet panic=-1"


def command_line(phone, sticks, extra=(), append=""):
    """QEMU's arguments without the console's."""
    append = f"{APPEND} {append}".strip()
    kernel = ["-kernel", initramfs.kernel(phone), "-initrd", os.path.join(phone, "initramfs.gz"), "-append", append]
    drives = []
    for number, stick in enumerate(sticks):
        drives += stick.blockdevs(f"stick{number}")
        drives += ["-device", f"usb-storage,bus=xhci.0,drive=stick{number},id=usb{number}-0"]
    return BASE.split() + kernel + drives + list(extra)


class Phone:
    """Boots on entry; whatever happens, it is gone on exit."""

    def __init__(self, phone, sticks=(), counted=False, extra=(), boot_time=120):
        extra = list(extra) + (COUNTED.split() if counted else [])
        self.socket_path = os.path.join(phone, f"qmp-{os.getpid()}.sock")
        extra += ["-qmp", f"unix:{self.socket_path},server=on,wait=off", "-serial", "stdio", "-monitor", "none"]
        self.arguments = command_line(phone, sticks, extra, "phone.test")
        self.plugs = [0] * len(sticks)
        self.commands = 0
        self.log = []
        self.lines = queue.Queue()
        self.boot_time = boot_time
        self.process = self.monitor = self.replies = None

    def __enter__(self):
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(self.arguments, stdin=pipe, stdout=pipe, stderr=subprocess.STDOUT)
        threading.Thread(target=self._read_console, daemon=True).start()
        try:
            self._wait_for("\x01ready", self.boot_time)
            self._open_monitor()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        if self.monitor:
            self.monitor.close()
        if os.path.exists(self.socket_path):
            os.unlink(self.socket_path)

    # --- the console

    def _read_console(self):
        for line in self.process.stdout:
            self.lines.put(line.decode(errors="replace").rstrip("\r\n"))
        self.lines.put(None)

    def line(self, timeout):
        """The next line of the console."""
        try:
            line = self.lines.get(timeout=max(timeout, 0.01))
        except queue.Empty:
            raise Failed(f"the phone says nothing any more; its last words:\n{self.last_words()}") from None
        if line is None:
            raise Failed(f"the emulator ended; the phone's last words:\n{self.last_words()}")
        self.log.append(line)
        return line

    def last_words(self):
        """The console's last lines, for a person."""
        return "\n".join(self.log[-20:])

    def _wait_for(self, start, timeout):
        until = time.monotonic() + timeout
        seen = []
        while True:
            line = self.line(until - time.monotonic())
            if line.startswith(start):
                return seen, line
            seen.append(line)

    def send(self, command):
        """Begins a command; `wait` or `lines_until` gets what it prints."""
        self.commands += 1
        line = " ".join(command.split("\n"))
        self.process.stdin.write(f"{self.commands} {line}\n".encode())
        self.process.stdin.flush()

    def wait(self, timeout=60):
        """What the command printed (a list of lines), its status, and the phone's uptime."""
        seen, end = self._wait_for(f"\x02{self.commands} ", timeout)
        _, status, now = end.split()
        return seen, int(status), float(now)

    def run(self, command, timeout=60):
        """Runs a command in the phone, gives its lines; a status other than 0 is a failure."""
        self.send(command)
        seen, status, _ = self.wait(timeout)
        if status != 0:
            words = "\n".join(seen[-10:])
            raise Failed(f"in the phone, `{command}` ended with status {status}:\n{words}")
        return seen

    def try_run(self, command, timeout=60):
        """Runs a command that may fail: its lines and its status."""
        self.send(command)
        seen, status, _ = self.wait(timeout)
        return seen, status

    def uptime(self):
        """The phone's own clock, seconds since its start."""
        self.send("true")
        return self.wait()[2]

    def ctl(self, message, timeout=60):
        """A control message to the daemon: its answer's last line as a dictionary."""
        lines, _ = self.try_run(f"callrec ctl {shlex.quote(message)} 2>/dev/null", timeout)
        if not lines:
            raise Failed(f"no answer to {message}")
        return fields(lines[-1])

    # --- the monitor

    def _open_monitor(self):
        self.monitor = socket.socket(socket.AF_UNIX)
        self.monitor.settimeout(20)
        self.monitor.connect(self.socket_path)
        self.replies = self.monitor.makefile("rb")
        self.replies.readline()
        self.qmp("qmp_capabilities")

    def qmp(self, execute, **arguments):
        """A QMP command; events on the way are skipped."""
        self.monitor.sendall(json.dumps({"execute": execute, "arguments": arguments}).encode() + b"\n")
        while True:
            reply = json.loads(self.replies.readline() or b'{"error": "the emulator is gone"}')
            if "error" in reply:
                raise Failed(f"QMP {execute}: {reply['error']}")
            if "return" in reply:
                return reply["return"]

    def pull(self, stick=0):
        """Pulls a stick out."""
        self.qmp("device_del", id=f"usb{stick}-{self.plugs[stick]}")

    def plug(self, stick=0):
        """Puts it back."""
        self.plugs[stick] += 1
        number = f"usb{stick}-{self.plugs[stick]}"
        self.qmp("device_add", driver="usb-storage", bus="xhci.0", drive=f"stick{stick}", id=number)

    def cut(self):
        """The power goes: QEMU ends at once, what the guest has not written is lost."""
        self.monitor.sendall(b'{"execute": "quit"}\n')
        self.process.wait(timeout=20)


def fields(line):
    """`cmd=X&key=value` as a dictionary."""
    return dict(pair.split("=", 1) for pair in line.split("&") if "=" in pair)
