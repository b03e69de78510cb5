//! The window's publication of entries and timestamps, model-checked.
//!
//! Loom compares an access with the last one before it only: a load of the
//! writer's own hides that its store may come before another thread's load. So
//! a reader has to be the thread that runs second, as the spawned one does.

use std::sync::Arc;

use loom::thread;

use crate::sync::modelled::check;

use super::*;

fn known(seq: u64) -> Known {
    Known {
        seq,
        status: Status::Processed,
        content: u128::from(seq) << 64 | u128::from(seq),
    }
}

/// Readers find entries whole, or not at all; and what was inserted before.
#[test]
fn an_entry_is_found_whole() {
    for capacity in [1, 2] {
        check(2, move || {
            let window = Arc::new(Window::new(capacity));
            window.insert(1, known(1), 0);
            let reader = window.clone();
            let reader = thread::spawn(move || {
                for seq in [2, 1] {
                    if let Some(found) = reader.get(seq.into()) {
                        assert_eq!(found, known(seq));
                    }
                }
            });
            window.insert(2, known(2), 0);
            window.insert(3, known(3), 0);
            reader.join().unwrap();
            assert_eq!(window.get(3), Some(known(3)));
        });
    }
}

/// An entry that is not about to be overwritten is found beside the writer.
#[test]
fn an_entry_in_the_ring_is_found() {
    check(3, || {
        let window = Arc::new(Window::new(2));
        window.insert(1, known(1), 0);
        let reader = window.clone();
        let reader = thread::spawn(move || reader.get(1));
        window.insert(2, known(2), 0);
        assert_eq!(reader.join().unwrap(), Some(known(1)));
    });
}

/// The timestamp is at most that of the oldest entry, beside a writer that
/// writes the next ones.
#[test]
fn the_oldest_timestamp_is_not_a_newer_one() {
    check(3, || {
        let window = Arc::new(Window::new(2));
        for seq in 1..=2 {
            window.insert(seq.into(), known(seq), seq);
        }
        let reader = window.clone();
        let reader = thread::spawn(move || {
            let then = reader.ages.oldest_timestamp(&reader.inserted);
            let inserted = reader.inserted.load(Ordering::Relaxed);
            // Entry number n, from 0, has the timestamp n + 1.
            let oldest = inserted - 2 + 1;
            let then = then.expect("it is full");
            assert!((1..=oldest).contains(&then), "{then}, not {oldest}");
        });
        for seq in 3..=5 {
            window.insert(seq.into(), known(seq), seq);
        }
        reader.join().unwrap();
    });
}
