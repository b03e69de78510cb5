//! The order port's own HTTP/1.1 loop on the wire: where a request ends, what
//! is refused because of it, and that nothing behind a refused request is
//! executed.

mod harness;

use std::net::SocketAddr;

use harness::{Client, Service, order, submit};

const HEALTH: &str = "GET /healthz HTTP/1.1\r\nHost: orders\r\n\r\n";

/// A head of `POST /submit` with these further lines, each with its end.
fn head(lines: &str) -> String {
    format!("POST /submit HTTP/1.1\r\nHost: orders\r\n{lines}\r\n")
}

/// Sends `bad` with a valid order pipelined behind it: this status, then the
/// end.
#[track_caller]
fn refused(address: SocketAddr, bad: &[u8], status: u16) {
    let mut client = Client::to(address);
    client.send([bad, order("behind").as_bytes()].concat());
    let reply = client.reply();
    let shown = String::from_utf8_lossy(&bad[..bad.len().min(200)]).into_owned();
    assert_eq!(reply.status, status, "{shown:?}: {reply:?}");
    assert_eq!(reply.header("connection"), Some("close"), "{shown:?}");
    reply.problem(status);
    client.ends();
}

#[test]
fn nothing_behind_a_malformed_request_is_executed() {
    let service = Service::start(&[]);
    let get = |lines: &str| format!("GET / HTTP/1.1\r\nHost: orders\r\n{lines}\r\n");
    for (bad, status) in [
        ("\u{16}\u{3}\u{1}".into(), 400),
        ("\r\n".repeat(5), 400),
        ("GET / HTTP/1.1\nHost: orders\n\n".into(), 400),
        ("GET  / HTTP/1.1\r\nHost: orders\r\n\r\n".into(), 400),
        ("GET / FTP/1.1\r\nHost: orders\r\n\r\n".into(), 400),
        ("GET x HTTP/1.1\r\nHost: orders\r\n\r\n".into(), 400),
        ("GET /#a HTTP/1.1\r\nHost: orders\r\n\r\n".into(), 400),
        ("GET / HTTP/1.1\r\n\r\n".into(), 400),
        ("GET / HTTP/1\r\nHost: orders\r\n\r\n".into(), 400),
        ("GET / HTTP/01.01\r\nHost: orders\r\n\r\n".into(), 400),
        ("GET / HTTP/2.0\r\nHost: orders\r\n\r\n".into(), 505),
        ("PRI * HTTP/2.0\r\n\r\n".into(), 505),
        ("CONNECT a:1 HTTP/1.1\r\nHost: orders\r\n\r\n".into(), 501),
        ("get / HTTP/1.1\r\nHost: orders\r\n\r\n".into(), 501),
        (get("Host: again\r\n"), 400),
        (get("X: a\r\n folded\r\n"), 400),
        (get("X : a\r\n"), 400),
        (get("no colon\r\n"), 400),
        (get("X: a\rb\r\n"), 400),
        (get("X: \0\r\n"), 400),
    ] {
        refused(service.http, bad.as_bytes(), status);
    }
    let figures = service.settled();
    assert_eq!(
        (figures.orders(), figures.count("orders_duplicate")),
        ((0, 0, 0), 0)
    );
}

#[test]
fn nothing_is_smuggled() {
    let service = Service::start(&[]);
    let body = r#"{"id":"a","value":1}"#;
    let chunked = |chunks: &str| head("Transfer-Encoding: chunked\r\n") + chunks;
    for (bad, status) in [
        (
            head("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n") + "0\r\n\r\n",
            400,
        ),
        (
            head("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n") + "0\r\n\r\n",
            400,
        ),
        (
            head("Content-Length: 20\r\nContent-Length: 20\r\n") + body,
            400,
        ),
        (
            head("Content-Length: 20\r\nContent-Length: 0\r\n") + body,
            400,
        ),
        (head("Content-Length: 20, 20\r\n") + body, 400),
        (head("Content-Length: +20\r\n") + body, 400),
        (head("Content-Length: 0x14\r\n") + body, 400),
        (head("Content-Length: -1\r\n") + body, 400),
        (head("Content-Length: \r\n") + body, 400),
        (head("Content-Length: 99999999999999999999\r\n") + body, 400),
        (head("Content-Length : 20\r\n") + body, 400),
        (head("Content-Length: 18446744073709551615\r\n") + body, 413),
        (
            head("Transfer-Encoding: gzip, chunked\r\n") + "0\r\n\r\n",
            501,
        ),
        (
            head("Transfer-Encoding: chunked, identity\r\n") + "0\r\n\r\n",
            400,
        ),
        (
            head("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n") + "0\r\n\r\n",
            400,
        ),
        (head("Transfer-Encoding: xchunked\r\n") + "0\r\n\r\n", 400),
        (
            head("Transfer-Encoding:\u{b}chunked\r\n") + "0\r\n\r\n",
            400,
        ),
        (
            "POST /submit HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".into(),
            400,
        ),
        (chunked("0x14\r\n"), 400),
        (chunked("14 \r\n"), 400),
        (chunked("-1\r\n"), 400),
        (chunked("00000000000000014\r\n"), 400),
        (chunked("14\n"), 400),
        (chunked("5;a=\u{1}\r\n"), 400),
        (chunked("16;\r\n"), 400),
        (chunked("16;\"x\r\n"), 400),
        (chunked("2\r\n{}x"), 400),
        (chunked("2\r\n{}\r\n0\r\nno trailer\r\n\r\n"), 400),
        (chunked("ffffffffffffffff\r\n"), 413),
        (chunked("10001\r\n"), 413),
    ] {
        refused(service.http, bad.as_bytes(), status);
    }
    // A body that looks like a request is a body; what follows it is a request.
    let mut client = Client::to(service.http);
    let inner = order("inner");
    let get = format!(
        "GET /healthz HTTP/1.1\r\nHost: o\r\nContent-Length: {}\r\n\r\n",
        inner.len()
    );
    client.send([&get, &inner, HEALTH].concat());
    assert_eq!(client.reply().status, 200);
    assert_eq!(client.reply().status, 200);
    let figures = service.settled();
    assert_eq!(
        (figures.orders(), figures.count("orders_duplicate")),
        ((0, 0, 0), 0)
    );
}

#[test]
fn heads_have_limits_and_reach_up_to_them() {
    let service = Service::start(&[]);
    let with_target = |bytes: usize| {
        let target = format!("/healthz?{}", "q".repeat(bytes - 9));
        format!("GET {target} HTTP/1.1\r\nHost: orders\r\n\r\n")
    };
    let with_headers = |lines: usize| {
        let lines: String = (1..lines).map(|line| format!("X{line}: y\r\n")).collect();
        format!("GET /healthz HTTP/1.1\r\nHost: orders\r\n{lines}\r\n")
    };
    let with_bytes = |bytes: usize| {
        let frame = "GET /healthz HTTP/1.1\r\nHost: orders\r\nX: \r\n\r\n".len();
        format!(
            "GET /healthz HTTP/1.1\r\nHost: orders\r\nX: {}\r\n\r\n",
            "x".repeat(bytes - frame)
        )
    };
    let mut client = Client::to(service.http);
    for fits in [
        with_target(8 << 10),
        with_headers(100),
        with_bytes(16 << 10),
    ] {
        assert_eq!(client.ask(fits).status, 200);
    }
    refused(service.http, with_target((8 << 10) + 1).as_bytes(), 414);
    refused(service.http, with_target(20 << 10).as_bytes(), 414);
    refused(service.http, with_headers(101).as_bytes(), 431);
    refused(service.http, with_bytes((16 << 10) + 1).as_bytes(), 431);
    assert_eq!(service.settled().orders(), (0, 0, 0));
}

#[test]
fn bodies_have_limits_and_reach_up_to_them() {
    let service = Service::start(&[]);
    const MAX: usize = 64 << 10;
    let body = |id: &str, bytes: usize| {
        let frame = format!(r#"{{"id":"{id}","value":1,"x":""}}"#).len();
        format!(
            r#"{{"id":"{id}","value":1,"x":"{}"}}"#,
            "x".repeat(bytes - frame)
        )
    };
    let chunked = |id: &str, bytes| {
        head("Transfer-Encoding: chunked\r\n")
            + &format!("{bytes:x}\r\n{}\r\n0\r\n\r\n", body(id, bytes))
    };
    let mut client = Client::to(service.http);
    assert_eq!(client.ask(submit("", &body("a", MAX))).status, 201);
    assert_eq!(client.ask(chunked("b", MAX)).status, 201);
    refused(
        service.http,
        submit("", &body("c", MAX + 1)).as_bytes(),
        413,
    );
    refused(service.http, chunked("d", MAX + 1).as_bytes(), 413);
    let figures = service.settled();
    assert_eq!(
        (figures.orders(), figures.rejected("too_large")),
        ((2, 2, 0), 2)
    );
}
