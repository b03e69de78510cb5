//! What the feed is asked for: its query, read strictly.
//!
//! A parameter that is misspelt, repeated or out of range is refused and not
//! guessed at: a reader that asks for something else than it meant to would
//! find out late. Values are plain digits, which arrive here decoded, and a time in
//! RFC 3339, whose `:` and `+` may be percent-encoded.

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::clock::parse_rfc3339;

/// Outcomes on a page unless the query says otherwise.
const LIMIT_DEFAULT: usize = 1000;
/// Outcomes on a page at most.
pub(super) const LIMIT_MAX: u64 = 10_000;
/// How long a reader can wait for the first new outcome, in seconds.
pub(super) const WAIT_MAX_SECONDS: u64 = 60;

/// The parameters of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FeedQuery {
    /// The last sequence that the reader has; 0: none.
    pub(super) after: u64,
    /// Begin at this time instead, in nanoseconds since the Unix epoch.
    pub(super) since: Option<u64>,
    /// Outcomes at most.
    pub(super) limit: usize,
    /// How long to wait while there is none.
    pub(super) wait: Duration,
}

/// Why a query is refused.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum BadQuery<'a> {
    #[error("the feed takes `after` or `since`, `limit` and `wait`, each at most once")]
    Unknown(&'a str),
    #[error("`{0}` is there more than once")]
    Repeated(&'static str),
    #[error("`since` must be a time such as 2026-01-31T12:00:00Z (RFC 3339)")]
    NoTime,
    #[error("`after` and `since` are two beginnings: leave one out")]
    TwoBeginnings,
    #[error("`{name}` must be a whole number from {min} to {max}", min = .allowed.start(), max = .allowed.end())]
    OutOfRange {
        name: &'static str,
        allowed: RangeInclusive<u64>,
    },
}

impl BadQuery<'_> {
    /// The parameter's name, as it was sent.
    pub(super) fn parameter(&self) -> &str {
        match self {
            Self::Unknown(name) => name,
            Self::NoTime | Self::TwoBeginnings => "since",
            Self::Repeated(name) | Self::OutOfRange { name, .. } => name,
        }
    }
}

impl FeedQuery {
    /// Reads what follows the `?`.
    pub(super) fn read(query: &str) -> Result<Self, BadQuery<'_>> {
        let (mut after, mut since, mut limit, mut wait) = (None, None, None, None);
        if !query.is_empty() {
            for parameter in query.split('&') {
                let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
                if name == "since" {
                    let time = time(value).ok_or(BadQuery::NoTime)?;
                    if since.replace(time).is_some() {
                        return Err(BadQuery::Repeated("since"));
                    }
                    continue;
                }
                let (name, slot, allowed) = match name {
                    "after" => ("after", &mut after, 0..=u64::MAX),
                    "limit" => ("limit", &mut limit, 1..=LIMIT_MAX),
                    "wait" => ("wait", &mut wait, 0..=WAIT_MAX_SECONDS),
                    other => return Err(BadQuery::Unknown(other)),
                };
                let digits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
                let number = value.parse().ok().filter(|_| digits);
                let number = number.filter(|number| allowed.contains(number));
                let number = number.ok_or(BadQuery::OutOfRange { name, allowed })?;
                if slot.replace(number).is_some() {
                    return Err(BadQuery::Repeated(name));
                }
            }
        }
        if after.is_some() && since.is_some() {
            return Err(BadQuery::TwoBeginnings);
        }
        Ok(Self {
            since,
            after: after.unwrap_or(0),
            limit: limit.map_or(LIMIT_DEFAULT, |limit| limit as usize),
            wait: Duration::from_secs(wait.unwrap_or(0)),
        })
    }
}

/// A time in RFC 3339.
fn time(text: &str) -> Option<u64> {
    let text = text.replace("%3A", ":").replace("%3a", ":");
    let text = text.replace("%2B", "+").replace("%2b", "+");
    parse_rfc3339(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_that_are_taken() {
        for (query, after, limit, seconds) in [
            ("", 0, 1000, 0),
            ("after=0", 0, 1000, 0),
            ("after=17&limit=1&wait=60", 17, 1, 60),
            ("wait=0&limit=10000&after=007", 7, 10_000, 0),
            ("after=18446744073709551615", u64::MAX, 1000, 0),
        ] {
            let wait = Duration::from_secs(seconds);
            let asked = FeedQuery {
                after,
                since: None,
                limit,
                wait,
            };
            assert_eq!(FeedQuery::read(query), Ok(asked), "{query}");
        }
    }

    #[test]
    fn a_time_may_be_percent_encoded() {
        for (text, unix_nanos) in [
            ("1970-01-01T00:00:01Z", 1_000_000_000),
            ("1970-01-01T02%3A00%3a01%2B02%3A00", 1_000_000_000),
            ("1452-10-22T19:16:15Z", 0),
        ] {
            let query = format!("since={text}&limit=5");
            let asked = FeedQuery::read(&query).unwrap();
            assert_eq!((asked.since, asked.limit), (Some(unix_nanos), 5), "{text}");
        }
    }

    #[test]
    fn queries_that_are_refused_name_the_parameter() {
        for (query, parameter) in [
            ("before=1", "before"),
            ("After=1", "After"),
            ("after =1", "after "),
            ("after%3d1", "after%3d1"),
            ("&after=1", ""),
            ("after=1&", ""),
            ("after=1&&wait=1", ""),
            ("=1", ""),
            ("after", "after"),
            ("after=", "after"),
            ("after=-1", "after"),
            ("after=+1", "after"),
            ("after=1.0", "after"),
            ("after=%31", "after"),
            ("after=1=2", "after"),
            ("after=18446744073709551616", "after"),
            ("limit=0", "limit"),
            ("limit=10001", "limit"),
            ("wait=61", "wait"),
            ("wait=0.5", "wait"),
            ("wait=1s", "wait"),
            ("after=1&after=1", "after"),
            ("limit=5&wait=1&limit=6", "limit"),
            ("since", "since"),
            ("since=", "since"),
            ("since=17", "since"),
            ("since=2026-01-31", "since"),
            ("since=2026-01-31T12:00:00", "since"),
            ("since=2026-02-30T12:00:00Z", "since"),
            ("since=2026-01-31T12:00:00+24:00", "since"),
            ("since=é+01:00", "since"),
            (
                "since=2026-01-31T12:00:00Z&since=2026-01-31T12:00:00Z",
                "since",
            ),
            ("after=1&since=2026-01-31T12:00:00Z", "since"),
        ] {
            let refused = FeedQuery::read(query).expect_err(query);
            assert_eq!(refused.parameter(), parameter, "{query}");
        }
        let detail = FeedQuery::read("limit=0").unwrap_err().to_string();
        assert_eq!(detail, "`limit` must be a whole number from 1 to 10000");
    }
}
