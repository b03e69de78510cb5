//! Claims, one by one and fought over.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};

use crate::dedupe::claims::table::WAYS;
use crate::sync::oneshot::Oneshot;

use super::*;

type Waiter = Oneshot<()>;
type Claims = super::Claims<Waiter>;

fn mine(claims: &Claims, id: u128) -> Claim {
    match claims.claim(id, 1) {
        Claimed::Mine(claim) => claim,
        other => panic!("{other:?}"),
    }
}

fn waiter() -> Arc<Waiter> {
    Arc::new(Waiter::new(None))
}

#[test]
fn a_claim_lives_and_ends() {
    let claims = Claims::new(16);
    let claim = mine(&claims, 7);
    assert_eq!(claims.claim(7, 1), Claimed::Busy);
    assert!(!claims.contains(7));
    assert!(claims.queued(claim));
    assert!(claims.contains(7));
    assert_eq!(claims.claim(7, 1), Claimed::InFlight { claim, same: true });
    assert_eq!(claims.claim(7, 2), Claimed::InFlight { claim, same: false });
    assert!(claims.begin_commit(claim));
    assert!(!claims.begin_commit(claim), "only once");
    assert_eq!(claims.claim(7, 1), Claimed::InFlight { claim, same: true });
    assert!(claims.withdraw(claim).is_none(), "the ledger has it");
    assert!(claims.finish(claim).waiters.is_empty());
    assert!(!claims.contains(7) && !claims.was_withdrawn(claim));
    let again = mine(&claims, 7);
    assert_ne!(again, claim, "a new generation");
}

#[test]
fn a_withdrawn_claim_is_not_committed() {
    let claims = Claims::new(16);
    let claim = mine(&claims, 7);
    assert!(claims.queued(claim));
    assert_eq!(claims.withdraw(claim).map(|e| e.waiters.len()), Some(0));
    assert!(!claims.begin_commit(claim));
    assert!(!claims.ack_queued(claim));
    assert!(!claims.attach(claim, &waiter()));
    assert!(claims.withdraw(claim).is_none());
    assert!(claims.was_withdrawn(claim));
}

#[test]
fn an_old_handle_does_not_touch_the_slot_s_next_claim() {
    let claims = Claims::new(1);
    let old = mine(&claims, 7);
    assert!(claims.queued(old));
    claims.withdraw(old).unwrap();
    let new = mine(&claims, 7);
    assert_eq!(new.slot, old.slot);
    assert!(claims.queued(new));
    assert!(!claims.begin_commit(old));
    assert!(!claims.attach(old, &waiter()));
    assert!(claims.withdraw(old).is_none());
    assert!(claims.begin_commit(new));
}

#[test]
fn a_full_bucket_says_so() {
    let claims = Claims::new(1);
    let buckets = (claims.table.states().count() / WAYS) as u128;
    // The upper half names the bucket, the lower half the id.
    let same_bucket = |n: u128| (buckets << 64) | n;
    for n in 0..WAYS as u128 {
        mine(&claims, same_bucket(n));
    }
    assert_eq!(claims.claim(same_bucket(99), 1), Claimed::Full);
}

#[test]
fn the_end_of_a_claim_returns_its_waiters() {
    let claims = Claims::new(16);
    let claim = mine(&claims, 7);
    assert!(!claims.attach(claim, &waiter()), "not queued yet");
    assert!(claims.queued(claim));
    let (one, two, gone) = (waiter(), waiter(), waiter());
    for waiter in [&one, &two, &gone] {
        assert!(claims.attach(claim, waiter));
    }
    assert!(claims.begin_commit(claim));
    let woken = claims.finish(claim).waiters;
    assert_eq!(woken.len(), 3);
    for (woken, waiter) in woken.iter().zip([&one, &two, &gone]) {
        assert!(Arc::ptr_eq(woken, waiter));
    }
}

/// However many come and go while an order is in flight.
#[test]
fn waiters_that_stop_waiting_are_dropped() {
    let claims = Claims::new(16);
    let claim = mine(&claims, 7);
    assert!(claims.queued(claim));
    let stay: Vec<_> = (0..100).map(|_| waiter()).collect();
    for waiter in &stay {
        assert!(claims.attach(claim, waiter));
    }
    for _ in 0..10_000 {
        assert!(claims.attach(claim, &waiter()));
        let listed = claims.waiting(claim);
        assert!(listed <= 2 * stay.len() + 2, "{listed} are listed");
    }
    let woken = claims.withdraw(claim).unwrap().waiters;
    let is_woken = |waiter| woken.iter().any(|one| Arc::ptr_eq(one, waiter));
    assert!(stay.iter().all(is_woken));
}

/// A worker may be faster than the thread that pushed the order.
#[test]
fn an_order_may_be_committed_before_it_is_known_as_queued() {
    let claims = Claims::new(16);
    let claim = mine(&claims, 7);
    assert!(!claims.ack_queued(claim), "it may not get in yet");
    assert!(claims.begin_commit(claim));
    assert!(!claims.queued(claim), "it is past that");
    assert_eq!(claims.claim(7, 1), Claimed::InFlight { claim, same: true });
    assert!(claims.finish(claim).waiters.is_empty());
}

#[test]
fn what_is_left_is_sealed_and_counted() {
    let claims = Claims::new(16);
    let [acked, not_acked, told_late, told_early, claiming] =
        [1, 2, 3, 4, 5].map(|id| mine(&claims, id));
    for claim in [acked, not_acked, told_late, told_early] {
        assert!(claims.queued(claim));
    }
    assert!(claims.ack_queued(acked));
    assert!(claims.ack_queued(told_early));
    assert!(claims.attach(not_acked, &waiter()));
    assert!(claims.begin_commit(told_late) && claims.begin_commit(told_early));
    let (lost, waiters) = claims.seal();
    assert_eq!((lost.len(), waiters.len()), (1, 1));
    assert_eq!(claims.sealed_acked().len(), 1);
    assert!(!claims.begin_commit(acked) && !claims.begin_commit(not_acked));
    assert!(!claims.ack_queued(told_late) && claims.was_sealed(told_late));
    assert!(!claims.was_sealed(acked) && claims.was_withdrawn(acked));
    assert!(claims.finish(told_early).acked && !claims.finish(told_late).acked);
    assert!(!claims.was_sealed(told_late));
    assert_eq!(claims.sealed_acked(), [], "it has ended");
    assert!(!claims.queued(claiming), "too late");
    // One whose admission comes as late as that can not be acknowledged.
    let late = mine(&claims, 6);
    assert!(!claims.was_withdrawn(late) && claims.queued(late));
    assert!(!claims.ack_queued(late) && claims.was_sealed(late));
}

/// Orders go into a batch and come back while the table is sealed: every order
/// that was acknowledged is counted, and none is acknowledged afterwards.
#[test]
fn what_moves_is_sealed_and_counted() {
    const ROUNDS: usize = if cfg!(miri) { 10 } else { 2_000 };
    let mut moved = 0;
    for round in 0..ROUNDS {
        let claims = Claims::new(16);
        let moving = (0..8).map(|id| mine(&claims, id)).collect::<Vec<_>>();
        for claim in &moving {
            assert!(claims.queued(*claim) && claims.ack_queued(*claim));
        }
        let start = Barrier::new(2);
        let (acked, _) = std::thread::scope(|scope| {
            scope.spawn(|| {
                start.wait();
                for _ in 0..round % 8 {
                    for claim in &moving {
                        claims.begin_commit(*claim);
                        claims.take_back(*claim);
                    }
                }
                for claim in &moving {
                    let _ = claims.begin_commit(*claim);
                }
            });
            start.wait();
            claims.seal()
        });
        assert_eq!(acked.len() + claims.sealed_acked().len(), moving.len());
        for claim in &moving {
            assert!(!claims.ack_queued(*claim));
            assert_ne!(claims.was_sealed(*claim), claims.was_withdrawn(*claim));
            moved += usize::from(claims.was_sealed(*claim));
        }
    }
    assert!(moved > 0);
}

#[test]
fn the_end_of_a_claim_sees_the_acknowledgement() {
    let claims = Claims::new(16);
    let [acked, not_acked, taken_back] = [1, 2, 3].map(|id| mine(&claims, id));
    for claim in [acked, not_acked, taken_back] {
        assert!(claims.queued(claim));
    }
    assert!(claims.ack_queued(acked));
    assert!(claims.begin_commit(taken_back) && claims.ack_queued(taken_back));
    assert!(claims.take_back(taken_back) && !claims.take_back(taken_back));
    let was_acked = |claim| claims.withdraw(claim).map(|ended| ended.acked);
    assert_eq!(was_acked(acked), Some(true));
    assert_eq!(was_acked(not_acked), Some(false));
    assert_eq!(was_acked(taken_back), Some(true));
    assert!(!claims.ack_queued(not_acked) && !claims.take_back(not_acked));
}

/// One thread acknowledges, one withdraws: the withdrawal sees a successful
/// acknowledgement.
#[test]
fn acknowledged_and_withdrawn_at_once() {
    const ROUNDS: usize = if cfg!(miri) { 50 } else { 5_000 };
    let claims = Claims::new(16);
    let start = Barrier::new(2);
    for round in 0..ROUNDS {
        let claim = mine(&claims, round as u128);
        assert!(claims.queued(claim));
        std::thread::scope(|scope| {
            let acknowledger = scope.spawn(|| {
                start.wait();
                claims.ack_queued(claim)
            });
            start.wait();
            let ended = claims.withdraw(claim).expect("nobody else ends it");
            let acked = acknowledger.join().unwrap();
            assert_eq!(acked, ended.acked);
        });
    }
}

/// Threads fight for few ids; at no time do two hold the same one.
#[test]
fn one_holder_at_a_time() {
    const THREADS: usize = 4;
    const IDS: usize = 8;
    const ROUNDS: usize = if cfg!(miri) { 50 } else { 20_000 };
    let claims = Claims::new(64);
    let holders: [AtomicUsize; IDS] = Default::default();
    let (wins, acked) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let start = Barrier::new(THREADS);
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (claims, holders, wins, acked, start) = (&claims, &holders, &wins, &acked, &start);
            scope.spawn(move || {
                start.wait();
                for round in 0..ROUNDS {
                    let id = (thread + round * 7) % IDS;
                    match claims.claim(id as u128, 1) {
                        Claimed::Mine(claim) => {
                            assert_eq!(holders[id].fetch_add(1, Ordering::SeqCst), 0);
                            assert!(claims.queued(claim));
                            assert!(claims.begin_commit(claim));
                            assert_eq!(holders[id].fetch_sub(1, Ordering::SeqCst), 1);
                            for waiter in claims.finish(claim).waiters {
                                waiter.complete(());
                                acked.fetch_add(1, Ordering::SeqCst);
                            }
                            wins.fetch_add(1, Ordering::SeqCst);
                        }
                        Claimed::InFlight { claim, same } => {
                            assert!(same);
                            let waiter = waiter();
                            if claims.attach(claim, &waiter) {
                                // Never left behind: the holder answers.
                                while waiter.get().is_none() {
                                    std::thread::yield_now();
                                }
                                acked.fetch_sub(1, Ordering::SeqCst);
                            }
                        }
                        Claimed::Busy => {}
                        Claimed::Full => panic!("8 ids don't fill a bucket"),
                    }
                }
            });
        }
    });
    assert!(wins.into_inner() >= ROUNDS / 2);
    assert_eq!(acked.into_inner(), 0);
    assert!((0..IDS as u128).all(|id| !claims.contains(id)));
}
