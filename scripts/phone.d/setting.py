"""Where the emulated phone's parts lie, and what every scenario begins with."""

import os

import initramfs
import recording
from machine import Failed, Phone

HERE = os.path.dirname(os.path.abspath(__file__))
PHONE = os.path.abspath(os.path.join(HERE, "..", "..", "target", "phone"))
# What the scenarios play, /test/near in the phone: 30 s, every frame different.
PLAYED = recording.noise(1500, 1)
# A call of one leg, recorded bit for bit.
EXACT_CALL = "callrec-sim call --quiet --near /test/near --set legs=1"
# The daemon's events with the phone's uptime before each.
WATCH = "callrec watch </dev/null | while read -r line; do read -r now _ </proc/uptime; echo $now $line; done >>/tmp/events &"


def path(name):
    """A file under target/phone."""
    return os.path.join(PHONE, name)


def build():
    """The root file system, with what the scenarios play."""
    initramfs.build(PHONE, os.path.join(HERE, "guest"), [("test/near", recording.as_file(PLAYED))])


def boot(*sticks, counted=False, mounted=1, **options):
    """A phone with sticks, for `with`; started, and so many sticks mounted."""
    return _Booted(PHONE, sticks, counted, mounted=mounted, **options)


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


def wait_mounted(phone, count=1, seconds=30):
    """Waits until so many sticks are mounted."""
    command = f"i=0; until [ $(grep -c ' /mnt/usb.* vfat ' /proc/mounts) -ge {count} ]; do i=$((i + 1)); "
    phone.run(command + f"[ $i -lt {seconds * 10} ] || exit 1; usleep 100000; done", timeout=seconds + 60)
    # The daemon looks as soon as the kernel says that something was mounted; it may repair files first.
    phone.run("usleep 500000")


def configure(phone, **keys):
    """Changes the phone's configuration file and restarts the daemon through its init script."""
    for key, value in keys.items():
        phone.run(f"sed -i '/^{key} *=/d' /etc/callrec.conf; echo '{key} = {value}' >>/etc/callrec.conf")
    phone.run("/etc/init.d/S80callrec restart; usleep 300000")


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
    """What was checked, for the one who reads along."""
    print(f"   {text}", flush=True)


def expect(holds, text):
    """Says what was found; a failure unless it holds."""
    if not holds:
        raise Failed(text)
    say(text)
