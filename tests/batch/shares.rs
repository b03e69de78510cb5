//! Batches beside single orders that keep the queue full.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crate::harness::{Client, submit, until};
use crate::{batch, count, lines, results, slow};

#[test]
fn a_batch_gets_its_share_of_a_full_queue() {
    let service = slow(
        "4ms",
        &[
            "--queue-capacity",
            "16",
            "--overload-status",
            "429",
            "--ack-timeout",
            "1h",
        ],
    );
    let (address, stop) = (service.http, AtomicBool::new(false));
    let found = thread::scope(|scope| {
        // Enough of them that some always want what is theirs.
        for me in 0..8 {
            let stop = &stop;
            scope.spawn(move || {
                let mut client = Client::to(address);
                for number in 0.. {
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                    let order = format!(r#"{{"id":"s-{me}-{number}","value":1}}"#);
                    let reply = client.ask(submit("Prefer: respond-async\r\n", &order));
                    assert!(matches!(reply.status, 202 | 429), "{reply:?}");
                }
            });
        }
        until("the queue is full", || {
            service.figures().rejected("full") > 0
        });
        let found = results(&Client::to(address).ask(batch("", &lines("a", 200))));
        stop.store(true, Ordering::Relaxed);
        found
    });
    assert_eq!(count(&found, "processed"), 200, "{found:?}");
    // A quarter is the batch's, at least; half is theirs.
    let (accepted, ..) = service.settled().orders();
    assert!(accepted >= 2 * 200, "{accepted}");
}
