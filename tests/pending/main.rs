//! What a drain keeps: an order that was acknowledged as queued is queued again
//! after the next start, and gets one outcome. Shown on the real process; what
//! only a simulated disk can show is tested beside the code.

#[path = "../harness/mod.rs"]
mod harness;

mod crashes;
mod deadline;
mod faults;

use std::fs;
use std::path::PathBuf;

use crate::harness::{Client, Directory, Ended, PATIENCE, Service, eventually, post};

/// A processor that doesn't come back.
const STUCK: [&str; 8] = [
    "--processor",
    "simulate",
    "--simulate",
    "10m..10m",
    "--workers",
    "2",
    "--drain-timeout",
    "200ms",
];

fn file(directory: &Directory) -> PathBuf {
    directory.0.join("pending")
}

/// How many orders the file holds, by its header.
fn pending_in(directory: &Directory) -> u64 {
    let bytes = fs::read(file(directory)).expect("orders are kept");
    u64::from_le_bytes(bytes[40..48].try_into().unwrap())
}

fn holds(directory: &Directory, id: &str) -> bool {
    let bytes = fs::read(file(directory)).expect("orders are kept");
    String::from_utf8_lossy(&bytes).contains(&format!(r#""id":"{id}""#))
}

/// SIGTERM, and the deadline passes.
#[track_caller]
fn late(service: Service, kept: u64) -> Ended {
    service.terminate();
    let ended = service.wait(PATIENCE);
    assert_eq!(ended.code, Some(3), "{}", ended.log);
    assert_eq!(ended.logged("kept"), kept, "{}", ended.log);
    assert_eq!(ended.logged("lost"), 0, "{}", ended.log);
    ended
}

/// Submits an order and has it acknowledged as queued.
#[track_caller]
fn acknowledged(service: &Service, id: &str) {
    let body = format!(r#"{{"id":"{id}","value":1}}"#);
    let reply = post(service.http, "Prefer: respond-async\r\n", &body);
    assert_eq!(reply.status, 202, "{reply:?}");
}

/// All have one outcome, under the sequences from 1 on, and nobody else has
/// one.
#[track_caller]
fn one_outcome_each(service: &Service, ids: &[String]) {
    let mut client = Client::to(service.http);
    let mut seqs: Vec<u64> = ids
        .iter()
        .map(|id| {
            eventually(&format!("the outcome of {id}"), || {
                let asked = format!("GET /orders/{id} HTTP/1.1\r\nHost: o\r\n\r\n");
                let reply = client.ask(asked);
                assert_eq!(reply.status, 200, "{id}: {reply:?}");
                reply.json()["seq"].as_u64()
            })
        })
        .collect();
    seqs.sort_unstable();
    assert!(seqs.iter().copied().eq(1..=ids.len() as u64), "{seqs:?}");
    let next = post(service.http, "", r#"{"id":"the-next-one","value":1}"#);
    assert_eq!(next.json()["seq"], ids.len() as u64 + 1, "no one had two");
}
