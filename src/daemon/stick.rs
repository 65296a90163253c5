//! Finds the folder for recordings: the configured one, or the first writable mount of a USB block
//! device.

use crate::config::Config;
use crate::io::mounts::{
    device_exists, device_mark, identity, is_usb, is_writable_folder, mounted_at, Table,
};
use crate::proto::recorder::stick::{parse_mount, Path};

/// The keys of the configuration by which the stick is searched.
#[derive(Clone, Debug)]
pub(super) struct Search {
    mount: Option<String>,
    require_mount: bool,
}

impl Search {
    pub(super) fn of(config: &Config) -> Self {
        Self {
            mount: config.usb_mount.clone(),
            require_mount: config.usb_require_mount,
        }
    }

    /// The configuration has these keys.
    pub(super) fn is_of(&self, config: &Config) -> bool {
        self.mount == config.usb_mount && self.require_mount == config.usb_require_mount
    }
}

/// A stick that can be used for recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stick {
    pub(super) path: Path,
    /// Device and inode: another stick may be mounted at the same path.
    identity: (u64, u64),
}

/// A stick that was ejected and has not left yet.
#[derive(Clone, Debug)]
pub(super) struct Ejected {
    pub(super) stick: Stick,
    /// The device that was mounted, and its mark.
    device: Option<((u32, u32), u64)>,
    pub(super) unmounted: bool,
}

impl Ejected {
    pub(super) fn new(stick: Stick) -> Self {
        let device = mounted_at(&stick.path).filter(|(major, _)| *major != 0);
        Self {
            device: device.map(|device| (device, device_mark(device))),
            stick,
            unmounted: false,
        }
    }

    /// It has left: its device is gone or new. A folder without a device has left when another one
    /// is found, or the same one again after it was unmounted.
    pub(super) fn has_left(&self, found: Option<&Stick>) -> bool {
        match self.device {
            Some((device, mark)) => device_mark(device) != mark,
            None => {
                found.is_some_and(|found| self.unmounted || found.identity != self.stick.identity)
            }
        }
    }
}

/// The folder of the current stick, for programs that only read.
#[cfg(feature = "tools")]
pub fn folder(config: &Config) -> Option<std::path::PathBuf> {
    use std::os::unix::ffi::OsStrExt;
    let stick = find(&Search::of(config), &mut Table::open().ok()?)?;
    Some(std::ffi::OsStr::from_bytes(&stick.path).into())
}

/// Finds the current stick.
pub(super) fn find(search: &Search, mounts: &mut Table) -> Option<Stick> {
    let path = match &search.mount {
        Some(path) => {
            let mounted = || mounted_at(path.as_bytes()).is_some_and(device_exists);
            let usable =
                is_writable_folder(path.as_bytes()) && (!search.require_mount || mounted());
            Path::from_slice(path.as_bytes()).ok().filter(|_| usable)
        }
        None => {
            let lines = mounts.read().split(|b| *b == b'\n');
            let usable = lines.filter_map(parse_mount).find(|mount| {
                let usb = mount.writable && device_exists(mount.device) && is_usb(mount.device);
                usb && is_writable_folder(&mount.point)
            });
            usable.map(|mount| mount.point)
        }
    }?;
    Some(Stick {
        identity: identity(&path)?,
        path,
    })
}
