//! Which orders have the same content, from text and from fields.

use crate::order::decode::Order;
use crate::order::id::InvalidId;
use crate::order::invalid::Invalid;
use crate::order::tests::{content, key, read};

#[test]
fn same_content() {
    let one = content(r#"{"id":"a","value":100.5,"x":{"p":1,"q":[2]},"y":"z"}"#);
    for body in [
        r#"{"id":"a","value":"100.50","x":{"p":1,"q":[2]},"y":"z"}"#,
        r#"{"y":"z","x":{"p":1,"q":[2]},"value":1.005e2,"id":"a"}"#,
        r#" { "x" : { "p" : 1, "q" : [ 2 ] }, "\u0079" : "z", "v\u0061lue":"\u0031005E-1", "\u0069d":"\u0061" } "#,
    ] {
        assert_eq!(content(body), one, "{body}");
        assert_eq!(read(body).unwrap().id().as_str(), "a");
    }
}

#[test]
fn other_content() {
    let bodies = [
        r#"{"id":"a","value":1}"#,
        r#"{"id":"a","value":10}"#,
        r#"{"id":"a","value":-1}"#,
        r#"{"id":"a","value":1,"a":1}"#,
        r#"{"id":"a","value":1,"a":1.0}"#,
        r#"{"id":"a","value":1,"a":"1"}"#,
        r#"{"id":"a","value":1,"b":1}"#,
        r#"{"id":"a","value":1,"a":1,"b":1}"#,
        r#"{"id":"a","value":1,"a":"b","b":1}"#,
        r#"{"id":"a","value":1,"a":"\u0062","b":1}"#,
        r#"{"id":"a","value":1,"a":{"p":1,"q":2}}"#,
        r#"{"id":"a","value":1,"a":{"q":2,"p":1}}"#,
        r#"{"id":"a","value":1,"a":" "}"#,
        r#"{"id":"a","value":1,"a":"  "}"#,
    ];
    for (i, one) in bodies.iter().enumerate() {
        for other in &bodies[i + 1..] {
            assert_ne!(content(one), content(other), "{one} {other}");
        }
    }
}

#[test]
fn parts_make_the_same_order() {
    for others in [
        None,
        Some("{}"),
        Some(" { } "),
        Some(r#" {"x": [1, {"id": 2}], "\u0079":" "}"#),
    ] {
        let parts = Order::from_parts("ord-1", "100.50", others, &key()).unwrap();
        let members = others.unwrap_or("").trim().trim_matches(['{', '}']).trim();
        // The last member's own brace isn't at the end here, so trimming takes the frame alone.
        let comma = if members.is_empty() { "" } else { "," };
        let body = format!(r#"{{ {members}{comma} "value": "1.005e2", "id": "ord-1" }}"#);
        let whole = read(&body).unwrap();
        assert_eq!(parts.content_hash(), whole.content_hash(), "{body}");
        assert_eq!(parts.id_hash(), whole.id_hash());
        assert_eq!(parts.value(), whole.value());
        assert!(
            parts.json().starts_with(r#"{"id":"ord-1","value":100.50"#),
            "{}",
            parts.json()
        );
        let again = read(parts.json()).unwrap();
        assert_eq!(again.content_hash(), parts.content_hash());
        assert_eq!(again.json(), parts.json());
    }
}

#[test]
fn parts_obey_the_same_rules() {
    let parts = |id: &str, value: &str, others: &str| {
        Order::from_parts(id, value, Some(others), &key()).unwrap_err()
    };
    assert_eq!(parts("", "1", "{}"), Invalid::Id(InvalidId::Empty));
    assert_eq!(parts("a\",\"b", "1", "{}").field(), Some("id"));
    for value in ["", "1,\"x\":2", "01", " 1", "NaN", "1e28"] {
        assert_eq!(parts("a", value, "{}").field(), Some("value"), "{value}");
    }
    assert_eq!(parts("a", "1", r#"{"id":"a"}"#).field(), Some("id"));
    assert_eq!(
        parts("a", "1", r#"{"v\u0061lue":1}"#).field(),
        Some("value")
    );
    assert_eq!(parts("a", "1", ""), Invalid::Empty);
    assert!(matches!(parts("a", "1", "[]"), Invalid::NotAnObject { .. }));
    assert!(matches!(parts("a", "1", "{}}"), Invalid::Syntax { .. }));
    assert!(matches!(parts("a", "1", "{},"), Invalid::Syntax { .. }));
    let deep = |depth: usize| format!("{{\"x\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
    assert!(Order::from_parts("a", "1", Some(&deep(31)), &key()).is_ok());
    assert!(matches!(
        parts("a", "1", &deep(32)),
        Invalid::TooDeep { .. }
    ));
}
