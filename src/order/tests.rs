//! Each rule of an order by example, and each limit from both sides.

use std::fmt::Write as _;
use std::thread;

use crate::order::decimal::InvalidDecimal;
use crate::order::id::InvalidId;

use super::*;

fn key() -> HashKey {
    HashKey::from_bytes(*b"a key for tests.")
}

fn read(body: &str) -> Result<Order, Invalid> {
    decode(body.as_bytes(), &key())
}

/// An order with `members` after id and value.
fn with(members: &str) -> Result<Order, Invalid> {
    read(&format!(r#"{{"id":"a","value":1,{members}}}"#))
}

fn content(body: &str) -> u128 {
    read(body).unwrap().content_hash()
}

#[test]
fn a_plain_order() {
    let order = read(r#"{"id":"ord-001","value":100.50}"#).unwrap();
    assert_eq!(order.id().as_str(), "ord-001");
    assert_eq!(order.value(), Decimal::new(1005, 1));
    assert_eq!(order.json(), r#"{"id":"ord-001","value":100.50}"#);
    assert_eq!(
        order.id_hash(),
        key().id(&OrderId::parse("ord-001").unwrap())
    );
    assert_eq!(
        read(r#"{"id":"a","value":-0.01}"#).unwrap().value(),
        Decimal::new(-1, 2)
    );
    let shown = format!("{order:?}");
    assert!(
        shown.contains("ord-001") && !shown.contains("hash"),
        "{shown}"
    );
}

#[test]
fn white_space_goes_outside_strings_only() {
    let body = "\r\n\t { \"id\" : \"a\" ,\n\"value\":\t\"1.0\",\
                \"n o\\u0020te\" : [ \" a \\\" { \" , { } , [ 1 , -2e5 ] ] , \"é\":\"ü \" } \n";
    let order = read(body).unwrap();
    assert_eq!(
        order.json(),
        "{\"id\":\"a\",\"value\":\"1.0\",\"n o\\u0020te\":[\" a \\\" { \",{},[1,-2e5]],\"é\":\"ü \"}"
    );
}

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
fn the_fields_are_named() {
    for (body, field, text) in [
        ("{}", "id", "is missing"),
        (r#"{"value":1}"#, "id", "is missing"),
        (r#"{"id":"a"}"#, "value", "is missing"),
        (r#"{"id":"a","x":{"value":1}}"#, "value", "is missing"),
        (r#"{"ID":"a","value":1}"#, "id", "is missing"),
        (r#"{"id":1,"value":1}"#, "id", "must be a string"),
        (r#"{"id":null,"value":1}"#, "id", "must be a string"),
        (r#"{"id":["a"],"value":1}"#, "id", "must be a string"),
        (r#"{"id":"","value":1}"#, "id", "empty"),
        (r#"{"id":"a b","value":1}"#, "id", "' ' at byte 1"),
        (r#"{"id":"a\n","value":1}"#, "id", "at byte 1"),
        (r#"{"id":"a","value":null}"#, "value", "must be a number"),
        (r#"{"id":"a","value":true}"#, "value", "must be a number"),
        (r#"{"id":"a","value":{}}"#, "value", "must be a number"),
        (r#"{"id":"a","value":[1]}"#, "value", "must be a number"),
        (r#"{"id":"a","value":""}"#, "value", "is not a decimal"),
        (r#"{"id":"a","value":"NaN"}"#, "value", "is not a decimal"),
        (r#"{"id":"a","value":" 1"}"#, "value", "is not a decimal"),
        (r#"{"id":"a","value":"01"}"#, "value", "is not a decimal"),
        (
            r#"{"id":"a","value":1e999999999}"#,
            "value",
            "more than 28 digits",
        ),
        (
            r#"{"id":"a","value":"1e-999999999"}"#,
            "value",
            "more than 28 digits",
        ),
        (r#"{"id":"a","value":1,"id":"a"}"#, "id", "duplicate"),
        (
            r#"{"id":"a","value":1,"v\u0061lue":1}"#,
            "value",
            "duplicate",
        ),
        (r#"{"id":"a","value":1,"x":1,"x":1}"#, "x", "duplicate"),
    ] {
        let invalid = read(body).unwrap_err();
        assert_eq!(invalid.field(), Some(field), "{body}");
        let shown = invalid.to_string();
        assert!(
            shown.contains(text) && shown.contains(&format!("\"{field}\"")),
            "{body}: {shown}"
        );
    }
}

#[test]
fn id_and_value_limits_from_both_sides() {
    let id = |len| read(&format!(r#"{{"id":"{}","value":1}}"#, "i".repeat(len)));
    assert!(id(64).is_ok());
    assert_eq!(
        id(65).unwrap_err(),
        Invalid::Id(InvalidId::TooLong { len: 65 })
    );
    for quote in ["", "\""] {
        let value = |len| {
            read(&format!(
                r#"{{"id":"a","value":{quote}{}{quote}}}"#,
                "7".repeat(len)
            ))
        };
        assert_eq!(value(28).unwrap().value().to_string(), "7".repeat(28));
        assert_eq!(
            value(29).unwrap_err(),
            Invalid::Value(InvalidDecimal::Digits)
        );
    }
}

#[test]
fn depth_limit_from_both_sides() {
    let arrays = |depth: usize| {
        with(&format!(
            r#""x":{}{}"#,
            "[".repeat(depth),
            "]".repeat(depth)
        ))
    };
    let objects = |depth: usize| {
        with(&format!(
            r#""x":{}1{}"#,
            r#"{"x":"#.repeat(depth),
            "}".repeat(depth)
        ))
    };
    assert!(arrays(31).is_ok());
    assert!(objects(31).is_ok());
    for invalid in [arrays(32).unwrap_err(), objects(32).unwrap_err()] {
        assert!(matches!(invalid, Invalid::TooDeep { .. }), "{invalid}");
        assert!(invalid.to_string().contains("line 1 column "), "{invalid}");
        assert_eq!(invalid.field(), None);
    }
    // Side by side isn't deep.
    assert!(with(&format!(r#""x":[{}[]]"#, "[[]],{},".repeat(100))).is_ok());
}

#[test]
fn places_are_lines_and_columns() {
    for (body, line, column) in [
        ("[]", 1, 1),
        ("\n  \"a\"", 2, 3),
        ("{\"id\":\"a\",\n\"x\":\"ab\\ud800\"}", 2, 8),
        ("{\"id\":\"a\",\n\"x\":\"ab\\udc00\\ud800\"}", 2, 8),
        ("{\"x\":{\"a\":1,\n \"a\":1}}", 2, 2),
        ("{\"x\":1,\r\n\"x\":1}", 2, 1),
        ("{\"id\":\"a\",\n\"value\":1}\nx", 3, 1),
        ("{\"id\":\"a\" \"value\":1}", 1, 11),
    ] {
        let shown = read(body).unwrap_err().to_string();
        assert!(
            shown.ends_with(&format!(" at line {line} column {column}")),
            "{body}: {shown}"
        );
    }
}

#[test]
fn what_is_no_object() {
    for body in ["", " ", "\r\n\t "] {
        assert_eq!(read(body).unwrap_err(), Invalid::Empty);
    }
    for body in [
        "[]",
        "null",
        "1",
        "\"{}\"",
        "nonsense",
        "\u{feff}{}",
        "}",
        "\u{b}{}",
    ] {
        let invalid = read(body).unwrap_err();
        assert!(
            matches!(invalid, Invalid::NotAnObject { .. }),
            "{body}: {invalid}"
        );
    }
}

#[test]
fn what_is_no_json() {
    for body in [
        "{",
        "{\"",
        "{\"id",
        "{\"id\"",
        "{\"id\":",
        "{\"id\":\"a\"",
        "{\"id\":\"a\",",
        "{,}",
        "{1:1}",
        r#"{"id":"a","value":1,}"#,
        r#"{"id":"a",,"value":1}"#,
        r#"{"id":"a","value":1}}"#,
        r#"{"id":"a","value":1}{}"#,
        r#"{"id":"a","value":1},"#,
        r#"{"id":"a","value":1]"#,
        r#"{"id":"a","value":01}"#,
        r#"{"id":"a","value":+1}"#,
        r#"{"id":"a","value":.5}"#,
        r#"{"id":"a","value":1.}"#,
        r#"{"id":"a","value":NaN}"#,
        r#"{"id":"a","value":1 2}"#,
        r#"{"id":"a","value":--1}"#,
        r#"{'id':"a","value":1}"#,
        r#"{"id":"a","value":1/**/}"#,
        r#"{"id":"a","value":1} // "#,
        "{\"id\":\"a\",\"value\":1\u{a0}}",
    ] {
        let invalid = read(body).unwrap_err();
        assert!(
            matches!(invalid, Invalid::Syntax { .. }),
            "{body}: {invalid}"
        );
        assert!(
            invalid.to_string().contains(" at line 1 column "),
            "{body}: {invalid}"
        );
    }
    for value in [
        "tru",
        "[1,]",
        "[,1]",
        "[1 2]",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "[}",
        "{]",
        "[1",
        "]",
        "1e",
        "-",
        "00",
        "\"",
        "\"\\\"",
        r#""\x""#,
        r#""\u12g4""#,
        r#""\u12""#,
        r#""\U0041""#,
        "\"\n\"",
        "\"\t\"",
        "\"\0\"",
        "\"\u{1f}\"",
        "\u{1f}",
    ] {
        let invalid = with(&format!("\"x\":{value}")).unwrap_err();
        assert!(
            matches!(invalid, Invalid::Syntax { .. }),
            "{value}: {invalid}"
        );
    }
    // A control character must be escaped; DEL and what lies above are no control characters.
    assert!(with("\"x\":\"\\u0000\\n\u{7f}\u{85}\u{2028}\"").is_ok());
    assert!(with("\"x\ny\":1").is_err());
}

#[test]
fn surrogates_come_in_pairs() {
    for pair in [
        r"\ud83d\ude00",
        r"\uD800\uDC00",
        r"\uDBFF\uDFFF",
        r"\\ud800",
        r"\ud7ff\ue000",
    ] {
        for members in [
            format!(r#""x":"{pair}""#),
            format!(r#""{pair}":["{pair}"]"#),
        ] {
            assert!(with(&members).is_ok(), "{members}");
        }
    }
    for half in [
        r"\ud800",
        r"\udc00",
        r"\udbff",
        r"\udfff",
        r"\ud800\ud800",
        r"\udc00\ud800",
        r"\ud800x",
        r"\ud800\n",
        r"\ud800\u0041",
        r"\ud83d\ude00\ude00",
        r"\\\ud800",
        r"\ud800\\udc00",
    ] {
        for members in [
            format!(r#""x":"{half}""#),
            format!(r#""{half}":1"#),
            format!(r#""x":[{{"{half}":1}}]"#),
            format!(r#""x":[{{"y":["z","{half}"]}}]"#),
        ] {
            let invalid = with(&members).unwrap_err();
            assert!(
                matches!(invalid, Invalid::LoneSurrogate { .. }),
                "{members}: {invalid}"
            );
        }
    }
    let invalid = read(r#"{"id":"\ud800","value":1}"#).unwrap_err();
    assert!(
        matches!(invalid, Invalid::LoneSurrogate { .. }),
        "{invalid}"
    );
}

#[test]
fn duplicates_at_any_depth() {
    let find = |members: &str| match with(members).unwrap_err() {
        Invalid::Duplicate { name, depth, .. } => (name, depth),
        other => panic!("{members}: {other}"),
    };
    let is = |name: &str, depth| (name.to_owned(), depth);
    assert_eq!(find(r#""x":1,"x":1"#), is("x", 1));
    assert_eq!(find(r#""x":{},"x":{}"#), is("x", 1));
    assert_eq!(find(r#""x":{"id":1,"id":2}"#), is("id", 2));
    assert_eq!(with(r#""x":{"id":1,"id":2}"#).unwrap_err().field(), None);
    assert_eq!(
        find(r#""x":[0,{"y":[{"a":{"a":1},"b":[],"a":1}]}]"#),
        is("a", 5)
    );
    assert_eq!(find(r#""x":{"a":1,"\u0061":1}"#), is("a", 2));
    assert_eq!(find(r#""\u0061":1,"a":1"#), is("a", 1));
    assert_eq!(find(r#""\n":1,"\u000A":1"#), is("\n", 1));
    assert_eq!(find(r#""\/":1,"/":1"#), is("/", 1));
    assert_eq!(find(r#""\ud83d\ude00":1,"😀":1"#), is("😀", 1));
    assert_eq!(find(r#""":1,"":1"#), is("", 1));
    let deepest = format!("{}{{\"a\":1,\"a\":1}}{}", "[".repeat(30), "]".repeat(30));
    assert_eq!(find(&format!("\"x\":{deepest}")), is("a", 32));
    let long = "é".repeat(1000);
    assert_eq!(
        find(&format!("\"{long}\":1,\"{long}\":1")),
        is(&"é".repeat(64), 1)
    );

    for members in [
        r#""x":{"id":1,"value":2,"x":{"x":1}},"y":{"x":1}"#,
        r#""x":["x","x",{"x":"x"},{"x":"x"}]"#,
        r#""a":1,"A":1,"\\u0061":1,"é":1,"e\u0301":1"#,
        r#""x":{"y":{},"z":{"y":1}},"":{"":""}"#,
    ] {
        assert!(with(members).is_ok(), "{members}");
    }
}

#[test]
fn duplicates_among_many_names() {
    for count in [15, 16, 17, 18, 3000] {
        for inner in [false, true] {
            let members = |last: usize| {
                let mut members = String::new();
                for name in 0..count {
                    // A small object between shares the names and must not disturb.
                    write!(members, r#""n{name}":{{"n0":[{{"n{name}":1}}]}},"#).unwrap();
                }
                write!(members, r#""n{last}":0"#).unwrap();
                if inner {
                    format!(r#""x":[{{{members}}}]"#)
                } else {
                    members
                }
            };
            assert!(with(&members(count)).is_ok());
            for last in [0, count / 2, count - 1] {
                let invalid = with(&members(last)).unwrap_err();
                assert!(matches!(invalid, Invalid::Duplicate { .. }), "{invalid}");
            }
        }
    }
}

#[test]
fn text_is_utf8() {
    for (bytes, column) in [
        (&b"\xff"[..], 0),
        (b"\xc3\"", 0),
        (b"ab\xc0\xaf", 2),
        (b"\xed\xa0\x80", 0),
        (b"\xf4\x90\x80\x80", 0),
        (b"\xe2\x82", 0),
    ] {
        let mut body = b"{\"id\":\"a\",\"value\":1,\n\"x\":\"".to_vec();
        body.extend_from_slice(bytes);
        body.extend_from_slice(b"\"}");
        let at = Position {
            line: 2,
            column: 6 + column,
        };
        assert_eq!(decode(&body, &key()).unwrap_err(), Invalid::Utf8 { at });
    }
    assert!(matches!(
        decode(b"{\"\xff\":1}", &key()),
        Err(Invalid::Utf8 { .. })
    ));
    assert!(matches!(
        decode(b"\xff\xfe{\0}\0", &key()),
        Err(Invalid::Utf8 { .. })
    ));
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

/// The deepest and the widest bodies, decoded on a stack of 32 KiB.
#[test]
fn the_stack_stays_small() {
    const BODY: usize = 64 * 1024;
    let nested = |open: &str, middle: &str, close: &str| {
        let count = BODY / (open.len() + close.len());
        format!("{}{middle}{}", open.repeat(count), close.repeat(count))
    };
    let names: String = (0..7000).map(|name| format!(",\"{name}\":[]")).collect();
    let small = |values: &str| format!(r#"{{"id":"a","value":1,"x":{values}}}"#);
    let bodies = [
        (nested("[", "", ""), false),
        (nested(r#"{"a":"#, "", ""), false),
        (nested(r#"{"a":"#, "1", "}"), false),
        (nested(r#"{"a":["#, "1", "]}"), false),
        (small(&nested("[", "", "")), false),
        (small(&nested("[", "", "]")), false),
        (small(&nested(r#"{"a":"#, "1", "}")), false),
        (
            small(&format!("{}{}", "[".repeat(31), "]".repeat(31))),
            true,
        ),
        (format!(r#"{{"id":"a","value":1{names}}}"#), true),
        (format!(r#"{{"id":"a","value":1{names},"6999":1}}"#), false),
        (
            format!(r#"{{"id":"a","value":{}}}"#, "9".repeat(BODY)),
            false,
        ),
        (
            format!(r#"{{"id":"a","value":"{}"}}"#, r"\u0039".repeat(BODY / 6)),
            false,
        ),
        (
            format!(
                r#"{{"id":"{}","value":1}}"#,
                r"\ud83d\ude00".repeat(BODY / 12)
            ),
            false,
        ),
    ];
    let evaluated = thread::Builder::new()
        .stack_size(32 * 1024)
        .spawn(move || bodies.map(|(body, valid)| read(&body).is_ok() == valid))
        .expect("a thread can be started")
        .join()
        .expect("no decode panics");
    assert_eq!(evaluated, [true; 13]);
}
