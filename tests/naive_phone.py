#!/usr/bin/env python3
"""A phone as the source document describes it, without a line of ours: plain text, no end to a message.

naive_phone.py HOST PORT FRAMES [KEY=VALUE...]: records FRAMES frames of mu-law, 20 ms each, and prints the
server's answers. Each frame holds its own number, so that the recording can be checked. An ID among the keys
replaces the random one.
"""

import random
import socket
import struct
import sys
import time


def ask(control, text):
    """Sends a message, gives the answer's values."""
    control.sendall(text.encode())
    answer = control.recv(4096).decode()
    print(answer.strip())
    pairs = (pair.split("=", 1) for pair in answer.strip("\r\n\0 ").split("&"))
    return {key.strip(): value.strip() for key, value in pairs}


def main(host, port, frames, *keys):
    values = {
        "id": str(random.randint(1, 2**31 - 1)),
        "device": "0c383e0badf0",
        "remote_number": "100",
        "remote_name": "Ann Example",
        "local_number": "200",
        "local_name": "",
        "dir": "in",
        "codec": "PCMU",
    }
    values.update(key.split("=", 1) for key in keys)
    control = socket.create_connection((host, int(port)), timeout=10)
    text = "&".join(f"{key}={value}" for key, value in values.items())
    answer = ask(control, "cmd=RecordStartRequest&" + text)
    if answer["result"] != "success":
        sys.exit(1)
    to = (answer["server"] or host, int(answer["port"]))
    media = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    begun = time.monotonic()
    for number in range(int(frames)):
        header = struct.pack("!BBHII", 0x80, 0, (65500 + number) % 65536, 123456 + 160 * number, 0x1234)
        media.sendto(header + struct.pack("!I", number) * 40, to)
        time.sleep(max(0.0, begun + 0.02 * (number + 1) - time.monotonic()))
    answer = ask(control, f"cmd=RecordStopRequest&id={values['id']}&remote_name=Bob&reason=hangup")
    control.close()
    sys.exit(0 if answer == {"cmd": "RecordStopResponse", "id": values["id"], "result": "success"} else 1)


main(*sys.argv[1:])
