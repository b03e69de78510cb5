//! Counts, times and sizes of the command line: text in, a number inside its
//! limits out.
//!
//! Times need a unit, since a bare `30` is seconds to one reader and
//! milliseconds to the next; sizes don't, since bytes are bytes.

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::config::bad_value::BadValue;

pub(super) const KIB: u64 = 1 << 10;
pub(super) const MIB: u64 = 1 << 20;
pub(super) const GIB: u64 = 1 << 30;
pub(super) const TIB: u64 = 1 << 40;
pub(super) const MILLISECOND: Duration = Duration::from_millis(1);
pub(super) const SECOND: Duration = Duration::from_secs(1);
pub(super) const HOUR: Duration = Duration::from_secs(3600);

/// Bytes in each unit of size, largest first.
const SIZE_UNITS: [(&str, u64); 4] = [("TiB", TIB), ("GiB", GIB), ("MiB", MIB), ("KiB", KIB)];
/// Decimal units are accepted and never shown.
const SIZE_UNITS_DECIMAL: [(&str, u64); 4] = [
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
];

/// A number of bytes in the largest binary unit that is exact, as it would be
/// written in a flag.
pub(super) fn show_bytes(bytes: u64) -> String {
    let exact = |unit: &&(&str, u64)| bytes >= unit.1 && bytes.is_multiple_of(unit.1);
    match SIZE_UNITS.iter().find(exact) {
        Some((name, size)) => format!("{}{name}", bytes / size),
        None => format!("{bytes} bytes"),
    }
}

/// A whole number within `range`; `unit` is for the error.
pub(super) fn count(
    range: RangeInclusive<usize>,
    unit: &'static str,
) -> impl Fn(&str) -> Result<usize, BadValue> + Clone {
    move |text| {
        // Checked by hand, since `parse` accepts a plus sign. A number that is
        // negative or overflows is out of range, anything else is no number.
        let digits = text.strip_prefix('-').unwrap_or(text);
        if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(BadValue::Form("a whole number"));
        }
        let value = text.parse().ok().filter(|value| range.contains(value));
        value.ok_or_else(|| BadValue::Range {
            min: range.start().to_string(),
            max: format!("{} {unit}", range.end()),
        })
    }
}

/// [`count`], with `auto` as `None`.
pub(super) fn count_or_auto(
    range: RangeInclusive<usize>,
    unit: &'static str,
) -> impl Fn(&str) -> Result<Option<usize>, BadValue> + Clone {
    let count = count(range, unit);
    move |text| match count(text) {
        _ if text == "auto" => Ok(None),
        Err(BadValue::Form(_)) => Err(BadValue::Form("auto or a whole number")),
        other => other.map(Some),
    }
}

/// Bytes of a time as it is written.
const TIME_BYTES_MAX: usize = 64;

/// A time such as `30s` or `1h 30m` within `range`.
pub(super) fn time(
    range: RangeInclusive<Duration>,
) -> impl Fn(&str) -> Result<Duration, BadValue> + Clone {
    move |text| {
        // The sum of several numbers this large can't overflow: humantime's
        // addition would panic.
        const DIGITS_MAX: usize = 9;
        let digits = text.split(|c: char| !c.is_ascii_digit()).map(str::len);
        let parsed = if text.len() > TIME_BYTES_MAX || digits.max() > Some(DIGITS_MAX) {
            Err(humantime::DurationError::NumberOverflow)
        } else {
            humantime::parse_duration(text)
        };
        let time = match parsed {
            Ok(time) => time,
            Err(humantime::DurationError::UnknownUnit { unit, value, .. }) if unit.is_empty() => {
                return Err(BadValue::NoUnit(value));
            }
            // Past any limit, so that the error names the limit.
            Err(humantime::DurationError::NumberOverflow) => Duration::MAX,
            Err(_) => {
                return Err(BadValue::Form(
                    "a number with a unit, as in 250ms, 30s, 2m or 1h",
                ));
            }
        };
        if range.contains(&time) {
            return Ok(time);
        }
        Err(BadValue::Range {
            min: humantime::format_duration(*range.start()).to_string(),
            max: humantime::format_duration(*range.end()).to_string(),
        })
    }
}

/// A size within `range`, in bytes: `4096`, `64KiB` or `10MB`.
pub(super) fn bytes(range: RangeInclusive<u64>) -> impl Fn(&str) -> Result<u64, BadValue> + Clone {
    const FORM: BadValue =
        BadValue::Form("bytes or a whole number with a unit, as in 4096, 64KiB, 1GiB or 10MB");
    move |text| {
        let end = text.find(|c: char| !c.is_ascii_digit());
        let (digits, unit) = text.split_at(end.unwrap_or(text.len()));
        if digits.is_empty() {
            return Err(FORM);
        }
        let mut units = [("", 1), ("B", 1)]
            .into_iter()
            .chain(SIZE_UNITS)
            .chain(SIZE_UNITS_DECIMAL);
        let (_, size) = units.find(|(name, _)| *name == unit).ok_or(FORM)?;
        // What overflows is past any limit, so that the error names the limit.
        let number: u64 = digits.parse().unwrap_or(u64::MAX);
        let bytes = number.saturating_mul(size);
        if range.contains(&bytes) {
            return Ok(bytes);
        }
        Err(BadValue::Range {
            min: show_bytes(*range.start()),
            max: show_bytes(*range.end()),
        })
    }
}

/// [`bytes()`] for what is held in memory.
pub(super) fn memory(
    range: RangeInclusive<u64>,
) -> impl Fn(&str) -> Result<usize, BadValue> + Clone {
    let bytes = bytes(range);
    move |text| usize::try_from(bytes(text)?).map_err(|_| BadValue::NotAddressable)
}
