"""How many device channels one core of the cloud holds, and how soon messages arrive: the cloud on one CPU, devices and
the app on the others."""

import argparse
import asyncio
import base64
import hashlib
import hmac
import json
import os
import resource
import struct
import subprocess
import time

from measure import Failed, Folder, Program

TARGET = os.environ.get("CARGO_TARGET_DIR", "target")
KEY = "0123456789abcdef0123456789abcdef"
FIRST_CID = 1_000_000
# Channels that are opened at the same moment.
OPENING = 200
# Connections of the app, which push one message after the other.
PUSHERS = 20


class Cloud(Program):
    """The cloud, on loopback, bound to the first CPU that we may use."""

    def __init__(self, folder):
        cpu, *others = sorted(os.sched_getaffinity(0))
        if not others:
            raise Failed("this needs two CPUs: one for the cloud, one for the devices")
        key = os.path.join(folder, "app.key")
        with open(os.open(key, os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="utf-8") as file:
            file.write(KEY + "\n")
        command = ["taskset", "-c", str(cpu), f"{TARGET}/release/callrec-server", "cloud", "--listen", "127.0.0.1:0",
                   "--app", f"Test {key} {FIRST_CID}-{FIRST_CID + 99_999}", "--database", f"{folder}/cloud.db"]
        super().__init__(command, f"{folder}/log")
        os.sched_setaffinity(0, others)

    def address(self):
        """Host and port, by its log."""
        with open(self.log, encoding="utf-8") as log:
            words = log.read().split(" is ready on ")
        return words[1].split()[0].rsplit(":", 1) if len(words) > 1 else None

    def is_ready(self):
        return self.address() is not None

    def status(self, key):
        """A number of KiB in /proc/PID/status."""
        with open(f"/proc/{self.process.pid}/status", encoding="utf-8") as status:
            return next(int(line.split()[1]) for line in status if line.startswith(key))

    def cpu_seconds(self):
        """Seconds of CPU that it has used."""
        with open(f"/proc/{self.process.pid}/stat", encoding="utf-8") as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def token(cid):
    """A token of a device that is valid for an hour."""
    expire = int(time.time()) + 3600
    digest = hmac.new(KEY.encode(), struct.pack("<III", cid, 0, expire), hashlib.md5).hexdigest()
    return f"{cid}_0_{expire}_{digest}"


async def device(address, cid, opening, opened, delays):
    """One channel: how long each message was on its way. Nothing is acknowledged: flag 3."""
    async with opening:
        reader, writer = await asyncio.open_connection(*address)
        writer.write(f"GET /v2/channel HTTP/1.1\r\nHost: bench\r\nX-Client-Token: {token(cid)}\r\n\r\n".encode())
        await reader.readuntil(b"Online\"}\n\n\r\n")
        opened.append(cid)
    while True:
        event = await reader.readuntil(b"\n\n\r\n")
        now = time.monotonic()
        if b"PopMessage" in event:
            message = json.loads(event.split(b"data: ")[1].split(b"\n")[0])["Message"]
            delays.append(now - float(base64.b64decode(message)))


async def pusher(address, cids, until, period, pushed):
    """Pushes a message to one device after the other."""
    reader, writer = await asyncio.open_connection(*address)
    next_at = time.monotonic()
    for cid in iter(lambda: cids.pop(), None):
        cids.insert(0, cid)
        now = time.monotonic()
        if now >= until:
            break
        await asyncio.sleep(max(0, next_at - now))
        next_at += period
        message = base64.b64encode(repr(time.monotonic()).encode()).decode()
        body = json.dumps({"proxy": 0, "payload": {"msg": message, "flag": 3, "clients": [cid]}})
        writer.write(f"POST /v2/message/server/push HTTP/1.1\r\nHost: bench\r\nX-APP-ID: Test\r\nX-APP-Key: {KEY}\r\n"
                     f"Content-Length: {len(body)}\r\n\r\n{body}".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
        await reader.readexactly(int(length.split(b":")[1]))
        pushed.append(head.startswith(b"HTTP/1.1 200"))
    writer.close()


async def measure(cloud, options):
    """Opens the channels, pushes, prints."""
    address = cloud.address()
    before = cloud.status("VmRSS")
    opening, opened, delays, pushed = asyncio.Semaphore(OPENING), [], [], []
    began = time.monotonic()
    cids = range(FIRST_CID, FIRST_CID + options.channels)
    devices = [asyncio.create_task(device(address, cid, opening, opened, delays)) for cid in cids]
    while len(opened) < options.channels:
        cloud.must_run()
        failed = next((task for task in devices if task.done()), None)
        if failed:
            raise Failed(f"a channel was closed: {failed.exception()}")
        await asyncio.sleep(0.1)
    took = time.monotonic() - began
    memory = (cloud.status("VmRSS") - before) / options.channels
    cpu, started = cloud.cpu_seconds(), time.monotonic()
    shares = [list(cids)[number::PUSHERS] for number in range(PUSHERS)]
    period = PUSHERS / options.rate
    until = started + options.seconds
    await asyncio.gather(*(pusher(address, share, until, period, pushed) for share in shares))
    load = (cloud.cpu_seconds() - cpu) / (time.monotonic() - started)
    rate = len(pushed) / (time.monotonic() - started)
    await asyncio.sleep(1)
    for task in devices:
        task.cancel()
    if not all(pushed) or not delays:
        raise Failed("messages were refused")
    delays.sort()
    of_hundred = lambda share: 1000 * delays[min(len(delays) - 1, len(delays) * share // 100)]
    print(f"| channels on one core | {options.channels}, opened in {took:.1f} s |")
    print(f"| memory a channel | {memory:.1f} KiB |")
    print(f"| pushes a second | {rate:.0f}, {len(delays)} of {len(pushed)} delivered |")
    print(f"| from push to device, 50 of 100 | {of_hundred(50):.1f} ms |")
    print(f"| from push to device, 99 of 100 | {of_hundred(99):.1f} ms |")
    print(f"| the core's time meanwhile | {100 * load:.0f} % |")


def main(arguments):
    """Prints a table."""
    parser = argparse.ArgumentParser(prog="bench cloud", description=__doc__)
    parser.add_argument("--channels", type=int, default=10_000, help="devices that are online [10000]")
    parser.add_argument("--rate", type=int, default=1000, help="messages a second [1000]")
    parser.add_argument("--seconds", type=int, default=10, help="how long they are sent [10]")
    parser.add_argument("--built", action="store_true", help="the program is there; do not build it")
    options = parser.parse_args(arguments)
    if not options.built:
        subprocess.run(["cargo", "build", "--quiet", "--release"], check=True)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    if most < options.channels + 100:
        raise Failed(f"this may open only {most} files; 'ulimit -Hn {options.channels + 1000}' as root allows more")
    with Folder() as folder, Cloud(folder) as cloud:
        asyncio.run(measure(cloud, options))
    return 0
