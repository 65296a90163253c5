//! A small file system in the stick's place, which can be mounted, unmounted, filled, exchanged and
//! made read-only.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use super::{rtp, Answer, Phone, Talker};

/// A phone with a folder that a tmpfs can be mounted on.
pub struct Sticky {
    pub phone: Phone,
    /// How often something is mounted there.
    pub mounts: std::cell::Cell<u32>,
}

impl Sticky {
    /// Nothing is mounted yet.
    pub fn bare(config: &str) -> Self {
        Self {
            phone: Phone::new(&format!("usbRequireMount = 1\n{config}")),
            mounts: std::cell::Cell::new(0),
        }
    }

    /// 2 MiB are mounted, and the daemon knows.
    pub fn new(config: &str) -> Self {
        Self::bare(config).mounted("size=2m")
    }

    /// A phone that has not been started yet, with a file system.
    pub fn started(mut phone: Phone, options: &str) -> Self {
        phone.start();
        Self {
            phone,
            mounts: std::cell::Cell::new(0),
        }
        .mounted(options)
    }

    fn mounted(self, options: &str) -> Self {
        let this = self;
        let mut watch = this.phone.watch();
        this.mount(options);
        let event = watch.until("StickEvent", "mounted");
        assert_eq!(event.value("path"), this.phone.stick().to_str().unwrap());
        this
    }

    pub fn path(&self) -> PathBuf {
        self.phone.stick()
    }

    pub fn mount(&self, options: &str) {
        system(
            "mount",
            &[
                "-t",
                "tmpfs",
                "-o",
                options,
                "tmpfs",
                self.path().to_str().unwrap(),
            ],
        );
        self.mounts.set(self.mounts.get() + 1);
    }

    pub fn unmount(&self) {
        system("umount", &["-l", self.path().to_str().unwrap()]);
        self.mounts.set(self.mounts.get() - 1);
    }

    pub fn remount(&self, options: &str) {
        system(
            "mount",
            &[
                "-o",
                &format!("remount,{options}"),
                self.path().to_str().unwrap(),
            ],
        );
    }

    pub fn free(&self) -> u64 {
        let space = nix::sys::statvfs::statvfs(&self.path()).unwrap();
        #[allow(clippy::unnecessary_cast)] // 32 bits on some targets
        let (blocks, size) = (
            space.blocks_available() as u64,
            space.fragment_size() as u64,
        );
        blocks * size
    }

    /// Fills the stick with a foreign file until this many bytes are free.
    pub fn leave_free(&self, bytes: u64) {
        let filler = self.path().join("holiday.mp4");
        let length = fs::metadata(&filler).map_or(0, |entry| entry.len());
        fs::write(&filler, vec![7; (length + self.free() - bytes) as usize]).unwrap();
        assert_eq!(self.free(), bytes / 4096 * 4096);
    }

    pub fn start(&self) -> (Answer, Talker) {
        let start = self.phone.record("&legs=1");
        let talker = Talker::new(start.ports()[0], 0xBEEF);
        (start, talker)
    }
}

impl Drop for Sticky {
    fn drop(&mut self) {
        self.phone.kill();
        (0..self.mounts.get()).for_each(|_| self.unmount());
    }
}

pub fn system(program: &str, arguments: &[&str]) {
    let output = Command::new(program).args(arguments).output().unwrap();
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// A recording of 20 frames that was made before.
pub fn older(name: &str, sticky: &Sticky, frames: u32) -> PathBuf {
    let mut bytes = b"PCMU".to_vec();
    bytes.resize(64, 0);
    [172, 160, frames * 172]
        .iter()
        .for_each(|number: &u32| bytes.extend(number.to_le_bytes()));
    for n in 0..frames {
        bytes.extend(rtp(0, n as u16, n * 160, 1, &[0xFF; 160]));
    }
    let path = sticky.path().join(name);
    fs::write(&path, bytes).unwrap();
    path
}
