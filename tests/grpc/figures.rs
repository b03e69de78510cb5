//! What the port's figures say of connections and calls.

use order_processor::grpc::proto::{FollowRequest, GetOrderRequest};

use crate::client::{client, order, request, run, submit};
use crate::harness::{Service, eventually, get, until};
use crate::http2::connect;

fn calls(method: &str, code: &str) -> String {
    format!("grpc_calls{{method=\"{method}\",code=\"{code}\"}}")
}

#[test]
fn calls_are_counted_by_method_and_code_and_while_they_are_open() {
    let service = Service::with_grpc(&[]);
    let count = |name: &str| service.figures().count(name);
    assert_eq!(count("grpc_connections"), 0);
    run(async {
        let mut client = client(&service).await;
        submit(&mut client, request("a")).await.unwrap();
        let mut invalid = request("b");
        invalid.order = Some(order("b", "no number"));
        submit(&mut client, invalid).await.unwrap_err();
        let unknown = GetOrderRequest { id: "none".into() };
        client.get_order(unknown).await.unwrap_err();
        let followed = client.follow(FollowRequest::default()).await.unwrap();
        until("one follows", || {
            count("grpc_open_calls{method=\"follow\"}") == 1
        });
        assert_eq!(count("grpc_connections"), 1);
        drop(followed);
        until("the call was taken back", || {
            count(&calls("follow", "cancelled")) == 1
        });
    });
    until("the client has gone", || count("grpc_connections") == 0);
    let figures = eventually("all calls are counted as ended", || {
        let figures = service.figures();
        let sums = (figures.sum("grpc_calls"), figures.sum("grpc_open_calls"));
        (sums == (4, 0)).then_some(figures)
    });
    for (method, code) in [
        ("submit", "ok"),
        ("submit", "invalid_argument"),
        ("get_order", "not_found"),
    ] {
        assert_eq!(figures.count(&calls(method, code)), 1, "{method} {code}");
    }
    let stats = get(service.admin, "/stats").json();
    assert_eq!(stats["grpc_calls"]["follow"]["cancelled"], 1);

    let without = Service::start(&[]);
    assert!(!get(without.admin, "/metrics").text().contains("grpc_"));
    let stats = get(without.admin, "/stats").json();
    assert!(stats.get("grpc_connections").is_none(), "{stats}");
}

/// What takes up a part of the limit is counted, whether it says something or
/// not.
#[test]
fn silent_connections_are_counted_up_to_the_limit() {
    let service = Service::with_grpc(&["--grpc-max-connections", "3"]);
    let count = |name: &str| service.figures().count(name);
    assert_eq!(count("grpc_connections_max"), 3);
    let open: Vec<_> = (0..5).map(|_| connect(&service)).collect();
    until("the limit is reached", || count("grpc_connections") == 3);
    drop(open);
    until("all have gone", || count("grpc_connections") == 0);
    let stats = get(service.admin, "/stats").json();
    assert_eq!(stats["grpc_connections_max"], 3);
}
