//! The default processor: a limit on the value.

use rust_decimal::Decimal;

use crate::order::Order;
use crate::pipeline::processor::api::{Processor, Verdict};

/// The default processor: a value must be above zero and at most `max_value`.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// The highest value that passes; `None`: any.
    pub max_value: Option<Decimal>,
}

impl Processor for Rules {
    fn process(&self, order: &Order) -> Verdict {
        if order.value() <= Decimal::ZERO {
            return Verdict::failed("value must be above zero");
        }
        match self.max_value {
            Some(max) if order.value() > max => {
                Verdict::failed(&format!("value is above the limit of {max}"))
            }
            _ => Verdict::Processed,
        }
    }

    fn is_quick(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use crate::order::{HashKey, decode};

    use super::*;

    fn evaluate(max_value: Option<&str>, value: &str) -> Verdict {
        let order = decode(
            format!(r#"{{"id":"a","value":{value}}}"#).as_bytes(),
            &HashKey::from_bytes([0; 16]),
        )
        .unwrap();
        let max_value = max_value.map(|max| max.parse().unwrap());
        Rules { max_value }.process(&order)
    }

    #[test]
    fn above_zero_and_at_most_the_limit() {
        assert_eq!(
            evaluate(None, "0.0000000000000000000000000001"),
            Verdict::Processed
        );
        assert!(matches!(evaluate(None, "0"), Verdict::Failed(_)));
        assert!(matches!(evaluate(None, "-1"), Verdict::Failed(_)));
        assert_eq!(evaluate(Some("100.5"), "100.50"), Verdict::Processed);
        assert_eq!(
            evaluate(Some("100.5"), "100.51"),
            Verdict::Failed("value is above the limit of 100.5".into())
        );
    }
}
