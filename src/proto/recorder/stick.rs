//! Parses the mount table, to find the USB stick.
//!
//! A stick that was pulled out stays in the mount table until something unmounts it, so the table
//! alone is not sufficient: the event loop also checks whether the block device still exists.

use crate::base::limits::PATH_BYTES;

/// A mount point's path.
pub type Path = heapless::Vec<u8, PATH_BYTES>;

/// The relevant fields of a line of `/proc/self/mountinfo` (proc(5)).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount<'a> {
    /// The block device's numbers.
    pub device: (u32, u32),
    /// Where it is mounted, unescaped.
    pub point: Path,
    /// Neither the mount nor the file system is read-only.
    pub writable: bool,
    /// `/dev/sda1`, or an arbitrary name for file systems without a device.
    pub source: &'a [u8],
}

/// Parses one line of the mount table; `None` if it is malformed or its path is too long.
///
/// ```text
/// 36 35 98:0 /root /mnt/usb rw,noatime master:1 - vfat /dev/sda1 rw,errors=continue
/// ```
pub fn parse_mount(line: &[u8]) -> Option<Mount<'_>> {
    let mut words = line.split(|b| *b == b' ').filter(|word| !word.is_empty());
    let device = words.nth(2)?;
    let colon = device.iter().position(|b| *b == b':')?;
    let device = (number(&device[..colon])?, number(&device[colon + 1..])?);
    let point = unescape(words.nth(1)?)?;
    let read_only = |options: &[u8]| options.split(|b| *b == b',').any(|option| option == b"ro");
    let mount_options = words.next()?;
    words.find(|word| *word == b"-")?;
    let source = words.nth(1)?;
    let writable = !read_only(mount_options) && !words.next().is_some_and(read_only);
    Some(Mount {
        device,
        point,
        writable,
        source,
    })
}

fn number(digits: &[u8]) -> Option<u32> {
    crate::wire::decimal::parse_decimal(digits)?.try_into().ok()
}

/// Decodes blanks, tabs, line ends and backslashes, which are written as a backslash and three
/// octal digits.
fn unescape(word: &[u8]) -> Option<Path> {
    let mut path = Path::new();
    let mut rest = word;
    while let Some((first, tail)) = rest.split_first() {
        let escaped = match tail {
            [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', ..] if *first == b'\\' => {
                Some((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'))
            }
            _ => None,
        };
        path.push(escaped.unwrap_or(*first)).ok()?;
        rest = &rest[if escaped.is_some() { 4 } else { 1 }..];
    }
    Some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_a_line_apart() {
        let line = b"36 35 8:1 / /mnt/my\\040stick rw,noatime master:1 - vfat /dev/sda1 rw,errors=continue";
        let mount = parse_mount(line).unwrap();
        assert_eq!(
            (mount.device, mount.writable, mount.source),
            ((8, 1), true, &b"/dev/sda1"[..])
        );
        assert_eq!(mount.point, b"/mnt/my stick");
    }

    #[test]
    fn sees_read_only_in_either_place() {
        assert!(
            !parse_mount(b"1 2 8:1 / /a ro - vfat /dev/sda1 rw")
                .unwrap()
                .writable
        );
        assert!(
            !parse_mount(b"1 2 8:1 / /a rw - vfat /dev/sda1 noatime,ro")
                .unwrap()
                .writable
        );
        assert!(
            parse_mount(b"1 2 8:1 / /a rw,errors=remount-ro - vfat /dev/sda1 rw")
                .unwrap()
                .writable
        );
    }

    #[test]
    fn refuses_what_is_no_line() {
        for line in [
            "",
            "1 2",
            "1 2 8 / /a rw - vfat x rw",
            "1 2 8:1 / /a rw vfat x rw",
            "1 2 a:b / /a rw - v x rw",
        ] {
            assert_eq!(parse_mount(line.as_bytes()), None, "{line}");
        }
        let long = format!("1 2 8:1 / /{} rw - vfat x rw", "a".repeat(PATH_BYTES));
        assert_eq!(parse_mount(long.as_bytes()), None);
    }
}
