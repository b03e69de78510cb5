//! `grpc-timeout`: how long a client waits for its call ("gRPC over HTTP2",
//! Requests).

use std::time::Duration;

use http::HeaderMap;
use tokio::time::Instant;

use crate::grpc::error::{CallError, ErrorReason};

pub(super) const HEADER: &str = "grpc-timeout";

/// When a call that begins now is over; `None`: never.
pub(super) fn of(headers: &HeaderMap) -> Result<Option<Instant>, CallError> {
    let Some(value) = headers.get(HEADER) else {
        return Ok(None);
    };
    let Some(timeout) = parse(value.as_bytes()) else {
        let detail = "grpc-timeout is at most 8 digits and one of H, M, S, m, u, n";
        return Err(ErrorReason::InvalidRequest
            .error(detail)
            .field("grpc-timeout"));
    };
    // One that is too far away to count is none.
    Ok(Instant::now().checked_add(timeout))
}

/// The error of a call that is over.
pub(super) fn passed() -> CallError {
    ErrorReason::DeadlinePassed
        .error("the call's deadline has passed; an order that was taken still gets its outcome")
}

fn parse(value: &[u8]) -> Option<Duration> {
    let (unit, digits) = value.split_last()?;
    let is_number = (1..=8).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit);
    if !is_number {
        return None;
    }
    let number = digits
        .iter()
        .fold(0, |number, digit| number * 10 + u64::from(digit - b'0'));
    Some(match unit {
        b'H' => Duration::from_secs(number * 3600),
        b'M' => Duration::from_secs(number * 60),
        b'S' => Duration::from_secs(number),
        b'm' => Duration::from_millis(number),
        b'u' => Duration::from_micros(number),
        b'n' => Duration::from_nanos(number),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeout_is_at_most_eight_digits_and_a_unit() {
        for (value, timeout) in [
            ("2H", Duration::from_secs(7200)),
            ("3M", Duration::from_secs(180)),
            ("0S", Duration::ZERO),
            ("50m", Duration::from_millis(50)),
            ("99999999u", Duration::from_micros(99_999_999)),
            ("1n", Duration::from_nanos(1)),
        ] {
            assert_eq!(parse(value.as_bytes()), Some(timeout), "{value}");
        }
        for value in [
            "",
            "S",
            "1",
            "1s",
            "-1S",
            "+1S",
            "1.5S",
            "100000000S",
            "1 S",
        ] {
            assert_eq!(parse(value.as_bytes()), None, "{value}");
        }
    }
}
