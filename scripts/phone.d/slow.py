"""Scenarios with a stick that stalls, or is hardly faster than what is recorded."""

import recording
from machine import Failed, fields
from setting import EXACT_CALL, PLAYED, boot, expect, path, say, take
from stick import Stick

SECONDS = 20
STALL = 4.0
# Waits until a write has taken 0.1 s, which no write to this stick takes by itself; prints when it began.
# (/sys/block/sda/inflight: reads, writes.)
BEGUN = (
    "n=0; while [ $n -lt 5 ]; do usleep 20000; read -r now _ </proc/uptime; read -r _ writes </sys/block/sda/inflight; "
    "if [ $writes -gt 0 ]; then n=$((n + 1)); else n=0; fi; [ $n -ne 1 ] || begun=$now; done; echo $begun"
)
# Prints when the time is over, and when the write has completed. It never sleeps in between: while the phone is busy, its
# clock is slower than the host's, so that it does not matter how long the host takes to notice it.
STALLED = (
    f"usleep {STALL * 1e6:.0f}; echo over; while read -r _ writes </sys/block/sda/inflight; [ $writes -gt 0 ]; do :; done; "
    "cut -d' ' -f1 /proc/uptime"
)


def stall():
    """The stick takes no write for 4 s while two calls are recorded: no frame is lost."""
    stick = Stick(path("stall.img"))
    # The raw node above announces each write to this one before it is made, and `break` suspends it until `resume`.
    stick.filters.append("driver=blkdebug,image={below}")
    with boot(stick) as phone:
        _begin_two_calls(phone)
        phone.run("sleep 5")
        phone.block(0, "break write_aio stalled")
        begun = float(phone.run(BEGUN)[0])
        phone.send(STALLED)
        while phone.line() != "over":
            pass
        phone.block(0, "resume stalled")
        seconds = float(phone.wait()[0][0]) - begun
        expect(STALL <= seconds < STALL + 1, f"the stick took nothing for {seconds:.2f} s")
        turn = _check_two_calls(phone, stick)
        expect(STALL / 2 < turn < STALL + 1, f"the daemon waited for it, {turn:.2f} s in one turn")


def stop_in_stall():
    """A stop asked for while the stick takes no write counts from then on, not from when the stick has gone on."""
    stick = Stick(path("stop-in-stall.img"))
    stick.filters.append("driver=blkdebug,image={below}")
    with boot(stick) as phone:
        begin = "cut -d' ' -f1 /proc/uptime >/tmp/began"
        phone.run(f"{begin}; {EXACT_CALL} --seconds {SECONDS} >/tmp/sim 2>&1 & sleep 4")
        call = fields(phone.run("callrec ctl RecordStatusRequest")[0])
        phone.block(0, "break write_aio stalled")
        phone.run(BEGUN)
        # A second into the stall; the response is sent when the stick continues.
        asked = f"usleep 1000000; cut -d' ' -f1 /proc/uptime >/tmp/asked; callrec ctl 'cmd=RecordStopRequest&id={call['id']}' >/tmp/stop"
        phone.run(f"({asked}) >/dev/null 2>&1 & usleep {STALL * 1e6:.0f}")
        expect(not phone.run("cat /tmp/stop"), f"the daemon does not answer while the stick takes nothing, {STALL:.0f} s")
        phone.block(0, "resume stalled")
        phone.until("[ -s /tmp/stop ]")
        stop = fields(phone.run("cat /tmp/stop")[0])
        began, asked = float(phone.run("cat /tmp/began")[0]), float(phone.run("cat /tmp/asked")[0])
        phone.run("sync")
        phone.cut()
    taken = take(stick)
    expect(int(stop["frames"]) == len(taken.frames) and taken.exact, f"the answer's {stop['frames']} frames are in the file")
    late = len(taken.frames) * 0.02 - (asked - began)
    expect(-0.5 < late < 0.5, f"it ends {late:+.2f} s from when it was asked for, where the stick was {STALL - 1:.0f} s late")


def trickle():
    """A stick that writes 40 KiB/s while two calls are recorded: no frame is lost."""
    stick = Stick(path("trickle.img"))
    with boot(stick) as phone:
        # The phone's own block layer limits the rate: in the phone's time, not in the emulator's.
        phone.run("mkdir /tmp/blkio; mount -t cgroup -o blkio blkio /tmp/blkio")
        phone.run(f"echo 8:0 {40 * 1024} >/tmp/blkio/blkio.throttle.write_bps_device")
        write = "dd if=/dev/zero of=/mnt/usb/zeros bs=1k count=120 conv=fsync 2>/dev/null"
        before, after = (float(line) for line in phone.run(f"cut -d' ' -f1 /proc/uptime; {write}; cut -d' ' -f1 /proc/uptime"))
        rate = 120 / (after - before)
        expect(20 < rate < 45, f"it writes {rate:.0f} KiB/s")
        phone.run("rm /mnt/usb/zeros; sync")
        _begin_two_calls(phone)
        _check_two_calls(phone, stick)


def _begin_two_calls(phone):
    for number in (1, 2):
        phone.run(f"{EXACT_CALL} --seconds {SECONDS} >/tmp/sim{number} 2>&1 & usleep 300000")


def _check_two_calls(phone, stick):
    phone.until("! pidof callrec-sim >/dev/null", 60)
    counters = phone.ctl("StatsRequest")
    phone.run("sync")
    said = phone.run("cat /tmp/sim1 /tmp/sim2")
    phone.cut()
    turn = int(counters["longest_turn_us"]) / 1e6
    lost = {key: counters[key] for key in ("kernel_drop", "frames_lost", "failed", "late", "bug")}
    expect(set(lost.values()) == {"0"}, f"{lost}, the longest turn took {turn:.2f} s")
    placed = {key: counters[key] for key in ("reanchored", "concealed", "skew_steps", "unconfirmed", "audio")}
    say(f"legs: {placed}")
    names = stick.recordings()
    expect(len(names) == 2, f"two files: {'; '.join(line for line in said if line.startswith('recorded'))}")
    for name in names:
        taken = take(stick, name)
        # Created and closed on a slow stick: a recording lasts from request to request.
        most = SECONDS * 50 + 50
        if not taken.exact or not SECONDS * 50 <= len(taken.frames) <= most:
            raise Failed(f"{name}: {len(taken.frames)} frames of {SECONDS * 50}, header exact: {taken.exact}")
        shift = recording.follow(taken.payloads(), PLAYED[: SECONDS * 50 - 1])
        say(f"{name}: {len(taken.frames)} frames, header exact, all that was played is there, moved by {shift} samples")
    stick.check()
    return turn
