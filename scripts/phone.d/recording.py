"""Recordings, taken apart without the code under test (contract, section 4), and audio to play into calls."""

import random
import struct

from machine import Failed

HEADER = struct.Struct("<64siiI")
FRAME = 172
PAYLOAD = 160


class Recording:
    """A recording's header and whole frames."""

    def __init__(self, name, content):
        self.name, self.size = name, len(content)
        if self.size < HEADER.size:
            raise Failed(f"{name}: {self.size} bytes: not even a header")
        codec, self.rtp_len, self.increment, self.data_size = HEADER.unpack_from(content)
        self.codec = codec.rstrip(b"\0").decode(errors="replace")
        if (self.codec, self.rtp_len, self.increment) not in (("PCMU", 172, 160), ("PCMA", 172, 160)):
            raise Failed(f"{name}: header says {self.codec!r}, rtpLen {self.rtp_len}, increment {self.increment}")
        body = content[HEADER.size :]
        self.frames = [body[at : at + FRAME] for at in range(0, len(body) // FRAME * FRAME, FRAME)]

    @property
    def exact(self):
        """The header's size and the file's agree."""
        return self.data_size == self.size - HEADER.size == len(self.frames) * FRAME

    @property
    def seconds(self):
        """Its length."""
        return len(self.frames) * 0.02

    def check_frames(self, before=None):
        """Every frame is RTP and goes on from the one before (also from `before`, the last of an earlier part)."""
        last = before
        for number, frame in enumerate(self.frames):
            if frame[0] & 0xC0 != 0x80:
                raise Failed(f"{self.name}: frame {number} is no RTP packet: {frame[:12].hex()}")
            if last is not None and not _follows(last, frame):
                raise Failed(f"{self.name}: frame {number} {frame[:12].hex()} does not follow {last[:12].hex()}")
            last = frame
        return last

    def payloads(self):
        """The frames without their RTP headers."""
        return [frame[FRAME - PAYLOAD :] for frame in self.frames]


def _follows(last, frame):
    sequence, timestamp, source = struct.unpack_from(">HII", last, 2)
    return struct.unpack_from(">HII", frame, 2) == ((sequence + 1) & 0xFFFF, (timestamp + 160) & 0xFFFFFFFF, source)


def noise(frames, seed):
    """A leg's audio: frames that differ all from each other. Even codes only: all codes alike would be taken for ciphertext."""
    source = random.Random(seed)
    codes = bytes(range(0, 256, 2))
    return [bytes(source.choices(codes, k=PAYLOAD)) for _ in range(frames)]


def as_file(payloads):
    """Payloads as a recording that callrec-sim plays: without RTP headers."""
    body = b"".join(payloads)
    return HEADER.pack(b"PCMU", PAYLOAD, PAYLOAD, len(body)) + body


def find(payloads, played):
    """At which sample of the recording the played frames begin, all of them bit for bit; a failure if they do not."""
    recorded, expected = b"".join(payloads), b"".join(played)
    start = recorded.find(played[0])
    if start < 0:
        raise Failed("the first frame that was played is not in the recording")
    if not recorded.startswith(expected, start):
        same = next(at for at, code in enumerate(expected) if recorded[start + at : start + at + 1] != bytes([code]))
        raise Failed(f"what was played is recorded as it was for {same / 8000:.3f} s only")
    return start


def follow(payloads, played, most=160):
    """The played frames in the recorded ones where the recorder may have followed the sender's clock by single samples.

    Gives the largest shift in samples; a failure if anything of the audio is missing.
    """
    recorded, shift = b"".join(payloads), 0
    for number, frame in enumerate(played):
        missing = 0
        for at in range(0, PAYLOAD, 40):
            place = number * PAYLOAD + at
            low = max(place - most, 0)
            found = recorded.find(frame[at : at + 40], low, place + most + 40)
            missing += found < 0
            shift = max(shift, abs(found - place)) if found >= 0 else shift
        if missing > 1:
            raise Failed(f"frame {number} of those played is not in the recording")
    return shift
