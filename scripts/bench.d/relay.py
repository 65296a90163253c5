"""scripts/bench relay: what streams cost that many play, on one core: of a home's box, of the cloud; beside them nginx with
the same bytes as a file, and ffmpeg's own HTTP server."""

import argparse
import os
import resource
import socket
import subprocess

import cloud
from home_box import NETWORK, Box, Peer
from measure import Failed, Folder, Program
from packages import need

TARGET = os.environ.get("CARGO_TARGET_DIR", "target")
RATE_KBIT = 2000
SECONDS = 20
# What each server can have: a box has 16 players of a stream, ffmpeg's server one.
BOX_PLAYERS = (1, 16)
MANY_PLAYERS = (1, 16, 100, 500)
STREAM = "b1f0c4d2"
CID = cloud.FIRST_CID


def main(arguments):
    """Prints a table; status 1 if a player that reads steadily did not get all."""
    parser = argparse.ArgumentParser(prog="scripts/bench relay", description=__doc__)
    parser.add_argument("--players", type=int, default=max(MANY_PLAYERS), help="at most so many [500]")
    parser.add_argument("--built", action="store_true", help="the programs are there; do not build them")
    options = parser.parse_args(arguments)
    need("ffmpeg", "nginx-light")
    if not options.built:
        subprocess.run(["cargo", "build", "--quiet", "--release"], check=True)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    cpus = sorted(os.sched_getaffinity(0))
    if len(cpus) < 2:
        raise Failed("this needs two CPUs: one for the server, one for publisher and players")
    print("| | players | CPU s a delivered Gbit | KiB a player | bytes complete | the one that stalls: its tags, KiB |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    missing = 0
    with Folder() as folder:
        film = make_film(folder)
        for kind, counts in ((BoxRelay, BOX_PLAYERS), (CloudRelay, MANY_PLAYERS), (PacedNginx, MANY_PLAYERS),
                             (Nginx, MANY_PLAYERS), (Ffmpeg, (1,))):
            for players in (count for count in counts if count <= options.players):
                missing += measure(kind, folder, film, players, cpus)
    return 1 if missing else 0


def make_film(folder):
    """H.264 of a constant rate, and mu-law."""
    film = f"{folder}/film.flv"
    picture = f"{RATE_KBIT - 64 - 16}k"
    subprocess.run(
        ["ffmpeg", "-loglevel", "error", "-f", "lavfi", "-i", "testsrc2=size=640x480:rate=25",
         "-f", "lavfi", "-i", "sine=frequency=440:sample_rate=8000", "-t", str(SECONDS),
         "-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-pix_fmt", "yuv420p", "-g", "25",
         "-b:v", picture, "-minrate", picture, "-maxrate", picture, "-bufsize", "500k", "-x264-params", "nal-hrd=cbr",
         "-c:a", "pcm_mulaw", "-f", "flv", film], check=True, stdin=subprocess.DEVNULL)
    return film


def measure(kind, folder, film, players, cpus):
    """A row of the table; how many players did not get all."""
    name = f"{folder}/{kind.__name__}-{players}"
    os.mkdir(name)
    # The server is on the first CPU, all else on the others.
    os.sched_setaffinity(0, cpus)
    try:
        with kind(name, film, ["taskset", "-c", str(cpus[0])]) as server:
            os.sched_setaffinity(0, cpus[1:])
            command = [f"{TARGET}/release/callrec-sim", "relay", "--film", film, "--players", str(players),
                       "--pid", str(server.process.pid), *server.urls()]
            if players > 1 and "--publish" in command:
                command.append("--stall")
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            server.must_run()
    finally:
        os.sched_setaffinity(0, cpus)
    if done.returncode:
        raise Failed(f"{kind.words}, {players} players: {done.stderr.strip()}")
    found = dict(word.split("=") for word in done.stdout.split())
    gigabits = int(found["bytes"]) * 8 / 1e9
    reading = players - ("--stall" in command)
    whole = f"{found['whole']} of {reading}" if kind.is_exact else "-"
    stalled = "-"
    if "--stall" in command:
        stalled = f"{found['stalled_tags']} of {found['film_tags']}, {int(found['kib_stalled']) - int(found['kib'])}"
    print(f"| {kind.words} | {players} | {int(found['cpu_ms']) / 1000 / gigabits:.2f} | "
          f"{int(found['kib']) / players:.1f} | {whole} | {stalled} |", flush=True)
    return reading - int(found["whole"]) if kind.is_exact else 0


class BoxRelay(Box):
    """The home's box, with a call whose door publishes."""

    words = "callrec-box"
    is_exact = True

    def __init__(self, folder, _film, prefix):
        super().__init__(folder)
        self.command = [*prefix, *self.command]

    def __enter__(self):
        super().__enter__()
        self.ends = [self.screen(0), Peer(f"{NETWORK}.2", 7892)]
        screen, door = self.ends
        door.send("call_req", {"sid": "c0ffee", "src": {"id": "2-1-1", "type": 3, "video_stream_id": STREAM},
                               "dest": {"id": "2-1-201", "type": 1, "audio_stream_id": "a1"}})
        screen.next("call_req")
        screen.send("call_accept", {"sid": "c0ffee"})
        door.next("call_accept")
        return self

    def urls(self):
        """Where its stream is published, and where it is played."""
        return ["--publish", f"http://{NETWORK}.2:9540/stream/{STREAM}", "--play", f"http://{NETWORK}.1:9540/stream/{STREAM}"]


class CloudRelay(cloud.Cloud):
    """`callrec-server cloud`."""

    words = "callrec-server cloud"
    is_exact = True

    def __init__(self, folder, _film, _prefix):
        super().__init__(folder)

    def urls(self):
        """As those of the box; all with the publisher's token."""
        host, port = self.address()
        url = f"http://{host}:{port}/stream/0123456789abcdef-{CID}?token={cloud.token(CID)}"
        return ["--publish", url, "--play", url]


class Nginx(Program):
    """nginx: the film as a file, as fast as it can."""

    words = "nginx, a file at full speed"
    is_exact = True
    location = ""

    def __init__(self, folder, film, prefix):
        self.port = free_port()
        temporary = "".join(f"{kind}_temp_path {folder}/t; " for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        with open(f"{folder}/conf", "w", encoding="ascii") as file:
            file.write(
                f"daemon off; master_process off; pid {folder}/pid; error_log stderr;\n"
                "events { worker_connections 4096; }\n"
                f"http {{ access_log off; sendfile on; {temporary}\n"
                f"server {{ listen 127.0.0.1:{self.port}; root {os.path.dirname(film)}; {self.location} }} }}\n"
            )
        super().__init__([*prefix, "nginx", "-c", f"{folder}/conf"], f"{folder}/log")

    def is_ready(self):
        """It listens."""
        return listens(self.port)

    def urls(self):
        """The film's."""
        return ["--play", f"http://127.0.0.1:{self.port}/film.flv"]


class PacedNginx(Nginx):
    """The same as fast as the film plays."""

    words = "nginx, a file at 2 Mbit/s"
    location = f"limit_rate {RATE_KBIT // 8}k;"


class Ffmpeg(Program):
    """ffmpeg as a server: one player, and the film in tags of its own."""

    words = "ffmpeg -listen 1"
    is_exact = False

    def __init__(self, folder, film, prefix):
        self.port = free_port()
        command = ["ffmpeg", "-loglevel", "error", "-re", "-i", film, "-c", "copy", "-f", "flv", "-listen", "1",
                   f"http://127.0.0.1:{self.port}/film.flv"]
        super().__init__([*prefix, *command], f"{folder}/log")

    def is_ready(self):
        """It listens."""
        return listens(self.port)

    def must_run(self):
        """It ends with the film."""

    def urls(self):
        """The only one."""
        return ["--play", f"http://127.0.0.1:{self.port}/film.flv"]


def free_port():
    """A port that nobody has."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def listens(port):
    """Somebody listens on the port; without connecting to it."""
    with open("/proc/net/tcp", encoding="ascii") as lines:
        # Local address, remote address, state: 0A is LISTEN.
        return any(f":{port:04X} 00000000:0000 0A " in line for line in lines)
