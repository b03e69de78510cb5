//! A data directory, and services with a journal in it.

use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::harness::Service;

/// A directory that is removed when dropped. The service creates it.
pub(crate) struct Directory(pub PathBuf);

impl Directory {
    /// A name that no other test uses.
    pub(crate) fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("orders-test-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        // Of an earlier process with this number, which was killed.
        let _ = std::fs::remove_dir_all(&path);
        Self(path)
    }

    /// The same, with an empty journal whose segments have this length. A new
    /// directory's have what suits the volume.
    pub(crate) fn with_segments_of(bytes: u64) -> Self {
        let directory = Self::new();
        directory.make_with_segments_of(bytes);
        directory
    }

    /// Makes it so.
    pub(crate) fn make_with_segments_of(&self, bytes: u64) {
        let mut manifest = [0; 64];
        manifest[..8].copy_from_slice(b"\xFFLEDGER\xFE");
        manifest[8] = 1;
        manifest[16..32].copy_from_slice(&[0x5A; 16]);
        manifest[32..40].copy_from_slice(&bytes.to_le_bytes());
        let sum = crc32c::crc32c(&manifest[..60]);
        manifest[60..].copy_from_slice(&sum.to_le_bytes());
        std::fs::create_dir(&self.0).unwrap();
        std::fs::write(self.0.join("ledger"), manifest).unwrap();
    }

    /// The service with these flags and its journal here.
    pub(crate) fn command(&self, flags: &[&str]) -> Command {
        self.command_on("off", flags)
    }

    fn command_on(&self, grpc: &str, flags: &[&str]) -> Command {
        let mut command = Service::command();
        command.args(["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"]);
        command.args(["--grpc-listen", grpc]);
        command.args(["--ledger", "journal", "--data-dir"]);
        command.arg(&self.0).args(flags);
        command
    }

    /// Starts it and waits until it is ready.
    #[track_caller]
    pub(crate) fn start(&self, flags: &[&str]) -> Service {
        Service::launch(self.command(flags))
    }

    /// The same with a gRPC port.
    #[track_caller]
    pub(crate) fn start_with_grpc(&self, flags: &[&str]) -> Service {
        let command = self.command_on("127.0.0.1:0", flags);
        Service::launch_with(command, &["http", "admin", "grpc"])
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0); // a test may not have made it
    }
}
