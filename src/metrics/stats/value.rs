//! Values as JSON: exact numbers, objects by label, histograms summed up.

use std::time::Duration;

use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use crate::metrics::histogram::HistogramSnapshot;
use crate::metrics::text::{push_decimal, push_seconds};

/// A number written digit by digit, since a float would not keep them all.
pub(super) type Number = Box<RawValue>;

/// A histogram summed up.
pub(super) type Summary = Members<Option<Number>>;

/// Decimal places between nanoseconds and seconds.
pub(super) const NANOSECONDS: u32 = 9;
/// Decimal places of a number of orders.
pub(super) const WHOLE: u32 = 0;

/// An object whose names are not known to `derive`, such as label values.
pub(super) struct Members<V>(pub(super) Vec<(&'static str, V)>);

impl<V: Serialize> Serialize for Members<V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

/// Sums a histogram up; `decimals` takes its values to the unit on the wire.
pub(super) fn summary(histogram: &HistogramSnapshot, decimals: u32) -> Summary {
    let shown = |value| number(|out| push_decimal(out, value, decimals));
    let quantile = |per_mille| histogram.quantile(per_mille).map(shown);
    let count = number(|out| push_decimal(out, histogram.count(), WHOLE));
    Members(vec![
        ("count", Some(count)),
        ("mean", histogram.mean().map(shown)),
        ("p50", quantile(500)),
        ("p90", quantile(900)),
        ("p99", quantile(990)),
        ("p999", quantile(999)),
    ])
}

pub(super) fn seconds(duration: Duration) -> Number {
    number(|out| push_seconds(out, duration))
}

fn number(push: impl FnOnce(&mut Vec<u8>)) -> Number {
    let mut digits = Vec::new();
    push(&mut digits);
    let digits = String::from_utf8(digits).expect("digits and a point are ASCII");
    RawValue::from_string(digits).expect("digits and a point are a number")
}
