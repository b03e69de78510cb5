//! `SubmitStream` held back: by a full queue, by orders without a response, and
//! by a client that takes none.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use order_processor::grpc::proto::{
    OrderStatus, SubmitResult, SubmitStreamRequest, SubmitStreamResponse,
};
use order_processor::internals::{STREAM_ORDER_BYTES_MAX, STREAM_ORDERS_MAX};
use tokio::sync::mpsc::Sender;
use tonic::Code;

use crate::client::{
    Client, client, endpoint, one_of_many, open_stream, refused, request, run, simulate, submit,
    submit_all,
};
use crate::harness::{Service, until};

/// Sends orders for as long as the client's side takes them: a flood, for a
/// server that doesn't read them. Returns once at least so many have been
/// taken, and for a while no more are sent or taken: how many are by then.
async fn held_back(
    service: &Service,
    sender: &Sender<SubmitStreamRequest>,
    least: u64,
    order: impl Fn(u64) -> SubmitStreamRequest,
) -> (u64, u64) {
    let sent = AtomicU64::new(0);
    let feed = async {
        loop {
            let order = order(sent.load(Ordering::Relaxed));
            let taken = sender.send(order).await;
            taken.expect("it is held back, and not cut off");
            sent.fetch_add(1, Ordering::Relaxed);
        }
    };
    tokio::pin!(feed);
    let mut last = (0, 0);
    loop {
        let waited: Result<(), _> = tokio::time::timeout(Duration::from_secs(2), &mut feed).await;
        assert!(waited.is_err());
        let now = (sent.load(Ordering::Relaxed), service.figures().orders().0);
        if now == last && now.1 >= least {
            return now;
        }
        last = now;
    }
}

/// An order as small as it can be, for a frame of its own.
fn small(number: u64) -> SubmitStreamRequest {
    one_of_many(&format!("{number}"))
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
        let mut client = client(&service).await;
        submit_all(&mut client, [one_of_many("first")]).await;
        until("the worker has it", || {
            let figures = service.figures();
            (figures.inside(), figures.count("queue_depth")) == (1, 0)
        });
        let requests = (0..7).map(|number| one_of_many(&format!("r-{number}")));
        let responses = submit_all(&mut client, requests).await;
        let results: Vec<_> = responses.iter().map(SubmitStreamResponse::result).collect();
        // Two in the half of the queue that is for streams.
        let count = |wanted| results.iter().filter(|result| **result == wanted).count();
        assert_eq!(count(SubmitResult::Queued), 2, "{results:?}");
        assert_eq!(count(SubmitResult::Rejected), 5, "{results:?}");
        let last = responses.last().unwrap();
        assert!(last.retry_safe && last.retry_delay.is_some(), "{last:?}");
        assert_eq!(service.figures().rejected("full"), 5);
    });
}

#[test]
fn past_so_many_orders_nothing_is_read() {
    let flags = ["--drain-timeout", "10ms", "--ack-timeout", "1h"];
    let service = Service::with_grpc(&[&simulate("10m..10m")[..], &flags].concat());
    run(async {
        let (sender, mut responses) = open_stream(&mut client(&service).await).await.unwrap();
        // The client's side takes what flow control lets through, then no more.
        let most = STREAM_ORDERS_MAX as u64;
        let (sent, taken) = held_back(&service, &sender, most, small).await;
        assert_eq!(taken, most, "of {sent}");
        assert_eq!(service.figures().inside(), most as i64);
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
    let flags = ["--drain-timeout", "10ms", "--ack-timeout", "1h"];
    let service = Service::with_grpc(&[&simulate("10m..10m")[..], &flags].concat());
    let note = format!(r#"{{"note":"{}"}}"#, "x".repeat(60_000));
    let long = |number| {
        let mut request = small(number);
        let order = request.order.as_mut().expect("made with one");
        order.attributes_json.clone_from(&note);
        request
    };
    run(async {
        let (sender, _responses) = open_stream(&mut client(&service).await).await.unwrap();
        // The last one may cross the line.
        let most = STREAM_ORDER_BYTES_MAX / note.len() + 1;
        let (sent, taken) = held_back(&service, &sender, most as u64, long).await;
        assert_eq!(taken, most as u64, "of {sent}");
        assert_eq!(service.figures().inside(), most as i64);
    });
}

#[test]
fn a_client_that_never_reads_is_held_back_and_its_memory_is_bounded() {
    let service = Service::with_grpc(&[]);
    run(async {
        // A window for responses that some thousands fill.
        let narrow = endpoint(&service).initial_stream_window_size(65_535);
        let channel = narrow.connect().await.expect("it listens");
        let (sender, mut responses) = open_stream(&mut Client::new(channel)).await.unwrap();
        // Until both windows of flow control are full.
        let (_, taken) = held_back(&service, &sender, 1, small).await;
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
