"""The scenarios by name."""

import basic

ALL = {
    "call": basic.call,
    "late-clock": basic.late_clock,
}
