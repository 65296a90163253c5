"""What people would use instead, as a user would call it; what each has written is checked."""

import os
import random
import re
import signal
import socket
import subprocess
import time

from feed import RATE
from measure import Failed, Program

PACKAGES = "ffmpeg gstreamer1.0-tools gstreamer1.0-plugins-base gstreamer1.0-plugins-good tcpdump".split()
# How much of a call may be missing: frames while a program starts (under valgrind), and a share of the rest.
STARTING, MISSING = 50, 0.03

# Bytes of a pcap file before its packets, and of each RTP packet in it: record, Ethernet, IP and UDP headers first.
FILE_HEADER, RECORD = 24, 16 + 14 + 20 + 8 + 12 + 160


class Peer(Program):
    """A program that listens on two ports as long as it runs."""

    def __init__(self, folder, before=()):
        self.ports, self.output = _free_ports(), os.path.join(folder, f"out.{self.suffix}")
        super().__init__([*before, *self.arguments(folder)], os.path.join(folder, "log"), signal.SIGINT)

    @classmethod
    def title(cls):
        """What the table calls it, with its version."""
        said = subprocess.run(cls.version, capture_output=True, text=True, check=False).stdout
        found = re.search(r"\d+\.\d+(\.\d+)?", said)
        return f"{cls.version[0]} {found[0] if found else ''}{cls.remark}"

    def is_ready(self):
        """Both ports are bound."""
        with open("/proc/net/udp", encoding="ascii") as table:
            bound = {int(line.split()[1].split(":")[1], 16) for line in table.readlines()[1:]}
        return bound.issuperset(self.ports)

    def begin(self):
        """A call begins: the ports of its legs."""
        return self.ports

    def finish(self, call):
        """The call is over; so is the program once it has written what it holds back."""
        time.sleep(2)
        self.stop()
        if not os.path.exists(self.output):
            raise Failed(f"it has written nothing to {os.path.basename(self.output)}")
        with open(self.output, "rb") as file:
            return self.check(call, file.read())

    def check(self, call, written):
        """Both parties are heard in what it has mixed, at once where both speak, for as long as they do."""
        together = call.heard_together(written)
        if abs(together - call.together) > STARTING + MISSING * call.together:
            raise Failed(f"both parties are heard for {together / RATE:.2f} s of {call.together / RATE:.2f} s")
        return f"both parties heard for {together / RATE:.1f} s of {call.together / RATE:.1f} s"


class Ffmpeg(Peer):
    """One session description with both legs: fewer threads, and half the instructions, of one input for each."""

    version, remark, suffix = ["ffmpeg", "-version"], ", amix", "ul"

    def arguments(self, folder):
        description = os.path.join(folder, "call.sdp")
        with open(description, "w", encoding="ascii") as file:
            file.write("v=0\no=- 0 0 IN IP4 127.0.0.1\ns=call\nc=IN IP4 127.0.0.1\nt=0 0\n")
            for port in self.ports:
                file.write(f"m=audio {port} RTP/AVP 0\na=rtpmap:0 PCMU/8000\n")
        quiet = "ffmpeg -nostdin -hide_banner -nostats -loglevel error -protocol_whitelist file,udp,rtp".split()
        mix = ["-filter_complex", "[0:0][0:1]amix=inputs=2:normalize=0", "-c:a", "pcm_mulaw", "-f", "mulaw"]
        return [*quiet, "-i", description, *mix, self.output]


class Gstreamer(Peer):
    """Each leg through a jitter buffer of 1 s: with its default of 200 ms a busy machine costs it audio."""

    version, remark, suffix = ["gst-launch-1.0", "--gst-version"], ", audiomixer", "ul"

    def arguments(self, folder):
        caps = "application/x-rtp,media=audio,clock-rate=8000,encoding-name=PCMU,payload=0"
        rest = "! rtpjitterbuffer latency=1000 ! rtppcmudepay ! mulawdec ! mixer."
        legs = " ".join(f"udpsrc address=127.0.0.1 port={port} caps={caps} {rest}" for port in self.ports)
        mixer = "audiomixer name=mixer ! audio/x-raw,rate=8000,channels=1 ! mulawenc"
        return f"gst-launch-1.0 -q -e {mixer} ! filesink location={self.output} {legs}".split()


class Tcpdump(Peer):
    """Copies packets into a file: what receiving and writing cost without mixing."""

    version, remark, suffix = ["tcpdump", "--version"], ", mixes nothing", "pcap"

    def arguments(self, folder):
        ports = " or ".join(f"port {port}" for port in self.ports)
        return ["tcpdump", "-Z", "root", "-i", "lo", "-n", "-w", self.output, f"udp and ({ports})"]

    def is_ready(self):
        with open(self.log, encoding="utf-8", errors="replace") as log:
            return "listening on" in log.read()

    def frames(self, call):
        # It reads the packets of one second at a time.
        return (os.path.getsize(self.output) - FILE_HEADER) // RECORD // len(call.legs)

    def check(self, call, written):
        packets, rest = divmod(len(written) - FILE_HEADER, RECORD)
        sent = call.frames * len(call.legs)
        if packets != sent or rest:
            raise Failed(f"{packets} packets are in its file, {sent} were sent")
        return f"all {packets} packets"


ALL = [Tcpdump, Gstreamer, Ffmpeg]


def _free_ports():
    """Two even ports that nobody has, each with the odd one behind it: RTP and its RTCP."""
    found = set()
    while len(found) < 2:
        port = random.randrange(16_000, 20_000, 2)
        with socket.socket(type=socket.SOCK_DGRAM) as even, socket.socket(type=socket.SOCK_DGRAM) as odd:
            try:
                even.bind(("127.0.0.1", port))
                odd.bind(("127.0.0.1", port + 1))
                found.add(port)
            except OSError:
                pass
    return sorted(found)
