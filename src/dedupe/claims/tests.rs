use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::dedupe::claims::attached::SWEEP_MIN;
use crate::ledger::{Outcome, Status};
use crate::pipeline::answer::Answer;

use super::*;

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
    let buckets = claims.buckets.len() as u128;
    // The upper half names the bucket, the lower half the id.
    let same_bucket = |n: u128| (buckets << 64) | n;
    for n in 0..WAYS as u128 {
        mine(&claims, same_bucket(n));
    }
    assert_eq!(claims.claim(same_bucket(99), 1), Claimed::Full);
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
    assert!(claims.begin_commit(claim));
    let woken = claims.finish(claim).waiters;
    assert_eq!(woken.len(), 3);
    for (woken, waiter) in woken.iter().zip([&one, &two, &gone]) {
        assert!(Arc::ptr_eq(woken, waiter));
    }
}

/// However many come and go while an order is in flight.
#[test]
fn those_who_stop_waiting_are_let_go() {
    let claims = Claims::new(16);
    let claim = mine(&claims, 7);
    assert!(claims.queued(claim));
    let stays = waiter();
    assert!(claims.attach(claim, &stays));
    for _ in 0..10_000 {
        assert!(claims.attach(claim, &waiter()));
    }
    let listed = claims.list(claim).list.len();
    assert!(listed <= 2 * SWEEP_MIN, "{listed} are kept");
    let woken = claims.withdraw(claim).unwrap().waiters;
    assert!(woken.iter().any(|one| Arc::ptr_eq(one, &stays)));
}

/// A worker may be faster than whoever put the order into the queue.
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
    let [told, untold, told_late, told_early, claiming] =
        [1, 2, 3, 4, 5].map(|id| mine(&claims, id));
    for claim in [told, untold, told_late, told_early] {
        assert!(claims.queued(claim));
    }
    assert!(claims.ack_queued(told));
    assert!(claims.ack_queued(told_early));
    assert!(claims.attach(untold, &waiter()));
    assert!(claims.begin_commit(told_late) && claims.begin_commit(told_early));
    let (lost, waiters) = claims.seal();
    assert_eq!((lost, waiters.len()), (1, 1));
    assert_eq!(claims.sealed_acked(), 1);
    assert!(!claims.begin_commit(told) && !claims.begin_commit(untold));
    assert!(!claims.ack_queued(told_late) && claims.was_sealed(told_late));
    assert!(!claims.was_sealed(told) && claims.was_withdrawn(told));
    assert!(claims.finish(told_early).told && !claims.finish(told_late).told);
    assert!(!claims.was_sealed(told_late));
    assert_eq!(claims.sealed_acked(), 0, "it has ended");
    assert!(!claims.queued(claiming), "too late");
    // One whose admission comes as late as that is told nothing.
    let late = mine(&claims, 6);
    assert!(!claims.was_withdrawn(late) && claims.queued(late));
    assert!(!claims.ack_queued(late) && claims.was_sealed(late));
}

/// Orders go into a batch and come back while the seal goes round: whoever was
/// told is counted, and nobody is told afterwards.
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
        let (told, _) = std::thread::scope(|scope| {
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
        assert_eq!(told + claims.sealed_acked(), moving.len());
        for claim in &moving {
            assert!(!claims.ack_queued(*claim));
            assert_ne!(claims.was_sealed(*claim), claims.was_withdrawn(*claim));
            moved += usize::from(claims.was_sealed(*claim));
        }
    }
    assert!(moved > 0);
}

#[test]
fn a_claim_is_given_up_wherever_it_is() {
    let claims = Claims::new(16);
    let [claiming, queued, committing] = [1, 2, 3].map(|id| mine(&claims, id));
    for claim in [queued, committing] {
        assert!(claims.queued(claim) && claims.attach(claim, &waiter()));
        assert!(claims.ack_queued(claim));
    }
    assert!(claims.begin_commit(committing));
    for (claim, told, in_batch) in [
        (claiming, false, false),
        (queued, true, false),
        (committing, true, true),
    ] {
        let (ended, was_committing) = claims.give_up(claim).expect("not before");
        assert_eq!((ended.told, was_committing), (told, in_batch));
        assert_eq!(ended.waiters.len(), usize::from(told));
        // Of one that was in a batch nobody may say that it has no outcome.
        assert_eq!(claims.was_withdrawn(claim), !in_batch);
        assert!(claims.give_up(claim).is_none(), "only once");
    }
}

#[test]
fn who_was_told_is_known_to_who_ends_the_claim() {
    let claims = Claims::new(16);
    let [told, untold, taken_back] = [1, 2, 3].map(|id| mine(&claims, id));
    for claim in [told, untold, taken_back] {
        assert!(claims.queued(claim));
    }
    assert!(claims.ack_queued(told));
    assert!(claims.begin_commit(taken_back) && claims.ack_queued(taken_back));
    assert!(claims.take_back(taken_back) && !claims.take_back(taken_back));
    let was_told = |claim| claims.withdraw(claim).map(|ended| ended.told);
    assert_eq!(was_told(told), Some(true));
    assert_eq!(was_told(untold), Some(false));
    assert_eq!(was_told(taken_back), Some(true));
    assert!(!claims.ack_queued(untold) && !claims.take_back(untold));
}

/// One tells, one withdraws, at the same moment: whoever was told is known.
#[test]
fn told_and_withdrawn_at_once() {
    const ROUNDS: usize = if cfg!(miri) { 50 } else { 5_000 };
    let claims = Claims::new(16);
    let start = Barrier::new(2);
    for round in 0..ROUNDS {
        let claim = mine(&claims, round as u128);
        assert!(claims.queued(claim));
        std::thread::scope(|scope| {
            let teller = scope.spawn(|| {
                start.wait();
                claims.ack_queued(claim)
            });
            start.wait();
            let ended = claims.withdraw(claim).expect("nobody else ends it");
            let told = teller.join().unwrap();
            assert_eq!(told, ended.told);
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
                            for waiter in claims.finish(claim).waiters {
                                waiter.complete(Answer::Committed(Outcome {
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
                        Claimed::Full => panic!("8 ids don't fill a bucket"),
                    }
                }
            });
        }
    });
    assert!(wins.into_inner() >= ROUNDS / 2);
    assert_eq!(told.into_inner(), 0);
    assert!((0..IDS as u128).all(|id| !claims.contains(id)));
}
