"""Where the emulated phone's parts lie, and what every scenario begins with."""

import fcntl
import glob
import os
import shutil
import tempfile
import threading

import initramfs
import pace
import recording
from machine import Failed, Phone

HERE = os.path.dirname(os.path.abspath(__file__))
# The output of scripts/phone.d/prepare, shared by all runs.
PARTS = os.path.abspath(os.path.join(HERE, "..", "..", "target", "phone"))
SYSTEM = os.path.join(PARTS, "system")
# Sticks are files in memory if there is room: the phone's clock continues while they wait for a busy disk.
RUNS = "/dev/shm" if os.path.ismount("/dev/shm") and shutil.disk_usage("/dev/shm").free > 2 << 30 else PARTS
# The recording that the scenarios play, /test/near in the phone: 30 s, every frame different.
PLAYED = recording.noise(1500, 1)
# A call of one leg, recorded bit for bit.
EXACT_CALL = "callrec-sim call --quiet --near /test/near --set legs=1"
# The daemon's events with the phone's uptime before each.
WATCH = "callrec watch </dev/null | while read -r line; do read -r now _ </proc/uptime; echo $now $line; done >>/tmp/events &"

# The output of this thread's scenario so far: its `lines`.
said = threading.local()


class Run:
    """A folder of its own for each run, so that two at once are strangers to each other; gone at the end."""

    folder = lock = None

    def __enter__(self):
        Run.folder = tempfile.mkdtemp(prefix="callrec-phone.", dir=RUNS)
        Run.lock = open(path("lock"), "w", encoding="ascii")
        fcntl.flock(Run.lock, fcntl.LOCK_EX)
        _remove_leftovers()
        build("initramfs.gz", {"test/near": recording.as_file(PLAYED)})
        return self

    def __exit__(self, *_):
        kept = os.environ.get("PHONE_STICKS")
        for stick in glob.glob(path("*.img")) if kept else ():
            shutil.move(stick, kept)
        shutil.rmtree(Run.folder, ignore_errors=True)


def _remove_leftovers():
    """Folders of runs that were killed: nobody holds their lock."""
    for folder in glob.glob(os.path.join(RUNS, "callrec-phone.*")):
        try:
            with open(os.path.join(folder, "lock"), "w", encoding="ascii") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
        except BlockingIOError:
            pass  # in use


def path(name):
    """A file of this run."""
    return os.path.join(Run.folder, name)


def build(name, files):
    """The root file system under this name, with these files (path: content) besides the phone's own."""
    board = os.environ.get("PHONE_BOARD", "generic")
    initramfs.build(path(name), PARTS, board, os.path.join(HERE, "guest"), {"test/pace": pace.program(), **files})


def boot(*sticks, mounted=1, image="initramfs.gz", **options):
    """A phone with sticks, for `with`; started, and so many sticks mounted."""
    return _Booted(SYSTEM, path(image), sticks, mounted=mounted, **options)


class _Booted(Phone):
    def __init__(self, *arguments, mounted, **options):
        super().__init__(*arguments, **options)
        self.mounted = mounted

    def __enter__(self):
        super().__enter__()
        try:
            wait_mounted(self, self.mounted)
        except BaseException:
            self.__exit__()
            raise
        return self


def wait_mounted(phone, count=1):
    """Waits until so many sticks are mounted and the daemon has seen it: it may repair files first."""
    phone.until(f"[ $(grep -c ' /mnt/usb.* vfat ' /proc/mounts) -ge {count} ]", 30)
    phone.run("usleep 500000")


def configure(phone, **keys):
    """Changes the phone's configuration file and restarts the daemon through its init script."""
    for key, value in keys.items():
        phone.run(f"sed -i '/^{key} *=/d' /etc/callrec.conf; echo '{key} = {value}' >>/etc/callrec.conf")
    phone.run("/etc/init.d/S80callrec restart")
    phone.until("callrec ctl StatsRequest >/dev/null 2>&1")


def take(stick, name=None):
    """A recording from the stick's image, its frames checked; the only one if no name is given."""
    names = stick.recordings()
    if name is None:
        if len(names) != 1:
            raise Failed(f"one recording was expected on the stick, there are: {names}")
        name = names[0]
    taken = recording.Recording(name, stick.read(name))
    taken.check_frames()
    return taken


def say(text):
    """What was checked, for the one who reads it."""
    said.lines.append(f"   {text}")


def expect(holds, text):
    """Says what was found; a failure unless it holds."""
    if not holds:
        raise Failed(text)
    say(text)
