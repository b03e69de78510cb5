//! One order, decoded and validated. Pure: bytes in, an [`Order`] or the reason why not out; no
//! I/O, no clock, no thread local.
//!
//! It may run on a coroutine: nothing here recurses over the input, and the stack used is the same
//! for every input. Time is linear in the input; the heap holds its text once, and for an object
//! of more than a few members some tens of bytes a name until the call returns.
//!
//! - [`OrderId`]: who an order is.
//! - [`decode`]: the order in an HTTP body or a batch's line; [`Order::from_parts`]: the same
//!   order from a message's fields. The doors' orders are equal if their contents are.
//! - [`Parts`]: an order's text taken apart into such fields again.
//! - [`HashKey`]: the keyed hashes that stand for ids and contents.
//! - [`Invalid`]: why not.
//!
//! Inside, `members` has `serde_json` walk the object, `layout` adds the rules that JSON itself
//! doesn't have, `names` finds duplicates, `decimal` reads values.

mod decimal;
mod hash;
mod id;
mod invalid;
mod layout;
mod members;
mod names;
mod parts;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

use std::fmt;

use rust_decimal::Decimal;

use crate::order::members::Members;

pub use self::hash::HashKey;
pub(crate) use self::id::{ID_LEN_MAX, OrderId};
pub(crate) use self::invalid::{Invalid, Position};
pub(crate) use self::parts::Parts;

/// A valid order.
#[derive(Clone)]
pub struct Order {
    id: OrderId,
    value: Decimal,
    json: Box<str>,
    id_hash: u128,
    content_hash: u128,
}

impl Order {
    /// Its id.
    pub fn id(&self) -> &OrderId {
        &self.id
    }

    /// Its value, normalized: `100.50` and `1.005e2` are 1005 with a scale of 1. Any sign; whether
    /// it is a good value is the processor's business.
    pub fn value(&self) -> Decimal {
        self.value
    }

    /// The whole order as it was sent, without the white space outside strings.
    pub fn json(&self) -> &str {
        &self.json
    }

    /// The id's hash, as [`HashKey::id`] gives it.
    pub fn id_hash(&self) -> u128 {
        self.id_hash
    }

    /// The hash of everything but the id: equal for two orders if their values are equal as
    /// decimals and their other members are the same in any order, names compared after
    /// unescaping, values byte for byte once white space outside strings is gone.
    ///
    /// Members are hashed one by one and added up; that this is sound rests on the key being
    /// secret, and so do not publish the hash.
    pub fn content_hash(&self) -> u128 {
        self.content_hash
    }

    /// The order with these fields, for a door where id and value come apart from the rest.
    /// `value` is what a JSON number may be; `other_members_json` is a JSON object (`None`: none),
    /// which has neither `id` nor `value`. [`Order::json`] begins with id and value and is
    /// otherwise what [`decode`] would have kept; the hashes are those of the same order from
    /// [`decode`].
    ///
    /// # Errors
    /// As [`decode`]; places are places in `other_members_json`, and an `id` or `value` there is a
    /// duplicate.
    pub fn from_parts(
        id: &str,
        value: &str,
        other_members_json: Option<&str>,
        key: &HashKey,
    ) -> Result<Self, Invalid> {
        Self::from_parts_telling(id, value, other_members_json, key, &|_| ())
    }

    /// As [`from_parts`](Self::from_parts), with `id_read` as in [`decode_telling`].
    pub(crate) fn from_parts_telling(
        id: &str,
        value: &str,
        other_members_json: Option<&str>,
        key: &HashKey,
        id_read: &dyn Fn(u128),
    ) -> Result<Self, Invalid> {
        let id = OrderId::parse(id)?;
        let decimal = decimal::parse(value)?;
        let others = other_members_json.unwrap_or("{}");
        // Of the other members' object, one brace becomes a comma or goes, the other stays.
        const FRAME: usize = r#"{"id":"","value":"#.len();
        let others_len = other_members_json.map_or(1, str::len);
        let mut json =
            String::with_capacity(FRAME + id.as_bytes().len() + value.len() + others_len);
        json.push_str(r#"{"id":""#);
        json.push_str(id.as_str());
        json.push_str(r#"","value":"#);
        json.push_str(value);

        let mut members = Members::new(others, key, json, id_read);
        members.identify(id);
        members.value = Some(decimal);
        members.read()?;
        Self::from_members(members, key)
    }

    fn from_members(members: Members<'_>, key: &HashKey) -> Result<Self, Invalid> {
        let (id, id_hash) = members.id.ok_or(Invalid::Missing { field: "id" })?;
        let value = members.value.ok_or(Invalid::Missing { field: "value" })?;
        Ok(Self {
            id,
            value,
            id_hash,
            content_hash: members.others.wrapping_add(key.value(value)),
            json: members.into_json(),
        })
    }
}

/// Hashes stay out: they must not end up in a log.
impl fmt::Debug for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Order")
            .field("id", &self.id)
            .field("value", &self.value)
            .field("json", &self.json)
            .finish_non_exhaustive()
    }
}

/// The order that `body` is: one JSON object (RFC 8259) with an `id`, a `value` and any other
/// members, and nothing after it but white space. Its size is the caller's to limit.
///
/// ```
/// use order_processor::order::{HashKey, decode};
///
/// let key = HashKey::random();
/// let one = decode(br#"{"id": "ord-001", "value": 100.50, "side": "buy"}"#, &key).unwrap();
/// assert_eq!(one.json(), r#"{"id":"ord-001","value":100.50,"side":"buy"}"#);
/// let same = decode(br#"{"side":"buy","value":"1.005e2","id":"ord-001"}"#, &key).unwrap();
/// assert_eq!(one.content_hash(), same.content_hash());
///
/// let none = decode(br#"{"id":"ord-001"}"#, &key).unwrap_err();
/// assert_eq!(none.field(), Some("value"));
/// ```
///
/// # Errors
/// [`Invalid`] is one reason, where there are several; members are evaluated as they come.
pub fn decode(body: &[u8], key: &HashKey) -> Result<Order, Invalid> {
    decode_telling(body, key, &|_| ())
}

/// As [`decode`]; `id_read` is called with the id's hash when the id has been
/// read, whatever comes of the rest.
pub(crate) fn decode_telling(
    body: &[u8],
    key: &HashKey,
    id_read: &dyn Fn(u128),
) -> Result<Order, Invalid> {
    let text = str::from_utf8(body).map_err(|error| Invalid::Utf8 {
        at: Position::of(body, error.valid_up_to()),
    })?;
    let mut members = Members::new(text, key, String::with_capacity(text.len()), id_read);
    members.read()?;
    Order::from_members(members, key)
}
