//! Orders and trace contexts from any bytes.

use crate::order::{HashKey, Order, Parts, TraceParent, decode};

/// What is an order stays the same order, however it is sent again.
pub fn order(bytes: &[u8]) {
    let key = HashKey::from_bytes([1; 16]);
    let Ok(order) = decode(bytes, &key) else {
        return;
    };
    let again = decode(order.json().as_bytes(), &key).expect("it is an order");
    assert_eq!(again.json(), order.json());
    let parts = Parts::of(order.json());
    let others = (!parts.others.is_empty()).then_some(&*parts.others);
    let apart = Order::from_parts(order.id().as_str(), &parts.value, others, &key);
    let apart = apart.expect("its parts are one");
    for other in [again, apart] {
        assert_eq!(other.id(), order.id());
        assert_eq!(other.content_hash(), order.content_hash());
    }
}

/// A valid one is of version 00, and is read again.
pub fn traceparent(bytes: &[u8]) {
    let Some(parsed) = TraceParent::parse(bytes) else {
        return;
    };
    let text = parsed.to_string();
    assert_eq!(TraceParent::parse(text.as_bytes()), Some(parsed));
    assert_eq!(TraceParent::decode(&parsed.encode()), Some(parsed));
    assert!(bytes.starts_with(b"00") <= (bytes == text.as_bytes()));
}
