//! An order's value, read as an exact decimal and never through a binary float.
//!
//! The grammar is that of a JSON number (RFC 8259, section 6), so `+1`, `01`, `.5`, `1.` and `NaN`
//! are refused. The limit is on the number, not on how it is spelled: leading zeros of a fraction,
//! trailing zeros and the exponent say nothing about size by themselves, so `1`, `1.000`, `10e-1`
//! and one followed by a hundred zeros and `e-100` are one value, and each spelling of a value is
//! accepted or none is. A zero stays zero under any exponent, and `-0` is `0`.
//!
//! The text is read once, digit by digit, and nothing grows with it: `1e999999999` costs eleven
//! steps.

use rust_decimal::Decimal;
use thiserror::Error;

/// Most decimal digits of a value written out without an exponent, and most of them after the
/// point. 28 nines are below 2^96, so every such value fits a [`Decimal`].
pub(crate) const DIGITS_MAX: u32 = 28;

/// Caps an exponent while it is read: far more than any text's digits can make up for, far less
/// than what overflows when digits are counted on top.
const EXPONENT_CAP: i64 = 1 << 60;

/// Why a text is no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum InvalidDecimal {
    /// Not a number as JSON writes it.
    #[error("is not a decimal number as JSON writes it")]
    Grammar,
    /// More than [`DIGITS_MAX`] digits, altogether or after the point.
    #[error("needs more than {DIGITS_MAX} digits")]
    Digits,
}

/// The digits read so far: `coefficient` × 10^`zeros`, where the coefficient doesn't end in 0.
#[derive(Default)]
struct Digits {
    coefficient: u128,
    /// How many digits `coefficient` has; 0 for zero.
    len: u32,
    /// Zeros seen since, which count only if another digit follows.
    zeros: i64,
    too_many: bool,
}

impl Digits {
    fn push(&mut self, digit: u8) {
        if digit == 0 {
            self.zeros += i64::from(self.len > 0);
            return;
        }
        let wider = i64::from(self.len) + self.zeros + 1;
        if wider > i64::from(DIGITS_MAX) {
            self.too_many = true;
            return;
        }
        // Both casts are of numbers up to 28.
        let factor = if self.zeros == 0 {
            10
        } else {
            power_of_ten(self.zeros as u32 + 1)
        };
        self.coefficient = self.coefficient * factor + u128::from(digit);
        self.len = wider as u32;
        self.zeros = 0;
    }
}

fn power_of_ten(exponent: u32) -> u128 {
    10u128.pow(exponent)
}

/// Takes the digits at the start of `rest`, hands each to `take`, and returns how many there were.
fn digits(rest: &mut &[u8], mut take: impl FnMut(u8)) -> usize {
    let mut count = 0;
    while let [byte @ b'0'..=b'9', tail @ ..] = rest {
        take(byte - b'0');
        *rest = tail;
        count += 1;
    }
    count
}

/// Reads `text`, the whole of it, as a value; the result is normalized (no trailing zeros after
/// the point, no negative zero), so equal values have equal parts.
///
/// # Errors
/// [`InvalidDecimal`]: the grammar is evaluated first, then the size.
pub(super) fn parse(text: &str) -> Result<Decimal, InvalidDecimal> {
    let mut rest = text.as_bytes();
    let negative = rest.first() == Some(&b'-');
    if negative {
        rest = &rest[1..];
    }

    let mut number = Digits::default();
    let leading_zero = rest.first() == Some(&b'0');
    let integer_len = digits(&mut rest, |digit| number.push(digit));
    if integer_len == 0 || (leading_zero && integer_len > 1) {
        return Err(InvalidDecimal::Grammar);
    }

    let mut fraction_len = 0;
    if let [b'.', tail @ ..] = rest {
        rest = tail;
        fraction_len = digits(&mut rest, |digit| number.push(digit));
        if fraction_len == 0 {
            return Err(InvalidDecimal::Grammar);
        }
    }

    let mut exponent = 0i64;
    if let [b'e' | b'E', tail @ ..] = rest {
        rest = tail;
        let negative = rest.first() == Some(&b'-');
        if let [b'+' | b'-', tail @ ..] = rest {
            rest = tail;
        }
        let exponent_len = digits(&mut rest, |digit| {
            exponent = exponent
                .saturating_mul(10)
                .saturating_add(digit.into())
                .min(EXPONENT_CAP);
        });
        if exponent_len == 0 {
            return Err(InvalidDecimal::Grammar);
        }
        if negative {
            exponent = -exponent;
        }
    }
    if !rest.is_empty() {
        return Err(InvalidDecimal::Grammar);
    }

    if number.too_many {
        return Err(InvalidDecimal::Digits);
    }
    if number.len == 0 {
        return Ok(Decimal::ZERO);
    }
    let limit = i64::from(DIGITS_MAX);
    // A text's length fits 63 bits, and the cap leaves room for it.
    let shift = exponent + number.zeros - fraction_len as i64;
    if shift < -limit || i64::from(number.len) + shift > limit {
        return Err(InvalidDecimal::Digits);
    }
    let (mantissa, scale) = if shift < 0 {
        (number.coefficient, shift.unsigned_abs() as u32)
    } else {
        (number.coefficient * power_of_ten(shift as u32), 0)
    };
    // Below 10^28, so the sign bit is free.
    let mantissa = if negative {
        -(mantissa as i128)
    } else {
        mantissa as i128
    };
    Decimal::try_from_i128_with_scale(mantissa, scale).map_err(|_| InvalidDecimal::Digits)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parts(text: &str) -> Result<(i128, u32), InvalidDecimal> {
        parse(text).map(|value| (value.mantissa(), value.scale()))
    }

    #[test]
    fn spellings_of_one_value_have_the_same_parts() {
        for text in [
            "100.5",
            "100.50",
            "1.005e2",
            "1005e-1",
            "0.1005E+3",
            "1005000e-00004",
        ] {
            assert_eq!(parts(text), Ok((1005, 1)), "{text}");
        }
        for text in [
            "0",
            "-0",
            "0.000",
            "-0.0e9",
            "0e999999999999999999999",
            "0e-999",
        ] {
            assert_eq!(parts(text), Ok((0, 0)), "{text}");
            assert!(parse(text).unwrap().is_sign_positive(), "{text}");
        }
        let padded = format!("-1{}e-60000", "0".repeat(60_000));
        assert_eq!(parts(&padded), Ok((-1, 0)));
        let padded = format!("0.{}1e60001", "0".repeat(60_000));
        assert_eq!(parts(&padded), Ok((1, 0)));
        assert_eq!(parts(&format!("1.{}", "0".repeat(60_000))), Ok((1, 0)));
    }

    #[test]
    fn digits_limit_from_both_sides() {
        let nines = 10i128.pow(28) - 1;
        assert_eq!(parts(&"9".repeat(28)), Ok((nines, 0)));
        assert_eq!(parts(&format!("-{}", "9".repeat(28))), Ok((-nines, 0)));
        assert_eq!(parts(&format!("0.{}", "9".repeat(28))), Ok((nines, 28)));
        assert_eq!(parts(&format!("9.{}", "9".repeat(27))), Ok((nines, 27)));
        assert_eq!(parts("1e27"), Ok((10i128.pow(27), 0)));
        assert_eq!(parts("1e-28"), Ok((1, 28)));
        assert_eq!(parts("10e-29"), Ok((1, 28)));
        for text in [
            "1e28",
            "10e27",
            "0.1e29",
            "1e-29",
            "11e-29",
            "1e999999999",
            "1e-999999999",
        ] {
            assert_eq!(parts(text), Err(InvalidDecimal::Digits), "{text}");
        }
        for text in [
            "9".repeat(29),
            format!("0.{}", "9".repeat(29)),
            format!("9.{}", "9".repeat(28)),
        ] {
            assert_eq!(parts(&text), Err(InvalidDecimal::Digits), "{text}");
        }
        let endless = "9".repeat(60_000);
        for text in [
            endless.clone(),
            format!("1e{endless}"),
            format!("1e-{endless}"),
        ] {
            assert_eq!(parts(&text), Err(InvalidDecimal::Digits));
        }
        assert_eq!(parts(&format!("{endless}x")), Err(InvalidDecimal::Grammar));
    }

    #[test]
    fn what_json_does_not_write_is_refused() {
        for text in [
            "",
            "-",
            "+1",
            "01",
            "-01",
            "00",
            ".5",
            "1.",
            "1.e2",
            "1e",
            "1e+",
            "1e1.5",
            "NaN",
            "Infinity",
            "-Infinity",
            "0x10",
            "1_000",
            "1,5",
            " 1",
            "1 ",
            "1e 2",
            "--1",
            "١",
            "1f",
        ] {
            assert_eq!(parts(text), Err(InvalidDecimal::Grammar), "{text:?}");
        }
    }

    proptest! {
        /// rust_decimal prints what we read, and we read what it prints, in any spelling.
        #[test]
        fn round_trip(
            mantissa in -(10i128.pow(28) - 1)..10i128.pow(28),
            scale in 0u32..=28,
            zeros in 0usize..40,
        ) {
            let value = Decimal::from_i128_with_scale(mantissa, scale);
            let read = parse(&value.to_string()).unwrap();
            prop_assert_eq!(read, value);
            let normal = value.normalize();
            prop_assert_eq!((read.mantissa(), read.scale()), (normal.mantissa(), normal.scale()));
            let exponent = -i64::from(scale) - zeros as i64;
            let spelled = format!("{mantissa}{}E{exponent}", "0".repeat(zeros));
            prop_assert_eq!(parse(&spelled).unwrap(), value);
        }

        /// Accepts exactly what serde_json takes for a number, but for the size.
        #[test]
        fn grammar_is_jsons(text in "-?[0-9]{0,3}[.]?[0-9]{0,3}([eE][+-]?[0-9]{0,2})?") {
            let json = serde_json::from_str::<&serde_json::value::RawValue>(&text).is_ok();
            prop_assert_eq!(parse(&text) != Err(InvalidDecimal::Grammar), json, "{}", text);
        }
    }
}
