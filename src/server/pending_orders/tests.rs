//! The pending file as a drain writes it.

use std::collections::{BTreeSet, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::dedupe::claims::Claimed;
use crate::ledger::journal;
use crate::ledger::journal::Options;
use crate::order::{HashKey, decode};
use crate::pipeline::{Evaluated, InFlight, Pipeline, Settings, cost};

use super::*;

/// A directory that goes with the test.
struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Self {
        let name = format!("orders-{name}-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        // Of an earlier process with this number, which was killed.
        let _ = std::fs::remove_dir_all(&path);
        Self(path)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Opens a journal; returns the committed ids, too.
fn open(directory: &Path) -> (journal::Journal<Evaluated>, BTreeSet<String>) {
    let mut committed = BTreeSet::new();
    let options = Options {
        window: 1000,
        segment_bytes: Some(64 << 10),
        ..Options::default()
    };
    let mut visit = |record: &journal::RecordView<'_>| {
        assert!(
            committed.insert(record.id.to_owned()),
            "{} twice",
            record.id
        );
    };
    let wake = Arc::new(|| ());
    let journal = journal::open(directory, &options, wake, &mut |_| (), &mut visit);
    (journal.unwrap(), committed)
}

/// Pushes an order past admission, acknowledges it, and has it withdrawn.
fn make_pending(pipeline: &Pipeline, id: &str) {
    let json = format!(r#"{{"id":"{id}","value":1}}"#);
    let order = decode(json.as_bytes(), &HashKey::from_bytes([1; 16])).unwrap();
    let Claimed::Mine(claim) = pipeline.claims.claim(order.id_hash(), order.content_hash()) else {
        panic!("{id} is taken");
    };
    pipeline.gate.enter(cost(&order)).unwrap();
    let job = InFlight {
        bulk: false,
        order,
        claim,
        waiter: None,
        accepted_at: 1,
        admitted: Instant::now(),
        pending: false,
        retried: false.into(),
    };
    assert!(matches!(pipeline.push(Arc::new(job)), Ok(true)));
    assert_eq!(pipeline.force_drain(Duration::ZERO), []);
}

/// A start would refuse a file with an id in it twice.
#[test]
fn an_id_is_in_the_file_once() {
    let directory = Directory::new("once");
    let (opened, committed) = open(&directory.0);
    assert!(committed.is_empty() && opened.pending_orders.is_empty());
    let pipeline = Pipeline::for_tests(&Settings::for_tests());
    pipeline.gate.open();
    let store =
        PendingStore::start(&pipeline, Some({ opened }.pending_file), HashSet::new()).unwrap();
    for id in ["a", "b", "a"] {
        make_pending(&pipeline, id);
    }
    let saved = store.save(&pipeline, Vec::new());
    assert_eq!((saved.kept, saved.lost, saved.durable), (2, 0, true));
    drop(pipeline);
    let (opened, _) = open(&directory.0);
    let ids: Vec<_> = opened
        .pending_orders
        .iter()
        .map(|pending| &*pending.id)
        .collect();
    assert_eq!(ids, ["a", "b"]);
}
