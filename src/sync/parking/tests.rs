//! A poll that panics, in the wake protocol as it is.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool as Flag, AtomicU64 as Count};
use std::thread;
use std::time::Instant;

use super::*;

/// Whenever a poll panics, before or after the consumer has announced
/// itself, and whether it was woken or not: it is woken again.
#[test]
fn a_consumer_whose_poll_panicked_is_woken_again() {
    for (urgency, panics_at, pushed_before) in [Urgency::Now, Urgency::Deferred]
        .into_iter()
        .flat_map(|urgency| (1..=4).map(move |at| (urgency, at)))
        .flat_map(|(urgency, at)| [true, false].map(|pushed| (urgency, at, pushed)))
    {
        let parking = Parking::new(1, Idle::Yield);
        let (waiting, panicked) = (Count::new(0), Flag::new(false));
        let push = || {
            waiting.fetch_add(1, Ordering::SeqCst);
            parking.notify(urgency)
        };
        let take = || match waiting.load(Ordering::SeqCst) {
            0 => Dequeue::Empty,
            left => {
                waiting.fetch_sub(1, Ordering::SeqCst);
                Dequeue::Item((), left > 1)
            }
        };
        thread::scope(|scope| {
            let consumer = scope.spawn(|| {
                let mut polls = 0;
                let ended = catch_unwind(AssertUnwindSafe(|| {
                    parking.next(0, Urgency::Deferred, || {
                        polls += 1;
                        if polls == panics_at {
                            if pushed_before {
                                push();
                            }
                            panic!("as the test asked for");
                        }
                        Dequeue::<()>::Empty
                    })
                }));
                assert!(ended.is_err());
                panicked.store(true, Ordering::SeqCst);
                for _ in 0..1 + u64::from(pushed_before) {
                    assert!(parking.next(0, Urgency::Now, take).item.is_some());
                }
            });
            // The one that was pushed before is taken, and it sleeps.
            while !panicked.load(Ordering::SeqCst) {
                thread::yield_now();
            }
            while !consumer.is_finished()
                && (waiting.load(Ordering::SeqCst) > 0 || !parking.anyone_asleep())
            {
                thread::yield_now();
            }
            let case = (urgency, panics_at, pushed_before);
            let woke = push();
            // It may be found by a consumer that was about to sleep.
            let deadline = Instant::now() + Duration::from_secs(10);
            while !woke && waiting.load(Ordering::SeqCst) > 0 {
                if Instant::now() >= deadline {
                    parking.notify_all(); // so that the test ends
                    panic!("{case:?}: nobody was woken");
                }
                thread::yield_now();
            }
        });
    }
}
