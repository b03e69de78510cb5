//! An order's value, read as an exact decimal and never through a binary float.
//!
//! The grammar is that of a JSON number (RFC 8259, section 6), so `+1`, `01`, `.5`, `1.` and `NaN`
//! are refused. The limit is on the number, not on how it is spelled: leading zeros of a fraction,
//! trailing zeros and the exponent alone say nothing about size, so `1`, `1.000`, `10e-1`
//! and one followed by a hundred zeros and `e-100` are one value, and each spelling of a value is
//! accepted or none is. A zero stays zero under any exponent, and `-0` is `0`.
//!
//! The text is read once, digit by digit, and nothing grows with it: `1e999999999` costs eleven
//! steps.

#[cfg(test)]
mod tests;

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
    /// Not a JSON number.
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
    /// Digits of `coefficient`; 0 for zero.
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

/// A number as its text spells it: `digits` × 10^(`exponent` − `fraction_len`).
struct Spelled {
    negative: bool,
    digits: Digits,
    fraction_len: usize,
    exponent: i64,
}

/// Reads `text`, the whole of it, as a value; the result is normalized (no trailing zeros after
/// the point, no negative zero), so equal values have equal parts.
///
/// # Errors
/// [`InvalidDecimal`]: the grammar is checked first, then the size.
pub(super) fn parse(text: &str) -> Result<Decimal, InvalidDecimal> {
    Spelled::read(text).ok_or(InvalidDecimal::Grammar)?.value()
}

impl Spelled {
    /// `None` if the text isn't a JSON number.
    fn read(text: &str) -> Option<Self> {
        let mut rest = text.as_bytes();
        let negative = take(&mut rest, b"-").is_some();

        let mut digits = Digits::default();
        let leading_zero = rest.first() == Some(&b'0');
        let integer_len = take_digits(&mut rest, |digit| digits.push(digit));
        if integer_len == 0 || (leading_zero && integer_len > 1) {
            return None;
        }

        let mut fraction_len = 0;
        if take(&mut rest, b".").is_some() {
            fraction_len = take_digits(&mut rest, |digit| digits.push(digit));
            if fraction_len == 0 {
                return None;
            }
        }

        let mut exponent = 0i64;
        if take(&mut rest, b"eE").is_some() {
            let sign = take(&mut rest, b"+-");
            let exponent_len = take_digits(&mut rest, |digit| {
                exponent = exponent
                    .saturating_mul(10)
                    .saturating_add(digit.into())
                    .min(EXPONENT_CAP);
            });
            if exponent_len == 0 {
                return None;
            }
            if sign == Some(b'-') {
                exponent = -exponent;
            }
        }
        rest.is_empty().then_some(Self {
            negative,
            digits,
            fraction_len,
            exponent,
        })
    }

    fn value(self) -> Result<Decimal, InvalidDecimal> {
        let Digits {
            coefficient,
            len,
            zeros,
            too_many,
        } = self.digits;
        if too_many {
            return Err(InvalidDecimal::Digits);
        }
        if len == 0 {
            return Ok(Decimal::ZERO);
        }
        let limit = i64::from(DIGITS_MAX);
        // A text's length fits 63 bits, and the cap leaves space for it.
        let shift = self.exponent + zeros - self.fraction_len as i64;
        if shift < -limit || i64::from(len) + shift > limit {
            return Err(InvalidDecimal::Digits);
        }
        let (mantissa, scale) = if shift < 0 {
            (coefficient, shift.unsigned_abs() as u32)
        } else {
            (coefficient * power_of_ten(shift as u32), 0)
        };
        // Below 10^28, so the sign bit is free.
        let mantissa = if self.negative {
            -(mantissa as i128)
        } else {
            mantissa as i128
        };
        Decimal::try_from_i128_with_scale(mantissa, scale).map_err(|_| InvalidDecimal::Digits)
    }
}

/// Takes the first byte of `rest` if it is one of `bytes`.
fn take(rest: &mut &[u8], bytes: &[u8]) -> Option<u8> {
    let (first, tail) = rest.split_first()?;
    if !bytes.contains(first) {
        return None;
    }
    *rest = tail;
    Some(*first)
}

/// Takes the digits at the start of `rest`, passes each to `push`, and returns how many there were.
fn take_digits(rest: &mut &[u8], mut push: impl FnMut(u8)) -> usize {
    let mut count = 0;
    while let [byte @ b'0'..=b'9', tail @ ..] = rest {
        push(byte - b'0');
        *rest = tail;
        count += 1;
    }
    count
}
