//! A time in RFC 3339 (section 5.6), as the command line and the feed take it.

use std::ops::RangeInclusive;

const NANOS_A_SECOND: i128 = 1_000_000_000;

/// Nanoseconds since the Unix epoch. A time before it is as good as the epoch,
/// and one too late for the type (after 2554) as good as its last: no outcome
/// lies between. `None` for what is no time.
pub(crate) fn parse_rfc3339(text: impl AsRef<[u8]>) -> Option<u64> {
    let mut text = Text(text.as_ref());
    let days = date(&mut text)?;
    text.one_of(b"Tt")?;
    let hour = text.number(2, 0..=23)?;
    text.one_of(b":")?;
    let minute = text.number(2, 0..=59)?;
    text.one_of(b":")?;
    let second = text.number(2, 0..=60)?; // 60: a leap second, the next one here
    let nanos = fraction(&mut text)?;
    let offset_seconds = match text.one_of(b"Zz+-")? {
        sign @ (b'+' | b'-') => {
            let hours = text.number(2, 0..=23)?;
            text.one_of(b":")?;
            let seconds = hours * 3600 + text.number(2, 0..=59)? * 60;
            if sign == b'+' { seconds } else { -seconds }
        }
        _ => 0,
    };
    let seconds = days * 86_400 + hour * 3600 + minute * 60 + second - offset_seconds;
    let unix_nanos = i128::from(seconds) * NANOS_A_SECOND + i128::from(nanos);
    let within = unix_nanos.clamp(0, i128::from(u64::MAX));
    text.0.is_empty().then_some(within as u64)
}

/// Days since the Unix epoch.
fn date(text: &mut Text<'_>) -> Option<i64> {
    let year = text.number(4, 0..=9999)?;
    text.one_of(b"-")?;
    let month = text.number(2, 1..=12)?;
    text.one_of(b"-")?;
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let last = match month {
        4 | 6 | 9 | 11 => 30,
        2 => 28 + i64::from(is_leap),
        _ => 31,
    };
    let day = text.number(2, 1..=last)?;
    // Years begin in March, so that a leap day is the last of one; a month has
    // 30.6 days on average between March and January.
    let (year, month) = match month {
        1 | 2 => (year - 1, month + 9),
        _ => (year, month - 3),
    };
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    let days = year * 365 + leap_days + (month * 153 + 2) / 5 + day - 1;
    Some(days - 719_468) // 1970-01-01, counted so
}

/// Nanoseconds behind the point, if there is one.
fn fraction(text: &mut Text<'_>) -> Option<u32> {
    if text.one_of(b".").is_none() {
        return Some(0);
    }
    let digits = text.0.iter().take_while(|byte| byte.is_ascii_digit());
    let digits = digits.count();
    let (fraction, rest) = text.0.split_at(digits);
    text.0 = rest;
    let places = (0..9).map(|at| fraction.get(at).map_or(0, |byte| u32::from(byte - b'0')));
    (digits > 0).then(|| places.fold(0, |nanos, digit| nanos * 10 + digit))
}

/// What is left of it.
struct Text<'a>(&'a [u8]);

impl Text<'_> {
    /// Takes a byte that is one of these.
    fn one_of(&mut self, bytes: &[u8]) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        bytes.contains(first).then(|| {
            self.0 = rest;
            *first
        })
    }

    /// Takes a number of this many digits.
    fn number(&mut self, digits: usize, allowed: RangeInclusive<i64>) -> Option<i64> {
        let (number, rest) = self.0.split_at_checked(digits)?;
        let number = number.iter().try_fold(0, |number, byte| {
            let digit = byte.is_ascii_digit().then(|| i64::from(byte - b'0'));
            Some(number * 10 + digit?)
        })?;
        self.0 = rest;
        allowed.contains(&number).then_some(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_taken_with_their_offset() {
        for (text, nanos) in [
            ("1970-01-01T00:00:00Z", 0),
            ("1970-01-01t00:00:00z", 0),
            ("1970-01-01T00:00:01.000001Z", 1_000_001_000),
            ("1970-01-01T00:00:01.0000000019Z", 1_000_000_001),
            ("1970-01-01T00:00:01.5-00:00", 1_500_000_000),
            ("1970-01-01T02:00:01+02:00", 1_000_000_000),
            ("1969-12-31T23:30:01-00:30", 1_000_000_000),
            ("1972-06-30T23:59:60Z", 78_796_800_000_000_000),
            // Too early, too late: as early and as late as can be.
            ("1969-12-31T23:59:59.9Z", 0),
            ("1452-10-22T19:16:15Z", 0),
            ("0000-01-01T00:00:00+23:59", 0),
            ("9999-12-31T23:59:60-23:59", u64::MAX),
        ] {
            assert_eq!(parse_rfc3339(text), Some(nanos), "{text}");
        }
    }

    /// Day by day through 600 years, by another's calendar.
    #[test]
    fn days_are_counted_right() {
        for day in 0..213_000 {
            let at = std::time::UNIX_EPOCH + std::time::Duration::from_secs(day * 86_400);
            let text = humantime::format_rfc3339_seconds(at).to_string();
            let nanos = day * 86_400 * 1_000_000_000;
            assert_eq!(parse_rfc3339(&text), Some(nanos), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "17",
            "2026-01-31",
            "2026-01-31T12:00:00",
            "2026-01-31 12:00:00Z",
            "2026-1-31T12:00:00Z",
            "2026-02-29T12:00:00Z",
            "1900-02-29T12:00:00Z",
            "2026-04-31T12:00:00Z",
            "2026-13-01T12:00:00Z",
            "2026-00-01T12:00:00Z",
            "2026-01-00T12:00:00Z",
            "2026-01-31T24:00:00Z",
            "2026-01-31T12:60:00Z",
            "2026-01-31T12:00:61Z",
            "2026-01-31T12:00:00.Z",
            "2026-01-31T12:00:00,5Z",
            "2026-01-31T12:00:00+24:00",
            "2026-01-31T12:00:00+01:60",
            "2026-01-31T12:00:00+0100",
            "2026-01-31T12:00:00Z ",
            "2026-01-31T12:00:00+01:00Z",
            "+026-01-31T12:00:00Z",
            "é026-01-31T12:00:00Z",
        ] {
            assert_eq!(parse_rfc3339(text), None, "{text}");
        }
    }
}
