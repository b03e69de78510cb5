//! [`Order`], and the two ways to get one: from JSON text, and from fields.

use std::fmt;

use rust_decimal::Decimal;

use crate::order::client::Client;
use crate::order::decimal;
use crate::order::hash::HashKey;
use crate::order::id::OrderId;
use crate::order::invalid::Invalid;
use crate::order::members::Members;
use crate::order::submission::Submission;
use crate::order::text_position::TextPosition;
use crate::order::traceparent::TraceParent;

/// A valid order.
#[derive(Clone)]
pub struct Order {
    id: OrderId,
    value: Decimal,
    json: Box<str>,
    id_hash: u128,
    content_hash: u128,
    submission: Submission,
}

impl Order {
    /// Its id: 1 to 64 characters of `A-Z a-z 0-9 _ -`, unique among orders.
    pub fn id(&self) -> &OrderId {
        &self.id
    }

    /// Its value, exact and normalized: `100.50` and `1.005e2` are 1005 with a
    /// scale of 1. At most 28 digits and of any sign; the processor decides
    /// whether the value is acceptable.
    pub fn value(&self) -> Decimal {
        self.value
    }

    /// The whole order as it was sent (RFC 8259), without the white space
    /// outside strings.
    pub fn json(&self) -> &str {
        &self.json
    }

    /// Who submitted it, by the name that the operator gave: 1 to 64 characters
    /// of `A-Z a-z 0-9 . _ -`. `None` if the server asks nobody who they are.
    pub fn client(&self) -> Option<&str> {
        self.submission.client.map(Client::as_str)
    }

    /// The `traceparent` of its first submission (W3C Trace Context), for what
    /// a processor sends on.
    pub fn traceparent(&self) -> Option<TraceParent> {
        self.submission.traceparent
    }

    pub(crate) fn submission(&self) -> &Submission {
        &self.submission
    }

    /// Says how it was submitted. For front ends, once it is decoded.
    pub(crate) fn set_submission(&mut self, submission: Submission) {
        self.submission = submission;
    }

    /// The id's hash, as [`HashKey::id`] gives it.
    pub(crate) fn id_hash(&self) -> u128 {
        self.id_hash
    }

    /// The hash of everything but the id: equal for two orders if their values
    /// are equal as decimals and their other members are the same in any order,
    /// names compared after unescaping, values byte for byte once white space
    /// outside strings is gone.
    ///
    /// Members are hashed one by one and added up. That this is sound depends
    /// on the key being secret, so the hash must not be published.
    #[doc(hidden)]
    pub fn content_hash(&self) -> u128 {
        self.content_hash
    }

    /// The order with these fields, for a front end that receives id and value
    /// apart from the rest. `value` is what a JSON number may be;
    /// `other_members_json` is a JSON object (`None`: none), which has neither
    /// `id` nor `value`. [`Order::json`] begins with id and value and is
    /// otherwise what [`decode`] would have kept; the hashes are those of the
    /// same order from [`decode`].
    ///
    /// # Errors
    /// As [`decode`]; positions are positions in `other_members_json`, and an
    /// `id` or `value` there is a duplicate.
    #[doc(hidden)]
    pub fn from_parts(
        id: &str,
        value: &str,
        other_members_json: Option<&str>,
        key: &HashKey,
    ) -> Result<Self, Invalid> {
        Self::from_parts_with(id, value, other_members_json, key, |_| ())
    }

    /// As [`from_parts`](Self::from_parts), with `on_id` as in [`decode_with`].
    pub(crate) fn from_parts_with(
        id: &str,
        value: &str,
        other_members_json: Option<&str>,
        key: &HashKey,
        on_id: impl Fn(u128),
    ) -> Result<Self, Invalid> {
        let id = OrderId::parse(id)?;
        let decimal = decimal::parse(value)?;
        let others = other_members_json.unwrap_or("{}");
        // Of the other members' object, one brace becomes a comma or goes, the
        // other stays.
        const FRAME: usize = r#"{"id":"","value":"#.len();
        let others_len = other_members_json.map_or(1, str::len);
        let mut json =
            String::with_capacity(FRAME + id.as_bytes().len() + value.len() + others_len);
        json.push_str(r#"{"id":""#);
        json.push_str(id.as_str());
        json.push_str(r#"","value":"#);
        json.push_str(value);

        let mut members = Members::new(others, key, json, &on_id);
        members.set_id(id);
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
            submission: Submission::default(),
        })
    }
}

/// Hashes are left out: they must not end up in a log.
impl fmt::Debug for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Order")
            .field("id", &self.id)
            .field("value", &self.value)
            .field("json", &self.json)
            .finish_non_exhaustive()
    }
}

/// The order that `body` is: one JSON object (RFC 8259) with an `id`, a `value`
/// and any other members, and nothing after it but white space. The caller
/// limits its size.
///
/// ```
/// use order_processor::internals::{HashKey, decode};
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
/// An `Invalid` names one reason where there are several; members are checked
/// as they come.
pub fn decode(body: &[u8], key: &HashKey) -> Result<Order, Invalid> {
    decode_with(body, key, |_| ())
}

/// As [`decode`]. As soon as the id is read, `on_id` is called with its hash,
/// whether or not the rest is valid: a caller that will look the id up can
/// prefetch its cache lines while the other members are decoded.
pub(crate) fn decode_with(
    body: &[u8],
    key: &HashKey,
    on_id: impl Fn(u128),
) -> Result<Order, Invalid> {
    decode_named(body, key, None, on_id)
}

/// As [`decode_with`]; an order without an id gets this one, as its first
/// member.
pub(crate) fn decode_named(
    body: &[u8],
    key: &HashKey,
    id: Option<&OrderId>,
    on_id: impl Fn(u128),
) -> Result<Order, Invalid> {
    let text = str::from_utf8(body).map_err(|error| Invalid::Utf8 {
        at: TextPosition::of(body, error.valid_up_to()),
    })?;
    let mut members = Members::new(text, key, String::with_capacity(text.len()), &on_id);
    members.read()?;
    if let Some(id) = id {
        members.set_missing_id(id);
    }
    Order::from_members(members, key)
}
