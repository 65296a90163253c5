"""The phone's root file system as an initramfs: a cpio archive ("newc") written here, so that no root and no tool is needed."""

import gzip
import os
import stat

MODULES = (
    "virtio_pci xhci-pci usb-storage sd_mod vfat nls_cp437 nls_ascii nls_iso8859-1 nls_utf8".split()
)


class Archive:
    """Files as cpio "newc" records."""

    def __init__(self):
        self.parts = []
        self.folders = set()

    def add(self, path, mode, content=b"", device=(0, 0)):
        """One entry; the folders above it are made."""
        self._folders_above(path)
        self._record(path, mode, content, device)

    def folder(self, path):
        """A folder, once."""
        if path and path not in self.folders:
            self._folders_above(path)
            self.folders.add(path)
            self._record(path, stat.S_IFDIR | 0o755, b"", (0, 0))

    def tree(self, source):
        """Everything under a folder of the host."""
        for base, folders, files in os.walk(source):
            for name in folders:
                self.folder(os.path.relpath(os.path.join(base, name), source))
            for name in files:
                path = os.path.join(base, name)
                executable = os.access(path, os.X_OK)
                self.file(os.path.relpath(path, source), path, 0o755 if executable else 0o644)

    def file(self, path, source, mode=0o755):
        """A file of the host."""
        with open(source, "rb") as opened:
            self.add(path, stat.S_IFREG | mode, opened.read())

    def finish(self):
        """The archive's bytes."""
        self._record("TRAILER!!!", 0, b"", (0, 0))
        return b"".join(self.parts)

    def _folders_above(self, path):
        self.folder(os.path.dirname(path))

    def _record(self, path, mode, content, device):
        name = path.encode() + b"\0"
        fields = [len(self.parts) + 1, mode, 0, 0, 1, 0, len(content), 0, 0, *device, len(name), 0]
        head = b"070701" + b"".join(b"%08X" % field for field in fields) + name
        self.parts += [_padded(head), _padded(content)]


def _padded(data):
    return data + b"\0" * (-len(data) % 4)


def _modules(system):
    """The modules' paths by name, and the names that the kernel has built in."""
    base = os.path.join(system, "lib", "modules")
    base = os.path.join(base, os.listdir(base)[0])
    paths = {}
    for folder, _, files in os.walk(base):
        for name in files:
            if name.endswith(".ko"):
                paths[name[:-3].replace("-", "_")] = os.path.join(folder, name)
    return paths


def _needs(path):
    """The modules that one module's .modinfo section names as needed."""
    with open(path, "rb") as opened:
        content = opened.read()
    start = content.find(b"\0depends=") + len(b"\0depends=")
    names = content[start : content.index(b"\0", start)].decode()
    return [name.replace("-", "_") for name in names.split(",") if name]


def _in_order(paths, wanted):
    """The wanted modules, each behind those that it needs; what is built in is left out."""
    order = []

    def visit(name):
        if name in paths and name not in order:
            for needed in _needs(paths[name]):
                visit(needed)
            order.append(name)

    for name in wanted:
        visit(name.replace("-", "_"))
    return order


def kernel(system):
    """The kernel's path."""
    boot = os.path.join(system, "boot")
    names = [name for name in os.listdir(boot) if name.startswith("vmlinuz-")]
    return os.path.join(boot, names[0])


def build(result, parts, board, guest, files):
    """Writes the compressed archive `result`: system, the board's firmware, the guest's own scripts, and `files`.

    `files` by path: their bytes, or what a symbolic link points to.
    """
    archive, system = Archive(), os.path.join(parts, "system")
    archive.tree(os.path.join(parts, board, "root"))
    for folder in ("bin", "sbin", "dev", "proc", "sys", "tmp", "mnt", "var/run", "var/log", "etc"):
        archive.folder(folder)
    archive.add("dev/console", stat.S_IFCHR | 0o600, device=(5, 1))
    archive.file("bin/busybox", os.path.join(system, "bin", "busybox"))
    for name, path in (("init", "init"), ("S10usb", "etc/init.d/S10usb"), ("motd", "etc/motd")):
        archive.file(path, os.path.join(guest, name))
    for name in ("stick-event", "agent"):
        archive.file("usr/sbin/" + name, os.path.join(guest, name))
    archive.file("usr/bin/callrec-sim", os.path.join(parts, "callrec-sim"))
    archive.file("test/callrec", os.path.join(parts, "callrec-tools"))
    paths = _modules(system)
    order = _in_order(paths, MODULES)
    for name in order:
        archive.file(f"lib/modules/{name}.ko", paths[name], 0o644)
    archive.add("lib/modules/order", stat.S_IFREG | 0o644, "".join(f"{name}.ko\n" for name in order).encode())
    for path, content in files.items():
        if isinstance(content, str):
            archive.add(path, stat.S_IFLNK | 0o777, content.encode())
        else:
            archive.add(path, stat.S_IFREG | 0o755, content)
    with open(result, "wb") as out, gzip.GzipFile(fileobj=out, mode="wb", compresslevel=3, mtime=0) as packed:
        packed.write(archive.finish())
