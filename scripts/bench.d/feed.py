"""The call that every program gets: two parties, mu-law over RTP, and what their mix must be."""

import contextlib
import math
import os
import random
import socket
import struct
import time

from measure import Busy

SAMPLES = 160
FRAME = 0.02
RATE = 50
# Seconds in which only the first, then only the second leg is audible: they show the position of each in a recording.
ALONE = 1
# Seconds that a packet may be sent late: less than the jitter delay of any of the programs.
LATE = 0.1
TONES = (440.0, 1000.0)
# The minimum amplitude of a tone with varying amplitude; 16 bits.
QUIETEST = 4000


def _decode(code):
    code = ~code & 0xFF
    value = (((code & 0x0F) << 3) + 132 << (code >> 4 & 7)) - 132
    return -value if code & 0x80 else value


def _encode(sample):
    magnitude = min(abs(sample), 32635) + 132
    segment = magnitude.bit_length() - 8
    return ~(segment << 4 | magnitude >> segment + 3 & 0x0F | (0x80 if sample < 0 else 0)) & 0xFF


DECODED = [_decode(code) for code in range(256)]
SILENCE = 0xFF


class Call:
    """A call's audio: two legs of so many seconds."""

    def __init__(self, seconds):
        self.frames, self.sent = seconds * RATE, 0
        self.together = (seconds - 2 * ALONE) * RATE  # frames in which both speak
        self.legs = [_party(number, self.frames * SAMPLES) for number in range(2)]

    def send(self, ports):
        """Sends the call at its pace to two ports on 127.0.0.1, the second party half a frame after the first."""
        with contextlib.suppress(OSError):  # on time also on a busy machine, where we may
            os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
        outlet = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        started, late = time.monotonic(), 0.0
        for frame in range(self.frames):
            for number, leg in enumerate(self.legs):
                header = struct.pack(">BBHII", 0x80, 0, frame + 1, frame * SAMPLES, 1000 + number)
                due = started + (frame + number / 2) * FRAME
                time.sleep(max(0, due - time.monotonic()))
                late = max(late, time.monotonic() - due)
                outlet.sendto(header + leg[frame * SAMPLES : (frame + 1) * SAMPLES], ("127.0.0.1", ports[number]))
            self.sent = frame + 1
        time.sleep(max(0, started + self.frames * FRAME - time.monotonic()))
        if late > LATE:
            raise Busy(f"this machine is too busy: a packet was sent {late:.2f} s late")

    def exact_in(self, recorded):
        """`None` if all of the call is there, each sample the sum of the parties'; or what is wrong."""
        starts = []
        for number, leg in enumerate(self.legs):
            # Each leg alone, except at the boundaries, where the other leg's last or first packet may be audible.
            begin = (number * ALONE * 8000) + 400
            found = recorded.find(leg[begin : begin + 4000])
            if found < begin:
                return f"leg {number + 1} is not in the recording as it was sent"
            starts.append(found - begin)
        decoded = ([DECODED[code] for code in leg] for leg in self.legs)
        first, second = ([0] * start + samples for start, samples in zip(starts, decoded))
        longest = max(len(first), len(second))
        if len(recorded) < longest:
            return f"the recording is {(longest - len(recorded)) / 8000:.3f} s short"
        for leg in (first, second):
            leg.extend([0] * (longest - len(leg)))
        wrong = sum(_encode(a + b) != code for a, b, code in zip(first, second, recorded))
        return f"{wrong} of {longest} samples are not the exact mix" if wrong else None

    def heard_together(self, recorded):
        """Frames of the recording in which both parties' tones sound."""
        frames = (recorded[at : at + SAMPLES] for at in range(0, len(recorded) - SAMPLES + 1, SAMPLES))
        return sum(all(_loudness(frame, tone) > QUIETEST / 2 for tone in TONES) for frame in frames)


def _loudness(frame, tone):
    """The amplitude of a tone in a frame (Goertzel)."""
    factor = 2 * math.cos(2 * math.pi * tone / 8000)
    last = before = 0.0
    for code in frame:
        last, before = DECODED[code] + factor * last - before, last
    return math.sqrt(max(0.0, last * last + before * before - factor * last * before)) * 2 / len(frame)


def _party(number, samples):
    """A tone that swells and ebbs, and noise so that no two frames are the same; silent while the other is alone."""
    source = random.Random(number)
    step = 2 * math.pi * TONES[number] / 8000
    codes = bytearray([SILENCE] * samples)
    quiet = range((1 - number) * ALONE * 8000, (2 - number) * ALONE * 8000)
    for at in range(samples):
        if at not in quiet:
            swell = QUIETEST + 5000 + 5000 * math.sin(at / (900 + 200 * number))
            codes[at] = _encode(int(swell * math.sin(step * at)) + source.randint(-400, 400))
    return bytes(codes).replace(b"\x7f", b"\xff")  # one of the two zeros
