//! A small file system mounted over a server's folder of recordings; it needs root.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::server::Server;

pub struct SmallDisk(pub PathBuf);

impl SmallDisk {
    /// Mounts it; `options` of tmpfs: `size=`, `nr_inodes=`.
    pub fn over(server: &Server, options: &str) -> Self {
        let path = server.dir.join("recordings");
        std::fs::create_dir_all(&path).unwrap();
        mount(&["-t", "tmpfs", "-o", options, "none"], &path);
        Self(path)
    }

    pub fn remount(&self, options: &str) {
        mount(&["-o", &format!("remount,{options}")], &self.0);
    }

    /// Fills it up with a file of this name, to the last page.
    pub fn fill(&self, name: &str) {
        let mut file = std::fs::File::create(self.0.join(name)).unwrap();
        while file.write_all(&[0; 4096]).is_ok() {}
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

fn mount(options: &[&str], path: &Path) {
    let mounted = Command::new("mount")
        .args(options)
        .arg(path)
        .status()
        .unwrap();
    assert!(mounted.success(), "mount needs root");
}
