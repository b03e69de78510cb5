//! `SubmitStream` held back: by a full queue, by orders without a response, and
//! by a client that takes none.

use std::time::Duration;

use order_processor::grpc::proto::{
    OrderStatus, SubmitResult, SubmitStreamRequest, SubmitStreamResponse,
};
use order_processor::internals::{STREAM_ORDER_BYTES_MAX, STREAM_ORDERS_MAX};
use tokio::sync::mpsc::Sender;
use tonic::Code;

use crate::client::{
    client, one_of_many, open_stream, refused, request, run, simulate, submit, submit_all,
};
use crate::harness::{PATIENCE, Service};

/// Sends orders as small as they can be for as long as the client's side takes
/// them, each in a frame of its own: a flood, for a server that doesn't read
/// them.
async fn feed(sender: &Sender<SubmitStreamRequest>, sent: &mut u64) {
    loop {
        sender
            .send(one_of_many(&format!("{sent}")))
            .await
            .expect("it is held back, and not cut off");
        *sent += 1;
    }
}

#[test]
fn orders_wait_for_space_in_the_queue() {
    let flags = ["--workers", "1", "--queue-capacity", "4"];
    let service = Service::with_grpc(&[&simulate("2ms..2ms")[..], &flags].concat());
    run(async {
        let requests = (0..300).map(|number| one_of_many(&format!("r-{number}")));
        let responses = submit_all(&mut client(&service).await, requests).await;
        let processed = responses
            .iter()
            .filter(|r| r.result() == SubmitResult::Processed);
        assert_eq!(processed.count(), 300, "none was refused for want of space");
    });
    assert_eq!(service.settled().orders(), (300, 300, 0));
}

#[test]
fn orders_are_rejected_when_the_queue_stays_full() {
    let flags = [
        "--workers",
        "1",
        "--queue-capacity",
        "4",
        "--ack-timeout",
        "200ms",
        "--drain-timeout",
        "10ms",
    ];
    let service = Service::with_grpc(&[&simulate("10m..10m")[..], &flags].concat());
    run(async {
        let requests = (0..8).map(|number| one_of_many(&format!("r-{number}")));
        let responses = submit_all(&mut client(&service).await, requests).await;
        let results: Vec<_> = responses.iter().map(SubmitStreamResponse::result).collect();
        // One with the worker, two in the half of the queue that is for
        // streams; the worker may have taken its one too late for the third to
        // be noticed.
        let count = |wanted| results.iter().filter(|result| **result == wanted).count();
        let queued = count(SubmitResult::Queued);
        assert!((2..=3).contains(&queued), "{results:?}");
        assert_eq!(count(SubmitResult::Rejected), 8 - queued, "{results:?}");
        let last = responses.last().unwrap();
        assert!(last.retry_safe && last.retry_delay.is_some(), "{last:?}");
        assert_eq!(service.figures().rejected("full"), 8 - queued as u64);
    });
}

#[test]
fn past_so_many_orders_nothing_is_read() {
    let flags = ["--drain-timeout", "10ms"];
    let service = Service::with_grpc(&[&simulate("10m..10m")[..], &flags].concat());
    run(async {
        let (sender, mut responses) = open_stream(&mut client(&service).await).await.unwrap();
        let mut sent = 0;
        // The client's side takes what flow control lets through, then no more.
        let fed = tokio::time::timeout(Duration::from_secs(5), feed(&sender, &mut sent)).await;
        assert!(fed.is_err());
        let inside = service.figures().inside();
        assert_eq!(inside, STREAM_ORDERS_MAX as i64, "of {sent}");
        assert!((2000..20_000).contains(&sent), "{sent} were sent");
        service.terminate();
        for index in 1..=STREAM_ORDERS_MAX as u64 {
            let response = responses.message().await.unwrap().expect("a response");
            assert_eq!(
                (response.index, response.result()),
                (index, SubmitResult::Rejected)
            );
        }
        let status = responses.message().await.unwrap_err();
        assert_eq!(refused(&status, Code::Unavailable, true).0, "DRAINING");
    });
}

/// Orders stay in memory until their response is taken.
#[test]
fn past_so_many_bytes_nothing_is_read_either() {
    let service = Service::with_grpc(&simulate("10m..10m"));
    let note = format!(r#"{{"note":"{}"}}"#, "x".repeat(60_000));
    run(async {
        let (sender, _responses) = open_stream(&mut client(&service).await).await.unwrap();
        let fed = async {
            for sent in 0.. {
                let mut request = one_of_many(&format!("{sent}"));
                let order = request.order.as_mut().expect("made with one");
                order.attributes_json.clone_from(&note);
                sender.send(request).await.expect("it is held back");
            }
        };
        let fed = tokio::time::timeout(Duration::from_secs(3), fed).await;
        assert!(fed.is_err());
        // The last one may cross the line.
        let most = STREAM_ORDER_BYTES_MAX / note.len() + 1;
        assert_eq!(service.figures().inside(), most as i64);
    });
}

#[test]
fn a_client_that_never_reads_is_held_back_and_its_memory_is_bounded() {
    let service = Service::with_grpc(&[]);
    run(async {
        let (sender, mut responses) = open_stream(&mut client(&service).await).await.unwrap();
        let mut sent = 0;
        // Until both windows of flow control are full.
        let fed = tokio::time::timeout(3 * PATIENCE, async {
            let fed = feed(&sender, &mut sent);
            tokio::pin!(fed);
            let mut last = 0;
            loop {
                let waited = tokio::time::timeout(Duration::from_secs(1), &mut fed).await;
                assert!(waited.is_err());
                let taken = service.figures().orders().0;
                if taken == last {
                    return taken;
                }
                last = taken;
            }
        });
        let taken = fed.await.expect("it is held back in the end");
        // Others go on.
        let reply = submit(&mut client(&service).await, request("other"))
            .await
            .unwrap();
        assert_eq!(reply.status(), OrderStatus::Processed);
        // And so does this one, once it reads.
        drop(sender);
        let mut received = 0;
        while responses.message().await.expect("all, then OK").is_some() {
            received += 1;
        }
        assert!(received >= taken, "{received} of {taken}");
    });
    service.settled();
}
