#!/usr/bin/env python3
"""Records a call of two seconds: record_call.py SOCKET. A media engine would send the RTP of the call's legs."""
import socket
import struct
import sys
import time

control = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
control.connect(sys.argv[1])
lines = control.makefile("rw", newline="\n")


def ask(request):
    """Sends a request; returns the response's values."""
    lines.write(request + "\n")
    lines.flush()
    values = dict(pair.split("=", 1) for pair in lines.readline().rstrip("\n").split("&"))
    if values["result"] != "success":
        sys.exit(f"{request}: {values['reason']}")
    return values


started = ask("cmd=RecordStartRequest&dir=in&remote_number=100&legs=2&formats=0:PCMU/8000")
near, far = (int(port) for port in started["leg_ports"].split(","))
media = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
begun = time.monotonic()
for n in range(100):
    for port, ssrc, code in ((near, 1, b"\x20"), (far, 2, b"\x30")):
        rtp = struct.pack("!BBHII", 0x80, 0, n, n * 160, ssrc) + code * 160
        media.sendto(rtp, ("127.0.0.1", port))
    time.sleep(max(0.0, begun + 0.02 * (n + 1) - time.monotonic()))
stopped = ask(f"cmd=RecordStopRequest&id={started['id']}&at_ms={time.monotonic_ns() // 1_000_000}")
print(stopped["files"], stopped["frames"], stopped["heard"])
