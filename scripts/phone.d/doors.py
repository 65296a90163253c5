"""Scenarios of the building intercom: the phone is a door with its own relay, and a screen of a home's box."""

import os
import random
import struct
from urllib.parse import unquote

import recording
from machine import fields
from setting import EXACT_CALL, PARTS, PLAYED, WATCH, boot, build, configure, expect, path, say, take
from stick import Stick

SECONDS = 8
# The door's voice: frames that are in no other leg.
VOICE = recording.noise(SECONDS * 50, 2)
PICTURES_A_SECOND = 25
# With the sound and what the tags add, 1 Mbit/s.
KEY_FRAME, PICTURE = 15_000, 4_250
PROPERTY = "127.0.0.1:7896"

# The home's box, on the phone itself, and how long a call with a door may be.
BOX = "roomId = 2-1-201\\nhomeAddr = 127.0.0.1\\ncommunityAddr = 127.0.0.2\\nstateDir = /tmp/box\\ncontrolSocket = /tmp/box.sock\\n"
CALLS_AT = "127.0.0.2:7892"
MAX_CALL = 16


def door():
    """A door's call with 1 Mbit/s of picture through the phone's own relay while another call is recorded: no frame late."""
    stick, film = Stick(path("door.img")), _film()
    build("door.gz", {"test/near": recording.as_file(PLAYED), "test/film": film})
    with boot(stick, image="door.gz") as phone:
        # The PC's program has the intercom, the firmware has not.
        phone.run("/etc/init.d/S80callrec stop; cp /test/callrec $(command -v callrec)")
        configure(phone, intercomRole="door", intercomId="2-1-1", intercomAddr="127.0.0.1")
        phone.run(f"{WATCH} callrec-sim property --listen {PROPERTY} --calls 1 >/tmp/property 2>&1 & usleep 500000")
        phone.run(f"{EXACT_CALL} --seconds {SECONDS + 6} >/tmp/sim 2>&1 & sleep 2")
        host, port = PROPERTY.split(":")
        call = phone.ctl(f"cmd=CallRequest&to=property&ip={host}&port={port}&type=4")
        phone.until("grep -q state=talking /tmp/events")
        url = unquote(fields(phone.run("grep state=talking /tmp/events")[0])["publish_video"])
        relay = phone.run(f"callrec-sim relay --film /test/film --publish '{url}' --play '{url}' --players 1")
        found = dict(word.split("=") for word in relay[-1].split())
        rate = len(film) * 8 / SECONDS / 1e6
        expect(found["whole"] == "1", f"{rate:.2f} Mbit/s of {found['film_tags']} tags relayed byte for byte")
        ended = phone.ctl(f"cmd=CallEndRequest&sid={call['sid']}")
        phone.until("! pidof callrec-sim >/dev/null", 30)
        heard = [line for line in phone.run("cat /tmp/property") if line.startswith("heard ")]
        say(f"the property's phone: {' '.join(heard)}; the door: recording={ended['recording']}")
        counters = phone.ctl("StatsRequest")
        phone.run("sync")
        phone.cut()
    lost = {key: counters[key] for key in ("kernel_drop", "frames_lost", "late", "failed", "bug")}
    expect(set(lost.values()) == {"0"}, f"{lost}, the longest turn took {int(counters['longest_turn_us']) / 1000:.1f} ms")
    names = stick.recordings()
    expect(len(names) == 2 and names[1] == ended["recording"], f"two recordings: {names}")
    _check_other(take(stick, names[0]))
    _check_door(take(stick, names[1]))
    stick.check()


def screen():
    """The phone is a screen: a door calls through the box, another one waits, the call's end is announced; all is recorded."""
    stick = Stick(path("screen.img"))
    with open(os.path.join(PARTS, "callrec-box"), "rb") as box:
        build("screen.gz", {"test/callrec-box": box.read()})
    with boot(stick, image="screen.gz") as phone:
        phone.run("/etc/init.d/S80callrec stop; cp /test/callrec $(command -v callrec)")
        phone.run(f"printf '{BOX}' >/tmp/box.conf; /test/callrec-box run -c /tmp/box.conf 2>/tmp/box.log &")
        phone.until("[ -S /tmp/box.sock ]")
        phone.run("/test/callrec-box token new --device phone -c /tmp/box.conf >/etc/callrec.token")
        configure(phone, intercomRole="screen", intercomId="2-1-201", boxAddr="127.0.0.1", intercomMaxCall=MAX_CALL)
        phone.run(f"{WATCH} true")
        phone.until("grep -q 'cmd=BoxEvent&state=joined' /tmp/events")
        phone.run(f"callrec-sim door --box {CALLS_AT} --id 2-1-1 --seconds 60 >/tmp/door 2>&1 &")
        phone.until("grep -q state=incoming /tmp/events")
        incoming = _event(phone, "incoming")
        phone.ctl(f"cmd=CallAcceptRequest&sid={incoming['sid']}")
        phone.until("grep -q state=talking /tmp/events")
        # The second door is told so, and ends.
        second, status = phone.try_run(f"callrec-sim door --box {CALLS_AT} --id 2-1-2")
        waiting = _event(phone, "waiting")
        expect(status == 1 and "line_busy" in second[-1], f"a second door: {second[-1]}")
        expect(waiting["peer"] == "2-1-2" and waiting["sid"] != incoming["sid"], f"peer={waiting['peer']} waits")
        phone.until("grep -q 'cmd=CallEvent.*state=ended' /tmp/events", 30)
        talking, ending, ended = (_event(phone, state) for state in ("talking", "ending", "ended"))
        announced, length = ending["at"] - talking["at"], ended["at"] - talking["at"]
        expect(ending["left_ms"] == "10000" and abs(announced - (MAX_CALL - 10)) < 2, f"the end is announced after {announced:.1f} s")
        expect(ended["reason"] == "max_duration" and abs(length - MAX_CALL) < 2, f"it comes after {length:.1f} s")
        phone.until("grep -q 'state=stopped' /tmp/events")
        phone.run("sync")
        phone.cut()
    expect(stick.recordings() == [ended["recording"]], f"one recording: {ended['recording']}")
    frames = len(take(stick, ended["recording"]).frames)
    expect((MAX_CALL - 3) * 50 <= frames <= (MAX_CALL + 2) * 50, f"{frames} frames of the call")
    stick.check()


def _event(phone, state):
    """The last event of a call with this state, and when it came."""
    line = phone.run(f"grep 'cmd=CallEvent.*state={state}' /tmp/events")[-1]
    return {"at": float(line.split()[0]), **fields(line)}


def _check_other(taken):
    frames = (SECONDS + 6) * 50
    expect(taken.exact and frames <= len(taken.frames) <= frames + 3, f"{taken.name}: {len(taken.frames)} frames of {frames}")
    start = recording.find(taken.payloads(), PLAYED[:frames])
    expect(start == 0, f"bit for bit what was played, from sample {start} on")


def _check_door(taken):
    """Where the property's phone says nothing, the door's voice stands as it is: for two of each five seconds."""
    recorded = b"".join(taken.payloads())
    begin = recorded.find(VOICE[0])
    places = range(0, len(VOICE) * recording.PAYLOAD, recording.PAYLOAD)
    equal = sum(recorded[begin + at :].startswith(frame) for at, frame in zip(places, VOICE))
    whole = taken.exact and len(taken.frames) >= len(VOICE)
    expect(whole and begin >= 0 and equal >= 100, f"{taken.name}: {len(taken.frames)} frames, {equal} of the door's alone, bit for bit")


def _film():
    """Tags as a door makes them: what looks like H.264 (a relay reads no more than whether it is a key frame), and mu-law."""
    source = random.Random(3)
    tags = [(0, 9, b"\x17\0\0\0\0\1")]
    for number in range(SECONDS * PICTURES_A_SECOND):
        is_key = number % PICTURES_A_SECOND == 0
        head = b"\x17\1\0\0\0" if is_key else b"\x27\1\0\0\0"
        tags.append((number * 1000 // PICTURES_A_SECOND, 9, head + source.randbytes(KEY_FRAME if is_key else PICTURE)))
    tags += [(number * 20, 8, b"\x82" + codes) for number, codes in enumerate(VOICE)]
    tags.sort(key=lambda tag: tag[0])
    return b"FLV\1\5\0\0\0\x09\0\0\0\0" + b"".join(_tag(*tag) for tag in tags)


def _tag(millis, kind, body):
    head = struct.pack(">B3s3sB3s", kind, len(body).to_bytes(3, "big"), millis.to_bytes(3, "big"), 0, bytes(3))
    return head + body + struct.pack(">I", len(head) + len(body))
