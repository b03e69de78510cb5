//! How long a client prefers to wait for outcomes: `Prefer: respond-async,
//! wait=N` (RFC 7240 sections 4.1 and 4.3).

use std::time::Duration;

use crate::config::Ack;
use crate::http::api::limits::Limits;
use crate::http::wire::{FieldLines, list};

/// How long an outcome is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AckWait {
    /// Zero: not at all.
    pub time: Duration,
    /// The client asked for that (`respond-async`), which the reply says.
    pub respond_async: bool,
}

/// What a client prefers.
#[derive(Debug, Default, PartialEq, Eq)]
struct Prefer {
    respond_async: bool,
    wait: Option<Duration>,
}

impl AckWait {
    /// What these `Prefer` lines ask for, within the limits.
    pub(crate) fn of(limits: &Limits, prefer: FieldLines<'_>) -> Self {
        let Prefer {
            respond_async,
            wait,
        } = Prefer::read(prefer.members());
        if !limits.keeps_queued {
            // The reply can't be that it is queued: there is nothing to prefer
            // but an earlier end of the wait.
            let wait = wait.filter(|wait| !wait.is_zero());
            return Self {
                time: wait.unwrap_or(limits.ack_timeout).min(limits.ack_timeout),
                respond_async: false,
            };
        }
        let time = match wait {
            Some(wait) => wait.min(limits.ack_timeout),
            None if respond_async || limits.ack == Ack::Queued => Duration::ZERO,
            None => limits.ack_timeout,
        };
        Self {
            time,
            respond_async,
        }
    }
}

impl Prefer {
    /// Reads the preferences known here; others, and malformed ones, are
    /// ignored, as the RFC says. The first of two counts.
    fn read<'a>(preferences: impl Iterator<Item = &'a str>) -> Self {
        let mut prefer = Self::default();
        for preference in preferences {
            let token = list::parts(preference).next().unwrap_or_default();
            let (name, value) = token.split_once('=').unwrap_or((token, ""));
            match name.trim() {
                name if name.eq_ignore_ascii_case("respond-async") => prefer.respond_async = true,
                name if name.eq_ignore_ascii_case("wait") && prefer.wait.is_none() => {
                    let value = list::unquoted(value.trim()).unwrap_or_default();
                    let digits = !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit());
                    let seconds = digits.then(|| value.parse().unwrap_or(u64::from(u32::MAX)));
                    prefer.wait = seconds.map(Duration::from_secs);
                }
                _ => {}
            }
        }
        prefer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn preferences() {
        let read = |lines: &[&str]| {
            let text = lines.join("\r\nPrefer: ");
            Prefer::read(FieldLines::new("prefer", text.as_bytes()).members())
        };
        let is = |respond_async, wait: Option<u64>| Prefer {
            respond_async,
            wait: wait.map(Duration::from_secs),
        };
        assert_eq!(read(&[]), is(false, None));
        assert_eq!(read(&["respond-async"]), is(true, None));
        assert_eq!(read(&["Respond-Async; x=1, wait=10"]), is(true, Some(10)));
        assert_eq!(
            read(&["wait=5", "wait=9, respond-async"]),
            is(true, Some(5))
        );
        assert_eq!(read(&["wait = \"7\""]), is(false, Some(7)));
        let third = ["a", "b=1", "c, wait=8", "respond-async"];
        assert_eq!(read(&third), is(true, Some(8)));
        let quoted = r#"note="a, respond-async, b"; x="wait=1,2", wait="\9""#;
        assert_eq!(read(&[quoted]), is(false, Some(9)));
        for ignored in [
            "wait",
            "wait=",
            "wait=-1",
            "wait=1.5",
            "wait=x",
            "wait=\"7",
            "x=\"a;b, wait=3\"",
            "x;respond-async",
            "return=minimal, ,;=",
        ] {
            assert_eq!(read(&[ignored]), is(false, None), "{ignored}");
        }
        assert!(read(&["wait=99999999999999999999"]).wait > Some(Duration::from_secs(1 << 31)));
    }
}
