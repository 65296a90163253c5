"""The scenarios by name."""

import basic
import clock
import doors
import faulty
import fetching
import pulled
import rust_tests
import slow

ALL = {
    "call": basic.call,
    "late-clock": basic.late_clock,
    "clock": clock.clock,
    "eight": basic.eight,
    "pause": basic.pause,
    "roll-over": basic.roll_over,
    "pull": pulled.pull,
    "power": pulled.power,
    "stall": slow.stall,
    "stop-in-stall": slow.stop_in_stall,
    "trickle": slow.trickle,
    "bad-block": faulty.bad_block,
    "read-only": faulty.read_only,
    "full": faulty.full,
    "no-entries": faulty.no_entries,
    "two-sticks": faulty.two_sticks,
    "fetch": fetching.fetch,
    "door": doors.door,
    "screen": doors.screen,
    "rust-tests": rust_tests.rust_tests,
}
# Several under one name.
GROUPS = {"basic": ("call", "pause", "eight")}
# The longest scenarios.
LONG = ("rust-tests", "power", "roll-over")
