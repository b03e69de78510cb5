//! Depth, duplicate names at any depth, and the stack that they take.

use std::fmt::Write as _;
use std::thread;

use crate::order::invalid::Invalid;
use crate::order::tests::{read, with};

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
