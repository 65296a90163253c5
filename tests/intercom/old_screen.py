#!/usr/bin/env python3
"""A screen as the first users of the intercom run it, written from the protocol's description alone: it joins
with a token and an empty id and type, sends no keep-alives, and answers, rejects and opens without a call's key.

Usage: old_screen.py HOST PORT [--token TOKEN] [--answer | --reject CODE | --ignore] [--open-door]
                     [--hang-up] [--expect joined|answered|rejected|ended|alarm|refused]
One line on standard output for each thing that happens. It ends after one call, or as soon as what is expected
has happened outside of a call; it exits with 0 when the expected thing has happened.
"""
import argparse
import json
import socket
import sys

REASONS = {0: "undefined", 1: "line busy", 2: "call denied", 3: "no app online"}
# What ends a screen that expects it; anything else is expected of a call, and looked at after it.
OUTSIDE_OF_CALLS = ("joined", "alarm", "refused")


def say(*words):
    print(*words, flush=True)


def send(connection, name, values=None):
    message = {"id": "", "name": name}
    if values is not None:
        message["values"] = values
    text = json.dumps(message, indent=3, separators=(",", " : "))
    connection.sendall(text.encode() + b"\n\0")


def messages(connection):
    waiting = b""
    while True:
        received = connection.recv(4096)
        if not received:
            return
        *frames, waiting = (waiting + received).split(b"\0")
        yield from (json.loads(frame) for frame in frames if frame.strip())


def ring(connection, options, values):
    """Reacts to a call; gives what that is called."""
    say("ringing from", values.get("src", {}).get("id", ""))
    if options.ignore:
        return "ringing"
    if options.reject is not None:
        reason = REASONS.get(options.reject, "undefined")
        send(connection, "call_reject", {"code": options.reject, "message": reason})
        say("rejected")
        return "rejected"
    send(connection, "call_accept")
    say("answered")
    if options.open_door:
        send(connection, "open_door")
        say("open_door sent")
    return "answered"


def run(options):
    """Joins and takes one call; everything that has happened."""
    happened = set()
    connection = socket.create_connection((options.host, options.port), timeout=10)
    connection.settimeout(None)
    send(connection, "join_family", {"token": options.token, "id": "", "type": ""})
    for message in messages(connection):
        values = message.get("values") or {}
        name = message["name"]
        if name == "join_accept":
            happened.add("joined")
            say("joined")
        elif name == "join_reject":
            happened.add("refused")
            say("refused", values.get("reason", ""))
        elif name in ("emergency", "seczone_emergency"):
            happened.add("alarm")
            say("alarm port", int(values["port"]), "name", values["name"])
        elif name == "call_req":
            happened.add(ring(connection, options, values))
            if options.hang_up:
                send(connection, "call_end")
                say("ended hangup")
                break
        elif name == "call_end" and happened & {"answered", "rejected", "ringing"}:
            happened.add("ended")
            say("ended")
            break
        if options.expect in OUTSIDE_OF_CALLS and options.expect in happened:
            break
    else:
        say("lost")
    connection.close()
    return happened


parser = argparse.ArgumentParser()
parser.add_argument("host")
parser.add_argument("port", type=int)
parser.add_argument("--token", default="")
reaction = parser.add_mutually_exclusive_group()
reaction.add_argument("--answer", action="store_true", help="what it does by itself")
reaction.add_argument("--reject", type=int, metavar="CODE")
reaction.add_argument("--ignore", action="store_true")
parser.add_argument("--open-door", action="store_true")
parser.add_argument("--hang-up", action="store_true", help="as soon as it has answered")
outcomes = ["joined", "answered", "rejected", "ended", "alarm", "refused"]
parser.add_argument("--expect", choices=outcomes, default="answered")
options = parser.parse_args()
sys.exit(0 if options.expect in run(options) else 1)
