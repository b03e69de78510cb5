//! Replies byte by byte.

use crate::http::wire::date::DATE_LEN;
use crate::http::wire::reply::{Framing, Reply, reason_phrase};
use crate::http::wire::request_line::Version;

const DATE: &[u8; DATE_LEN] = b"Sun, 06 Nov 1994 08:49:37 GMT";
const OPEN: Framing = Framing {
    version: Version::Http11,
    keep_alive: true,
    head_only: false,
};

fn encoded(reply: &Reply, framing: Framing) -> String {
    // Something is there already: replies to pipelined requests go out together.
    let mut out = b"before".to_vec();
    reply.encode(framing, DATE, &mut out);
    let text = String::from_utf8(out).expect("text");
    text.strip_prefix("before").expect("appended").to_owned()
}

#[test]
fn a_committed_order() {
    let body = br#"{"id":"ord-001","status":"processed","seq":17}"#;
    assert_eq!(
        encoded(&Reply::json(201, body.to_vec()), OPEN),
        "HTTP/1.1 201 Created\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Length: 46\r\n\
         Content-Type: application/json\r\n\r\n{\"id\":\"ord-001\",\"status\":\"processed\",\"seq\":17}"
    );
}

#[test]
fn every_optional_field() {
    let mut reply = Reply::fixed(503, "text/plain", b"no")
        .with_location("/orders/a".to_owned())
        .with_header("Orders-Ledger-Id", "f00".to_owned());
    reply.retry_after = Some(60);
    reply.allow = Some("GET, HEAD");
    reply.www_authenticate = Some("Bearer");
    assert_eq!(
        encoded(&reply, Framing::LAST),
        "HTTP/1.1 503 Service Unavailable\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Length: 2\r\n\
         Content-Type: text/plain\r\nRetry-After: 60\r\nAllow: GET, HEAD\r\nWWW-Authenticate: Bearer\r\n\
         Location: /orders/a\r\nOrders-Ledger-Id: f00\r\nConnection: close\r\n\r\nno"
    );
}

#[test]
fn connection_says_what_the_version_needs() {
    let reply = Reply::fixed(200, "text/plain", b"x");
    for (version, keep_alive, field) in [
        (Version::Http11, true, None),
        (Version::Http11, false, Some("Connection: close")),
        (Version::Http10, true, Some("Connection: keep-alive")),
        (Version::Http10, false, Some("Connection: close")),
    ] {
        let text = encoded(
            &reply,
            Framing {
                version,
                keep_alive,
                head_only: false,
            },
        );
        let found = text
            .split("\r\n")
            .find(|line| line.starts_with("Connection"));
        assert_eq!(found, field, "{version:?} {keep_alive}");
    }
}

#[test]
fn head_states_the_length_and_sends_nothing() {
    let text = encoded(
        &Reply::json(200, b"{}".to_vec()),
        Framing {
            head_only: true,
            ..OPEN
        },
    );
    assert!(
        text.contains("Content-Length: 2\r\n") && text.ends_with("\r\n\r\n"),
        "{text}"
    );
}

#[test]
fn statuses_without_content_have_no_length() {
    for status in [204, 304] {
        let text = encoded(&Reply::fixed(status, "text/plain", b"lost"), OPEN);
        assert!(
            !text.contains("Content-Length") && text.ends_with("\r\n\r\n"),
            "{text}"
        );
    }
    assert!(encoded(&Reply::empty(404), OPEN).contains("\r\nContent-Length: 0\r\n"));
}

#[test]
fn status_lines() {
    for status in 200..600 {
        let phrase = reason_phrase(status);
        let text = encoded(&Reply::empty(status), OPEN);
        assert!(
            text.starts_with(&format!("HTTP/1.1 {status} {phrase}\r\nDate: Sun, ")),
            "{text}"
        );
    }
    for status in [
        200, 201, 202, 400, 401, 404, 405, 408, 409, 410, 411, 413, 414, 417, 422, 429, 431, 501,
        503, 505,
    ] {
        assert_ne!(reason_phrase(status), "", "{status}");
    }
}

#[test]
fn a_value_cannot_start_a_field() {
    let reply = Reply::empty(202)
        .with_location("/a\r\nSet-Cookie: x".to_owned())
        .with_header("X-Y", "b\n\n\0c".to_owned());
    let text = encoded(&reply, OPEN);
    assert!(
        text.contains("\r\nLocation: /a  Set-Cookie: x\r\nX-Y: b   c\r\n\r\n"),
        "{text}"
    );
}

#[test]
fn a_head_alone_is_the_start_of_the_whole() {
    let reply = Reply::json(200, b"[1,2]".to_vec());
    let mut head = Vec::new();
    reply.encode_head(OPEN, DATE, &mut head);
    head.extend_from_slice(reply.body.as_slice());
    assert_eq!(
        String::from_utf8(head).expect("text"),
        encoded(&reply, OPEN)
    );
}
