//! A drain: what becomes of streams and of connections.

use std::net::TcpStream;
use std::thread;

use order_processor::grpc::proto::{OrderStatus, SubmitResult};
use tonic::Code;

use crate::client::{client, one_of_many, open_stream, refused, request, run, simulate, submit};
use crate::harness::{PATIENCE, Service, until};

#[test]
fn a_drain_answers_what_was_taken_and_ends_the_stream() {
    let slow = simulate("1s..1s");
    let flags = ["--workers", "4"];
    let service = Service::with_grpc(&[&slow[..], &flags].concat());
    run(async {
        let (sender, mut responses) = open_stream(&mut client(&service).await).await.unwrap();
        for number in 0..8 {
            sender
                .send(one_of_many(&format!("d-{number}")))
                .await
                .unwrap();
        }
        until("inside", || service.figures().orders().0 == 8);
        service.terminate();
        for number in 1..=8 {
            let response = responses.message().await.unwrap().expect("an outcome");
            assert_eq!(
                (response.index, response.result()),
                (number, SubmitResult::Processed)
            );
        }
        let status = responses.message().await.unwrap_err();
        assert_eq!(refused(&status, Code::Unavailable, true).0, "DRAINING");
    });
    let ended = service.wait(PATIENCE);
    assert_eq!(ended.code, Some(0), "{}", ended.log);
}

#[test]
fn at_the_deadline_the_orders_of_a_stream_are_rejected() {
    let slow = simulate("10m..10m");
    let flags = ["--workers", "1", "--drain-timeout", "300ms"];
    let service = Service::with_grpc(&[&slow[..], &flags].concat());
    run(async {
        let (sender, mut responses) = open_stream(&mut client(&service).await).await.unwrap();
        for number in 0..3 {
            sender
                .send(one_of_many(&format!("d-{number}")))
                .await
                .unwrap();
        }
        until("inside", || service.figures().inside() == 3);
        service.terminate();
        for _ in 0..3 {
            let response = responses.message().await.unwrap().expect("a response");
            assert_eq!(
                (response.result(), response.retry_safe),
                (SubmitResult::Rejected, true)
            );
        }
        let status = responses.message().await.unwrap_err();
        assert_eq!(refused(&status, Code::Unavailable, true).0, "DRAINING");
    });
    let ended = service.wait(PATIENCE);
    assert_eq!(ended.code, Some(3), "{}", ended.log);
    assert!(ended.log.contains("lost=0"), "{}", ended.log);
}

#[test]
fn a_drain_closes_idle_connections_and_refuses_new_ones() {
    let service = Service::with_grpc(&simulate("2s..2s"));
    let address = service.grpc.unwrap();
    run(async {
        let mut open = client(&service).await;
        let waiting = tokio::spawn({
            let mut client = client(&service).await;
            async move { submit(&mut client, request("w")).await }
        });
        until("inside", || service.figures().orders().0 == 1);
        service.terminate();
        let refused =
            thread::spawn(move || until("refused", || TcpStream::connect(address).is_err()));
        assert_eq!(
            waiting.await.unwrap().unwrap().status(),
            OrderStatus::Processed
        );
        refused.join().unwrap();
        let status = submit(&mut open, request("late")).await.unwrap_err();
        assert_eq!(status.code(), Code::Unavailable);
    });
    let ended = service.wait(PATIENCE);
    assert_eq!(ended.code, Some(0), "{}", ended.log);
}
