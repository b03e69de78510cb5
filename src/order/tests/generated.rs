//! Random JSON that knows its own spelling, and a plain recursive reader to compare with.

use std::collections::HashSet;
use std::fmt;

use proptest::collection::vec;
use proptest::prelude::*;
use serde::de;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

/// JSON whose spelling is known: numbers, names and strings are kept as text.
#[derive(Debug, Clone)]
pub(super) enum Json {
    Plain(String),
    Array(Vec<Json>),
    Object(Vec<(String, Json)>),
}

impl Json {
    /// Prints with `space` before and after each token.
    fn print(&self, out: &mut String, space: &mut dyn FnMut() -> &'static str) {
        let mut token = |out: &mut String, token: &str| {
            out.push_str(space());
            out.push_str(token);
            out.push_str(space());
        };
        match self {
            Json::Plain(text) => token(out, text),
            Json::Array(items) => {
                token(out, "[");
                for (i, item) in items.iter().enumerate() {
                    if i > 0 {
                        out.push(',');
                    }
                    item.print(out, space);
                }
                out.push(']');
            }
            Json::Object(members) => {
                token(out, "{");
                for (i, (name, value)) in members.iter().enumerate() {
                    if i > 0 {
                        out.push(',');
                    }
                    Json::Plain(name.clone()).print(out, space);
                    out.push(':');
                    value.print(out, space);
                }
                out.push('}');
            }
        }
    }

    pub(super) fn compact(&self) -> String {
        let mut out = String::new();
        self.print(&mut out, &mut || "");
        out
    }

    pub(super) fn spaced(&self, seed: u64) -> String {
        let mut state = seed;
        let mut out = String::new();
        self.print(&mut out, &mut || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            [" ", "", "\n", "\t \r", ""][(state >> 33) as usize % 5]
        });
        out
    }
}

/// A string's spelling: each character as it is, or escaped.
fn spelled(characters: impl Strategy<Value = char>, len: usize) -> impl Strategy<Value = String> {
    vec((characters, any::<bool>()), 0..=len).prop_map(|characters| {
        let mut out = String::from("\"");
        for (character, escaped) in characters {
            if escaped || character < ' ' || matches!(character, '"' | '\\') {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    out.push_str(&format!("\\u{unit:04x}"));
                }
            } else {
                out.push(character);
            }
        }
        out.push('"');
        out
    })
}

/// Names are few, so that duplicates are common.
pub(super) fn name() -> impl Strategy<Value = String> {
    spelled(prop::sample::select(vec!['a', 'b', 'é', '😀']), 2)
}

pub(super) fn json() -> impl Strategy<Value = Json> {
    let plain = prop_oneof![
        prop::sample::select(vec!["null", "true", "false", "-0", "1.50", "2e+7"])
            .prop_map(str::to_owned),
        any::<i64>().prop_map(|number| number.to_string()),
        spelled(any::<char>(), 6),
    ]
    .prop_map(Json::Plain);
    plain.prop_recursive(5, 40, 5, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..5).prop_map(Json::Array),
            vec((name(), inner), 0..5).prop_map(Json::Object),
        ]
    })
}

pub(super) fn order(others: Vec<(String, Json)>) -> Json {
    let plain = |text: &str| Json::Plain(text.to_owned());
    let mut members = vec![
        ("\"id\"".to_owned(), plain("\"a\"")),
        ("\"value\"".to_owned(), plain("1")),
    ];
    members.extend(others);
    Json::Object(members)
}

/// Any JSON without duplicate names, read by `serde_json` the recursive way.
pub(super) struct Strict;

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        json.deserialize_any(Strict)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Strict;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_unit<E>(self) -> Result<Strict, E> {
        Ok(Strict)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Strict, E> {
        Ok(Strict)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Strict, E> {
        Ok(Strict)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Strict, E> {
        Ok(Strict)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Strict, E> {
        Ok(Strict)
    }

    fn visit_str<E>(self, _: &str) -> Result<Strict, E> {
        Ok(Strict)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Strict, A::Error> {
        while items.next_element::<Strict>()?.is_some() {}
        Ok(Strict)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Strict, A::Error> {
        let mut names = HashSet::new();
        while let Some((name, Strict)) = members.next_entry::<String, Strict>()? {
            if !names.insert(name) {
                return Err(de::Error::custom("duplicate"));
            }
        }
        Ok(Strict)
    }
}

/// Any value as serde_json's own type, integers for numbers.
pub(super) fn value() -> impl Strategy<Value = Value> {
    let plain = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    plain.prop_recursive(6, 60, 8, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..8).prop_map(Value::from),
            vec((any::<String>(), inner), 0..8)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}
