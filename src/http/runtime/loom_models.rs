//! Deadlines, model-checked. The sleeper of a model sleeps until it is
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
            let sleeper = deadlines.clone();
            let sleeper = thread::spawn(move || {
                sleeper.begin();
                loop {
                    match sleeper.publish_sleep() {
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
            sleeper.join().unwrap();
        });
    }
}

#[test]
fn a_sleeper_ends() {
    check(3, || {
        let deadlines = Arc::new(Deadlines::new(1));
        let sleeper = deadlines.clone();
        let sleeper = thread::spawn(move || {
            sleeper.begin();
            while !sleeper.is_stopping() {
                assert_eq!(sleeper.publish_sleep(), NEVER);
                thread::park();
            }
        });
        deadlines.stop();
        sleeper.join().unwrap();
    });
}
