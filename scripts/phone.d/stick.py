"""USB sticks as image files: made by mkfs.vfat, looked into with mtools, checked with fsck.vfat."""

import os
import re
import struct
import subprocess

from machine import Failed

SECTOR = 512
PARTITION_AT = 1024 * 1024
MIB = 1024 * 1024


class Stick:
    """An image with one partition, as sticks are sold, or without (`partition=False`)."""

    def __init__(self, path, mib=288, fat=32, sectors_a_cluster=8, partition=True, root_entries=None, keep=False):
        self.path, self.offset = path, PARTITION_AT if partition else 0
        self.read_only = False
        self.filters = []
        if keep and os.path.exists(path):
            return
        size = mib * MIB + self.offset
        if os.path.exists(path):
            os.unlink(path)
        with open(path, "wb") as image:
            image.truncate(size)
            if partition:
                image.write(_partition_table(self.offset // SECTOR, mib * MIB // SECTOR, fat))
        command = ["mkfs.vfat", "-F", str(fat), "-s", str(sectors_a_cluster), "-n", "CALLREC"]
        command += ["-r", str(root_entries)] if root_entries else []
        command += ["--offset", str(self.offset // SECTOR), path, str(mib * 1024)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=60)

    def blockdevs(self, name):
        """QEMU's arguments for the chain from the file to the node `name`."""
        read_only = ",read-only=on" if self.read_only else ""
        cache = "cache.direct=off,cache.no-flush=on"
        file = f"driver=file,node-name={name}-file,filename={self.path},{cache}{read_only}"
        arguments, below = ["-blockdev", file], f"{name}-file"
        for number, options in enumerate(self.filters):
            node = f"{name}-{number}"
            arguments += ["-blockdev", f"node-name={node},{options.format(below=below)}{read_only}"]
            below = node
        return arguments + ["-blockdev", f"driver=raw,node-name={name},file={below}{read_only}"]

    # --- its content, read on the host

    def _mtool(self, *arguments):
        image = f"{self.path}@@{self.offset}"
        environment = dict(os.environ, MTOOLS_SKIP_CHECK="1")
        return subprocess.run(
            [arguments[0], "-i", image, *arguments[1:]], capture_output=True, timeout=120, env=environment, check=False
        )

    def names(self):
        """The names of the root folder, in their order there."""
        listed = self._mtool("mdir", "-b", "::/")
        if listed.returncode != 0:
            raise Failed(f"{self.path}: mdir: {listed.stderr.decode().strip()}")
        return [line.removeprefix("::/") for line in listed.stdout.decode().split("\n") if line]

    def recordings(self):
        """The recordings' names, oldest first."""
        return sorted(name for name in self.names() if re.fullmatch(r"Record_\d{8}_\d{6}(_\d+)?\.wav", name))

    def free_bytes(self):
        """The space that mdir sees."""
        listed = self._mtool("mdir", "::/").stdout.decode()
        return int(re.search(r"([0-9 ]+) bytes free", listed).group(1).replace(" ", ""))

    def read(self, name):
        """A file's bytes."""
        got = self._mtool("mtype", f"::/{name}")
        if got.returncode != 0:
            raise Failed(f"{self.path}: {name} cannot be read: {got.stderr.decode().strip()}")
        return got.stdout

    def put(self, name, content):
        """Writes a file, as a PC would."""
        source = self.path + ".put"
        with open(source, "wb") as out:
            out.write(content)
        put = self._mtool("mcopy", "-o", source, f"::/{name}")
        os.unlink(source)
        if put.returncode != 0:
            raise Failed(f"{self.path}: {name} cannot be written: {put.stderr.decode().strip()}")

    def check(self):
        """What fsck.vfat says, without what a power cut may leave; a file system in disorder is a failure."""
        part = self.path + ".part"
        command = f"dd if={self.path} of={part} bs=1M skip={self.offset // MIB} conv=sparse status=none"
        subprocess.run(command.split(), check=True, timeout=120)
        done = subprocess.run(["fsck.vfat", "-n", part], capture_output=True, timeout=120, check=False)
        os.unlink(part)
        said = done.stdout.decode(errors="replace")
        if done.returncode > 1:
            raise Failed(f"fsck.vfat: {said}{done.stderr.decode()}")
        return said


def _partition_table(first, count, fat):
    kind = {32: 0x0C, 16: 0x0E, 12: 0x01}[fat]
    entry = struct.pack("<B3sB3sII", 0, b"\xfe\xff\xff", kind, b"\xfe\xff\xff", first, count)
    return b"\0" * 446 + entry + b"\0" * 48 + b"\x55\xaa"
