//! An order's text split into fields again, for a front end that sends it so.

use std::fmt;

use serde::Deserializer as _;
use serde::de::{MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::order::minify::unquote;

/// What [`Order::from_parts`](crate::order::Order::from_parts) takes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Parts {
    /// The value as it was written, without quotes.
    pub(crate) value: String,
    /// The other members as a JSON object, in their order; empty if there are none.
    pub(crate) others: String,
}

impl Parts {
    /// The parts of an order's text as [`Order::json`](crate::order::Order::json) has it. For
    /// a text that is no order, the parts read before the error: such a text is not committed.
    pub(crate) fn of(json: &str) -> Self {
        let mut parts = Self::default();
        let mut json = serde_json::Deserializer::from_str(json);
        let _ = (&mut json).deserialize_map(&mut parts);
        if !parts.others.is_empty() {
            parts.others.push('}');
        }
        parts
    }
}

impl<'de> Visitor<'de> for &mut Parts {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an order as a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some((name, value)) = map.next_entry::<&RawValue, &RawValue>()? {
            let (name, value) = (name.get(), value.get());
            match unquote(name).as_deref() {
                Ok("id") => {}
                Ok("value") => {
                    self.value = match unquote(value) {
                        Ok(text) if value.starts_with('"') => text.into_owned(),
                        _ => value.to_owned(),
                    };
                }
                _ => {
                    self.others
                        .push(if self.others.is_empty() { '{' } else { ',' });
                    self.others.push_str(name);
                    self.others.push(':');
                    self.others.push_str(value);
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::order::{HashKey, Order, decode};

    use super::*;

    #[test]
    fn parts_make_the_same_order_again() {
        let key = HashKey::from_bytes([3; 16]);
        for (json, value, others) in [
            (r#"{"id":"a","value":100.50}"#, "100.50", ""),
            (
                r#"{"x":{"id":1},"value":"1.005e2","id":"a","y":[1,"}"]}"#,
                "1.005e2",
                r#"{"x":{"id":1},"y":[1,"}"]}"#,
            ),
            (
                r#"{"\u0069d":"a","v\u0061lue":"\u0031","n":12345678901234567890.10}"#,
                "1",
                r#"{"n":12345678901234567890.10}"#,
            ),
        ] {
            let order = decode(json.as_bytes(), &key).expect("an order");
            let parts = Parts::of(order.json());
            assert_eq!((&*parts.value, &*parts.others), (value, others));
            let others = (!parts.others.is_empty()).then_some(&*parts.others);
            let again = Order::from_parts("a", &parts.value, others, &key).expect("the same order");
            assert_eq!(again.content_hash(), order.content_hash());
        }
    }

    #[test]
    fn what_is_no_order_has_no_parts() {
        for text in ["", "null", "[1]", "{"] {
            assert_eq!(Parts::of(text), Parts::default(), "{text}");
        }
    }
}
