//! Where recordings go: the configured folder, or the first writable mount of a USB block device.

use crate::config::Config;
use crate::io::mounts::{device_exists, is_usb, is_writable_folder, mounted_at, Table};
use crate::proto::stick::{parse_mount, Path};

/// The folder to record into, if there is one now.
pub(super) fn find(config: &Config, mounts: &mut Table) -> Option<Path> {
    if let Some(path) = &config.usb_mount {
        let mounted = || mounted_at(path.as_bytes()).is_some_and(device_exists);
        let usable = is_writable_folder(path.as_bytes()) && (!config.usb_require_mount || mounted());
        return usable.then(|| Path::from_slice(path.as_bytes()).ok()).flatten();
    }
    mounts.read().split(|b| *b == b'\n').filter_map(parse_mount).find_map(|mount| {
        let usb = mount.writable && device_exists(mount.device) && is_usb(mount.device);
        (usb && is_writable_folder(&mount.point)).then_some(mount.point)
    })
}
