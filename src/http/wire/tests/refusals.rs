//! Heads that are refused, each for its own reason.

use crate::http::wire::FramingError as E;
use crate::http::wire::tests::{LIMITS, ask_every_prefix, with_lines};

#[test]
fn refusals() {
    let head = |lines: &str| with_lines(lines).into_bytes();
    let raw = |text: &str| text.as_bytes().to_vec();
    let get = |target: &str| format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n").into_bytes();
    let cases: Vec<(Vec<u8>, E)> = vec![
        // Line ends.
        (raw("GET / HTTP/1.1\nHost: a\n\n"), E::BareLf),
        (raw("GET / HTTP/1.1\r\nHost: a\n\r\n"), E::BareLf),
        (raw("\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"), E::BareLf),
        (head("A: b\nTransfer-Encoding: chunked\r\n"), E::BareLf),
        (head("A: b\rTransfer-Encoding: chunked\r\n"), E::BareCr),
        (head("A: b\r\r\n"), E::BareCr),
        (raw("GET / HTTP/1.1\rHost: a\r\n\r\n"), E::BareCr),
        (raw("\rGET / HTTP/1.1\r\nHost: a\r\n\r\n"), E::BareCr),
        // Field syntax.
        (head("A: b\r\n c\r\n"), E::FoldedLine),
        (
            head("A: b\r\n\tTransfer-Encoding: chunked\r\n"),
            E::FoldedLine,
        ),
        (head("A: b\r\n \r\n"), E::FoldedLine),
        (raw("GET / HTTP/1.1\r\n Host: a\r\n\r\n"), E::FoldedLine),
        (head("Transfer-Encoding : chunked\r\n"), E::SpaceBeforeColon),
        (head("Content-Length\t: 5\r\n"), E::SpaceBeforeColon),
        (head("A\u{0}: b\r\n"), E::ControlByte),
        (head("A: b\u{0}\r\n"), E::ControlByte),
        (head("A: \u{1b}[0m\r\n"), E::ControlByte),
        (head("A: \u{7f}\r\n"), E::ControlByte),
        (head("Transfer-Encoding: \u{b}chunked\r\n"), E::ControlByte),
        (head("no colon\r\n"), E::HeaderName),
        (head("A B: c\r\n"), E::HeaderName),
        (head(": c\r\n"), E::HeaderName),
        (head("caf\u{e9}: c\r\n"), E::HeaderName),
        // Fields that stand once.
        (raw("GET / HTTP/1.1\r\n\r\n"), E::HostMissing),
        (head("Host: a\r\n"), E::HostRepeated),
        (
            raw("GET / HTTP/1.0\r\nHost: a\r\nhost: b\r\n\r\n"),
            E::HostRepeated,
        ),
        (raw("GET / HTTP/1.1\r\nHost: a b\r\n\r\n"), E::HostInvalid),
        (raw("GET / HTTP/1.1\r\nHost:\r\n\r\n"), E::HostInvalid),
        (raw("GET / HTTP/1.0\r\nHost:\r\n\r\n"), E::HostInvalid),
        (raw("GET / HTTP/1.1\r\nHost: a:b\r\n\r\n"), E::HostInvalid),
        (raw("GET / HTTP/1.1\r\nHost: [::1\r\n\r\n"), E::HostInvalid),
        (raw("GET / HTTP/1.1\r\nHost: %zz\r\n\r\n"), E::HostInvalid),
        (
            raw("GET / HTTP/1.1\r\nHost: a:99999\r\n\r\n"),
            E::HostInvalid,
        ),
        (raw("GET / HTTP/1.1\r\nHost: u@a\r\n\r\n"), E::HostInvalid),
        (raw("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"), E::HostInvalid),
        (
            head("Content-Type: a/b\r\nContent-Type: a/b\r\n"),
            E::FieldRepeated,
        ),
        (
            head("Authorization: Bearer a\r\nAuthorization: Bearer b\r\n"),
            E::FieldRepeated,
        ),
        (head("Authorization: Bearer \u{e9}\r\n"), E::FieldNotAscii),
        (head("Origin: a\r\norigin: a\r\n"), E::FieldRepeated),
        (
            head("Idempotency-Key: a\r\nIdempotency-Key: a\r\n"),
            E::FieldRepeated,
        ),
        // Body framing.
        (
            head("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"),
            E::LengthAndEncoding,
        ),
        (
            head("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"),
            E::LengthAndEncoding,
        ),
        (
            head("Transfer-Encoding: gzip\r\nContent-Length: 5\r\n"),
            E::LengthAndEncoding,
        ),
        (
            head("Content-Length: 5\r\nContent-Length: 5\r\n"),
            E::LengthRepeated,
        ),
        (
            head("Content-Length: 5\r\ncontent-length: 6\r\n"),
            E::LengthRepeated,
        ),
        (head("Content-Length: 5, 5\r\n"), E::LengthInvalid),
        (head("Content-Length: 5,\r\n"), E::LengthInvalid),
        (head("Content-Length:\r\n"), E::LengthInvalid),
        (head("Content-Length: +5\r\n"), E::LengthInvalid),
        (head("Content-Length: -1\r\n"), E::LengthInvalid),
        (head("Content-Length: 0x5\r\n"), E::LengthInvalid),
        (head("Content-Length: 1 2\r\n"), E::LengthInvalid),
        (head("Content-Length: 1_0\r\n"), E::LengthInvalid),
        (head("Content-Length: 5.0\r\n"), E::LengthInvalid),
        (head("Content-Length: abc\r\n"), E::LengthInvalid),
        (head("Content-Length: \u{ff15}\r\n"), E::LengthInvalid),
        (
            head("Content-Length: 18446744073709551616\r\n"),
            E::LengthInvalid,
        ),
        (
            head("Content-Length: 99999999999999999999999\r\n"),
            E::LengthInvalid,
        ),
        (
            head("Transfer-Encoding: gzip, chunked\r\n"),
            E::CodingUnknown,
        ),
        (
            head("Transfer-Encoding: chunked, identity\r\n"),
            E::CodingsInvalid,
        ),
        (head("Transfer-Encoding: chunked,\r\n"), E::CodingsInvalid),
        (
            head("Transfer-Encoding: chunked;q=1\r\n"),
            E::CodingsInvalid,
        ),
        (head("Transfer-Encoding: xchunked\r\n"), E::CodingsInvalid),
        (
            head("Transfer-Encoding: \"chunked\"\r\n"),
            E::CodingsInvalid,
        ),
        (head("Transfer-Encoding: identity\r\n"), E::CodingsInvalid),
        (head("Transfer-Encoding:\r\n"), E::CodingsInvalid),
        (
            head("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
            E::CodingsInvalid,
        ),
        (
            head("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n"),
            E::CodingUnknown,
        ),
        (
            raw("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"),
            E::EncodingOnHttp10,
        ),
        (
            raw("POST / HTTP/1.0\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"),
            E::EncodingOnHttp10,
        ),
        // Version, method, expectation.
        (raw("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), E::Version),
        (raw("GET / HTTP/0.9\r\n\r\n"), E::Version),
        (raw("GET / HTTP/3.0\r\n\r\n"), E::Version),
        (raw("GET / HTTP/3\r\n\r\n"), E::RequestLine),
        (raw("GET / HTTP/1\r\nHost: a\r\n\r\n"), E::RequestLine),
        (raw("GET / HTTP/1.\r\nHost: a\r\n\r\n"), E::RequestLine),
        (raw("GET / HTTP/01.01\r\nHost: a\r\n\r\n"), E::RequestLine),
        (raw("GET / HTTP/1.10\r\nHost: a\r\n\r\n"), E::RequestLine),
        (raw("GET / HTTP/1.1.1\r\nHost: a\r\n\r\n"), E::RequestLine),
        (raw("GET / HTTP/1.2\r\n\r\n"), E::HostMissing),
        (raw("GET / HTTP/1.2 \r\nHost: a\r\n\r\n"), E::RequestLine),
        (raw("get / HTTP/1.1\r\nHost: a\r\n\r\n"), E::Method),
        (raw("BREW / HTTP/1.1\r\nHost: a\r\n\r\n"), E::Method),
        (raw("CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n"), E::Method),
        (head("Expect: 200-ok\r\n"), E::Expectation),
        (head("Expect: 100-continue, x\r\n"), E::Expectation),
        (head("Expect: \"100-continue\"\r\n"), E::Expectation),
        (
            head("Expect: 100-continue\r\nExpect: x\r\n"),
            E::Expectation,
        ),
        // Request line and target.
        (raw("GET /\r\n\r\n"), E::RequestLine),
        (raw("GET  / HTTP/1.1\r\nHost: a\r\n\r\n"), E::RequestLine),
        (raw("GET /  HTTP/1.1\r\nHost: a\r\n\r\n"), E::RequestLine),
        (raw("GET / HTTP/1.1 \r\nHost: a\r\n\r\n"), E::RequestLine),
        (raw(" GET / HTTP/1.1\r\nHost: a\r\n\r\n"), E::RequestLine),
        (raw("GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n"), E::RequestLine),
        (raw("GET / http/1.1\r\nHost: a\r\n\r\n"), E::RequestLine),
        (raw("GET / SPDY/1.1\r\nHost: a\r\n\r\n"), E::RequestLine),
        (raw("GET /a b HTTP/1.1\r\nHost: a\r\n\r\n"), E::RequestLine),
        (raw("SSH-2.0-x\r\n\r\n"), E::RequestLine),
        (get("orders"), E::Target),
        (get("*"), E::Target),
        (get("/a#b"), E::Target),
        (get("/caf\u{e9}"), E::Target),
        (get("ftp://a/"), E::Target),
        (get("http:///a"), E::Target),
        (get("http://u@a/"), E::Target),
        (get("http://:80/"), E::Target),
        (get("http://a:b/"), E::Target),
        (get("http://[::1/"), E::Target),
        (
            raw("\r\n\r\n\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
            E::EmptyLines,
        ),
        (
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(),
            E::Tls,
        ),
    ];
    for (bytes, error) in cases {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        assert_eq!(ask_every_prefix(&bytes, &LIMITS), Err(error), "{text:?}");
        let mut more = bytes.clone();
        more.extend_from_slice(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(
            ask_every_prefix(&more, &LIMITS),
            Err(error),
            "with a request behind: {text:?}"
        );
    }
}

#[test]
fn statuses_and_reasons() {
    let of = |errors: &[E]| {
        errors
            .iter()
            .map(|error| error.status())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        of(&[E::BareLf, E::LengthAndEncoding, E::HostMissing, E::Tls]),
        [400; 4]
    );
    assert_eq!(of(&[E::Method, E::CodingUnknown]), [501; 2]);
    assert_eq!(of(&[E::HeadTooLarge, E::TooManyHeaders]), [431; 2]);
    assert_eq!(
        of(&[E::TargetTooLong, E::Version, E::Expectation]),
        [414, 505, 417]
    );
    assert!(
        E::Tls.to_string().contains("TLS"),
        "a hint for a person who typed https://"
    );
}
