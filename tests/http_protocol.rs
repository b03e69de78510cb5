//! The order port's own HTTP/1.1 loop on the wire: how requests follow one
//! another on a connection, and in which order replies come.

mod harness;

use harness::{Client, Service, order, submit, until};

const HEALTH: &str = "GET /healthz HTTP/1.1\r\nHost: orders\r\n\r\n";

/// A head of `POST /submit` with these further lines, each with its end.
fn head(lines: &str) -> String {
    format!("POST /submit HTTP/1.1\r\nHost: orders\r\n{lines}\r\n")
}

#[test]
fn a_connection_serves_many_requests() {
    let service = Service::start(&[]);
    let mut client = Client::to(service.http);
    for number in 0..50 {
        let reply = client.ask(order(&format!("keep-{number}")));
        assert_eq!((reply.status, reply.header("connection")), (201, None));
        assert_eq!(client.ask(HEALTH).status, 200);
    }
    let figures = service.settled();
    assert_eq!(figures.orders(), (50, 50, 0));
    // This one, and the scrape's own.
    until("one", || service.figures().get("http_connections") == 2.0);
}

#[test]
fn pipelined_replies_come_in_order() {
    let service = Service::start(&[]);
    let mut client = Client::to(service.http);
    let ids: Vec<String> = (0..100).map(|number| format!("pipe-{number}")).collect();
    client.send(ids.iter().map(|id| order(id)).collect::<String>());
    for (seq, id) in (1..).zip(&ids) {
        let reply = client.reply().json();
        assert_eq!(
            (reply["id"].as_str(), reply["seq"].as_u64()),
            (Some(&**id), Some(seq))
        );
    }
}

#[test]
fn a_waiting_request_holds_those_behind_it_back() {
    let service = Service::start(&["--processor", "simulate", "--simulate", "300ms..300ms"]);
    let mut client = Client::to(service.http);
    let conflicting = submit("", r#"{"id":"a","value":2}"#);
    // Were they executed side by side, the second would find the first in
    // flight.
    client.send(
        [
            HEALTH,
            &order("a"),
            &conflicting,
            "GET /orders/a HTTP/1.1\r\nHost: o\r\n\r\n",
        ]
        .concat(),
    );
    assert_eq!(client.reply().status, 200);
    assert_eq!(client.reply().status, 201);
    assert_eq!(client.reply().problem(409)["retry_safe"], false);
    assert_eq!(client.reply().json()["status"], "processed");
}

#[test]
fn requests_may_be_split_anywhere() {
    let service = Service::start(&[]);
    let plain = order("split-00000");
    let chunked = head("Transfer-Encoding: chunked\r\n")
        + "5;x=y\r\n{\"id\"\r\n1f\r\n:\"chunk-00000\",\"value\":1,\"x\":0}\r\n0\r\nTrailer: t\r\n\r\n";
    let mut client = Client::to(service.http);
    for whole in [plain, chunked] {
        for at in 1..whole.len() {
            let request = whole.replace("00000", &format!("{at:05}"));
            let (first, rest) = request.split_at(at);
            client.send(first);
            client.send(rest);
            assert_eq!(client.reply().status, 201, "split at {at}");
        }
        let last = whole.replace("00000", "bytes");
        for byte in last.as_bytes() {
            client.send([*byte]);
        }
        assert_eq!(client.reply().status, 201, "byte by byte");
    }
}

#[test]
fn a_body_is_asked_for_before_it_is_sent() {
    let service = Service::start(&[]);
    let mut client = Client::to(service.http);
    let body = r#"{"id":"a","value":1}"#;
    for framing in [
        format!("Content-Length: {}\r\n", body.len()),
        "Transfer-Encoding: chunked\r\n".into(),
    ] {
        client.send(head(&format!("Expect: 100-continue\r\n{framing}")));
        assert_eq!(client.reply().status, 100);
        if framing.starts_with('C') {
            assert_eq!(client.ask(body).status, 201);
        } else {
            assert_eq!(client.ask(format!("14\r\n{body}\r\n0\r\n\r\n")).status, 200);
        }
    }
    // One that will be refused is not asked for.
    client.send(head("Expect: 100-continue\r\nContent-Length: 70000\r\n"));
    client.reply().problem(413);
    client.ends();
    let mut client = Client::to(service.http);
    client
        .ask(head("Expect: 200-ok\r\nContent-Length: 5\r\n"))
        .problem(417);
    client.ends();
}

#[test]
fn a_client_says_when_it_is_the_last() {
    let service = Service::start(&[]);
    let close = |request: &str| {
        let mut client = Client::to(service.http);
        let reply = client.ask([request, HEALTH].concat());
        assert_eq!(
            (reply.status, reply.header("connection")),
            (200, Some("close"))
        );
        client.ends();
    };
    close("GET /healthz HTTP/1.1\r\nHost: orders\r\nConnection: close\r\n\r\n");
    close("GET /healthz HTTP/1.1\r\nHost: orders\r\nConnection: x, CLOSE\r\n\r\n");
    close("GET /healthz HTTP/1.0\r\n\r\n");
    let mut client = Client::to(service.http);
    let reply = client.ask("GET /healthz HTTP/1.2\r\nHost: orders\r\n\r\n");
    assert_eq!((reply.status, reply.header("connection")), (200, None));
    let reply = client.ask("GET /healthz HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    assert_eq!(reply.header("connection"), Some("keep-alive"));
    assert_eq!(client.ask(HEALTH).status, 200);
}

#[test]
fn a_half_closed_client_still_gets_its_replies() {
    let service = Service::start(&["--processor", "simulate", "--simulate", "200ms..200ms"]);
    let mut client = Client::to(service.http);
    client.send([order("a"), order("b")].concat());
    client.half_close();
    let statuses: Vec<u16> = client.rest().iter().map(|reply| reply.status).collect();
    assert_eq!(statuses, [201, 201]);
    let mut client = Client::to(service.http);
    let cut = order("c");
    client.send(&cut[..cut.len() - 1]);
    client.half_close();
    assert_eq!(
        client.reply().problem(400)["retry_safe"],
        true,
        "the body broke off"
    );
    client.ends();
    assert_eq!(service.settled().orders(), (2, 2, 0));
}
