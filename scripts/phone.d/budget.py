"""What recording costs on the phone: instructions, wake-ups and memory, against their budgets."""

from machine import Failed
from setting import boot, path, say, take
from stick import Stick

SECONDS = 60
# The process's run time so far in ns (with `-icount shift=0`: instructions, the kernel's for it included), its
# wake-ups, its memory and the phone's clock. Reading them runs no code of the daemon. Memory is summed over the
# mappings: VmRSS is a counter that the kernel updates per thread, in steps of up to 64 pages.
LOOK = (
    "look() { pid=$(cat /var/run/callrec.pid); cat /proc/$pid/task/*/schedstat | awk '{ n += $1 } END { printf \"%.0f \", n }'; "
    "cat /proc/$pid/task/*/status | awk '/^voluntary/ { n += $2 } END { printf \"%d \", n }'; "
    "awk '/^Rss:/ { n += $2 } END { printf \"%d \", n }' /proc/$pid/smaps; cut -d' ' -f1 /proc/uptime; }; "
)


def budget():
    """Instructions a frame, wake-ups a second and memory, counted in the emulated phone."""
    stick = Stick(path("budget.img"))
    with boot(stick, paced=False) as phone:
        idle = _looks(phone, f"look; sleep {SECONDS}; look")
        call = f"callrec-sim call --quiet --seconds {SECONDS + 20} >/tmp/sim 2>&1 & sleep 10; look; sleep {SECONDS}; look; wait"
        busy = _looks(phone, call)
        say("; ".join(phone.run("cat /tmp/sim")[-2:]))
        counters = phone.ctl("StatsRequest")
        phone.run("sync")
        phone.cut()
    frames = len(take(stick).frames)
    if frames < (SECONDS + 20) * 50:
        raise Failed(f"the call of {SECONDS + 20} s was recorded as {frames} frames")
    _table(idle, busy, counters)


def _looks(phone, command):
    """Two looks: the differences a second, and the memory at the second."""
    first, last = ([float(word) for word in line.split()] for line in phone.run(LOOK + command, timeout=300)[-2:])
    seconds = last[3] - first[3]
    return {"instructions": (last[0] - first[0]) / seconds, "wakeups": (last[1] - first[1]) / seconds, "rss": last[2]}


def _table(idle, busy, counters):
    rows = [
        ("ARMv7 instructions a frame, 2 legs, vfat, kernel included", busy["instructions"] * 0.02, 10_250),
        ("wake-ups a second, idle", idle["wakeups"], 0),
        ("wake-ups a second, recording", busy["wakeups"], 10),
        ("resident memory with one recording, KiB", busy["rss"], 800),
    ]
    say(f"{'':58} {'measured':>9} {'budget':>7}")
    for name, measured, most in rows:
        say(f"{name:58} {measured:9.1f} {most:7} {'' if measured <= most else 'EXCEEDED'}")
    say(f"instructions a wake-up: {busy['instructions'] / busy['wakeups']:.0f}; longest turn {counters['longest_turn_us']} us")
    over = [name for name, measured, most in rows if measured > most]
    if over:
        raise Failed("over budget: " + "; ".join(over))
