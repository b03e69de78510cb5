//! Spellings, limits and the grammar of a value.

use proptest::prelude::*;
use rust_decimal::Decimal;

use crate::order::decimal::{InvalidDecimal, parse};

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
