"""A program for the phone that does nothing, so that idle time does not pass for nothing.

The phone's time is counted in instructions, which makes it blind to a busy host: while the emulator does not run, no
time passes. But when a phone has nothing to do, its emulator skips to the next timer; and then what the host's own
threads do for it, the stick's reads and writes, seems to take seconds. So something runs whenever nothing else does. A `nop`
costs the host next to nothing, the jump behind a row of them does: their number says how fast idle time passes.
"""

import struct

# About four seconds of the phone's time per second of the host: a write that waits 10 ms for a busy host takes 40 ms on the phone.
NOPS = 16

NOP = 0xE320F000
BEGIN = (
    0xE3A00000,  # mov r0, #0: this process
    0xE3A01005,  # mov r1, #5: SCHED_IDLE
    0xE24DD004,  # sub sp, sp, #4
    0xE58D0000,  # str r0, [sp]: no priority
    0xE1A0200D,  # mov r2, sp
    0xE3A0709C,  # mov r7, #156: sched_setscheduler
    0xEF000000,  # svc 0
)
BASE = 0x10000
HEADERS = 84


def program():
    """An ELF file for ARMv7 that runs when nothing else does, for ever."""
    branch = 0xEA000000 | (-(NOPS + 2) & 0xFFFFFF)
    code = struct.pack(f"<{len(BEGIN) + NOPS + 1}I", *BEGIN, *[NOP] * NOPS, branch)
    size = HEADERS + len(code)
    ident = b"\x7fELF\x01\x01\x01".ljust(16, b"\0")
    header = struct.pack("<16sHHIIIIIHHHHHH", ident, 2, 40, 1, BASE + HEADERS, 52, 0, 0x05000200, 52, 32, 1, 0, 0, 0)
    segment = struct.pack("<8I", 1, 0, BASE, BASE, size, size, 5, 0x1000)
    return header + segment + code
