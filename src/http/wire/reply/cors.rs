//! What lets a page of another origin read a reply (Fetch, section 3.3: the
//! CORS protocol). Whole lines, since one engine takes nothing else.

/// Beside `Access-Control-Allow-Origin`, on each reply to an allowed origin.
pub(crate) const fn shared_lines() -> [&'static str; 2] {
    [
        "Vary: Origin",
        "Access-Control-Expose-Headers: Idempotent-Replayed, Location, Orders-Ledger-Id, Retry-After",
    ]
}

/// On the reply to a preflight about a path with these methods.
pub(crate) fn preflight_lines(methods: &str) -> [&'static str; 3] {
    [
        if methods == "POST" {
            "Access-Control-Allow-Methods: POST"
        } else {
            "Access-Control-Allow-Methods: GET, HEAD"
        },
        "Access-Control-Allow-Headers: Accept, Authorization, Content-Encoding, Content-Type, Idempotency-Key, Prefer",
        "Access-Control-Max-Age: 600",
    ]
}
