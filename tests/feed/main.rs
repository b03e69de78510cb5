//! The feed, `GET /orders`: replayed from any point, followed while it grows,
//! and bounded in what it takes, with both ledgers.

#[path = "../harness/mod.rs"]
mod harness;

mod memory;
mod reading;
mod waiting;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::Value;

use crate::harness::{Client, Reply, Service, order};

/// A service, and the journal's directory.
struct Orders {
    service: Service,
    directory: Directory,
}

impl Orders {
    #[track_caller]
    fn on(ledger: &str, flags: &[&str]) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        if ledger == "memory" {
            let service = Service::start(flags);
            return Self {
                service,
                directory: Directory::default(),
            };
        }
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("orders-feed-{}-{number}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        // Of an earlier process with this number, which was killed.
        let _ = std::fs::remove_dir_all(&directory);
        Self::over(Directory(Some(directory)), flags)
    }

    /// With the journal in this directory.
    #[track_caller]
    fn over(directory: Directory, flags: &[&str]) -> Self {
        let mut command = Service::command();
        command.args(["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"]);
        command.args(["--grpc-listen", "off"]);
        command.args(["--ledger", "journal", "--data-dir"]);
        command.args(directory.0.iter()).args(flags);
        Self {
            service: Service::launch(command),
            directory,
        }
    }

    fn http(&self) -> SocketAddr {
        self.service.http
    }
}

/// A directory that is removed in the end.
#[derive(Default)]
struct Directory(Option<PathBuf>);

impl Drop for Directory {
    fn drop(&mut self) {
        if let Some(directory) = &self.0 {
            let _ = std::fs::remove_dir_all(directory); // the test has failed before it was made
        }
    }
}

/// A request for a page.
fn page(query: &str) -> String {
    format!("GET /orders?{query} HTTP/1.1\r\nHost: orders\r\n\r\n")
}

/// The lines of a page.
#[track_caller]
fn lines(reply: &Reply) -> Vec<Value> {
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(reply.header("content-type"), Some("application/x-ndjson"));
    let id = reply.header("orders-ledger-id").expect("the ledger's id");
    assert!(id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()));
    let text = reply.text();
    assert!(text.is_empty() || text.ends_with('\n'), "whole lines");
    text.lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect()
}

/// The sequences of a page.
#[track_caller]
fn seqs(reply: &Reply) -> Vec<u64> {
    let lines = lines(reply);
    lines
        .iter()
        .map(|line| line["seq"].as_u64().unwrap())
        .collect()
}

/// Orders committed one after the other; the last sequence.
#[track_caller]
fn commit(address: SocketAddr, name: &str, count: u64) -> u64 {
    let mut client = Client::to(address);
    let requests: String = (0..count)
        .map(|number| order(&format!("{name}{number}")))
        .collect();
    client.send(requests);
    (0..count)
        .map(|_| client.reply().json()["seq"].as_u64().unwrap())
        .max()
        .unwrap_or(0)
}

/// How many requests on the order port wait or are being answered, but for the
/// one that asks.
fn connections(service: &Service) -> f64 {
    service.figures().get("http_connections") - 1.0
}
