//! Mounted file systems and block devices, and notifications of changes.

use std::ffi::OsStr;
use std::fs::{metadata, File};
use std::io::{self, Write};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

use nix::errno::Errno;
use nix::mount::{umount2, MntFlags};
use nix::unistd::{access, syncfs, AccessFlags};

use crate::base::limits::{MOUNT_TABLE_BYTES, PATH_BYTES};
use crate::io::sys;

/// The kernel's mount table, held open: it can be polled for changes.
pub struct Table {
    file: File,
    buffer: Box<[u8]>,
    devices: Option<OwnedFd>,
}

impl Table {
    /// Opens the table, and the kernel's device events if that is permitted.
    pub fn open() -> io::Result<Self> {
        let file = File::open("/proc/self/mountinfo")?;
        let buffer = vec![0; MOUNT_TABLE_BYTES].into_boxed_slice();
        Ok(Self {
            file,
            buffer,
            devices: sys::device_events().ok(),
        })
    }

    /// Becomes ready (priority) when a file system is mounted or unmounted.
    pub fn changes(&self) -> RawFd {
        self.file.as_raw_fd()
    }

    /// Becomes readable when a device is added or removed.
    pub fn device_changes(&self) -> Option<RawFd> {
        self.devices.as_ref().map(AsRawFd::as_raw_fd)
    }

    /// Discards all waiting device events: the caller examines the current state instead.
    pub fn drain_device_changes(&self) {
        let mut buffer = [0; 2048];
        if let Some(devices) = &self.devices {
            while nix::unistd::read(devices, &mut buffer).is_ok_and(|len| len > 0) {}
        }
    }

    /// The text of the table, as far as it fits into the buffer.
    pub fn read(&mut self) -> &[u8] {
        let mut len = 0;
        while len < self.buffer.len() {
            match self.file.read_at(&mut self.buffer[len..], len as u64) {
                Ok(0) => break,
                Ok(more) => len += more,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        &self.buffer[..len]
    }
}

/// The path of a block device in sysfs.
fn sys_path(device: (u32, u32), buffer: &mut [u8; 64]) -> &OsStr {
    let mut rest = &mut buffer[..];
    let _ = write!(rest, "/sys/dev/block/{}:{}", device.0, device.1);
    let left = rest.len();
    OsStr::from_bytes(&buffer[..64 - left])
}

/// The block device exists. File systems without a device (major 0) always do.
pub fn device_exists(device: (u32, u32)) -> bool {
    device.0 == 0 || metadata(Path::new(sys_path(device, &mut [0; 64]))).is_ok()
}

/// A mark of a block device that changes when it is unplugged and plugged in again: the inode of its
/// entry in sysfs. 0: it is gone, or there is no device.
pub fn device_mark(device: (u32, u32)) -> u64 {
    let entry = metadata(Path::new(sys_path(device, &mut [0; 64])));
    entry.map_or(0, |entry| entry.ino())
}

/// What has become of a mount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unmounted {
    /// It is unmounted.
    Yes,
    /// All was written, but it is still mounted: we may not unmount it, or it is a plain folder.
    NotOurs,
}

/// Writes everything to the file system at this path, and unmounts it. Never lazily: a busy one is
/// an error.
pub fn unmount(path: &[u8]) -> io::Result<Unmounted> {
    let folder = File::open(OsStr::from_bytes(path))?;
    syncfs(&folder)?;
    drop(folder);
    match umount2(path, MntFlags::UMOUNT_NOFOLLOW) {
        Ok(()) => Ok(Unmounted::Yes),
        Err(Errno::EPERM | Errno::EINVAL) => Ok(Unmounted::NotOurs),
        Err(error) => Err(error.into()),
    }
}

/// The block device is connected by USB.
pub fn is_usb(device: (u32, u32)) -> bool {
    let mut target = [0; 512];
    let len = sys::read_link(sys_path(device, &mut [0; 64]).as_bytes(), &mut target).unwrap_or(0);
    target[..len].windows(4).any(|part| part == b"/usb")
}

/// The device number of the file system that is mounted exactly at this path; `None` if there is
/// none, and files would be written to the file system above.
pub fn mounted_at(path: &[u8]) -> Option<(u32, u32)> {
    let mut parent = heapless::Vec::<u8, { PATH_BYTES + 3 }>::from_slice(path).ok()?;
    parent.extend_from_slice(b"/..").ok()?;
    let entry = |path| metadata(Path::new(OsStr::from_bytes(path))).ok();
    let (here, above) = (entry(path)?, entry(&parent)?);
    let mounted = here.dev() != above.dev() || here.ino() == above.ino();
    mounted.then_some((libc::major(here.dev() as _), libc::minor(here.dev() as _)))
}

/// Device and inode of the file at a path.
pub fn identity(path: &[u8]) -> Option<(u64, u64)> {
    metadata(Path::new(OsStr::from_bytes(path)))
        .ok()
        .map(|entry| (entry.dev(), entry.ino()))
}

/// The path is a folder in which we may create files.
pub fn is_writable_folder(path: &[u8]) -> bool {
    metadata(Path::new(OsStr::from_bytes(path))).is_ok_and(|entry| entry.is_dir())
        && access(path, AccessFlags::W_OK | AccessFlags::X_OK).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_there_and_names_the_root() {
        let mut table = Table::open().unwrap();
        let text = String::from_utf8_lossy(table.read()).into_owned();
        assert!(
            text.lines().any(|line| line.split(' ').nth(4) == Some("/")),
            "{text}"
        );
    }

    #[test]
    fn a_plain_folder_is_no_mount() {
        assert_eq!(mounted_at(b"/proc/self"), None);
        assert!(mounted_at(b"/proc").is_some() && mounted_at(b"/").is_some());
        assert_eq!(mounted_at(b"/no/such/folder"), None);
        assert!(is_writable_folder(b"/tmp") && !is_writable_folder(b"/etc/hostname"));
        assert!(device_exists((0, 77)) && !device_exists((4000, 77)) && !is_usb((0, 1)));
    }
}
