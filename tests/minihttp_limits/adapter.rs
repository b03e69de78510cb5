//! What the adapter makes good: requests that it refuses, and limits that it
//! adds.

use crate::harness::{
    Client, Service, eventually, get, gives_up_on_who_never_reads, order, submit, until,
};
use crate::{HEALTH, service};

/// A head, and what the adapter says of it at once, before any of the body.
fn heads_refused() -> Vec<(String, u16)> {
    let head = |lines: &str| format!("POST /submit HTTP/1.1\r\nHost: o\r\n{lines}\r\n");
    vec![
        (head("Transfer-Encoding: chunked\r\n"), 501),
        (head("Transfer-Encoding: gzip, chunked\r\n"), 501),
        (head("Transfer-Encoding: gzip\r\n"), 400),
        (head("Transfer-Encoding: chunked, chunked\r\n"), 400),
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
fn refuses_what_it_cannot_frame_before_the_body() {
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
fn executes_nothing_behind_a_refused_request() {
    let service = service();
    for (head, status) in heads_refused() {
        // The body of a chunked request, in particular, is no request.
        for between in ["", "5\r\nhello\r\n0\r\n\r\n"] {
            let mut client = Client::to(service.http);
            client.send([&head, between, &order("behind"), &order("twice")].concat());
            // The engine may close before the reply is out, if what follows is
            // no request.
            for (place, reply) in client.rest().iter().enumerate() {
                reply.problem(if place == 0 { status } else { 400 });
            }
        }
        let mut client = Client::to(service.http);
        assert_eq!(client.ask(&head).status, status);
        // Closed already, or read as what it can't be.
        let _ = client.try_send(order("later"));
        for reply in client.rest() {
            reply.problem(400);
        }
    }
    let figures = service.settled();
    assert_eq!(
        (figures.orders(), figures.count("orders_duplicate")),
        ((0, 0, 0), 0)
    );
}

#[test]
fn reads_every_body_whether_the_route_wants_it_or_not() {
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
fn closes_connections_past_the_limit() {
    let service = Service::on("may_minihttp", &["--max-connections", "3"]);
    assert_eq!(service.figures().get("http_connections_max"), 3.0);
    let mut clients: Vec<Client> = (0..3).map(|_| Client::to(service.http)).collect();
    for client in &mut clients {
        assert_eq!(client.ask(HEALTH).status, 200);
    }
    Client::to(service.http).ends();
    assert_eq!(clients[0].ask(order("a")).status, 201);
    clients.pop();
    until("a connection is taken again", || {
        let mut client = Client::to(service.http);
        let _ = client.try_send(HEALTH); // it may be closed already
        client.try_reply().is_some_and(|reply| reply.status == 200)
    });
}

#[test]
fn ends_a_connection_that_takes_no_replies() {
    let service = service();
    gives_up_on_who_never_reads(&service);
}

#[test]
fn counts_the_bodies_that_it_reads() {
    let flags = ["--max-body", "64KiB", "--body-bytes", "128KiB"];
    let service = Service::on("may_minihttp", &flags);
    let large = |id: &str| {
        let padding = "x".repeat(60_000);
        submit("", &format!(r#"{{"id":"{id}","value":1,"x":"{padding}"}}"#))
    };
    let hold = |n: usize| {
        let mut holder = Client::to(service.http);
        holder.send(&large(&format!("holder-{n}"))[..50_000]);
        holder
    };
    let mut holders = [0, 1].map(hold);
    let refused = eventually("the third is refused", || {
        // One that came behind a probe was itself refused.
        for (n, holder) in holders.iter_mut().enumerate() {
            if holder.has_reply() {
                *holder = hold(n);
            }
        }
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
    // A body that is only announced takes none, nor does a small one.
    let mut announces = Client::to(service.http);
    announces.send("POST /submit HTTP/1.1\r\nHost: o\r\nContent-Length: 65536\r\n\r\n");
    assert_eq!(Client::to(service.http).ask(order("small")).status, 201);
    for (n, holder) in holders.iter_mut().enumerate() {
        holder.send(&large(&format!("holder-{n}"))[50_000..]);
        assert_eq!(holder.reply().status, 201);
    }
    until("the memory is free again", || {
        let mut again = Client::to(service.http);
        let _ = again.try_send(large("again")); // refused before its end
        matches!(again.reply().status, 200 | 201)
    });
    assert!(service.settled().rejected("full") >= 1);
}

#[test]
fn keeps_replies_in_order_and_requests_whole() {
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
