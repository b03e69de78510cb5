//! The two programs, and ports that outlive a process.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU16, Ordering};

use crate::harness::Service;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    Old,
    New,
}

impl Version {
    fn program(self) -> PathBuf {
        let new = env!("CARGO_BIN_EXE_order-processor").into();
        match self {
            Self::Old => std::env::var_os("ORDERS_OLD_PROGRAM").map_or(new, PathBuf::from),
            Self::New => new,
        }
    }

    /// This version's program with its order port at `http`; the ledger is still
    /// to be named.
    pub(crate) fn command(self, http: SocketAddr) -> Command {
        let mut command = Service::of_program(&self.program(), &Service::command());
        command.args(["--listen", &http.to_string(), "--admin-listen"]);
        command.args(["127.0.0.1:0", "--grpc-listen", "off"]);
        command
    }

    /// Whether it has the ledger on NATS.
    pub(crate) fn knows_nats(self) -> bool {
        let help = Command::new(self.program()).arg("--help").output();
        let help = help.expect("ORDERS_OLD_PROGRAM is a program").stdout;
        String::from_utf8_lossy(&help).contains("nats://")
    }
}

/// Both are the same program, so whatever one writes the other reads.
pub(crate) fn are_the_same() -> bool {
    Version::Old.program() == Path::new(env!("CARGO_BIN_EXE_order-processor"))
}

/// An address that nobody listens on, and that stays free while a process on it
/// is replaced: its port is below those that systems hand out by themselves
/// (32768 and up on Linux), which a client's own connection may get.
pub(crate) fn lasting_address() -> SocketAddr {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    loop {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let start = (std::process::id() % 600) as u16 * 20;
        let address = SocketAddr::from(([127, 0, 0, 1], 20_000 + (start + number) % 12_000));
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
}
