//! Each rule of an order by example, and each limit from both sides.

mod content;
mod fields;
mod generated;
mod nesting;
mod properties;
mod syntax;

use crate::order::decode::{Order, decode};
use crate::order::hash::HashKey;
use crate::order::invalid::Invalid;

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
