//! A file system that fills quickly.

use std::process::Command;

use crate::harness::Directory;

/// A tmpfs of its own, unmounted when dropped.
pub(crate) struct Small(Directory);

impl Small {
    /// A data directory on it.
    pub(crate) fn directory(&self) -> Directory {
        Directory(self.0.0.join("data"))
    }

    /// One of `mib` MiB; `None`, with the reason printed, if this process may not mount.
    pub(crate) fn mount(mib: u32) -> Option<Self> {
        let directory = Directory::new();
        std::fs::create_dir(&directory.0).unwrap();
        let size = format!("size={mib}m,mode=700");
        let output = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &size, "orders-test"])
            .arg(&directory.0)
            .output()
            .expect("util-linux is there");
        if output.status.success() {
            return Some(Self(directory));
        }
        let why = String::from_utf8_lossy(&output.stderr);
        eprintln!("skipped: can't mount a small file system: {}", why.trim());
        None
    }

    pub(crate) fn resize(&self, mib: u32) {
        let status = Command::new("mount")
            .args(["-o", &format!("remount,size={mib}m")])
            .arg(&self.0.0)
            .status();
        assert!(status.unwrap().success());
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0.0).status();
    }
}
