#!/usr/bin/env python3
"""A home's box as the first users of the intercom run it, written from the protocol's description alone, its
faults included: the slot is taken when a caller connects, nobody's token is looked at, any screen opens the
door, one screen's reject ends the call, messages carry no call's key.

Usage: old_box.py [--family-port N] [--call-port N] [--room ID] [--dnd] [--emergency PORT:NAME] [--calls N]
It prints `ports FAMILY CALL` first (those of 127.0.0.1), then one line for each thing that happens. It exits
with 0 after so many calls.
"""
import argparse
import json
import selectors
import socket

LINE_BUSY = {"code": 1, "message": "line busy"}
CALL_DENIED = {"code": 2, "message": "call denied"}
APP_OFFLINE = {"code": 3, "message": "no app online"}
UNREACHABLE = {"code": 0, "message": "cannot connect"}


def say(*words):
    print(*words, flush=True)


class Leg:
    """A connection to a screen or to the outside."""

    def __init__(self, connection, handle):
        self.connection, self.handle = connection, handle
        self.waiting, self.has_joined = b"", False

    def send(self, name, values=None, **others):
        message = {"id": "", "name": name, **others}
        if values is not None:
            message["values"] = values
        text = json.dumps(message, indent=3, separators=(",", " : "))
        try:
            self.connection.sendall(text.encode() + b"\n\0")
        except OSError:
            pass  # the next read says that it is gone

    def messages(self):
        """What has come; None at the end for a connection that is gone."""
        try:
            received = self.connection.recv(4096)
        except OSError:
            received = b""
        *frames, self.waiting = (self.waiting + received).split(b"\0")
        return [json.loads(frame) for frame in frames if frame.strip()] + ([] if received else [None])


class Box:
    def __init__(self, options):
        self.options, self.selector, self.calls = options, selectors.DefaultSelector(), 0
        self.screens = []
        # The one call: its outside leg, and the screens that ring, or the one that talks.
        self.outside, self.inside, self.is_answered = None, [], False
        ports = []
        for port, accept in ((options.family_port, self.screen_connects), (options.call_port, self.caller_connects)):
            listener = socket.create_server(("127.0.0.1", port))
            self.selector.register(listener, selectors.EVENT_READ, accept)
            ports.append(listener.getsockname()[1])
        say("ports", *ports)

    def add(self, connection, handle):
        leg = Leg(connection, handle)
        self.selector.register(connection, selectors.EVENT_READ, lambda _: self.read(leg))
        return leg

    def close(self, leg):
        self.selector.unregister(leg.connection)
        leg.connection.close()

    def read(self, leg):
        for message in leg.messages():
            name = message["name"] if message else None
            if leg is self.outside or leg in self.screens:
                leg.handle(leg, name, message.get("values") if message else None)

    def screen_connects(self, listener):
        self.screens.append(self.add(listener.accept()[0], self.screen_says))

    def caller_connects(self, listener):
        connection = listener.accept()[0]
        if self.outside or self.options.dnd:
            # At once: what the caller wants has not been read.
            reject = LINE_BUSY if self.outside else CALL_DENIED
            Leg(connection, None).send("call_reject", reject)
            connection.shutdown(socket.SHUT_WR)
            connection.close()
            say("refused", reject["message"])
        else:
            self.outside = self.add(connection, self.outside_says)

    def outside_says(self, leg, name, values):
        if name == "call_req" and not self.inside:
            self.inside = [screen for screen in self.screens if screen.has_joined]
            say("call_req to", len(self.inside), "screens")
            if self.inside:
                self.tell_inside(name, values)
            else:
                self.end("call_reject", APP_OFFLINE, "no screen")
        elif name == "call_accept" and self.inside and not self.is_answered:
            self.answered()
            self.tell_inside(name)
        elif name in ("call_keep", "open_door"):
            self.tell_inside(name, values)
        elif name in ("call_end", "call_reject", None):
            self.tell_inside(name or "call_end", values if name == "call_reject" else None)
            self.end(None, None, "the caller")

    def screen_says(self, leg, name, values):
        if name == "join_family":
            leg.has_joined = True
            say("joined")
            leg.send("join_accept", **({"room_id": self.options.room} if self.options.room else {}))
            if self.options.emergency:
                port, words = self.options.emergency.split(":")
                leg.send("emergency", {"port": int(port), "name": words, "message": ""})
        elif name == "call_req":
            self.dial(leg, values)
        elif name == "call_accept" and leg in self.inside and not self.is_answered:
            self.inside.remove(leg)
            self.tell_inside("call_end")
            self.inside = [leg]
            self.answered()
            self.outside.send("call_accept")
        elif name in ("call_reject", "call_end") and leg in self.inside:
            self.tell_inside("call_end")
            self.end(name, values if name == "call_reject" else None, "a screen")
        elif name in ("call_keep", "open_door") and self.outside:
            # Joined or not, answering or not.
            self.outside.send(name, values)
            if name == "open_door":
                say("open_door")
        elif name is None:
            self.screens.remove(leg)
            self.close(leg)
            say("left")
            if leg in self.inside:
                self.inside.remove(leg)
                if not self.inside:
                    self.end("call_end", None, "a lost screen")

    def dial(self, screen, values):
        if self.outside:
            screen.send("call_reject", LINE_BUSY)
            return
        try:
            to = (values["dest"]["ip"], int(values["dest"]["port"]))
            connection = socket.create_connection(to, timeout=30)
            connection.settimeout(None)
            self.outside = self.add(connection, self.outside_says)
        except (OSError, KeyError, ValueError):
            screen.send("call_reject", UNREACHABLE)
            say("cannot connect")
            return
        self.inside = [screen]
        self.outside.send("call_req", values)
        say("dialled")

    def answered(self):
        self.is_answered = True
        say("answered")

    def tell_inside(self, name, values=None):
        for screen in self.inside:
            screen.send(name, values)

    def end(self, name, values, by):
        """The call is over; the outside is told, and closed."""
        if name:
            self.outside.send(name, values)
        self.close(self.outside)
        self.outside, self.inside, self.is_answered = None, [], False
        self.calls += 1
        say("ended by", by)

    def run(self):
        while self.calls != self.options.calls:
            for key, _ in self.selector.select():
                key.data(key.fileobj)


parser = argparse.ArgumentParser()
parser.add_argument("--family-port", type=int, default=0)
parser.add_argument("--call-port", type=int, default=0)
parser.add_argument("--room", help="tell it in join_accept, outside of the values [no values]")
parser.add_argument("--dnd", action="store_true", help="refuse all callers")
parser.add_argument("--emergency", metavar="PORT:NAME", help="an alarm for each screen that joins")
parser.add_argument("--calls", type=int, default=-1)
Box(parser.parse_args()).run()
