//! Bearer tokens: who may ask for what, and the file that says so.

#[path = "../harness/mod.rs"]
mod harness;

mod file;
mod scopes;

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::harness::{Client, Directory, Reply, Service};

const SUBMITS: &str = "token-that-submits";

const READS: &str = "token-that-reads";

const DOES_ALL: &str = "token-that-does-all";

/// A token file in a directory of its own.
struct Tokens(Directory);

impl Tokens {
    fn new(text: &str) -> Self {
        let directory = Directory::new();
        fs::create_dir(&directory.0).unwrap();
        let tokens = Self(directory);
        tokens.write(text);
        tokens
    }

    fn usual() -> Self {
        Self::new(&format!(
            "# who may ask\nshop:{SUBMITS} scope=submit\nreporting:{READS} scope=read\n{DOES_ALL}\n"
        ))
    }

    fn path(&self) -> PathBuf {
        self.0.0.join("tokens")
    }

    /// Replaces the file as a whole, as an operator should.
    fn write(&self, text: &str) {
        let new = self.0.0.join("new");
        fs::write(&new, text).unwrap();
        fs::rename(new, self.path()).unwrap();
    }

    fn start(&self, engine: &str, flags: &[&str]) -> Service {
        let path = self.path();
        let file = ["--token-file", path.to_str().unwrap()];
        Service::on(engine, &[&file[..], flags].concat())
    }
}

fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}\r\n")
}

fn get_with(address: SocketAddr, path: &str, lines: &str) -> Reply {
    Client::to(address).ask(format!(
        "GET {path} HTTP/1.1\r\nHost: orders\r\n{lines}\r\n"
    ))
}
