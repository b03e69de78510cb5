//! Claims, model-checked. A table has two slots here, in one bucket.

use std::sync::Arc;

use loom::thread;

use crate::dedupe::claims::{Claim, Claimed, Unacked};
use crate::sync::modelled::check;
use crate::sync::primitive::{AtomicUsize, Ordering};

type Claims = crate::dedupe::claims::Claims<()>;

/// Another id that the states can't tell from 7: they hold 24 bits of it.
const LIKE_7: u128 = 7 | 1 << 24;

fn mine(claims: &Claims, id: u128) -> Claim {
    match claims.claim(id, 1) {
        Claimed::Mine(claim) => claim,
        other => panic!("{other:?}"),
    }
}

fn queued(claims: &Claims, id: u128) -> Claim {
    let claim = mine(claims, id);
    assert!(claims.queued(claim));
    claim
}

/// Also if one finds a slot taken that the other finds free.
#[test]
fn one_of_two_claimers_at_most() {
    check(3, || {
        let claims = Arc::new(Claims::new(1));
        let ending = queued(&claims, 9);
        let other = claims.clone();
        let other = thread::spawn(move || other.claim(7, 1));
        assert!(claims.withdraw(ending).is_some());
        let ours = claims.claim(7, 1);
        let theirs = other.join().unwrap();
        let both = [ours, theirs];
        let winners = both
            .iter()
            .filter(|claimed| matches!(claimed, Claimed::Mine(_)));
        assert!(winners.count() <= 1);
    });
}

/// The same order from two threads: the one that comes second is a duplicate.
#[test]
fn a_duplicate_is_no_conflict() {
    check(2, || {
        let claims = Arc::new(Claims::new(1));
        let other = claims.clone();
        let other = thread::spawn(move || {
            let claim = mine(&other, 7);
            assert!(other.queued(claim));
        });
        if claims.table.find(7, None).is_some()
            && let Claimed::InFlight { same, .. } = claims.claim(7, 1)
        {
            assert!(same);
        }
        other.join().unwrap();
    });
}

/// An id whose claim has ended is in the window, as is seen by the thread that
/// claims the id next; also if another id has taken the slot meanwhile.
#[test]
fn the_next_claimer_sees_the_window() {
    for another_takes_the_slot in [false, true] {
        check(3, move || {
            let claims = Arc::new(Claims::new(1));
            let window = Arc::new(AtomicUsize::new(0));
            let claim = queued(&claims, 7);
            assert!(claims.begin_commit(claim));
            let committer = {
                let (claims, window) = (claims.clone(), window.clone());
                thread::spawn(move || {
                    window.store(1, Ordering::Relaxed);
                    assert!(claims.finish(claim).waiters.is_empty());
                    if another_takes_the_slot {
                        let _ = claims.claim(9, 1);
                    }
                })
            };
            match claims.claim(7, 1) {
                Claimed::Mine(_) => assert_eq!(window.load(Ordering::Relaxed), 1),
                Claimed::InFlight { same, .. } => assert!(same),
                Claimed::Busy | Claimed::Full => {}
            }
            committer.join().unwrap();
        });
    }
}

/// What a claim is compared with is its own content, not that of the slot's
/// next one.
#[test]
fn content_is_that_of_the_claim() {
    check(3, || {
        let claims = Arc::new(Claims::new(1));
        let claim = queued(&claims, 7);
        let other = claims.clone();
        let other = thread::spawn(move || {
            assert!(other.withdraw(claim).is_some());
            // Takes the slot.
            let next = other.claim(LIKE_7, 2);
            if let Claimed::Mine(next) = next {
                assert!(other.queued(next));
            }
        });
        if let Claimed::InFlight { same, .. } = claims.claim(7, 1) {
            assert!(same, "the only order with this id has this content");
        }
        if let Claimed::InFlight { same, .. } = claims.claim(LIKE_7, 2) {
            assert!(same);
        }
        other.join().unwrap();
    });
}

/// A duplicate that was let in is answered by the thread that ends the claim.
#[test]
fn no_duplicate_is_left_behind() {
    for committed in [true, false] {
        check(3, move || {
            let claims = Arc::new(Claims::new(1));
            let claim = queued(&claims, 7);
            let ending = claims.clone();
            let ending = thread::spawn(move || {
                let ended = if committed {
                    assert!(ending.begin_commit(claim));
                    ending.finish(claim)
                } else {
                    ending.withdraw(claim).expect("nobody else ends it")
                };
                ended.waiters.len()
            });
            let attached = claims.attach(claim, &Arc::new(()));
            assert_eq!(ending.join().unwrap(), usize::from(attached));
        });
    }
}

/// The withdrawal sees a successful acknowledgement, and none succeeds after
/// it.
#[test]
fn acknowledged_or_withdrawn_first() {
    check(3, || {
        let claims = Arc::new(Claims::new(1));
        let claim = queued(&claims, 7);
        let other = claims.clone();
        let other = thread::spawn(move || other.ack_queued(claim));
        let ended = claims.withdraw(claim).expect("nobody else ends it");
        assert_eq!(ended.acked, other.join().unwrap());
    });
}

/// The same for an order that the processor returns: it keeps its claim if the
/// acknowledgement was first.
#[test]
fn acknowledged_orders_are_not_withdrawn() {
    check(3, || {
        let claims = Arc::new(Claims::new(1));
        let claim = queued(&claims, 7);
        let other = claims.clone();
        let other = thread::spawn(move || other.ack_queued(claim));
        let stays = match claims.withdraw_unacked(claim) {
            Unacked::Withdrawn(ended) => {
                assert!(!ended.acked);
                false
            }
            Unacked::Acknowledged => true,
            Unacked::Ended => panic!("nobody else ends it"),
        };
        assert_eq!(stays, other.join().unwrap());
        assert_eq!(claims.contains(7), stays);
    });
}

/// A claimer that backs off ends its own claim only: a seal may have ended that,
/// and another claim may have its slot.
#[test]
fn who_backs_off_ends_no_other_claim() {
    check(3, || {
        let claims = Arc::new(Claims::new(1));
        let other = claims.clone();
        let other = thread::spawn(move || {
            // One that the claimer meets.
            let _ = other.table.reserve(7, 1);
            other.seal();
            other.claim(9, 1)
        });
        let _ = claims.claim(7, 1);
        if let Claimed::Mine(claim) = other.join().unwrap() {
            assert!(claims.queued(claim), "the claim of 9 was ended");
        }
    });
}

/// The thread that takes an order into a batch and the one that withdraws it:
/// one of the two.
#[test]
fn committed_or_withdrawn() {
    check(3, || {
        let claims = Arc::new(Claims::new(1));
        let claim = queued(&claims, 7);
        let other = claims.clone();
        let other = thread::spawn(move || other.begin_commit(claim));
        let withdrawn = claims.withdraw(claim).is_some();
        assert_ne!(withdrawn, other.join().unwrap());
    });
}

/// Every order that is acknowledged while the table is sealed is counted:
/// wherever it is, and whether it was claimed before or after.
#[test]
fn a_seal_counts_what_is_acknowledged() {
    for (before, at_once) in [(true, false), (false, false), (false, true)] {
        check(2, move || {
            let claims = Arc::new(Claims::new(1));
            let claim = before.then(|| queued(&claims, 7));
            let other = claims.clone();
            let other = thread::spawn(move || {
                let claim = claim.unwrap_or_else(|| mine(&other, 7));
                if !before && !at_once && !other.queued(claim) {
                    return 0; // withdrawn by the seal
                }
                let acked = if at_once {
                    other.queued_acked(claim)
                } else {
                    other.ack_queued(claim)
                };
                let _ = other.begin_commit(claim);
                usize::from(acked)
            });
            let (counted, _) = claims.seal();
            let acked = other.join().unwrap();
            assert!(acked <= counted.len() + claims.sealed_acked().len());
        });
    }
}

/// An order that is acknowledged while a drain begins is found by its first
/// look, or by none: then it is not acknowledged.
#[test]
fn a_deferral_finds_what_is_acknowledged() {
    for at_once in [true, false] {
        check(3, move || {
            let claims = Arc::new(Claims::new(1));
            let claim = match at_once {
                true => mine(&claims, 7),
                false => queued(&claims, 7),
            };
            let other = claims.clone();
            let other = thread::spawn(move || match at_once {
                true => other.queued_acked(claim),
                false => other.ack_queued(claim),
            });
            claims.defer_acks();
            let found = claims.acked_or_wanted().count();
            let acked = other.join().unwrap();
            assert!(!acked || found == 1);
        });
    }
}
