//! Random orders, checked against plain recursive readings of the same text.

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::Value;

use crate::order::decode::{Order, decode};
use crate::order::invalid::Invalid;
use crate::order::tests::generated::{Json, Strict, json, name, order, value};
use crate::order::tests::key;

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

    /// Damaged JSON is accepted or refused as serde_json does. Id and value stay whole.
    #[test]
    fn damage_is_found_as_serde_json_finds_it(
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
        for (index, kind, byte) in damage {
            let at = index.index(text.len() + 1);
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

    /// Order of members, white space and the value's spelling don't count; nor does the front end.
    #[test]
    fn equal_contents_hash_alike(
        members in prop::collection::btree_map("[a-z]{1,3}", json(), 0..24),
        turn in any::<prop::sample::Index>(),
        seeds in any::<[u64; 2]>(),
    ) {
        let mut others: Vec<_> =
            members.into_iter().map(|(name, json)| (format!("\"_{name}\""), json)).collect();
        let one = decode(order(others.clone()).spaced(seeds[0]).as_bytes(), &key());
        let parts = Json::Object(others.clone()).spaced(seeds[1]);
        let parts = Order::from_parts("a", "10e-1", Some(&parts), &key());
        let turned = turn.index(others.len().max(1));
        others.rotate_left(turned);
        let other = decode(order(others.clone()).spaced(seeds[1]).as_bytes(), &key());
        let (Ok(one), Ok(other), Ok(parts)) = (&one, &other, &parts) else {
            // Names inside a member may repeat, for all three alike.
            prop_assert!(one.is_err() && other.is_err() && parts.is_err());
            return Ok(());
        };
        prop_assert_eq!(one.content_hash(), other.content_hash());
        prop_assert_eq!(one.content_hash(), parts.content_hash());
        prop_assert_eq!(one.id_hash(), parts.id_hash());

        others.push(("\"x\"".to_owned(), Json::Plain("0".to_owned())));
        let more = decode(order(others).compact().as_bytes(), &key()).unwrap();
        prop_assert_ne!(one.content_hash(), more.content_hash());
    }
}
