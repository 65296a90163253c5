"""The Rust tests that qemu-user cannot run, in the emulated phone: those that not-in-qemu-user lists."""

import glob
import os
import re
import struct

from machine import Failed
from setting import PARTS, SYSTEM, boot, build, say


def rust_tests():
    """The Rust tests that qemu-user cannot run, on the phone's own kernel."""
    named = _named()
    build("rust-tests.gz", _files(named))
    with boot(mounted=0, image="rust-tests.gz") as phone:
        phone.run("/etc/init.d/S80callrec stop")
        for program, tests in named.items():
            _run(phone, program, tests)


def _files(programs):
    """What the tests need: themselves, our programs in `bin` beside them, strace, and captures of calls."""
    built = os.path.join(PARTS, "rust-tests")
    files = {f"test/rust/{name}": _loaded(os.path.join(built, name)) for name in programs}
    for path in glob.glob(os.path.join(built, "bin", "*")):
        files["test/rust/bin/" + os.path.basename(path)] = _loaded(path)
    for path in ("usr/bin/strace", "lib/ld-linux-armhf.so.3", "lib/arm-linux-gnueabihf/libc.so.6"):
        files[path] = _content(os.path.join(SYSTEM, path))
    for path in glob.glob("/usr/share/sip-tester/*.pcap"):
        files[path.lstrip("/")] = _content(path)
    return files


def _named():
    """The tests by program."""
    named = {}
    with open(os.path.join(PARTS, "rust-tests.list"), encoding="utf-8") as opened:
        for line in opened:
            program, test, _ = line.split(" ", 2)
            named.setdefault(program, []).append(test)
    return named


def _run(phone, program, tests):
    before = phone.uptime()
    said, status = phone.try_run(f"cd /tmp; /test/rust/{program} --include-ignored {' '.join(tests)}", timeout=900)
    if status != 0:
        raise Failed(f"{program}:\n" + "\n".join(said[-60:]))
    passed = [found.group(1) for found in (re.match(r"test (\S+) .*\bok$", line) for line in said) if found]
    missing = [test for test in tests if not any(name.endswith(test) for name in passed)]
    if missing:
        raise Failed(f"{program}: did not run: {' '.join(missing)}")
    say(f"{program}: {len(passed)} passed in {phone.uptime() - before:.0f} s")
    for name in passed:
        say(f"  {name}")


def _loaded(path):
    """A program without what is not loaded: 15 MB of debugging information."""
    content = bytearray(_content(path))
    segments, sections = struct.unpack_from("<II", content, 28)
    size, count = struct.unpack_from("<HH", content, 42)
    ends = []
    for number in range(count):
        _, offset, _, _, length = struct.unpack_from("<5I", content, segments + number * size)
        ends.append(offset + length)
    if sections >= max(ends):
        struct.pack_into("<I", content, 32, 0)  # e_shoff
        struct.pack_into("<HH", content, 48, 0, 0)  # e_shnum, e_shstrndx
    return bytes(content[: max(ends)])


def _content(path):
    with open(path, "rb") as opened:
        return opened.read()
