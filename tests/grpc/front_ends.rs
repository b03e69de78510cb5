//! Both front ends at once: the same orders, figures that add up, and a shared budget.

use order_processor::grpc::proto::{GetOrderRequest, Order, OrderStatus, SubmitRequest};
use tonic::Code;

use crate::client::{client, one_of_many, refused, request, run, submit, submit_all};
use crate::harness;
use crate::harness::{Crowd, Service, get, post, until};

#[test]
fn both_front_ends_take_the_same_orders() {
    let service = Service::with_grpc(&[]);
    run(async {
        let mut client = client(&service).await;
        // HTTP first.
        let body = r#"{"side":"buy","id":"h","n":{"x": 1.10},"value":100.50}"#;
        assert_eq!(post(service.http, "", body).status, 201);
        let same = SubmitRequest {
            order: Some(Order {
                id: "h".into(),
                value: "1.005e2".into(),
                attributes_json: r#"{ "n": {"x":1.10}, "side": "buy" }"#.into(),
            }),
            ..SubmitRequest::default()
        };
        let reply = submit(&mut client, same.clone()).await.unwrap();
        assert_eq!((reply.seq, reply.duplicate), (1, true));
        // gRPC first.
        let mut same = same;
        same.order.as_mut().unwrap().id = "g".into();
        assert!(!submit(&mut client, same).await.unwrap().duplicate);
        let reply = post(service.http, "", &body.replace("\"h\"", "\"g\""));
        assert_eq!((reply.status, reply.json()["seq"].as_u64()), (200, Some(2)));
        // And the same conflict.
        let status = submit(&mut client, request("h")).await.unwrap_err();
        assert_eq!(
            refused(&status, Code::AlreadyExists, false).0,
            "ID_CONFLICT"
        );
        assert_eq!(
            post(service.http, "", r#"{"id":"g","value":1}"#).status,
            409
        );

        let record = client.get_order(GetOrderRequest { id: "h".into() }).await;
        let record = record.unwrap().into_inner().record.unwrap();
        assert_eq!((record.seq, record.status()), (1, OrderStatus::Processed));
        let order = record.order.unwrap();
        assert_eq!((&*order.id, &*order.value), ("h", "100.50"));
        assert_eq!(order.attributes_json, r#"{"side":"buy","n":{"x":1.10}}"#);
        let (accepted, committed) = (record.accept_time.unwrap(), record.commit_time.unwrap());
        let times = [accepted, committed].map(|time| (time.seconds, time.nanos));
        assert!(
            times[0].0 > 1_700_000_000 && times[0] <= times[1],
            "{times:?}"
        );
        let line = get(service.http, "/orders/g").json();
        assert_eq!(line["order"]["n"]["x"].to_string(), "1.1");
    });
    let figures = service.settled();
    assert_eq!(
        (figures.orders().0, figures.count("orders_duplicate")),
        (2, 2)
    );
    assert_eq!(figures.rejected("conflict"), 2);
}

#[test]
fn both_front_ends_at_once_add_up() {
    let service = Service::with_grpc(&["--queue-capacity", "256", "--max-value", "0.5"]);
    let crowd = Crowd::named("both", service.http, 4);
    let mut answered = 0;
    run(async {
        // The same orders from the other side: the first to come has the outcome.
        for round in 0..20 {
            let requests = (0..200).map(|number| {
                let number = round * 50 + number % 50;
                one_of_many(&format!("both-{}-{number}", number % 4))
            });
            answered += submit_all(&mut client(&service).await, requests)
                .await
                .len();
        }
    });
    until("HTTP has had its part", || crowd.replies() > 200);
    let replies = crowd.end();
    let figures = service.settled();
    let submitted =
        figures.orders().0 + figures.count("orders_duplicate") + figures.sum("orders_rejected");
    assert_eq!(submitted, (answered + replies.len()) as u64);
    assert!(figures.count("orders_duplicate") > 0);
}

/// Bodies that HTTP clients don't finish take most of the budget, and leave some to messages.
#[test]
fn one_front_end_leaves_body_bytes_to_the_other() {
    let service = Service::with_grpc(&["--max-body", "64KiB", "--body-bytes", "512KiB"]);
    let body = |id: &str| {
        let note = "x".repeat(60_000);
        format!(r#"{{"id":"{id}","value":1,"note":"{note}"}}"#)
    };
    let mut holders = Vec::new();
    until("HTTP has used its share", || {
        let whole = harness::submit("", &body(&format!("h-{}", holders.len())));
        let mut holder = harness::Client::to(service.http);
        let _ = holder.try_send(&whole[..whole.len() - 1]); // it may be refused by then
        holders.push(holder);
        let full = "http_requests{route=\"submit\",status=\"503\"}";
        service.figures().count(full) > 0
    });
    run(async {
        let mut client = client(&service).await;
        let mut large = request("large");
        let order = large.order.as_mut().expect("made with one");
        order.attributes_json = format!(r#"{{"note":"{}"}}"#, "x".repeat(60_000));
        let response = submit(&mut client, large).await.expect("its share is free");
        assert_eq!(response.status(), OrderStatus::Processed);
    });
    drop(holders);
}
