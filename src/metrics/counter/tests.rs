//! Exact sums, spread over rows, never going back.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;

use crate::metrics::counter::{CounterFamily, Gauge, OwnedCounter, SHARDS, ShardedCounter, shard};
use crate::metrics::label::Reason;

#[test]
fn sharded_additions_from_more_threads_than_shards_are_all_counted() {
    let counter = ShardedCounter::new();
    thread::scope(|scope| {
        for _ in 0..SHARDS + 3 {
            scope.spawn(|| (0..1_000).for_each(|_| counter.inc()));
        }
    });
    assert_eq!(counter.get(), (SHARDS as u64 + 3) * 1_000);
}

#[test]
fn threads_started_one_after_the_other_spread_over_rows() {
    let rows: Vec<_> = (0..4 * SHARDS)
        .map(|_| thread::spawn(shard).join().expect("shard() can't panic"))
        .collect();
    assert!(rows.iter().all(|row| *row < SHARDS));
    assert!(rows.iter().any(|row| *row != rows[0]));
}

#[test]
fn a_thread_keeps_its_row() {
    assert_eq!(shard(), shard());
}

#[test]
fn a_family_counts_each_label_apart() {
    let family = CounterFamily::<Reason, { Reason::COUNT }>::new();
    family.inc(Reason::Full);
    family.add(Reason::Timeout, 5);
    let counts: Vec<_> = Reason::ALL
        .iter()
        .map(|reason| family.get(*reason))
        .collect();
    assert_eq!(counts, [1, 0, 0, 0, 0, 0, 0, 0, 5, 0]);
}

#[test]
fn a_gauge_goes_down_again_and_never_below_zero() {
    let gauge = Gauge::new();
    gauge.inc();
    gauge.inc();
    gauge.dec();
    assert_eq!(gauge.get(), 1);
    gauge.dec();
    gauge.dec();
    assert_eq!(gauge.get(), 0);
}

#[test]
fn a_reader_sees_no_count_go_back_and_no_more_leave_than_came_in() {
    let (came, left, done) = (
        ShardedCounter::new(),
        OwnedCounter::new(),
        AtomicBool::new(false),
    );
    let (send, receive) = mpsc::sync_channel(8);
    thread::scope(|scope| {
        for _ in 0..2 {
            let (send, came) = (send.clone(), &came);
            scope.spawn(move || {
                for _ in 0..20_000 {
                    came.inc();
                    send.send(()).expect("the receiver outlives the senders");
                }
            });
        }
        drop(send);
        let (owner, done_by_owner) = (&left, &done);
        scope.spawn(move || {
            receive.iter().for_each(|()| owner.inc());
            // Pairs with the Acquire load below.
            done_by_owner.store(true, Ordering::Release);
        });
        let (mut left_before, mut came_before) = (0, 0);
        while !done.load(Ordering::Acquire) {
            let (left_now, came_now) = (left.get(), came.get());
            assert!(left_now <= came_now, "{left_now} left of {came_now}");
            assert!(left_now >= left_before && came_now >= came_before);
            (left_before, came_before) = (left_now, came_now);
        }
    });
    assert_eq!((left.get(), came.get()), (40_000, 40_000));
}
