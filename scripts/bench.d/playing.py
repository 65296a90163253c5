"""How evenly recordings are played: packets' times of arrival, by the kernel, against a period of exactly 20 ms."""

import argparse
import os
import selectors
import socket
import struct
import time

from measure import Failed, Folder
from ours import Recorder

PERIOD = 0.02
AIM = 2.0  # ms of jitter, for 99 of 100 packets
SO_TIMESTAMPNS = 35


def main(arguments):
    """Plays to sockets of its own, prints a table."""
    parser = argparse.ArgumentParser(prog="scripts/bench play", description=__doc__)
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--players", type=int, default=3)
    options = parser.parse_args(arguments)
    with Folder() as folder, Recorder(folder) as recorder:
        name = "Record_20260101_000000.wav"
        with open(os.path.join(recorder.stick, name), "wb") as file:
            file.write(_recording(int(options.seconds / PERIOD)))
        _undisturbed(recorder.process.pid)
        before = int(recorder.ask("StatsRequest")["wakeups"])
        listeners = [_listener() for _ in range(options.players)]
        for listener in listeners:
            port = listener.getsockname()[1]
            recorder.ask(f"PlayStartRequest&file={name}&host=127.0.0.1&port={port}")
        arrivals = _receive(listeners, options.seconds)
        wakeups = int(recorder.ask("StatsRequest")["wakeups"]) - before
    late = [sorted(_lateness(times, int(options.seconds / PERIOD))) for times in arrivals]
    print("| player | packets | median late, ms | 99 % | latest | drift, ms |\n| --- | --- | --- | --- | --- | --- |")
    for number, (values, times) in enumerate(zip(late, arrivals), 1):
        drift = (times[-1] - times[0] - PERIOD * (len(times) - 1)) * 1000
        print(f"| {number} | {len(values)} | {_at(values, 50):.2f} | {_at(values, 99):.2f} | {values[-1]:.2f} | {drift:+.2f} |")
    print(f"{wakeups / options.seconds:.0f} wake-ups a second")
    worst = max(_at(values, 99) for values in late)
    return 0 if worst < AIM else 1


def _undisturbed(pid):
    """Other programs do not get in its way, as on an idle phone: needs root."""
    try:
        os.sched_setscheduler(pid, os.SCHED_FIFO, os.sched_param(10))
    except PermissionError:
        print("without root: whatever else this machine does counts, too")


def _recording(frames):
    header = b"PCMU".ljust(64, b"\0") + struct.pack("<iiI", 172, 160, frames * 172)
    return header + b"".join(struct.pack(">BBHII", 0x80, 0, n & 0xFFFF, n * 160, 1) + bytes(160) for n in range(frames))


def _listener():
    listener = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    listener.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    listener.bind(("127.0.0.1", 0))
    return listener


def _receive(listeners, seconds):
    """The times at which each listener's packets came, until nothing comes any more."""
    selector = selectors.DefaultSelector()
    times = {listener: [] for listener in listeners}
    for listener in listeners:
        selector.register(listener, selectors.EVENT_READ)
    until = time.monotonic() + seconds + 5
    while time.monotonic() < until:
        ready = selector.select(1)
        if not ready and all(times.values()):
            break
        for key, _ in ready:
            _, extra, _, _ = key.fileobj.recvmsg(2000, 64)
            whole, nanos = struct.unpack("@ll", extra[0][2][: struct.calcsize("@ll")])
            times[key.fileobj].append(whole + nanos / 1e9)
    return list(times.values())


def _lateness(times, expected):
    """How much later than the earliest its period allows each packet was, in milliseconds."""
    if len(times) != expected:
        raise Failed(f"{len(times)} of {expected} packets came")
    places = [at - times[0] - n * PERIOD for n, at in enumerate(times)]
    return [(place - min(places)) * 1000 for place in places]


def _at(values, percent):
    return values[min(len(values) - 1, len(values) * percent // 100)]
