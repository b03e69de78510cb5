//! Trace contexts as headers of messages, for whoever reads the stream.

use serde_json::{Value, json};

use crate::harness::{get, post};
use crate::load::feed;
use crate::servers::NatsServer;

const TRACEPARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const OTHER: &str = "00-11111111111111111111111111111111-2222222222222222-00";

#[test]
fn a_trace_context_is_a_header_that_every_instance_reads() {
    let server = NatsServer::start("");
    let (one, two) = (server.instance(&[]), server.instance(&[]));
    let traced = |traceparent| format!("traceparent: {traceparent}\r\n");
    let body = |id: &str| format!(r#"{{"id":"{id}","value":1}}"#);
    for (lines, id) in [(traced(TRACEPARENT), "a"), (String::new(), "b")] {
        assert_eq!(post(one.http, &lines, &body(id)).status, 201);
    }
    // The same over another instance: the first one's remains.
    let again = post(two.http, &traced(OTHER), &body("a"));
    assert_eq!((again.status, &again.json()["seq"]), (200, &json!(1)));

    let found = server.api("STREAM.MSG.GET.ORDERS", &json!({"seq": 1}));
    let headers = found["message"]["hdrs"].as_str().expect("it has headers");
    let headers = decoded(headers);
    assert!(headers.contains(&traced(TRACEPARENT)), "{headers}");
    assert!(!headers.contains("Orders-Client"), "{headers}");

    for instance in [&one, &two] {
        let member =
            |id: &str| get(instance.http, &format!("/orders/{id}")).json()["traceparent"].clone();
        assert_eq!(
            [member("a"), member("b")],
            [json!(TRACEPARENT), Value::Null]
        );
    }
    assert_eq!(feed(one.http), feed(two.http));
}

/// Text that is sent in base64.
fn decoded(text: &str) -> String {
    let digit = |byte: u8| match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        _ => 63,
    };
    let digits: Vec<u32> = text
        .bytes()
        .filter(|&byte| byte != b'=')
        .map(|byte| digit(byte).into())
        .collect();
    let bytes = digits.chunks(4).flat_map(|four| {
        let bits = four.iter().fold(0, |bits, digit| bits << 6 | digit) << (6 * (4 - four.len()));
        let bytes = [bits >> 16, bits >> 8, bits].map(|byte| byte as u8);
        bytes.into_iter().take(four.len() - 1)
    });
    String::from_utf8(bytes.collect()).unwrap()
}
