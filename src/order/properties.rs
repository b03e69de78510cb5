//! Random orders, evaluated also by plain recursive readings of the same text.

use std::collections::HashSet;
use std::fmt;

use proptest::collection::vec;
use proptest::prelude::*;
use serde::de;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use super::*;

fn key() -> HashKey {
    HashKey::from_bytes([7; 16])
}

/// JSON whose spelling is known: numbers, names and strings are kept as text.
#[derive(Debug, Clone)]
enum Json {
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

    fn compact(&self) -> String {
        let mut out = String::new();
        self.print(&mut out, &mut || "");
        out
    }

    fn spaced(&self, seed: u64) -> String {
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
fn name() -> impl Strategy<Value = String> {
    spelled(prop::sample::select(vec!['a', 'b', 'é', '😀']), 2)
}

fn json() -> impl Strategy<Value = Json> {
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

fn order(others: Vec<(String, Json)>) -> Json {
    let plain = |text: &str| Json::Plain(text.to_owned());
    let mut members = vec![
        ("\"id\"".to_owned(), plain("\"a\"")),
        ("\"value\"".to_owned(), plain("1")),
    ];
    members.extend(others);
    Json::Object(members)
}

/// Any JSON without duplicate names, read by `serde_json` the recursive way.
struct Strict;

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
fn value() -> impl Strategy<Value = Value> {
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

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn stripping_is_what_serde_json_prints(others in vec((any::<String>(), value()), 0..6)) {
        let mut members: serde_json::Map<String, Value> = others.into_iter().collect();
        members.insert("id".to_owned(), "a".into());
        members.insert("value".to_owned(), 1.into());
        let order = decode(&serde_json::to_vec_pretty(&members).unwrap(), &key()).unwrap();
        prop_assert_eq!(order.json(), serde_json::to_string(&members).unwrap());
    }

    #[test]
    fn accepted_unless_a_name_comes_twice(
        others in vec((name(), json()), 0..5),
        seed in any::<u64>(),
    ) {
        let tree = order(others);
        let spaced = tree.spaced(seed);
        let strict = serde_json::from_str::<Strict>(&spaced);
        match decode(spaced.as_bytes(), &key()) {
            Ok(order) => {
                prop_assert!(strict.is_ok(), "{}", spaced);
                prop_assert_eq!(order.json(), tree.compact());
                prop_assert_eq!(
                    serde_json::from_str::<Value>(order.json()).unwrap(),
                    serde_json::from_str::<Value>(&spaced).unwrap()
                );
            }
            Err(Invalid::Duplicate { .. }) => prop_assert!(strict.is_err(), "{}", spaced),
            Err(other) => prop_assert!(false, "{}: {}", spaced, other),
        }
    }

    /// Damaged JSON is evaluated as serde_json judges it. Id and value stay out of it.
    #[test]
    fn damage_is_seen_as_serde_json_sees_it(
        inner in json(),
        seed in any::<u64>(),
        damage in vec(
            (any::<prop::sample::Index>(), 0..3u8, prop_oneof![
                any::<u8>(),
                prop::sample::select(br#"{}[]",:\u0-.e "#.to_vec()),
            ]),
            1..4,
        ),
    ) {
        let mut text = inner.spaced(seed).into_bytes();
        for (place, kind, byte) in damage {
            let at = place.index(text.len() + 1);
            match kind {
                0 => text.insert(at, byte),
                1 if at < text.len() => text[at] = byte,
                _ if at < text.len() => drop(text.remove(at)),
                _ => {}
            }
        }
        let body = [br#"{"id":"a","value":1,"x":"#, &text[..], b"}"].concat();
        let strict = serde_json::from_slice::<Strict>(&body);
        // Only serde_json's floats have a range.
        let range = strict.as_ref().err().is_some_and(|e| e.to_string().contains("out of range"));
        prop_assume!(!range);
        let decoded = decode(&body, &key());
        prop_assert_eq!(
            decoded.is_ok(), strict.is_ok(),
            "{}: {:?} {:?}", String::from_utf8_lossy(&body), decoded, strict.err()
        );
    }

    #[test]
    fn arbitrary_bytes_do_no_harm(body in vec(any::<u8>(), 0..200)) {
        prop_assert!(decode(&body, &key()).is_err());
    }

    /// Order of members, white space and the value's spelling don't count; the door doesn't either.
    #[test]
    fn equal_contents_hash_alike(
        members in prop::collection::btree_map("[a-z]{1,3}", json(), 0..24),
        turn in any::<prop::sample::Index>(),
        seeds in any::<[u64; 2]>(),
    ) {
        let mut others: Vec<_> =
            members.into_iter().map(|(name, json)| (format!("\"_{name}\""), json)).collect();
        let one = decode(order(others.clone()).spaced(seeds[0]).as_bytes(), &key());
        let door = Json::Object(others.clone()).spaced(seeds[1]);
        let door = Order::from_parts("a", "10e-1", Some(&door), &key());
        let turned = turn.index(others.len().max(1));
        others.rotate_left(turned);
        let other = decode(order(others.clone()).spaced(seeds[1]).as_bytes(), &key());
        let (Ok(one), Ok(other), Ok(door)) = (&one, &other, &door) else {
            // Names inside a member may repeat, for all three alike.
            prop_assert!(one.is_err() && other.is_err() && door.is_err());
            return Ok(());
        };
        prop_assert_eq!(one.content_hash(), other.content_hash());
        prop_assert_eq!(one.content_hash(), door.content_hash());
        prop_assert_eq!(one.id_hash(), door.id_hash());

        others.push(("\"x\"".to_owned(), Json::Plain("0".to_owned())));
        let more = decode(order(others).compact().as_bytes(), &key()).unwrap();
        prop_assert_ne!(one.content_hash(), more.content_hash());
    }
}
