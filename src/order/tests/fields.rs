//! An order's own members: what they may be, and how an error names them.

use rust_decimal::Decimal;

use crate::order::decimal::InvalidDecimal;
use crate::order::id::{InvalidId, OrderId};
use crate::order::invalid::Invalid;
use crate::order::tests::{key, read};

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
fn white_space_is_stripped_outside_strings_only() {
    let body = "\r\n\t { \"id\" : \"a\" ,\n\"value\":\t\"1.0\",\
                \"n o\\u0020te\" : [ \" a \\\" { \" , { } , [ 1 , -2e5 ] ] , \"é\":\"ü \" } \n";
    let order = read(body).unwrap();
    assert_eq!(
        order.json(),
        "{\"id\":\"a\",\"value\":\"1.0\",\"n o\\u0020te\":[\" a \\\" { \",{},[1,-2e5]],\"é\":\"ü \"}"
    );
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
