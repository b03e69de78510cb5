//! The two programs.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

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
