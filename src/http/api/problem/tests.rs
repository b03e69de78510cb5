//! Problem documents, read back by a JSON parser.

use std::collections::HashSet;

use serde_json::{Value, json};

use crate::http::api::problem::{Problem, Report};
use crate::http::wire::reply::{Reply, reason_phrase};
use crate::http::wire::{BodyError, FramingError};
use crate::metrics::StatusLabel;

fn body(reply: &Reply) -> Value {
    serde_json::from_slice(reply.body.as_slice()).expect("JSON")
}

#[test]
fn a_failed_order_has_its_members() {
    let reason = "value \"over\" limit\n\u{1}\u{e9}";
    let reply = Problem::OrderFailed
        .report(reason)
        .id("ord-001")
        .outcome("failed", 17)
        .reply();
    assert_eq!(
        (reply.status, reply.content_type),
        (422, Some("application/problem+json"))
    );
    // The members come in this order.
    let text = std::str::from_utf8(reply.body.as_slice()).expect("text");
    let head =
        r#"{"type":"/problems/order-failed","title":"The order failed","status":422,"detail":""#;
    assert!(text.starts_with(head), "{text}");
    let tail = r#","retry_safe":false,"id":"ord-001","outcome":"failed","seq":17}"#;
    let text = text.strip_suffix('\n').expect("a line end");
    assert!(text.ends_with(tail), "{text}");
    assert_eq!(
        body(&reply),
        json!({
            "type": "/problems/order-failed", "title": "The order failed", "status": 422,
            "detail": reason, "retry_safe": false, "id": "ord-001", "outcome": "failed", "seq": 17,
        })
    );
}

#[test]
fn defaults_can_be_replaced() {
    let reply = Problem::QueueFull
        .report("65536 orders wait")
        .status(429)
        .retry_after(3)
        .reply();
    assert_eq!((reply.status, reply.retry_after), (429, Some(3)));
    assert_eq!(
        (&body(&reply)["status"], &body(&reply)["retry_safe"]),
        (&json!(429), &json!(true))
    );
    let reply = Problem::IdConflict.report("").retry_safe(true).reply();
    assert_eq!(
        (reply.status, &body(&reply)["retry_safe"]),
        (409, &json!(true))
    );
    let reply = Problem::MethodNotAllowed.report("").allow("POST").reply();
    assert_eq!(
        (reply.status, reply.allow, reply.www_authenticate),
        (405, Some("POST"), None)
    );
    assert_eq!(
        Problem::Unauthorized
            .report("")
            .challenge("Bearer")
            .reply()
            .www_authenticate,
        Some("Bearer")
    );
}

#[test]
fn every_status_has_its_own_label_in_the_metrics() {
    for problem in Problem::ALL {
        let status = problem.status();
        assert_eq!(StatusLabel::of(status).as_str(), status.to_string());
    }
}

#[test]
fn the_table_is_sound() {
    let mut slugs = HashSet::new();
    for &problem in Problem::ALL {
        let slug = problem
            .type_uri()
            .strip_prefix("/problems/")
            .expect("a reference to this server");
        assert!(
            slug.bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte == b'-'),
            "{slug}"
        );
        assert!(slugs.insert(slug), "{slug} is there twice");
        assert_ne!(reason_phrase(problem.status()), "", "{slug}");
        let document = body(&problem.report("x").reply());
        assert_eq!(document["type"], json!(problem.type_uri()));
        assert_eq!(document["title"], json!(problem.title()));
        assert_eq!(document["status"], json!(problem.status()));
        assert_eq!(document["retry_safe"], json!(problem.retry_safe()));
        // Nothing was decided about an order that met an overload or a stop.
        assert!(problem.status() != 503 || problem.retry_safe(), "{slug}");
    }
}

#[test]
fn framing_refusals_keep_status_and_reason() {
    use FramingError as F;
    for error in [
        F::BareLf,
        F::TargetTooLong,
        F::Expectation,
        F::HeadTooLarge,
        F::Method,
        F::Version,
    ] {
        let report = Report::from(error);
        let own = report.document.status == error.status();
        assert!(own, "a kind of its own for {error:?}");
        let reply = report.reply();
        assert_eq!(
            (reply.status, &body(&reply)["detail"]),
            (error.status(), &json!(error.reason()))
        );
    }
    for error in [
        BodyError::TooLarge,
        BodyError::ChunkSize,
        BodyError::TrailersTooLarge,
    ] {
        let report = Report::from(error);
        assert_eq!(report.document.status, error.status());
    }
}
