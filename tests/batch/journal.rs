//! What a journal holds of batches.

use crate::harness;
use crate::harness::{Client, Directory, Service};
use crate::{batch, count, lines, results};

#[test]
fn the_journal_knows_why_orders_of_a_batch_failed() {
    let directory = Directory::new();
    let service = directory.start(&["--max-value", "1000"]);
    // More than one read serves, processed ones among them, and not in their order when they
    // are sent again.
    let value = |n: usize| [1, -1, 2000][n % 3];
    let line = |n: usize| format!("{{\"id\":\"f-{n}\",\"value\":{}}}\n", value(n));
    let body: String = (0..6000).map(line).collect();
    let first = results(&Client::to(service.http).ask(batch("", &body)));
    assert_eq!(count(&first, "failed"), 4000);
    drop(service); // killed
    let service = directory.start(&[]);
    let mut order: Vec<usize> = (0..6000).collect();
    for n in (0..6000).step_by(97) {
        order.swap(n, (n * 31) % 6000);
    }
    let body: String = order.iter().map(|&n| line(n)).collect();
    for headers in ["", "Prefer: respond-async\r\n"] {
        let again = results(&Client::to(service.http).ask(batch(headers, &body)));
        assert_eq!(count(&again, "duplicate"), 6000);
        for (&n, again) in order.iter().zip(&again) {
            assert_eq!(again["seq"], first[n]["seq"]);
            assert_eq!(again["outcome"], first[n]["status"]);
            // Whoever doesn't wait does without what is not read in a second.
            let unread = !headers.is_empty() && again["detail"].is_null();
            assert!(
                unread || again["detail"] == first[n]["detail"],
                "{n}: {again}"
            );
        }
    }
    service.drain();
}

#[test]
fn the_journal_knows_the_outcomes_of_a_batch() {
    let dir = std::env::temp_dir().join(format!("orders-batch-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&dir); // of an earlier run
    let flags = ["--ledger", "journal", "--data-dir", dir.to_str().unwrap()];
    let start = || {
        let mut command = Service::command();
        let base = harness::BASE_FLAGS;
        command.args(&base[..base.len() - 2]).args(flags);
        Service::launch(command)
    };
    let service = start();
    let body = lines("j", 5000);
    let first = results(&Client::to(service.http).ask(batch("", &body)));
    assert_eq!(count(&first, "processed"), 5000);
    drop(service); // killed
    let service = start();
    let again = results(&Client::to(service.http).ask(batch("", &body)));
    assert_eq!(count(&again, "duplicate"), 5000);
    for (first, again) in first.iter().zip(&again) {
        assert_eq!(first["seq"], again["seq"]);
    }
    service.drain();
    std::fs::remove_dir_all(&dir).unwrap();
}
