"""One emulated phone: the QEMU process, its serial console (where the guest's agent listens) and its monitor."""

import json
import queue
import shlex
import socket
import subprocess
import tempfile
import threading
import time

import initramfs


class Failed(Exception):
    """A check that did not hold, in words."""


BASE = (
    "qemu-system-arm -M virt,highmem=off -cpu cortex-a7 -m 128 -no-reboot -nic none -display none "
    "-device qemu-xhci,id=xhci"
)
# The phone's clock counts instructions, one per nanosecond, independently of the load of the host.
COUNTED = "-icount shift=0,sleep=off,align=off".split()
# Only kernel panics are shown: other messages would interrupt the agent's lines on the console. `dmesg` has them.
APPEND = "console=ttyAMA0 quiet loglevel=1 panic=-1"
# The host's time after which a silent phone is given up: far longer than any command takes.
PATIENCE = 300

_emulators = []


def kill_all():
    """Ends every phone that runs."""
    for process in _emulators:
        process.kill()


def command_line(system, image, sticks, append=""):
    """QEMU's arguments without the console's; `image` is the root file system."""
    append = f"{APPEND} {append}".strip()
    kernel = ["-kernel", initramfs.kernel(system), "-initrd", image, "-append", append]
    drives = []
    for number, stick in enumerate(sticks):
        drives += stick.blockdevs(f"stick{number}")
        drives += ["-device", f"usb-storage,bus=xhci.0,drive=stick{number},id=usb{number}-0"]
    return BASE.split() + kernel + drives


class Phone:
    """Boots on entry; whatever happens, it is gone on exit."""

    def __init__(self, system, image, sticks=(), paced=True, extra=()):
        append = "phone.test phone.paced" if paced else "phone.test"
        self.arguments = command_line(system, image, sticks, append) + COUNTED + list(extra)
        self.plugs = [0] * len(sticks)
        self.commands = 0
        self.log = []
        self.lines = queue.Queue()
        self.process = self.console = self.monitor = self.replies = None

    def __enter__(self):
        self.console, console = socket.socketpair()
        self.monitor, monitor = socket.socketpair()
        for name, end in (("console", console), ("monitor", monitor)):
            self.arguments += ["-chardev", f"socket,id={name},fd={end.fileno()}"]
        self.arguments += ["-serial", "chardev:console", "-mon", "chardev=monitor,mode=control"]
        # The emulator never outlives this program, however this program ends.
        command = ["setpriv", "--pdeathsig", "KILL", *self.arguments]
        self.output = tempfile.TemporaryFile()
        descriptors = (console.fileno(), monitor.fileno())
        self.process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=self.output, stderr=self.output, pass_fds=descriptors
        )
        _emulators.append(self.process)
        console.close()
        monitor.close()
        threading.Thread(target=self._read_console, daemon=True).start()
        try:
            self._open_monitor()
            self._wait_for("\x01ready", PATIENCE)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for opened in (self.replies, self.monitor, self.console, self.output):
            if opened:
                opened.close()

    # --- the console

    def _read_console(self):
        with self.console.makefile("rb") as console:
            for line in console:
                self.lines.put(line.decode(errors="replace").rstrip("\r\n"))
        self.lines.put(None)

    def line(self, timeout=PATIENCE):
        """The next line of the console."""
        try:
            line = self.lines.get(timeout=max(timeout, 0.01))
        except queue.Empty:
            raise Failed(f"the phone says nothing any more; its last words:\n{self.last_words()}") from None
        if line is None:
            raise Failed(f"the emulator ended; the last words of phone and emulator:\n{self.last_words()}")
        self.log.append(line)
        return line

    def last_words(self):
        """The console's last lines and the emulator's own, for a person."""
        self.output.seek(0)
        return "\n".join(self.log[-20:] + self.output.read().decode(errors="replace").split("\n")[-5:])

    def _wait_for(self, start, timeout):
        until = time.monotonic() + timeout
        seen = []
        while True:
            line = self.line(until - time.monotonic())
            if line.startswith(start):
                return seen, line
            seen.append(line)

    def send(self, command):
        """Begins a command; `wait` or `line` gets what it prints."""
        self.commands += 1
        line = " ".join(command.split("\n"))
        self.console.sendall(f"{self.commands} {line}\n".encode())

    def wait(self, timeout=PATIENCE):
        """What the command printed (a list of lines), its status, and the phone's uptime."""
        seen, end = self._wait_for(f"\x02{self.commands} ", timeout)
        _, status, now = end.split()
        return seen, int(status), float(now)

    def run(self, command, timeout=PATIENCE):
        """Runs a command in the phone, gives its lines; a status other than 0 is a failure."""
        seen, status = self.try_run(command, timeout)
        if status != 0:
            words = "\n".join(seen[-10:])
            raise Failed(f"in the phone, `{command}` ended with status {status}:\n{words}")
        return seen

    def try_run(self, command, timeout=PATIENCE):
        """Runs a command that may fail: its lines and its status."""
        self.send(command)
        seen, status, _ = self.wait(timeout)
        return seen, status

    def uptime(self):
        """The phone's own clock, seconds since its start."""
        self.send("true")
        return self.wait()[2]

    def until(self, condition, seconds=20):
        """Waits until a command succeeds in the phone; a failure when that takes more of the phone's seconds."""
        count = f"i=$((i + 1)); [ $i -lt {seconds * 20} ] || exit 1; usleep 50000"
        _, status = self.try_run(f"i=0; until {condition}; do {count}; done")
        if status != 0:
            raise Failed(f"not within {seconds} s: {condition}")

    def ctl(self, message):
        """A control message to the daemon: its answer's last line as a dictionary."""
        lines, _ = self.try_run(f"callrec ctl {shlex.quote(message)} 2>/dev/null")
        if not lines:
            raise Failed(f"no answer to {message}")
        return fields(lines[-1])

    # --- the monitor

    def _open_monitor(self):
        self.monitor.settimeout(PATIENCE)
        self.replies = self.monitor.makefile("rb")
        self.replies.readline()
        self.qmp("qmp_capabilities")

    def qmp(self, execute, **arguments):
        """A QMP command; events on the way are skipped."""
        self.monitor.sendall(json.dumps({"execute": execute, "arguments": arguments}).encode() + b"\n")
        while True:
            reply = json.loads(self.replies.readline() or b'{"error": "the emulator is gone"}')
            if "error" in reply:
                raise Failed(f"QMP {execute}: {reply['error']}; {self.last_words()}")
            if "return" in reply:
                return reply["return"]

    def block(self, stick, command):
        """A command of qemu-io to a stick's block device: see `slow.stall`."""
        self.qmp("human-monitor-command", **{"command-line": f'qemu-io stick{stick} "{command}"'})

    def pull(self, stick=0):
        """Pulls a stick out."""
        self.qmp("device_del", id=f"usb{stick}-{self.plugs[stick]}")

    def plug(self, stick=0):
        """Puts it back."""
        self.plugs[stick] += 1
        number = f"usb{stick}-{self.plugs[stick]}"
        self.qmp("device_add", driver="usb-storage", bus="xhci.0", drive=f"stick{stick}", id=number)

    def cut(self):
        """The power goes: what the phone has not written is lost."""
        self.process.kill()
        self.process.wait()

    def rest(self):
        """The lines that the phone had still written when its power went."""
        return list(iter(self.lines.get, None))


def fields(line):
    """`cmd=X&key=value` as a dictionary."""
    return dict(pair.split("=", 1) for pair in line.split("&") if "=" in pair)
