//! The token file from any bytes, and requests with its tokens.

use std::sync::Arc;

use crate::access::bearer::Bearer;
use crate::access::file;
use crate::access::line::{Line, LineError};
use crate::access::token::{TOKEN_LEN_MAX, TOKEN_LEN_MIN, TokenHash};
use crate::access::tokens::TokenSet;

/// A file is taken with all of its tokens, each its own client's; or a line of
/// it is named, and what is wrong with that doesn't show a token. Read again, it
/// is the same, and clients keep what they have used.
pub fn token_file(bytes: &[u8]) {
    let lines = || bytes.split(|byte| *byte == b'\n');
    let set = match file::parse(bytes, &TokenSet::default()) {
        Ok(set) => set,
        // There may be only so many names in a process.
        Err((_, LineError::Names)) => return,
        Err((number, why)) => {
            let line = lines().nth(number - 1).expect("there is such a line");
            let why = why.to_string();
            for word in line.split(|byte| b" :".contains(byte)) {
                let shown = str::from_utf8(word).is_ok_and(|word| why.contains(word));
                assert!(word.len() < TOKEN_LEN_MIN || !shown, "{why}");
            }
            return;
        }
    };
    let mut found = 0;
    for line in lines() {
        let line = str::from_utf8(line).expect("it was read");
        let Some(parsed) = Line::parse(line).expect("it was read") else {
            continue;
        };
        found += 1;
        let word = line.split_ascii_whitespace().next().expect("it has one");
        let (name, secret) = word.split_once(':').unzip();
        assert_eq!(parsed.name.as_deref(), name);
        let token = secret.unwrap_or(word);
        if token.starts_with("sha256:") {
            continue;
        }
        assert!((TOKEN_LEN_MIN..=TOKEN_LEN_MAX).contains(&token.len()));
        let authorization = format!("Bearer {token}");
        let sent = Bearer::of(authorization.as_bytes());
        assert_eq!(sent, Bearer::Token(token.as_bytes()));
        let client = set
            .find(&TokenHash::of(token.as_bytes()))
            .expect("it is in the file");
        assert_eq!(client.name().map(|name| name.as_str()), name);
        assert_eq!(client.scopes(), parsed.scopes);
        // One more character is another token.
        let other = set.find(&TokenHash::of(format!("{token}=").as_bytes()));
        assert!(other.is_none_or(|other| !Arc::ptr_eq(other, client)));
    }
    assert_eq!(set.len(), found);
    let again = file::parse(bytes, &set).expect("it was read before");
    assert_eq!(again.len(), set.len());
    for gauge in again.gauges() {
        assert_eq!((gauge.requests, gauge.in_flight), (0, 0));
    }
}

/// What is no token is not taken for one.
pub fn authorization(bytes: &[u8]) {
    if let Bearer::Token(token) = Bearer::of(bytes) {
        assert!(bytes[..7].eq_ignore_ascii_case(b"bearer "));
        assert!(!token.iter().any(u8::is_ascii_whitespace));
        assert_eq!(bytes[6..].trim_ascii(), token);
    }
}
