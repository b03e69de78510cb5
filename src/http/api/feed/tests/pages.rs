//! Pages over a real ledger.

use std::sync::Arc;
use std::task::Waker;

use crate::admission::Admission;
use crate::http::api::feed::page::{PageRead, Unread};
use crate::http::api::feed::pages::{BUDGET_BYTES, Pages};
use crate::http::api::feed::query::LIMIT_MAX;
use crate::http::api::feed::tests::{Plain, archive, pipeline};
use crate::ledger::{Archive, Ledger, ReadError, memory};
use crate::order::{HashKey, decode};

/// What reads pages.
struct Feed {
    pages: Arc<Pages>,
    admission: Admission,
}

impl Feed {
    fn new(page_bytes: usize, archive: impl Archive + 'static) -> Self {
        let pipeline = pipeline();
        pipeline.set_archive(Arc::new(archive));
        Self {
            pages: Pages::new(page_bytes),
            admission: Admission::new(pipeline, HashKey::from_bytes([1; 16])),
        }
    }

    fn read(&self, after: u64, limit: usize) -> Arc<PageRead> {
        self.pages
            .read(&self.admission, after, limit, Waker::noop())
    }

    /// The sequences on a page.
    fn seqs(&self, after: u64, limit: usize) -> Vec<u64> {
        seqs(&self.read(after, limit), after, limit)
    }
}

fn seqs(read: &Arc<PageRead>, after: u64, limit: usize) -> Vec<u64> {
    let text = read.lines(after, limit).unwrap().unwrap();
    let lines = text.split_inclusive(|byte| *byte == b'\n');
    lines
        .map(|line| {
            let json: serde_json::Value = serde_json::from_slice(line).unwrap();
            json["seq"].as_u64().unwrap()
        })
        .collect()
}

#[test]
fn a_page_ends_at_its_limits_and_holds_one_line_at_least() {
    let line = Feed::new(0, archive(&[0])).read(0, 1);
    let line = line.lines(0, 1).unwrap().unwrap().len();
    assert!((150..200).contains(&line), "{line} bytes");
    let feed = Feed::new(4 * line, archive(&[0, 0, 0, 0, 0, 5 * line, 0]));
    assert_eq!(feed.seqs(0, 10), [1, 2, 3, 4]);
    assert_eq!(feed.seqs(0, 3), [1, 2, 3]);
    assert_eq!(feed.seqs(3, 10), [4, 5], "the next doesn't fit");
    assert_eq!(feed.seqs(5, 10), [6], "longer than a page");
    assert_eq!(feed.seqs(6, 1), [7]);
    assert_eq!(feed.seqs(7, 1), [0; 0]);
    assert_eq!(feed.pages.bytes_used(), 0);
}

#[test]
fn a_page_is_read_once_while_somebody_holds_it() {
    let feed = Feed::new(1 << 20, archive(&[0; 10]));
    let held = feed.read(2, 5);
    let used = feed.pages.bytes_used();
    let same = |after, limit| Arc::ptr_eq(&feed.read(after, limit), &held);
    assert!(same(2, 5) && same(2, 1) && same(4, 5) && same(6, 2));
    assert!(!same(7, 1), "it ends there");
    assert!(!same(1, 5), "it begins there");
    assert!(!same(2, 6), "a reader that wants more gets more");
    assert_eq!(seqs(&held, 2, 5), [3, 4, 5, 6, 7]);
    assert_eq!(seqs(&held, 4, 1), [5]);
    assert_eq!(seqs(&held, 6, 5), [7]);
    assert_eq!(seqs(&held, 7, 5), [0; 0]);
    assert_eq!(feed.pages.bytes_used(), used, "one copy");
    let part = held.lines(4, 1).unwrap().unwrap();
    let read = Arc::as_ptr(&held);
    drop(held);
    assert_eq!(feed.pages.bytes_used(), used, "a part keeps the whole");
    assert_eq!(Arc::as_ptr(&feed.read(2, 5)), read, "for others, too");
    drop(part);
    assert_eq!(feed.pages.bytes_used(), 0);
}

#[test]
fn pages_past_the_budget_are_refused_until_others_are_sent() {
    let feed = Feed::new(1 << 20, archive(&[22 << 20; 3]));
    let mut held: Vec<_> = (0..2).map(|after| feed.read(after, 1)).collect();
    assert!(feed.pages.bytes_used() <= BUDGET_BYTES);
    let refused = feed.read(2, 1);
    assert_eq!(refused.lines(2, 1), Some(Err(&Unread::Full)));
    held.pop();
    assert_eq!(feed.seqs(2, 1), [3]);
    drop((held, refused));
    assert_eq!(feed.pages.bytes_used(), 0);
}

#[test]
fn a_page_that_is_larger_than_the_budget_goes_alone() {
    let feed = Feed::new(1 << 20, archive(&[BUDGET_BYTES, 0]));
    let huge = feed.read(0, 1);
    assert!(huge.lines(0, 1).unwrap().is_ok());
    assert_eq!(feed.read(1, 1).lines(1, 1), Some(Err(&Unread::Full)));
    drop(huge);
    assert_eq!(feed.pages.bytes_used(), 0);
    assert_eq!(feed.seqs(1, 1), [2]);
}

#[test]
fn what_is_pruned_meanwhile_is_gone() {
    let (mut ledger, archive) = memory::open(1);
    let key = HashKey::from_bytes([1; 16]);
    let order = || Plain(decode(br#"{"id":"a","value":1}"#, &key).unwrap());
    ledger.append(&mut (0..3000).map(|_| order()).collect());
    let oldest = archive.oldest_seq();
    assert!(oldest > 1);
    let feed = Feed::new(1 << 20, archive);
    let gone = ReadError::Gone { seq: 1, oldest };
    let unread = Unread::Archive(gone);
    assert_eq!(feed.read(0, 1).lines(0, 1), Some(Err(&unread)));
    assert_eq!(feed.seqs(oldest - 1, 1), [oldest]);
}

#[test]
fn only_so_many_reads_are_remembered() {
    let feed = Feed::new(1 << 20, archive(&[0; 200]));
    let held: Vec<_> = (0..100).map(|after| feed.read(after, 1)).collect();
    assert!(Arc::ptr_eq(&feed.read(99, 1), &held[99]));
    assert!(!Arc::ptr_eq(&feed.read(0, 1), &held[0]));
    assert!(feed.pages.remembered() <= 32);
}

#[test]
fn no_page_has_more_lines_than_were_asked_for() {
    let feed = Feed::new(1 << 20, archive(&[0; 3000]));
    assert_eq!(feed.seqs(0, 1000).len(), 1000);
    assert_eq!(feed.seqs(0, LIMIT_MAX as usize).len(), 3000);
}
