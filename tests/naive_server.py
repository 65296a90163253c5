#!/usr/bin/env python3
"""A recording server as the source document describes it, and no more: it reads what comes in one piece,
answers in plain text without any end, with blanks where the document prints them, and keeps the payloads
of the RTP it gets. One line on standard output for each thing that happens.

Usage: naive_server.py [stop-after-PACKETS]   prints `port P` first, then listens on 127.0.0.1:P
"""
import select
import socket
import sys

stop_after = int(sys.argv[1]) if len(sys.argv) > 1 else 0


def say(*words):
    print(*words, flush=True)


def values(text):
    pairs = (pair.split("=", 1) for pair in text.split("&") if "=" in pair)
    return {key.strip(): value.strip() for key, value in pairs}


def serve(control):
    media = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    media.bind(("127.0.0.1", 0))
    name, packets = "", []
    while True:
        ready, _, _ = select.select([control, media], [], [], 20)
        if media in ready:
            packets.append(media.recv(2048))
            if len(packets) == stop_after:
                control.sendall(f"cmd=RecordStopRequest&id={name}&reason=the server has had enough".encode())
        if control in ready:
            text = control.recv(4096).decode()
            if not text:
                break
            say("got", text.rstrip("\r\n\0"))
            message = values(text)
            command, name = message["cmd"], message["id"]
            if command == "RecordStartRequest":
                port = media.getsockname()[1]
                control.sendall(f"cmd=RecordStartResponse&id={name}&result=success&reason=&server=&port ={port}".encode())
            elif command == "RecordStopRequest":
                control.sendall(f"cmd=RecordStopResponse&id={name}&result=success".encode())
        if not ready:
            say("nothing came for 20 s")
            break
    media.close()
    control.close()
    numbers = [int.from_bytes(packet[2:4], "big") for packet in packets]
    whole = all((b - a) % 65536 == 1 for a, b in zip(numbers, numbers[1:]))
    say("packets", len(packets), "in order" if whole else "NOT in order")
    say("payload", b"".join(packet[12:] for packet in packets).hex())


listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
listener.bind(("127.0.0.1", 0))
listener.listen(5)
say("port", listener.getsockname()[1])
while True:
    serve(listener.accept()[0])
