"""The scenarios by name."""

import basic
import pulled

ALL = {
    "call": basic.call,
    "late-clock": basic.late_clock,
    "pull": pulled.pull,
    "power": pulled.power,
}
