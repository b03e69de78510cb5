//! Counts, times and sizes of the command line: text in, a number inside its limits out.
//!
//! Times need a unit, since a bare `30` is seconds to one reader and milliseconds to the next;
//! sizes don't, since bytes are bytes.

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::config::value::BadValue;

/// Bytes in a KiB.
pub const KIB: u64 = 1 << 10;
/// Bytes in a MiB.
pub const MIB: u64 = 1 << 20;
/// Bytes in a GiB.
pub const GIB: u64 = 1 << 30;
/// Bytes in a TiB.
pub const TIB: u64 = 1 << 40;
/// The smallest unit of time.
pub const MILLISECOND: Duration = Duration::from_millis(1);
/// The largest unit of time.
pub const HOUR: Duration = Duration::from_secs(3600);

/// Milliseconds in each unit of time, largest first.
const TIME_UNITS: [(&str, u64); 4] = [("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];
/// Bytes in each unit of size, largest first.
const SIZE_UNITS: [(&str, u64); 4] = [("TiB", TIB), ("GiB", GIB), ("MiB", MIB), ("KiB", KIB)];
/// Bytes in the decimal units: accepted, never shown.
const SIZE_UNITS_DECIMAL: [(&str, u64); 4] = [
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
];

/// A time in the largest unit that is exact, as it would be written in a flag; anything below a
/// millisecond is cut.
pub fn show_time(time: Duration) -> String {
    let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    show(millis, &TIME_UNITS).unwrap_or_else(|| format!("{millis}ms"))
}

/// A number of bytes in the largest binary unit that is exact, as it would be written in a flag.
pub fn show_bytes(bytes: u64) -> String {
    show(bytes, &SIZE_UNITS).unwrap_or_else(|| format!("{bytes} bytes"))
}

fn show(amount: u64, units: &[(&str, u64)]) -> Option<String> {
    let exact = |unit: &&(&str, u64)| amount >= unit.1 && amount.is_multiple_of(unit.1);
    units
        .iter()
        .find(exact)
        .map(|(name, size)| format!("{}{name}", amount / size))
}

/// Splits `64KiB` into its digits and its unit; `None` unless it starts with a digit.
fn digits_and_unit(text: &str) -> Option<(&str, &str)> {
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    (end > 0).then(|| text.split_at(end))
}

/// The number in `digits` times `unit`, or `u64::MAX` for what is too large: past any limit, so
/// that the error names the limit.
fn scaled(digits: &str, unit: u64) -> u64 {
    digits
        .parse::<u64>()
        .unwrap_or(u64::MAX)
        .saturating_mul(unit)
}

/// A whole number within `range`; `unit` is for the error.
pub(super) fn count(
    range: RangeInclusive<usize>,
    unit: &'static str,
) -> impl Fn(&str) -> Result<usize, BadValue> + Clone {
    move |text| {
        // Checked by hand, since `parse` lets a plus sign pass. A number that is negative or
        // overflows is out of range, anything else is no number.
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

/// A time such as `30s`, whole milliseconds, any size up to `u64::MAX` of them.
pub(super) fn any_time(text: &str) -> Result<Duration, BadValue> {
    const FORM: BadValue = BadValue::Form("a whole number with a unit, as in 250ms, 30s, 2m or 1h");
    let (digits, unit) = digits_and_unit(text).ok_or(FORM)?;
    if unit.is_empty() {
        return Err(BadValue::NoUnit(digits.to_owned()));
    }
    let (_, millis) = TIME_UNITS
        .iter()
        .find(|(name, _)| *name == unit)
        .ok_or(FORM)?;
    Ok(Duration::from_millis(scaled(digits, *millis)))
}

/// A time within `range`.
pub(super) fn time(
    range: RangeInclusive<Duration>,
) -> impl Fn(&str) -> Result<Duration, BadValue> + Clone {
    move |text| {
        let time = any_time(text)?;
        if range.contains(&time) {
            return Ok(time);
        }
        Err(BadValue::Range {
            min: show_time(*range.start()),
            max: show_time(*range.end()),
        })
    }
}

/// A size within `range`, in bytes: `4096`, `64KiB` or `10MB`.
pub(super) fn bytes(range: RangeInclusive<u64>) -> impl Fn(&str) -> Result<u64, BadValue> + Clone {
    const FORM: BadValue =
        BadValue::Form("bytes or a whole number with a unit, as in 4096, 64KiB, 1GiB or 10MB");
    move |text| {
        let (digits, unit) = digits_and_unit(text).ok_or(FORM)?;
        let mut units = [("", 1), ("B", 1)]
            .into_iter()
            .chain(SIZE_UNITS)
            .chain(SIZE_UNITS_DECIMAL);
        let (_, size) = units.find(|(name, _)| *name == unit).ok_or(FORM)?;
        let bytes = scaled(digits, size);
        if range.contains(&bytes) {
            return Ok(bytes);
        }
        Err(BadValue::Range {
            min: show_bytes(*range.start()),
            max: show_bytes(*range.end()),
        })
    }
}

/// [`bytes`] for what is held in memory.
pub(super) fn memory(
    range: RangeInclusive<u64>,
) -> impl Fn(&str) -> Result<usize, BadValue> + Clone {
    let bytes = bytes(range);
    move |text| usize::try_from(bytes(text)?).map_err(|_| BadValue::NotAddressable)
}
