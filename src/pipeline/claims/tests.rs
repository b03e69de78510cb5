use std::sync::{
    Barrier,
    atomic::{AtomicUsize, Ordering},
};

use super::*;
use crate::{
    ledger::{Outcome, Status},
    pipeline::ticket::Answer,
};

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
    assert!(claims.finish(claim).is_empty());
    assert!(!claims.contains(7) && !claims.was_withdrawn(claim));
    let again = mine(&claims, 7);
    assert_ne!(again, claim, "a new generation");
}

#[test]
fn a_withdrawn_claim_is_not_committed() {
    let claims = Claims::new(16);
    let claim = mine(&claims, 7);
    assert!(claims.queued(claim));
    assert_eq!(claims.withdraw(claim).map(|w| w.len()), Some(0));
    assert!(!claims.begin_commit(claim));
    assert!(!claims.tell_queued(claim));
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
    let buckets = claims.buckets.len() as u128;
    // The upper half names the bucket, the lower half the id.
    let same_bucket = |n: u128| (buckets << 64) | n;
    for n in 0..WAYS as u128 {
        mine(&claims, same_bucket(n));
    }
    assert_eq!(claims.claim(same_bucket(99), 1), Claimed::NoRoom);
}

#[test]
fn waiters_are_handed_to_whoever_ends_the_claim() {
    let claims = Claims::new(16);
    let claim = mine(&claims, 7);
    assert!(!claims.attach(claim, &waiter()), "not queued yet");
    assert!(claims.queued(claim));
    let (one, two, gone) = (waiter(), waiter(), waiter());
    for waiter in [&one, &two, &gone] {
        assert!(claims.attach(claim, waiter));
    }
    claims.detach(claim, &gone);
    assert!(claims.begin_commit(claim));
    let woken = claims.finish(claim);
    assert!(woken.len() == 2 && Arc::ptr_eq(&woken[0], &one) && Arc::ptr_eq(&woken[1], &two));
}

#[test]
fn the_deadline_counts_who_was_told() {
    let claims = Claims::new(16);
    let [told, untold, committing, claiming] = [1, 2, 3, 4].map(|id| mine(&claims, id));
    for claim in [told, untold, committing] {
        assert!(claims.queued(claim));
    }
    assert!(claims.tell_queued(told));
    assert!(claims.attach(untold, &waiter()));
    assert!(claims.begin_commit(committing));
    let (lost, waiters) = claims.withdraw_all();
    assert_eq!((lost, waiters.len()), (1, 1));
    assert!(!claims.begin_commit(told) && !claims.begin_commit(untold));
    assert!(claims.finish(committing).is_empty());
    assert!(!claims.queued(claiming), "too late");
}

/// Threads fight for few ids; at no time do two hold the same one.
#[test]
fn one_holder_at_a_time() {
    const THREADS: usize = 4;
    const IDS: usize = 8;
    const ROUNDS: usize = if cfg!(miri) { 50 } else { 20_000 };
    let claims = Claims::new(64);
    let holders: [AtomicUsize; IDS] = Default::default();
    let (wins, told) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let start = Barrier::new(THREADS);
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (claims, holders, wins, told, start) = (&claims, &holders, &wins, &told, &start);
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
                            for waiter in claims.finish(claim) {
                                waiter.keep(Answer::Committed(Outcome {
                                    seq: 1,
                                    status: Status::Processed,
                                    reason: None,
                                }));
                                told.fetch_add(1, Ordering::SeqCst);
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
                                told.fetch_sub(1, Ordering::SeqCst);
                            }
                        }
                        Claimed::Busy => {}
                        Claimed::NoRoom => panic!("8 ids don't fill a bucket"),
                    }
                }
            });
        }
    });
    assert!(wins.into_inner() >= ROUNDS / 2);
    assert_eq!(told.into_inner(), 0);
    assert!((0..IDS as u128).all(|id| !claims.contains(id)));
}
