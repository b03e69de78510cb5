//! Replies byte by byte.

use crate::http::wire::date::DATE_LEN;
use crate::http::wire::reply::{Caching, Framing, Reply, reason_phrase};
use crate::http::wire::request_line::Version;

const DATE: &[u8; DATE_LEN] = b"Sun, 06 Nov 1994 08:49:37 GMT";
const OPEN: Framing = Framing {
    version: Version::Http11,
    keep_alive: true,
    head_only: false,
};

fn encoded(reply: &Reply, framing: Framing) -> String {
    // Something is there already: replies to pipelined requests go out
    // together.
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
        "HTTP/1.1 201 Created\r\nX-Content-Type-Options: nosniff\r\n\
         Cache-Control: no-store\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Length: 47\r\n\
         Content-Type: application/json\r\n\r\n{\"id\":\"ord-001\",\"status\":\"processed\",\"seq\":17}\n"
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
    reply.is_replay = true;
    reply.allow_origin = Some("Access-Control-Allow-Origin: https://a");
    assert_eq!(
        encoded(&reply, Framing::LAST),
        "HTTP/1.1 503 Service Unavailable\r\nX-Content-Type-Options: nosniff\r\n\
         Cache-Control: no-store\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Length: 2\r\n\
         Content-Type: text/plain\r\nRetry-After: 60\r\nAllow: GET, HEAD\r\nWWW-Authenticate: Bearer\r\n\
         Location: /orders/a\r\nIdempotent-Replayed: true\r\nAccess-Control-Allow-Origin: https://a\r\n\
         Vary: Origin\r\nAccess-Control-Expose-Headers: Idempotent-Replayed, Location, \
         Orders-Ledger-Id, Retry-After\r\nOrders-Ledger-Id: f00\r\nConnection: close\r\n\r\nno"
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
        text.contains("Content-Length: 3\r\n") && text.ends_with("\r\n\r\n"),
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
            text.starts_with(&format!("HTTP/1.1 {status} {phrase}\r\nX-Content")),
            "{text}"
        );
        for (caching, line) in [
            (Caching::Never, "\r\nCache-Control: no-store"),
            (Caching::ByAccept, "\r\nVary: Accept"),
            (Caching::Unsaid, ""),
        ] {
            let text = encoded(&Reply::empty(status).cached(caching), OPEN);
            let lines = format!("\r\nX-Content-Type-Options: nosniff{line}\r\nDate: Sun, ");
            assert!(text.contains(&lines), "{text}");
        }
    }
    for status in [
        200, 201, 202, 204, 400, 401, 403, 404, 405, 408, 409, 410, 411, 413, 414, 417, 422, 429,
        431, 501, 503, 505,
    ] {
        assert_ne!(reason_phrase(status), "", "{status}");
    }
}

#[test]
fn a_preflight_is_answered_with_what_is_allowed() {
    let reply = Reply {
        allow: Some("POST"),
        is_preflight: true,
        allow_origin: Some("Access-Control-Allow-Origin: https://a"),
        ..Reply::empty(204)
    };
    let text = encoded(&reply, OPEN);
    for line in [
        "Allow: POST",
        "Access-Control-Allow-Methods: POST",
        "Access-Control-Max-Age: 600",
        "Access-Control-Allow-Headers: Accept, Authorization, Content-Encoding, Content-Type, \
         Idempotency-Key, Prefer",
    ] {
        assert!(text.contains(&format!("\r\n{line}\r\n")), "{line}: {text}");
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
