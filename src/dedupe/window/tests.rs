//! The window against a model, and against readers.

use std::sync::atomic::AtomicBool;

use crate::clock;
use crate::dedupe::window::ages::TIMESTAMPS;

use super::*;

fn hash(n: u64) -> u128 {
    // Spread over the buckets, each id another.
    u128::from(n.wrapping_mul(0x9e37_79b9_7f4a_7c15)) << 64 | u128::from(n)
}

fn known(seq: u64) -> Known {
    let status = if seq.is_multiple_of(3) {
        Status::Failed
    } else {
        Status::Processed
    };
    Known {
        seq,
        status,
        content: hash(seq ^ 0xabcd),
    }
}

#[test]
fn holds_exactly_the_last_n() {
    for capacity in [1, 2, 3, 7, 1000] {
        let window = Window::new(capacity);
        for seq in 1..=capacity as u64 * 3 + 1 {
            assert_eq!(window.get(hash(seq)), None);
            window.insert(hash(seq), known(seq), 0);
            let first = seq.saturating_sub(capacity as u64 - 1).max(1);
            for there in first..=seq {
                assert_eq!(window.get(hash(there)), Some(known(there)));
            }
            if first > 1 {
                assert_eq!(window.get(hash(first - 1)), None, "expired");
            }
        }
    }
}

#[test]
fn an_id_that_comes_again_shows_its_newest_outcome() {
    let window = Window::new(4);
    window.insert(hash(1), known(1), 0);
    for seq in 2..=5 {
        window.insert(hash(seq), known(seq), 0);
    }
    window.insert(hash(1), known(6), 0);
    assert_eq!(window.get(hash(1)), Some(known(6)));
}

#[test]
fn one_bucket_for_all_is_slow_but_right() {
    // With links that tell the ids apart, and with links that don't.
    for id in [|seq: u64| u128::from(seq), |seq| u128::from(seq) << 32] {
        let window = Window::new(50);
        for seq in 1..=200 {
            window.insert(id(seq), known(seq), 0); // high half 0
        }
        assert!((151..=200).all(|n| window.get(id(n)) == Some(known(n))));
        assert!((1..=150_u64).all(|n| window.get(id(n)).is_none()));
    }
}

#[test]
fn the_age_is_that_of_the_oldest() {
    let window = Window::new(4096);
    let now = clock::unix_nanos();
    let second = 1_000_000_000;
    for n in 0..4096 {
        assert_eq!(window.age(), None);
        window.insert(hash(n), known(n + 1), now - 100 * second);
    }
    assert!((99..160).contains(&window.age().unwrap().as_secs()));
    for n in 0..4096 {
        window.insert(hash(n), known(n + 5000), now);
    }
    assert!(window.age().unwrap().as_secs() < 60);
}

/// Beside the writer, whose next note must not be taken for the oldest.
#[test]
fn the_age_is_never_that_of_the_newest() {
    const SECOND: u64 = 1_000_000_000;
    let total: u64 = if cfg!(miri) { 3_000 } else { 500_000 };
    let window = Window::new(TIMESTAMPS as usize);
    let start = clock::unix_nanos() - total * SECOND;
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for n in 0..total {
                window.insert(hash(n), known(n + 1), start + n * SECOND);
            }
        });
        while !writer.is_finished() {
            let Some(age) = window.age() else { continue };
            let newest = window.inserted.load(Ordering::Acquire);
            let oldest = total - (newest - TIMESTAMPS);
            assert!(age.as_secs() >= oldest, "{age:?}, and not {oldest} s");
        }
    });
}

#[test]
fn takes_48_bytes_an_id() {
    let window = Window::new(100_000);
    let bytes =
        size_of_val(&*window.entries) + size_of_val(&*window.older) + size_of_val(&*window.newest);
    assert!(bytes <= 48 * 100_000, "{bytes}");
}

/// Readers beside the writer: what they find is whole and true, and what
/// is surely in the window is found.
#[test]
fn readers_never_see_half_an_entry() {
    const CAPACITY: u64 = 512;
    let total: u64 = if cfg!(miri) { 2_000 } else { 500_000 };
    let window = Window::new(CAPACITY as usize);
    let done = AtomicBool::new(false);
    let entered = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for reader in 0..2_u64 {
            let (window, done, entered) = (&window, &done, &entered);
            scope.spawn(move || {
                let (mut turn, mut hits) = (reader, 0_u64);
                while !done.load(Ordering::Relaxed) || hits == 0 {
                    turn = turn.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    let newest = entered.load(Ordering::Acquire);
                    let seq = newest
                        .saturating_sub(turn >> 33 & (CAPACITY * 2 - 1))
                        .max(1);
                    let found = window.get(hash(seq));
                    if let Some(found) = found {
                        assert_eq!(found, known(seq));
                        hits += 1;
                    }
                    // Not overwritten by the time the look-up had ended?
                    // Two may be seen that `entered` doesn't tell of yet: one,
                    // and the zero of the next, which nothing keeps behind
                    // the number of the first.
                    let after = entered.load(Ordering::Acquire);
                    if seq <= newest && seq + CAPACITY > after + 2 {
                        assert!(found.is_some(), "{seq} at {newest}..{after}");
                    }
                }
            });
        }
        for seq in 1..=total {
            window.insert(hash(seq), known(seq), 0);
            entered.store(seq, Ordering::Release);
        }
        done.store(true, Ordering::Relaxed);
    });
}
