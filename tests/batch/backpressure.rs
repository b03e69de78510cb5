//! Batches against a full queue.

use std::thread;

use crate::harness;
use crate::harness::{Client, order, until};
use crate::{batch, count, lines, results, slow, statuses};

#[test]
fn a_line_is_rejected_when_the_queue_stays_full_and_all_after_it() {
    let service = slow("10m", &["--queue-capacity", "4", "--ack-timeout", "300ms"]);
    let body = lines("a", 20) + "nonsense\n";
    let mut client = Client::to(service.http);
    let found = results(&client.ask(batch("", &body)));
    // One with the worker, two in the half of the queue that batches may fill;
    // the worker may have taken its one too late for the third to be noticed.
    let queued = count(&found, "queued");
    assert!((2..=3).contains(&queued), "{found:?}");
    assert_eq!(count(&found, "rejected"), 21 - queued, "{found:?}");
    assert_eq!(statuses(&found)[..queued], ["queued"; 3][..queued]);
    assert_eq!(found[queued]["id"], format!("a-{queued}"));
    assert_eq!(found[20]["detail"], "the queue is full; nothing was kept");
    let figures = service.figures();
    assert_eq!(figures.orders().0 as usize, queued);
    assert_eq!(figures.rejected("full") as usize, 21 - queued);
    // Single orders still have the other half.
    let async_order = |id: &str| {
        harness::submit(
            "Prefer: respond-async\r\n",
            &format!(r#"{{"id":"{id}","value":1}}"#),
        )
    };
    assert_eq!(client.ask(async_order("single-1")).status, 202);
    assert_eq!(client.ask(async_order("single-2")).status, 202);
}

#[test]
fn a_batch_waits_for_the_queue_and_leaves_half_of_it_to_others() {
    let service = slow("2ms", &["--queue-capacity", "20"]);
    let address = service.http;
    let batches: Vec<_> = ["x", "y"]
        .map(|name| {
            thread::spawn(move || {
                let reply = Client::to(address).ask(batch("", &lines(name, 600)));
                results(&reply)
            })
        })
        .into();
    until("the batches are under way", || {
        let figures = service.figures();
        figures.orders().0 > 30 && figures.count("bulk_orders") > 0
    });
    let mut client = Client::to(address);
    let mut singles = 0;
    while batches.iter().any(|batch| !batch.is_finished()) {
        let reply = client.ask(order(&format!("single-{singles}")));
        assert_eq!(reply.status, 201, "{reply:?}");
        let depth = service.figures().get("queue_depth");
        assert!(depth <= 11.0, "{depth}");
        singles += 1;
    }
    assert!(singles > 3, "{singles}");
    for batch in batches {
        let found = batch.join().unwrap();
        assert_eq!(count(&found, "processed"), 600, "{found:?}");
    }
    let figures = service.settled();
    assert_eq!(figures.orders().1, 1200 + singles);
    assert_eq!(figures.count("bulk_orders"), 0);
    assert_eq!(figures.sum("orders_rejected"), 0);
}

#[test]
fn waiting_for_the_queue_is_not_waiting_for_the_client() {
    let service = slow(
        "100ms",
        &["--queue-capacity", "2", "--body-timeout", "200ms"],
    );
    // The body is larger than what is read at a time, so that some of it
    // waits in the socket for a second and more.
    let mut body = lines("a", 12);
    body.push_str(&"\n".repeat(100_000));
    let found = results(&Client::to(service.http).ask(batch("", &body)));
    assert_eq!(count(&found, "processed"), 12);
}

#[test]
fn a_client_that_vanishes_takes_nothing_along() {
    let service = slow("5ms", &["--queue-capacity", "4"]);
    for n in 0..5 {
        let mut client = Client::to(service.http);
        client.send(batch("", &lines(&format!("v{n}"), 10)));
    }
    let figures = harness::eventually("all of it has run", || {
        let figures = service.figures();
        (figures.orders().1 == 50).then_some(figures)
    });
    assert_eq!(figures.orders(), (50, 50, 0));
    service.drain();
}
