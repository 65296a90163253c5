"""Recordings fetched over FSP from the phone's stick, by the PC's `callrec fetch` as an ARMv7 program in the phone."""

import recording
from setting import EXACT_CALL, PLAYED, boot, configure, expect, path, say, take
from stick import Stick

# A recording of an earlier day that is long enough to take a while to read: 25 minutes.
OLD = "Record_20260102_101500.wav"
FETCH = "/test/callrec fetch --ip 127.0.0.1:9531 --password-file /tmp/pw"


def fetch():
    """A call is recorded while an earlier recording is fetched over FSP: byte-exact, and no frame of the call is lost."""
    stick = Stick(path("fetch.img"))
    with boot(stick) as phone:
        configure(phone, fspEnabled=1, fspPassword="known", fspMaxPayload=1460)
        folder = phone.run("sed -n 's/^[^ ]* \\(.mnt.usb[^ ]*\\) vfat .*/\\1/p' /proc/mounts")[0]
        phone.run(f"echo known >/tmp/pw; cd {folder}; n=0; while [ $n -lt 50 ]; do cat /test/near; n=$((n + 1)); done >{OLD}; sync")
        phone.run(f"{EXACT_CALL} --seconds 30 >/tmp/sim 2>&1 & usleep 3000000; echo 3 >/proc/sys/vm/drop_caches")
        fetched = phone.run(f"{FETCH} --flat get --to /tmp/to Recorder/20260102/{OLD} 2>/tmp/err", timeout=600)
        expect(OLD in fetched[0], f"{fetched[0]}, from the stick while the call ran")
        phone.run(f"cmp {folder}/{OLD} /tmp/to/{OLD} && pidof callrec-sim")
        say("byte for byte what is on the stick; the call still ran")
        now = phone.run(f"{FETCH} ls Recorder")[-1].split()[-1]
        growing = phone.run(f"{FETCH} ls Recorder/{now} | grep 'wav$'")[-1].split()
        size = int(growing[1])
        whole = size > 76 and (size - 76) % 172 == 0
        expect(whole, f"{growing[-1]}, being recorded: {size} bytes durable, whole frames")
        phone.until("! pidof callrec-sim >/dev/null", 60)
        counters = phone.ctl("StatsRequest")
        lost = {key: counters[key] for key in ("kernel_drop", "frames_lost", "late", "concealed", "failed", "bug")}
        expect(set(lost.values()) == {"0"}, f"nothing dropped, late or made up: {lost}")
        say(f"{counters['fsp_requests']} requests answered, longest turn {counters['longest_turn_us']} us")
        phone.cut()
    made = take(stick, next(name for name in stick.recordings() if name != OLD))
    expect(made.exact and len(made.frames) == 1500, f"{made.name}: {len(made.frames)} frames, header exact: {made.exact}")
    expect(recording.find(made.payloads(), PLAYED) == 0, "the call sample for sample as it was played")
    stick.check()
