//! W3C Trace Context in a call's metadata: in the records of its orders.

use order_processor::grpc::proto::{FollowRequest, GetOrderRequest, OrderRecord};
use tonic::Request;
use tonic::metadata::MetadataValue;

use crate::client::{Client, client, one_of_many, request, run};
use crate::harness::{Directory, Service, get, post};

const KEY: &str = "traceparent";
const TRACEPARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const OTHER: &str = "00-11111111111111111111111111111111-2222222222222222-00";

/// A call's message, with these values of the metadata.
fn traced<T>(message: T, values: &[&str]) -> Request<T> {
    let mut request = Request::new(message);
    for value in values {
        let value = MetadataValue::try_from(*value).unwrap();
        request.metadata_mut().append(KEY, value);
    }
    request
}

async fn record(client: &mut Client, id: &str) -> OrderRecord {
    let found = client.get_order(GetOrderRequest { id: id.into() }).await;
    found.unwrap().into_inner().record.unwrap()
}

#[test]
fn a_call_says_which_trace_its_order_belongs_to() {
    let service = Service::with_grpc(&[]);
    run(async {
        let mut client = client(&service).await;
        let upper = TRACEPARENT.to_uppercase();
        let later = TRACEPARENT.replacen("00", "7f", 1) + "-more";
        for (number, (values, expected)) in [
            (&[TRACEPARENT][..], TRACEPARENT),
            (&[&*later], TRACEPARENT),
            (&[], ""),
            (&[TRACEPARENT, TRACEPARENT], ""),
            (&["x"], ""),
            (&[&*upper], ""),
        ]
        .into_iter()
        .enumerate()
        {
            let id = format!("o-{number}");
            client.submit(traced(request(&id), values)).await.unwrap();
            let record = record(&mut client, &id).await;
            assert_eq!((&*record.traceparent, &*record.client), (expected, ""));
        }
        // Of a duplicate, over either protocol, the first one's remains.
        let again = client.submit(traced(request("o-0"), &[OTHER])).await;
        assert!(again.unwrap().into_inner().duplicate);
        let lines = format!("traceparent: {OTHER}\r\n");
        let reply = post(service.http, &lines, r#"{"id":"o-0","value":1}"#);
        assert_eq!(reply.status, 200);
        assert_eq!(record(&mut client, "o-0").await.traceparent, TRACEPARENT);
        let line = get(service.http, "/orders/o-0").json();
        assert_eq!(line[KEY], TRACEPARENT);
    });
}

#[test]
fn a_stream_is_one_call_and_its_records_are_followed_after_a_restart() {
    let directory = Directory::new();
    let service = directory.start_with_grpc(&[]);
    run(async {
        let mut client = client(&service).await;
        let requests = ["a", "b"].map(one_of_many);
        let call = traced(tokio_stream::iter(requests), &[TRACEPARENT]);
        let mut responses = client.submit_stream(call).await.unwrap().into_inner();
        for _ in 0..2 {
            let response = responses.message().await.unwrap().unwrap();
            assert!(response.seq > 0, "{response:?}");
        }
        client.submit(request("c")).await.unwrap();
    });
    drop(service); // killed
    let service = directory.start_with_grpc(&[]);
    run(async {
        let mut client = client(&service).await;
        let follow = client.follow(FollowRequest::default()).await;
        let mut outcomes = follow.unwrap().into_inner();
        for expected in [TRACEPARENT, TRACEPARENT, ""] {
            let response = outcomes.message().await.unwrap().unwrap();
            assert_eq!(response.record.unwrap().traceparent, expected);
        }
    });
}
