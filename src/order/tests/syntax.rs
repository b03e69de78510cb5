//! Texts that are no JSON object, and where the error is.

use crate::order::decode::{Order, decode};
use crate::order::invalid::Invalid;
use crate::order::tests::{key, read, with};
use crate::order::text_position::TextPosition;

#[test]
fn a_byte_order_mark_is_ignored() {
    let text = r#"{"id":"a","value":1}"#;
    let order = read(&format!("\u{feff}{text}")).unwrap();
    assert_eq!(order.json(), text);
    let other = order.content_hash();
    assert_eq!(read(text).unwrap().content_hash(), other);
    assert_eq!(read("\u{feff} ").unwrap_err(), Invalid::Empty);
    let parts = Order::from_parts("a", "1", Some("\u{feff}{\"x\":1}"), &key()).unwrap();
    assert_eq!(parts.json(), r#"{"id":"a","value":1,"x":1}"#);
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
        "\u{feff}\u{feff}{}",
        " \u{feff}{}",
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
}

#[test]
fn values_that_are_no_json() {
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
    // A control character must be escaped; DEL and what lies above are no
    // control characters.
    assert!(with("\"x\":\"\\u0000\\n\u{7f}\u{85}\u{2028}\"").is_ok());
    assert!(with("\"x\ny\":1").is_err());
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
        let at = TextPosition {
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
fn positions_are_lines_and_columns() {
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
