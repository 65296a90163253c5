"""Scenarios with a stick that stalls, or is hardly faster than what is recorded."""

import recording
from setting import EXACT_CALL, PLAYED, boot, expect, path, say, take
from stick import Stick

SECONDS = 20
# What a throttled stick may do: nothing, as many bytes a second, all.
THROTTLE = ["-object", "throttle-group,id=stick"]
FILTER = "driver=throttle,throttle-group=stick,file={below}"


def stall():
    """The stick takes no write for 4 s while two calls are recorded: no frame is lost."""
    with _booted("stall.img") as phone:
        _begin_two_calls(phone, 6)
        # One write a second, and QEMU lets the one that waits at the end have its second: 4 s in all.
        _limit(phone, {"iops-write": 1, "iops-write-max": 1})
        phone.run("usleep 3200000")
        _limit(phone, {"iops-write": 0, "iops-write-max": 0})
        turn = _check_two_calls(phone)
        expect(2 < turn < 5, f"the stick held the daemon up for {turn:.2f} s")


def trickle():
    """A stick that writes 40 KiB/s while two calls are recorded: no frame is lost."""
    with _booted("trickle.img") as phone:
        _limit(phone, {"bps-write": 40 * 1024})
        _begin_two_calls(phone, 1)
        _check_two_calls(phone)


class _booted:
    """A phone whose stick can be throttled."""

    def __init__(self, name):
        self.stick = Stick(path(name))
        self.stick.filters.append(FILTER)
        self.booted = boot(self.stick, extra=THROTTLE)

    def __enter__(self):
        phone = self.booted.__enter__()
        phone.stick = self.stick
        return phone

    def __exit__(self, *exception):
        self.booted.__exit__(*exception)


def _limit(phone, limits):
    phone.qmp("qom-set", path="/objects/stick", property="limits", value=limits)


# The longest time in which the phone as a whole did not run (a busy host's fault, not the recorder's), in 0.01 s.
TICKER = (
    "(last=; while read -r now _ </proc/uptime; do n=${now%.*}${now#*.}; [ -z $last ] || [ $((n - last)) -le $(cat /tmp/gap) ] "
    "|| echo $((n - last)) >/tmp/gap; last=$n; usleep 20000; done) &"
)


def _begin_two_calls(phone, seconds):
    phone.run(f"echo 0 >/tmp/gap; {TICKER}")
    for number in (1, 2):
        phone.run(f"{EXACT_CALL} --seconds {SECONDS} >/tmp/sim{number} 2>&1 & usleep 300000")
    phone.run(f"sleep {seconds}")


def _check_two_calls(phone):
    phone.run("while pidof callrec-sim >/dev/null; do usleep 200000; done", timeout=90)
    counters = phone.ctl("StatsRequest")
    _limit(phone, {"bps-write": 0})
    phone.run("sync")
    gap = int(phone.run("cat /tmp/gap")[0]) / 100
    say(f"the longest pause of the phone itself: {gap:.2f} s")
    said = phone.run("cat /tmp/sim1 /tmp/sim2")
    phone.cut()
    turn = int(counters["longest_turn_us"]) / 1e6
    lost = {key: counters[key] for key in ("kernel_drop", "frames_lost", "failed", "late", "bug")}
    expect(set(lost.values()) == {"0"}, f"{lost}, the longest turn took {turn:.2f} s")
    placed = {key: counters[key] for key in ("reanchored", "concealed", "skew_steps", "unconfirmed", "audio")}
    say(f"legs: {placed}")
    names = phone.stick.recordings()
    expect(len(names) == 2, f"two files: {'; '.join(line for line in said if line.startswith('recorded'))}")
    for name in names:
        taken = take(phone.stick, name)
        # Created and closed on a slow stick: a recording is as long as from request to request.
        most = SECONDS * 50 + 50
        text = f"{name}: {len(taken.frames)} frames of {SECONDS * 50}, header exact: {taken.exact}"
        expect(taken.exact and SECONDS * 50 <= len(taken.frames) <= most, text)
        recording.follow(taken.payloads(), PLAYED[: SECONDS * 50 - 1], 4000)
    phone.stick.check()
    return turn
