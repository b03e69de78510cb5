//! Deadlines, model-checked. The timer thread of a model sleeps until it is
//! unparked: a deadline that it does not know of is missed for good.

use std::sync::Arc;

use loom::thread;

use crate::http::runtime::deadlines::{Deadlines, NEVER};
use crate::sync::modelled::check;

/// One that arms its slot once, or for a later time and then for an earlier
/// one.
#[test]
fn no_deadline_is_missed() {
    for deadlines_ms in [&[5][..], &[9, 5]] {
        check(3, move || {
            let deadlines = Arc::new(Deadlines::new(1));
            let timer = deadlines.clone();
            let timer = thread::spawn(move || {
                timer.begin();
                loop {
                    match timer.publish_sleep() {
                        // Woken by time.
                        5 => return,
                        9 | NEVER => thread::park(),
                        other => panic!("{other}"),
                    }
                }
            });
            for at_ms in deadlines_ms {
                deadlines.arm(0, *at_ms);
            }
            timer.join().unwrap();
        });
    }
}

#[test]
fn a_timer_thread_ends() {
    check(3, || {
        let deadlines = Arc::new(Deadlines::new(1));
        let timer = deadlines.clone();
        let timer = thread::spawn(move || {
            timer.begin();
            while !timer.is_stopping() {
                assert_eq!(timer.publish_sleep(), NEVER);
                thread::park();
            }
        });
        deadlines.stop();
        timer.join().unwrap();
    });
}
