#!/usr/bin/env python3
"""A door unit as the first users of the intercom run it, written from the protocol's description alone: JSON
printed over several lines, empty ids, numbers for stream ids, a call_keep each 3 s from the connection on.

Usage: old_door.py HOST PORT [--to IP] [--sid SID|empty|missing] [--seconds N]
                   [--expect answered|opened|rejected|ended]
One line on standard output for each thing that happens. It hangs up after N seconds of talk, or once it has opened
if that is expected, and exits with 0 when the expected thing has happened.
"""
import argparse
import json
import socket
import sys
import time

KEEP_SECONDS = 3


def say(*words):
    print(*words, flush=True)


def send(connection, name, values=None):
    message = {"id": "", "name": name}
    if values is not None:
        message["values"] = values
    text = json.dumps(message, indent=3, separators=(",", " : "))
    try:
        connection.sendall(text.encode() + b"\n\0")
    except OSError:
        pass  # a busy box has closed already; what it has said is read next


def call_req(options):
    values = {
        "sid": {"empty": "", "missing": None}.get(options.sid, options.sid),
        "src": {"id": "2-1-1-1", "type": 3, "port": 7895, "video_stream_id": 5678},
        "dest": {"ip": options.to, "port": options.port, "type": 1, "audio_stream_id": 5679},
    }
    if values["sid"] is None:
        del values["sid"]
    return values


def messages(connection, keep_values, until):
    """The messages that come, and None when the time is over; sends a call_keep each 3 s meanwhile."""
    waiting = b""
    keep_at = time.monotonic()
    while True:
        now = time.monotonic()
        if now >= keep_at:
            send(connection, "call_keep", keep_values)
            keep_at = now + KEEP_SECONDS
        if until() is not None and now >= until():
            yield None
            return
        connection.settimeout(0.1)
        try:
            received = connection.recv(4096)
        except TimeoutError:
            continue
        except OSError:
            return
        if not received:
            return
        *frames, waiting = (waiting + received).split(b"\0")
        for frame in frames:
            if frame.strip():
                yield json.loads(frame)


def run(options):
    """The call; everything that has happened in it."""
    happened = set()
    connection = socket.create_connection((options.host, options.port), timeout=10)
    hang_up_at = None
    keep_values = {"sid": options.sid if options.sid not in ("empty", "missing") else ""}
    # The origin's doors keep alive before they call.
    send(connection, "call_keep", keep_values)
    send(connection, "call_req", call_req(options))
    say("calling")
    for message in messages(connection, keep_values, lambda: hang_up_at):
        if message is None:
            send(connection, "call_end")
            say("ended hangup")
            break
        values = message.get("values") or {}
        if message["name"] == "call_accept" and hang_up_at is None:
            happened.add("answered")
            say("answered")
            hang_up_at = time.monotonic() + options.seconds
        elif message["name"] == "open_door":
            happened.add("opened")
            say("opened")
            if options.expect == "opened":
                hang_up_at = time.monotonic()
        elif message["name"] == "call_reject":
            happened.add("rejected")
            say("rejected", "code", values.get("code"))
            break
        elif message["name"] == "call_end":
            happened.add("ended")
            say("ended")
            break
    else:
        say("lost")
    connection.close()
    return happened


parser = argparse.ArgumentParser()
parser.add_argument("host")
parser.add_argument("port", type=int)
parser.add_argument("--to", default="127.0.0.1")
parser.add_argument("--sid", default="empty")
parser.add_argument("--seconds", type=float, default=10)
parser.add_argument("--expect", choices=["answered", "opened", "rejected", "ended"], default="answered")
options = parser.parse_args()
sys.exit(0 if options.expect in run(options) else 1)
