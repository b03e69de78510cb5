//! What `may_minihttp` does on the wire, point by point: why it does not serve the order
//! port by default, and what the adapter in front of it makes good.
//!
//! The first half shows the engine's own limits, as published in 0.1.11. A test there
//! that fails after an upgrade is good news: the engine got better, and the docs and
//! `minihttp::LIMITS` should say so. The second half shows what the adapter refuses.

mod harness;

use std::io::ErrorKind;
use std::time::Duration;

use harness::{
    Client, Reply, Service, eventually, get, gives_up_on_who_never_reads, order, submit, until,
};

const HEALTH: &str = "GET /healthz HTTP/1.1\r\nHost: orders\r\n\r\n";

fn service() -> Service {
    Service::on("may_minihttp", &["--max-body", "1KiB"])
}

/// Whether nothing comes and the connection stays open for a while: the state that is to
/// be shown has no event to wait for.
fn stays_open(client: &mut Client) -> bool {
    let mut byte = [0];
    let stream = &mut client.stream;
    stream
        .set_read_timeout(Some(Duration::from_millis(400)))
        .unwrap();
    let read = std::io::Read::read(stream, &mut byte);
    stream.set_read_timeout(Some(harness::PATIENCE)).unwrap();
    read.is_err_and(|error| matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut))
}

#[test]
fn it_says_at_start_what_it_lacks() {
    let log = service().drain().log;
    let line = log
        .lines()
        .find(|line| line.contains("served by may_minihttp"));
    let line = line.expect("a warning");
    assert!(line.contains("WARN") && line.contains(order_processor::internals::LIMITS));
    assert!(!Service::start(&[]).drain().log.contains("may_minihttp"));
}

#[test]
fn engine_seventeen_headers_close_the_connection_silently() {
    let service = service();
    let with = |lines: usize| {
        let lines: String = (1..lines).map(|line| format!("X{line}: y\r\n")).collect();
        format!("GET /healthz HTTP/1.1\r\nHost: orders\r\n{lines}\r\n")
    };
    assert_eq!(Client::to(service.http).ask(with(16)).status, 200);
    let mut client = Client::to(service.http);
    client.send(with(17));
    client.ends();
}

#[test]
fn engine_a_malformed_head_closes_the_connection_silently() {
    let service = service();
    for bad in ["GET / HTTP/2.0\r\n\r\n", "GET /\r\n\r\n", "\0\r\n\r\n"] {
        let mut client = Client::to(service.http);
        client.send([bad, &order("behind")].concat());
        client.ends();
    }
    assert_eq!(service.settled().orders(), (0, 0, 0));
}

#[test]
fn engine_a_connection_is_not_closed_on_request() {
    let service = service();
    for last in [
        "GET /healthz HTTP/1.1\r\nHost: o\r\nConnection: close\r\n\r\n",
        "GET /healthz HTTP/1.0\r\n\r\n",
    ] {
        let mut client = Client::to(service.http);
        assert_eq!(client.ask(last).header("connection"), None);
        assert!(stays_open(&mut client), "{last:?}");
        assert_eq!(client.ask(HEALTH).status, 200);
    }
}

#[test]
fn engine_a_body_is_not_asked_for() {
    let service = service();
    let body = r#"{"id":"a","value":1}"#;
    let whole = submit("Expect: 100-continue\r\n", body);
    let mut client = Client::to(service.http);
    client.send(&whole[..whole.len() - body.len()]);
    assert!(stays_open(&mut client), "no 100 Continue");
    assert_eq!(client.ask(body).status, 201);
}

#[test]
fn engine_a_half_closed_client_may_get_no_reply() {
    let service = service();
    let whole = order("a");
    for cut in [whole.len() - 1, whole.len()] {
        let mut client = Client::to(service.http);
        client.send(&whole[..cut]);
        client.half_close();
        // What arrives together with the end is dropped; what came before it is not.
        match client.try_reply() {
            None => {}
            Some(reply) if cut == whole.len() => assert_eq!(reply.status, 201),
            Some(reply) => assert_eq!(reply.problem(400)["retry_safe"], true),
        }
        client.ends();
    }
    assert!(service.settled().orders().0 <= 1, "half an order is none");
}

#[test]
fn engine_there_are_no_timeouts() {
    let timeouts = [
        "--head-timeout",
        "50ms",
        "--body-timeout",
        "50ms",
        "--idle-timeout",
        "50ms",
    ];
    let service = Service::on("may_minihttp", &timeouts);
    let whole = order("a");
    for cut in [0, 10, whole.len() - 1] {
        let mut client = Client::to(service.http);
        client.send(&whole[..cut]);
        assert!(stays_open(&mut client), "with {cut} bytes sent");
        assert!(matches!(client.ask(&whole[cut..]).status, 200 | 201));
    }
}

#[test]
fn engine_heads_and_targets_have_no_limit_of_ours() {
    let service = service();
    let long = "x".repeat(20 << 10);
    let head = format!("GET /healthz?{long} HTTP/1.1\r\nHost: o\r\nX: {long}\r\n\r\n");
    assert_eq!(Client::to(service.http).ask(head).status, 200);
}

#[test]
fn engine_a_host_is_not_needed() {
    let service = service();
    assert_eq!(
        Client::to(service.http)
            .ask("GET /healthz HTTP/1.1\r\n\r\n")
            .status,
        200
    );
}

#[test]
fn engine_it_names_itself() {
    assert_eq!(get(service().http, "/healthz").header("server"), Some("M"));
}

/// A head, and what the adapter says of it at once, before any of the body.
fn heads_refused() -> Vec<(String, u16)> {
    let head = |lines: &str| format!("POST /submit HTTP/1.1\r\nHost: o\r\n{lines}\r\n");
    vec![
        (head("Transfer-Encoding: chunked\r\n"), 501),
        (head("Transfer-Encoding: gzip\r\n"), 501),
        (
            head("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"),
            501,
        ),
        (
            head("transfer-encoding:\tCHUNKED\r\nContent-Length: 5\r\n"),
            501,
        ),
        (head("Content-Length: abc\r\n"), 400),
        (head("Content-Length: \r\n"), 400),
        (head("Content-Length: -1\r\n"), 400),
        (head("Content-Length: +5\r\n"), 400),
        (head("Content-Length: 5, 5\r\n"), 400),
        (head("Content-Length: 0x5\r\n"), 400),
        (head("Content-Length: \u{e4}\r\n"), 400),
        (head("Content-Length: 99999999999999999999999\r\n"), 400),
        (head("Content-Length: 5\r\nContent-Length: 5\r\n"), 400),
        (head("Content-Length: 0\r\nContent-Length: 5\r\n"), 400),
        (head("Content-Length: 1025\r\n"), 413),
        (head("Content-Length: 18446744073709551615\r\n"), 413),
    ]
}

#[test]
fn adapter_refuses_what_it_cannot_frame_before_the_body() {
    let service = service();
    let heads = heads_refused();
    for (head, status) in &heads {
        let mut client = Client::to(service.http);
        client.ask(head).problem(*status);
        client.ends();
    }
    let figures = service.settled();
    assert_eq!(figures.rejected("too_large"), 2);
    assert_eq!(figures.rejected("invalid"), heads.len() as u64 - 2);
    assert_eq!(figures.orders(), (0, 0, 0));
}

#[test]
fn adapter_executes_nothing_behind_a_refused_request() {
    let service = service();
    for (head, status) in heads_refused() {
        // The body of a chunked request, in particular, is no request.
        for between in ["", "5\r\nhello\r\n0\r\n\r\n"] {
            let mut client = Client::to(service.http);
            client.send([&head, between, &order("behind"), &order("twice")].concat());
            // The engine may close before the reply is out, if what follows is no request.
            for (place, reply) in client.rest().iter().enumerate() {
                reply.problem(if place == 0 { status } else { 400 });
            }
        }
        let mut client = Client::to(service.http);
        assert_eq!(client.ask(&head).status, status);
        let _ = client.try_send(order("later")); // closed, perhaps
        client.ends();
    }
    let figures = service.settled();
    assert_eq!(
        (figures.orders(), figures.count("orders_duplicate")),
        ((0, 0, 0), 0)
    );
}

#[test]
fn adapter_reads_every_body_whether_the_route_wants_it_or_not() {
    let service = service();
    let inner = order("inner");
    let length = inner.len();
    for line in [
        "GET /healthz",
        "GET /nothing",
        "PUT /submit",
        "HEAD /healthz",
        "OPTIONS /",
    ] {
        let mut client = Client::to(service.http);
        let head = format!("{line} HTTP/1.1\r\nHost: o\r\nContent-Length: {length}\r\n\r\n");
        client.send([&head, &inner, HEALTH].concat());
        if line.starts_with("HEAD") {
            // Stated empty on this engine; the next reply follows at once.
            assert_eq!(client.reply_to_head().status, 200);
        } else {
            client.reply();
        }
        assert_eq!(client.reply().json()["status"], "alive", "behind {line}");
    }
    let mut client = Client::to(service.http);
    client.send(
        [
            "BREW / HTTP/1.1\r\nHost: o\r\nContent-Length: 999\r\n\r\n",
            &inner,
        ]
        .concat(),
    );
    for (place, reply) in client.rest().iter().enumerate() {
        reply.problem(if place == 0 { 501 } else { 400 });
    }
    assert_eq!(service.settled().orders(), (0, 0, 0));
}

#[test]
fn adapter_closes_connections_past_the_limit() {
    let service = Service::on("may_minihttp", &["--max-connections", "3"]);
    let mut clients: Vec<Client> = (0..3).map(|_| Client::to(service.http)).collect();
    for client in &mut clients {
        assert_eq!(client.ask(HEALTH).status, 200);
    }
    Client::to(service.http).ends();
    assert_eq!(clients[0].ask(order("a")).status, 201);
    clients.pop();
    until("room again", || {
        let mut client = Client::to(service.http);
        let _ = client.try_send(HEALTH); // it may be closed already
        client.try_reply().is_some_and(|reply| reply.status == 200)
    });
}

#[test]
fn adapter_ends_a_connection_that_takes_no_replies() {
    let service = service();
    gives_up_on_who_never_reads(&service);
}

#[test]
fn adapter_counts_the_bodies_that_it_reads() {
    let flags = ["--max-body", "64KiB", "--body-bytes", "128KiB"];
    let service = Service::on("may_minihttp", &flags);
    let large = |id: &str| {
        let padding = "x".repeat(60_000);
        submit("", &format!(r#"{{"id":"{id}","value":1,"x":"{padding}"}}"#))
    };
    let mut holders: Vec<Client> = (0..2).map(|_| Client::to(service.http)).collect();
    for (n, holder) in holders.iter_mut().enumerate() {
        holder.send(&large(&format!("holder-{n}"))[..50_000]);
    }
    let refused = eventually("no room for a third", || {
        let mut third = Client::to(service.http);
        let _ = third.try_send(large("probe")); // it may be refused before its end
        let reply = third.reply();
        let taken = matches!(reply.status, 200 | 201);
        (!taken).then_some((reply, third))
    });
    let (reply, mut third) = refused;
    assert_eq!(reply.problem(503)["type"], "/problems/body-memory");
    reply.retry_after();
    third.ends();
    // Those who announce one, and send small ones, take none.
    let mut announces = Client::to(service.http);
    announces.send("POST /submit HTTP/1.1\r\nHost: o\r\nContent-Length: 65536\r\n\r\n");
    assert_eq!(Client::to(service.http).ask(order("small")).status, 201);
    for (n, holder) in holders.iter_mut().enumerate() {
        holder.send(&large(&format!("holder-{n}"))[50_000..]);
        assert_eq!(holder.reply().status, 201);
    }
    let mut again = Client::to(service.http);
    assert_eq!(again.ask(large("again")).status, 201, "the room came back");
    assert!(service.settled().rejected("full") >= 1);
}

/// A request that submits this body as a batch.
fn batch(body: &str) -> String {
    let length = body.len();
    format!(
        "POST /submit HTTP/1.1\r\nHost: o\r\nContent-Type: application/x-ndjson; charset=utf-8\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    )
}

fn is_left_to_the_native_engine(reply: &Reply) {
    let problem = reply.problem(501);
    assert_eq!(problem["type"], "/problems/not-implemented");
    assert_eq!(problem["retry_safe"], false);
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains("--http-engine native"), "{detail}");
}

#[test]
fn adapter_refuses_batches_before_their_bodies() {
    let service = service();
    let line = |id: &str| format!("{{\"id\":\"{id}\",\"value\":1}}\n");
    let (one, large) = (line("a"), line("b").repeat(10_000)); // over --max-body
    let head_of = |body: &str| batch(body).replace(body, "");
    let whole = [batch(&one), batch("x\n"), batch("")];
    let parts = [head_of(&one), head_of(&large), head_of(&one) + &one[..9]];
    for request in whole.iter().chain(&parts) {
        let mut client = Client::to(service.http);
        is_left_to_the_native_engine(&client.ask(request));
        client.ends();
    }
    let mut client = Client::to(service.http);
    let _ = client.try_send(batch(&large)); // it is refused before its end
    // The end of the connection may overtake the reply.
    client.rest().iter().for_each(is_left_to_the_native_engine);
    // Nothing behind a batch is executed, and what came before it is answered.
    let mut client = Client::to(service.http);
    assert_eq!(client.ask(order("before")).status, 201);
    client.send([batch(&one), order("behind")].concat());
    // The engine may close before the reply is out, since a body follows that is no request.
    for (place, reply) in client.rest().iter().enumerate() {
        reply.problem(if place == 0 { 501 } else { 400 });
    }
    // One without a length is refused for what it is, too.
    let no_length = batch("").replace("Content-Length: 0\r\n", "");
    is_left_to_the_native_engine(&Client::to(service.http).ask(no_length));
    let figures = service.settled();
    assert_eq!(
        (figures.orders(), figures.rejected("invalid")),
        ((1, 1, 0), 9)
    );
    let counted = r#"http_requests{route="submit",status="501"}"#;
    assert_eq!(figures.count(counted), 9);
    // Other methods and the other port know no batches.
    let get = batch("").replace("POST", "GET");
    Client::to(service.http).ask(get).problem(405);
    Client::to(service.admin).ask(batch("")).problem(404);
}

#[test]
fn adapter_serves_no_feed() {
    let service = service();
    let mut client = Client::to(service.http);
    assert_eq!(client.ask(order("a")).status, 201);
    for query in ["", "?after=0", "?after=0&limit=1&wait=60", "?limit=0"] {
        let page = format!("GET /orders{query} HTTP/1.1\r\nHost: o\r\n\r\n");
        is_left_to_the_native_engine(&client.ask(&page));
        client.send(page.replace("GET", "HEAD"));
        assert_eq!(client.reply_to_head().status, 501);
    }
    // A refusal like others: the connection goes on, and one order is found.
    let post = "POST /orders HTTP/1.1\r\nHost: o\r\nContent-Length: 0\r\n\r\n";
    client.ask(post).problem(405);
    let one = client.ask("GET /orders/a HTTP/1.1\r\nHost: o\r\n\r\n");
    assert_eq!(one.json()["status"], "processed");
    assert!(one.header("orders-ledger-id").is_some());
    let figures = service.settled();
    let counted = r#"http_requests{route="feed",status="501"}"#;
    assert_eq!(figures.count(counted), 8);
    assert_eq!(figures.sum("orders_rejected"), 0);
}

#[test]
fn adapter_keeps_replies_in_order_and_requests_whole() {
    let service = service();
    let mut client = Client::to(service.http);
    client.send(
        (0..100)
            .map(|number| order(&format!("p{number}")))
            .collect::<String>(),
    );
    for seq in 1..=100 {
        assert_eq!(client.reply().json()["seq"], seq);
    }
    let whole = order("split-000");
    for at in 1..whole.len() {
        let request = whole.replace("000", &format!("{at:03}"));
        client.send(&request[..at]);
        client.send(&request[at..]);
        assert_eq!(client.reply().status, 201, "split at {at}");
    }
}

#[test]
fn the_admin_port_survives_the_same() {
    let service = Service::start(&[]);
    for (head, _) in heads_refused().iter().filter(|(_, status)| *status != 413) {
        let mut client = Client::to(service.admin);
        client.send([head, "5\r\nhello\r\n0\r\n\r\n", &order("behind")].concat());
        client.rest();
    }
    assert_eq!(get(service.admin, "/healthz").status, 200);
    assert_eq!(service.settled().orders(), (0, 0, 0));
}
