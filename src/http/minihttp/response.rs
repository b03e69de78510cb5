//! Replies as the crate takes them: header lines that are static text, and a
//! body that it copies.

use std::sync::{LazyLock, Mutex, OnceLock, PoisonError};

use may_minihttp::Response;

use crate::http::api::feed_line;
use crate::http::wire::reply::{
    Body, JSON, NDJSON, NOSNIFF, PROBLEM_JSON, REPLAYED, Reply, preflight_lines, reason_phrase,
    shared_lines,
};
use crate::metrics::{CLASSIC_CONTENT_TYPE, OPENMETRICS_CONTENT_TYPE};
use crate::pipeline::throughput::RETRY_AFTER_MAX;

/// The `Retry-After` lines there can be: the crate takes static text only.
static RETRY_AFTER: LazyLock<Vec<&'static str>> = LazyLock::new(|| {
    let line = |seconds| &*format!("Retry-After: {seconds}").leak(); // once, 60 of them
    (1..=RETRY_AFTER_MAX).map(line).collect()
});

/// Hands a reply to the crate.
pub(super) fn write(
    reply: Reply,
    response: &mut Response<'_>,
    ledger_line: &OnceLock<&'static str>,
) {
    response.status_code(reply.status.into(), reason_phrase(reply.status));
    response.header(NOSNIFF);
    if let Some(line) = reply.caching.line() {
        response.header(line);
    }
    if reply.is_replay {
        response.header(REPLAYED);
    }
    if let Some(line) = reply.allow_origin {
        response.header(line);
        for line in shared_lines() {
            response.header(line);
        }
        if reply.is_preflight {
            let methods = reply.allow.unwrap_or_default();
            for line in preflight_lines(methods) {
                response.header(line);
            }
        }
    }
    if let Some(content_type) = reply.content_type {
        response.header(content_type_line(content_type));
    }
    if let Some(seconds) = reply.retry_after {
        response.header(RETRY_AFTER[(seconds.clamp(1, RETRY_AFTER_MAX) - 1) as usize]);
    }
    if let Some(methods) = reply.allow {
        response.header(allow_line(methods));
    }
    if let Some(challenge) = reply.www_authenticate {
        response.header(challenge_line(challenge));
    }
    for (name, value) in &reply.extra {
        match *name {
            "Content-Security-Policy" => drop(response.header(POLICY_LINE)),
            "Accept-Encoding" => drop(response.header("Accept-Encoding: identity")),
            // Their values can't be static lines. There is Retry-After.
            "RateLimit" | "RateLimit-Policy" => {}
            "Preference-Applied" => drop(response.header("Preference-Applied: respond-async")),
            // A service has one ledger, so that one line is leaked.
            feed_line::LEDGER_ID => {
                response.header(ledger_line.get_or_init(|| format!("{name}: {value}").leak()));
            }
            other => debug_assert!(false, "a header that this engine can't send: {other}"),
        }
    }
    match reply.body {
        Body::Static(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => response.body(text),
            Err(_) => response.body_vec(bytes.to_vec()),
        },
        Body::Owned(bytes) => response.body_vec(bytes),
        Body::Shared(bytes) => response.body_vec(bytes.to_vec()),
    }
}

/// The policy of the status page as a line.
const POLICY_LINE: &str = concat!("Content-Security-Policy: ", env!("PAGE_POLICY"));

/// The crate takes static header lines only.
fn content_type_line(content_type: &str) -> &'static str {
    match content_type {
        JSON => "Content-Type: application/json",
        NDJSON => "Content-Type: application/x-ndjson",
        PROBLEM_JSON => "Content-Type: application/problem+json",
        CLASSIC_CONTENT_TYPE => "Content-Type: text/plain; version=0.0.4; charset=utf-8",
        OPENMETRICS_CONTENT_TYPE => {
            "Content-Type: application/openmetrics-text; version=1.0.0; charset=utf-8"
        }
        _ => "Content-Type: text/html; charset=utf-8",
    }
}

fn allow_line(methods: &str) -> &'static str {
    match methods {
        "POST" => "Allow: POST",
        "OPTIONS" => "Allow: OPTIONS",
        "GET, HEAD, OPTIONS" => "Allow: GET, HEAD, OPTIONS",
        "GET, HEAD, POST, OPTIONS" => "Allow: GET, HEAD, POST, OPTIONS",
        _ => "Allow: GET, HEAD",
    }
}

/// A challenge as a line, leaked once: there are few.
fn challenge_line(challenge: &'static str) -> &'static str {
    static LINES: Mutex<Vec<(&str, &str)>> = Mutex::new(Vec::new());
    // Nothing parks while it is locked.
    let mut lines = LINES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, line)) = lines.iter().find(|(known, _)| *known == challenge) {
        return line;
    }
    let line = &*format!("WWW-Authenticate: {challenge}").leak();
    lines.push((challenge, line));
    line
}

#[cfg(test)]
mod tests {
    use crate::http::api::router;

    use super::*;

    #[test]
    fn static_lines_say_what_the_routes_say() {
        let (name, value) = POLICY_LINE.split_once(": ").unwrap();
        assert_eq!(
            (name, value),
            ("Content-Security-Policy", router::PAGE_POLICY)
        );
        for content_type in [
            JSON,
            NDJSON,
            PROBLEM_JSON,
            CLASSIC_CONTENT_TYPE,
            OPENMETRICS_CONTENT_TYPE,
        ] {
            let line = content_type_line(content_type);
            assert_eq!(line.strip_prefix("Content-Type: "), Some(content_type));
        }
        for methods in [
            "POST",
            "OPTIONS",
            "GET, HEAD",
            "GET, HEAD, OPTIONS",
            "GET, HEAD, POST, OPTIONS",
        ] {
            assert_eq!(allow_line(methods).strip_prefix("Allow: "), Some(methods));
        }
        assert_eq!(RETRY_AFTER[59], "Retry-After: 60");
    }
}
