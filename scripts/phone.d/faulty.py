"""Scenarios with sticks that cannot take a recording: bad blocks, read-only, full, no directory entries; and with two."""

import recording
from machine import Failed, fields
from setting import EXACT_CALL, WATCH, boot, expect, path, say, take
from stick import MIB, Stick

START = "cmd=RecordStartRequest&sink=local"


def bad_block():
    """A stick on which a block in the recording's way cannot be written: it ends, the file is good, the daemon goes on."""
    stick = Stick(path("bad-block.img"))
    # 100 KB after the first free cluster, which follows two FATs of 4 bytes per cluster and 32 reserved sectors.
    sector = (stick.offset + 2 * 4 * (288 * MIB // 4096) + 100_000) // 512
    error = f"inject-error.0.event=none,inject-error.0.iotype=write,inject-error.0.sector={sector}"
    stick.filters.append(f"driver=blkdebug,image={{below}},{error},inject-error.0.errno=5,inject-error.0.once=off")
    with boot(stick) as phone:
        phone.run(WATCH)
        phone.try_run(f"{EXACT_CALL} --seconds 20")
        events = [fields(line) for line in phone.run("grep RecordEvent /tmp/events")]
        expect(events[-1]["state"] == "failed", f"event: {events[-1].get('reason')}")
        expect(events[-1]["reason"].startswith("stick-error"), "the reason says that the stick is at fault")
        daemon_lives(phone)
        phone.try_run("sync; umount /mnt/usb")
        phone.cut()
    name = stick.recordings()[0]
    left = recording.Recording(name, stick.read(name))
    good = [frame[0] & 0xC0 == 0x80 for frame in left.frames]
    say(f"{name}: {len(good)} frames, the first {sum(good)} of them good; dataSize says {left.data_size // 172} frames")
    left.check_frames()
    expect(left.seconds > 3, f"{left.seconds:.2f} s are good, header exact: {left.exact}")


def read_only():
    """A write-protected stick: a start is refused with `no-stick`."""
    stick = Stick(path("read-only.img"), mib=40, fat=16)
    stick.read_only = True
    with boot(stick) as phone:
        _refused(phone, ("no-stick",))


def full():
    """A stick without space, and one that becomes full while recording: `disk-full`, what is there is good."""
    stick = Stick(path("full.img"), mib=4, fat=12, sectors_a_cluster=4)
    filler = stick.free_bytes() - MIB - 100_000
    stick.put("FILLER.BIN", b"\0" * filler)
    with boot(stick) as phone:
        phone.run(WATCH)
        phone.try_run(f"{EXACT_CALL} --seconds 20")
        events = [fields(line) for line in phone.run("grep RecordEvent /tmp/events")]
        expect(events[-1].get("reason", "").startswith("disk-full"), f"while recording: {events[-1].get('reason')}")
        phone.run("dd if=/dev/zero of=/mnt/usb/more bs=1k count=500 2>/dev/null; sync; sleep 1")
        _refused(phone, ("disk-full",))
        phone.cut()
    taken = take(stick)
    expect(taken.exact and taken.seconds > 3, f"{taken.name}: {taken.seconds:.2f} s, header exact: {taken.exact}")
    expect(len(stick.read("FILLER.BIN")) == filler, "the other file on it is untouched")
    stick.check()


def no_entries():
    """A stick with space but no free entry in its root folder (FAT16): a start is refused, the daemon goes on."""
    stick = Stick(path("no-entries.img"), mib=16, fat=16, sectors_a_cluster=4, root_entries=32)
    put = 0
    try:
        while put < 512:
            stick.put(f"F{put}", b"")
            put += 1
    except Failed:
        say(f"{put} files, then no entry is left; {stick.free_bytes()} bytes are free")
    with boot(stick) as phone:
        _refused(phone, ("disk-full", "stick-error"))


def two_sticks():
    """Two sticks: the first one is recorded to; pulled while recording, the next call goes to the second."""
    sticks = [Stick(path("first.img")), Stick(path("second.img"))]
    with boot(*sticks, mounted=2) as phone:
        phone.run(WATCH)
        phone.run(f"{EXACT_CALL} --seconds 5")
        used = [len(stick.recordings()) for stick in sticks]
        expect(sum(used) == 1, f"recordings on the first and the second stick: {used}")
        first = used.index(1)
        phone.run(f"{EXACT_CALL} --seconds 30 >/dev/null 2>&1 & sleep 4")
        phone.pull(first)
        phone.run("sleep 2; killall callrec-sim")
        failed = [fields(line) for line in phone.run("grep state=failed /tmp/events")]
        expect(len(failed) == 1, f"pulled: {failed[0]['reason']}")
        phone.run(f"{EXACT_CALL} --seconds 5; sync")
        daemon_lives(phone)
        phone.cut()
    taken = take(sticks[1 - first])
    expect(taken.exact and len(taken.frames) >= 250, f"the next call is on the other one: {taken.name}, {taken.seconds:.2f} s")


def _refused(phone, reasons):
    answer = phone.ctl(START)
    expect(answer.get("reason", "").startswith(reasons), f"a start: {answer.get('reason', answer)}")
    daemon_lives(phone)


def daemon_lives(phone):
    """The daemon answers, and nothing happened that cannot happen."""
    counters = phone.ctl("StatsRequest")
    expect(counters["bug"] == "0" and counters["recordings"] == "0", "the daemon answers, no recording is left over")
    say(phone.run("/etc/init.d/S80callrec status")[0])
