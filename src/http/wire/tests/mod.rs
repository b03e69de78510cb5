//! Heads: what is read out of them, what is refused, and that no split of the
//! bytes changes it.

mod damaged;
pub(super) mod random;
mod refusals;

use crate::http::wire::FramingError as E;
use crate::http::wire::request_line::Version;
use crate::http::wire::{BodyFraming, FieldLines, Head, HeadLimits, Method, parse_head};

const LIMITS: HeadLimits = HeadLimits {
    head_bytes: 2048,
    target_bytes: 64,
    headers: 100,
};

/// The answer to all of `bytes`, after asking for every prefix of it: in one go
/// and, as a connection does, with `searched` kept. A head must be accepted at
/// its last byte and not before, and an answer must stay as more bytes arrive.
fn ask_every_prefix(bytes: &[u8], limits: &HeadLimits) -> Result<Option<Head>, E> {
    let mut kept = Some(0);
    let mut answer = Ok(None);
    for len in 0..=bytes.len() {
        let whole = parse_head(&bytes[..len], &mut 0, limits);
        if let Some(searched) = &mut kept {
            let dripped = parse_head(&bytes[..len], searched, limits);
            assert_eq!(dripped, whole, "kept and fresh search differ at byte {len}");
            match dripped {
                Ok(None) => assert_eq!(*searched, len, "bytes would be searched again"),
                Ok(Some(head)) => {
                    assert_eq!((head.len, *searched), (len, 0));
                    kept = None;
                }
                Err(_) => kept = None,
            }
        }
        if answer != Ok(None) {
            assert_eq!(whole, answer, "answer changed at byte {len}");
        }
        answer = whole;
    }
    answer
}

fn read(text: &str) -> Head {
    ask_every_prefix(text.as_bytes(), &LIMITS)
        .expect("accepted")
        .expect("complete")
}

/// A request with these header lines (`\r\n` after each) besides `Host`.
fn with_lines(lines: &str) -> String {
    format!("POST /submit HTTP/1.1\r\nHost: a\r\n{lines}\r\n")
}

fn path(head: &Head, buf: &[u8]) -> String {
    String::from_utf8(head.path(buf).into()).expect("parse_head lets only ASCII pass")
}

/// Path and query as they would be sent.
fn target(head: &Head, buf: &[u8]) -> String {
    format!("{}?{}", path(head, buf), head.query(buf))
}

#[test]
fn reads_what_routes_need() {
    let text = "POST /submit?x=1&y=?2 HTTP/1.1\r\nHost: localhost:8080\r\nUser-Agent: caf\u{e9}\r\n\
                content-TYPE:application/json; charset=utf-8 \t\r\nPrefer: respond-async\r\nContent-Length: 12\r\n\
                Prefer: wait=5\r\nPrefer: third\r\nAccept: */*\r\nAuthorization: Bearer t0k\r\nExpect: 100-Continue\r\n\r\n";
    let head = read(text);
    let buf = text.as_bytes();
    assert_eq!((head.method, head.version), (Method::Post, Version::Http11));
    assert_eq!(target(&head, buf), "/submit?x=1&y=?2");
    assert_eq!(
        head.content_type(buf),
        Some(&b"application/json; charset=utf-8"[..])
    );
    assert_eq!(
        head.prefer(buf).members().collect::<Vec<_>>(),
        ["respond-async", "wait=5", "third"]
    );
    assert_eq!(head.accept(buf).members().collect::<Vec<_>>(), ["*/*"]);
    assert_eq!(head.authorization(buf), Some(&b"Bearer t0k"[..]));
    assert_eq!(head.body, BodyFraming::Length(12));
    assert!(head.keep_alive && head.expect_continue);
}

#[test]
fn absent_and_empty_fields_differ() {
    let text = "GET /orders? HTTP/1.1\r\nHost: a\r\nAccept:\r\nIdempotency-Key:\r\n\r\n";
    let head = read(text);
    let buf = text.as_bytes();
    assert_eq!(
        (
            head.content_type(buf),
            head.authorization(buf),
            head.prefer(buf)
                .members()
                .chain(head.accept(buf).members())
                .count()
        ),
        (None, None, 0)
    );
    assert_eq!(
        (head.origin(buf), head.idempotency_key(buf)),
        (None, Some(""))
    );
    assert_eq!(
        (&*target(&head, buf), head.body),
        ("/orders?", BodyFraming::None)
    );
}

#[test]
fn where_a_request_comes_from() {
    let of = |line: &str, lines: &str| {
        let text = format!("GET {line}\r\n{lines}\r\n");
        let head = read(&text);
        let shown = |bytes: Option<&[u8]>| bytes.map(|b| String::from_utf8_lossy(b).into_owned());
        let host = shown(head.host(text.as_bytes()));
        let origin = shown(head.origin(text.as_bytes()));
        (host, origin, [head.is_cross_site, head.navigates])
    };
    let text = |text: &str| Some(text.to_owned());
    for (line, lines, want) in [
        ("/ HTTP/1.0", "", (None, None, [false, false])),
        (
            "/ HTTP/1.1",
            "Host: a:1\r\norigin: http://b\r\n",
            (text("a:1"), text("http://b"), [false, false]),
        ),
        // The target's own host counts.
        (
            "http://[::1]:80/x HTTP/1.1",
            "Host: a\r\nSec-Fetch-Site: same-site\r\n",
            (text("[::1]:80"), None, [true, false]),
        ),
        (
            "/ HTTP/1.1",
            "Host: a\r\nSec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\n",
            (text("a"), None, [true, true]),
        ),
        // One of two is enough, and what no browser says is ignored.
        (
            "/ HTTP/1.1",
            "Host: a\r\nSec-Fetch-Site: cross-site\r\nSec-Fetch-Site: none\r\n",
            (text("a"), None, [true, false]),
        ),
        (
            "/ HTTP/1.1",
            "Host: a\r\nSec-Fetch-Site: same-origin\r\nSec-Fetch-Mode: cors\r\n",
            (text("a"), None, [false, false]),
        ),
        (
            "/ HTTP/1.1",
            "Host: a\r\nSec-Fetch-Site: moon\r\nSec-Fetch-Mode: \r\n",
            (text("a"), None, [false, false]),
        ),
    ] {
        assert_eq!(of(line, lines), want, "{line} {lines}");
    }
    let asks = with_lines("Access-Control-Request-Method: POST\r\n");
    assert!(read(&asks).asks_for_method && !read(&with_lines("")).asks_for_method);
}

#[test]
fn a_list_may_have_any_number_of_lines() {
    let mut text = String::from("GET / HTTP/1.1\r\nPrefer: 0\r\nHost: a\r\n");
    for line in 1..90 {
        let name = ["prefer", "PREFER", "X-Prefer", "Accept"][line % 4];
        text += &format!("{name}:\t{line}, \r\n");
    }
    let mut bytes = text.into_bytes();
    // Between the lines there may be bytes that no line of a list has.
    bytes.extend(b"User-Agent: caf\xe9\r\nPrefer: 90\r\n\r\n");
    let head = parse_head(&bytes, &mut 0, &LIMITS).unwrap().unwrap();
    let numbers = |list: FieldLines<'_>| -> Vec<usize> {
        list.members()
            .map(|member| member.parse().unwrap())
            .collect()
    };
    let want: Vec<usize> = (0..=90).filter(|n| n % 4 < 2 || *n == 90).collect();
    assert_eq!(numbers(head.prefer(&bytes)), want);
    let want: Vec<usize> = (0..90).filter(|n| n % 4 == 3).collect();
    assert_eq!(numbers(head.accept(&bytes)), want);
    let not_ascii = with_lines("Prefer: a\r\nPrefer: \u{e9}\r\n");
    assert_eq!(
        ask_every_prefix(not_ascii.as_bytes(), &LIMITS),
        Err(E::FieldNotAscii)
    );
}

#[test]
fn target_forms() {
    for (line, expected, query) in [
        ("GET / HTTP/1.1", "/", ""),
        ("GET //x/ HTTP/1.1", "//x/", ""),
        ("GET /orders/%6Frd%2D1 HTTP/1.1", "/orders/ord-1", ""),
        (
            "GET /orders%2F?%61fter=%31%26 HTTP/1.1",
            "/orders%2F",
            "after=1%26",
        ),
        (
            "GET http://h:80/orders?after=0 HTTP/1.1",
            "/orders",
            "after=0",
        ),
        ("GET HTTPS://[::1]:80/a/b HTTP/1.1", "/a/b", ""),
        ("GET http://h HTTP/1.1", "/", ""),
        ("GET http://h?q=/a HTTP/1.1", "/", "q=/a"),
        ("OPTIONS * HTTP/1.1", "*", ""),
    ] {
        let text = format!("{line}\r\nHost: h\r\n\r\n");
        let head = read(&text);
        let expected = format!("{expected}?{query}");
        assert_eq!(target(&head, text.as_bytes()), expected, "{line}");
    }
}

#[test]
fn persistence_and_expectation() {
    for (version, lines, keep_alive) in [
        ("1.1", "", true),
        ("1.1", "Connection: close\r\n", false),
        ("1.1", "Connection: Keep-Alive, ,\tCLOSE\r\n", false),
        ("1.1", "Connection: upgrade\r\nConnection: close\r\n", false),
        ("1.1", "Connection: closed\r\n", true),
        ("1.1", "Connection: x=\"a, close\"\r\n", true),
        ("1.0", "", false),
        ("1.0", "Connection: foo , keep-ALIVE\r\n", true),
        ("1.0", "Connection: keep-alive, close\r\n", false),
    ] {
        let head = read(&format!("GET / HTTP/{version}\r\nHost: a\r\n{lines}\r\n"));
        assert_eq!(head.keep_alive, keep_alive, "{version} {lines}");
    }
    for (version, length, waits) in [("1.1", "5", true), ("1.1", "0", false), ("1.0", "5", false)] {
        let text = format!(
            "PUT / HTTP/{version}\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: {length}\r\n\r\n"
        );
        assert_eq!(read(&text).expect_continue, waits, "{text}");
    }
    for (lines, waits) in [
        ("Expect:\r\n", false),
        ("Expect: , 100-CONTINUE,,100-continue\r\n", true),
        ("Expect: 100-continue\r\nExpect:\r\n", true),
    ] {
        let text = with_lines(&format!("{lines}Content-Length: 5\r\n"));
        assert_eq!(read(&text).expect_continue, waits, "{lines}");
    }
    assert!(!read("GET / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n").expect_continue);
}

#[test]
fn body_framings() {
    for (lines, body) in [
        ("Transfer-Encoding: chunked\r\n", BodyFraming::Chunked),
        ("transfer-encoding:\tChunked \r\n", BodyFraming::Chunked),
        ("Content-Length: 0\r\n", BodyFraming::Length(0)),
        ("Content-Length: 007\r\n", BodyFraming::Length(7)),
        (
            "Content-Length: 18446744073709551615\r\n",
            BodyFraming::Length(u64::MAX),
        ),
        (
            "Content_Length: 5\r\nX-Content-Length: 5\r\n",
            BodyFraming::None,
        ),
    ] {
        assert_eq!(read(&with_lines(lines)).body, body, "{lines}");
    }
    assert_eq!(read("GET / HTTP/1.0\r\n\r\n").version, Version::Http10);
}

#[test]
fn a_later_minor_version_is_the_highest_known() {
    for line in ["GET /a HTTP/1.2", "\r\nGET /a HTTP/1.9"] {
        let text = format!("{line}\r\nHost: a\r\nPrefer: HTTP/1.2\r\n\r\n");
        let (head, buf) = (read(&text), text.as_bytes());
        assert_eq!((head.version, head.keep_alive), (Version::Http11, true));
        assert_eq!(head.prefer(buf).members().collect::<Vec<_>>(), ["HTTP/1.2"]);
        assert_eq!(path(&head, buf), "/a");
    }
}

#[test]
fn leading_empty_lines_are_skipped_and_counted() {
    let text = "\r\n\r\n\r\n\r\nGET /a HTTP/1.1\r\nHost: a\r\n\r\n";
    let head = read(text);
    assert_eq!(
        (&*path(&head, text.as_bytes()), head.len),
        ("/a", text.len())
    );
}

#[test]
fn limits_hold_on_both_sides() {
    let sized = |len: usize| {
        let (start, end) = ("GET / HTTP/1.1\r\nHost: a\r\nA: ", "\r\n\r\n");
        format!("{start}{}{end}", "x".repeat(len - start.len() - end.len()))
    };
    assert!(ask_every_prefix(sized(2048).as_bytes(), &LIMITS).is_ok_and(|head| head.is_some()));
    for len in [2049, 2050, 2052, 3000] {
        assert_eq!(
            ask_every_prefix(sized(len).as_bytes(), &LIMITS),
            Err(E::HeadTooLarge),
            "{len}"
        );
    }
    let target = |len: usize| format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(len - 1));
    assert!(ask_every_prefix(target(64).as_bytes(), &LIMITS).is_ok_and(|head| head.is_some()));
    for len in [65, 1000, 2048, 3000] {
        assert_eq!(
            ask_every_prefix(target(len).as_bytes(), &LIMITS),
            Err(E::TargetTooLong),
            "{len}"
        );
    }
    let lines = |count: usize| with_lines(&"A: b\r\n".repeat(count - 1));
    assert!(ask_every_prefix(lines(100).as_bytes(), &LIMITS).is_ok_and(|head| head.is_some()));
    assert_eq!(
        ask_every_prefix(lines(101).as_bytes(), &LIMITS),
        Err(E::TooManyHeaders)
    );
    // A limit above what the stack has room for is cut to that.
    let wide = HeadLimits {
        headers: 1000,
        ..LIMITS
    };
    assert_eq!(
        parse_head(lines(101).as_bytes(), &mut 0, &wide),
        Err(E::TooManyHeaders)
    );
    let narrow = HeadLimits {
        headers: 2,
        ..LIMITS
    };
    assert!(ask_every_prefix(lines(2).as_bytes(), &narrow).is_ok_and(|head| head.is_some()));
    assert_eq!(
        ask_every_prefix(lines(3).as_bytes(), &narrow),
        Err(E::TooManyHeaders)
    );
}

#[test]
fn what_follows_a_head_is_left_alone() {
    let first = with_lines("Content-Length: 3\r\n");
    // Behind the head anything may stand, even what no head could hold.
    for behind in [
        "abcGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "\0\n\r\r",
        "\r\n\r\n\r\n\r\n\r\n\r\n",
    ] {
        let both = format!("{first}{behind}");
        let head = read(&both);
        assert_eq!((head.len, head.body), (first.len(), BodyFraming::Length(3)));
    }
    let pipelined = format!("{first}abcGET /second HTTP/1.1\r\nHost: a\r\n\r\n");
    let rest = &pipelined.as_bytes()[first.len() + 3..];
    let second = parse_head(rest, &mut 0, &LIMITS)
        .expect("accepted")
        .expect("complete");
    assert_eq!((&*path(&second, rest), second.len), ("/second", rest.len()));
}
