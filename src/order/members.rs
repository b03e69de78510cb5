//! Reads an order's members out of a JSON object.
//!
//! `serde_json` walks the object and lends each name and value as the text that it is
//! ([`RawValue`]), which it checks against the whole grammar without building a tree and, for raw
//! text, without recursion: its open brackets stand on the heap. Then [`Layout`] goes over the same
//! text for the rules that are ours.

use std::fmt;

use rust_decimal::Decimal;
use serde::Deserializer as _;
use serde::de::{Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::order::decimal;
use crate::order::hash::HashKey;
use crate::order::id::OrderId;
use crate::order::invalid::{Invalid, Position};
use crate::order::layout::{Layout, unquote};

/// What is known of an order while its members are read.
pub(super) struct Members<'a> {
    /// The id and its hash.
    pub(super) id: Option<(OrderId, u128)>,
    pub(super) value: Option<Decimal>,
    /// The sum of the hashes of the members but `id` and `value`.
    pub(super) others: u128,
    layout: Layout<'a>,
    text: &'a str,
    key: &'a HashKey,
    /// Told the id's hash as soon as it is read.
    id_read: &'a dyn Fn(u128),
    /// Why reading stopped; `serde_json`'s error type has no room for it.
    invalid: Option<Invalid>,
}

impl<'a> Members<'a> {
    /// Nothing known yet, to be read from `text`; `stripped` is empty or begins an order's JSON
    /// with an open brace and members.
    pub(super) fn new(
        text: &'a str,
        key: &'a HashKey,
        stripped: String,
        id_read: &'a dyn Fn(u128),
    ) -> Self {
        Self {
            id: None,
            value: None,
            others: 0,
            layout: Layout::new(text, key, stripped),
            text,
            key,
            id_read,
            invalid: None,
        }
    }

    /// Takes note of the id.
    pub(super) fn identify(&mut self, id: OrderId) {
        let hash = self.key.id(&id);
        (self.id_read)(hash);
        self.id = Some((id, hash));
    }

    /// Reads all members of the object that the text is.
    pub(super) fn read(&mut self) -> Result<(), Invalid> {
        let first = self
            .text
            .bytes()
            .position(|b| !matches!(b, b' ' | b'\t' | b'\n' | b'\r'));
        match first {
            None => return Err(Invalid::Empty),
            Some(at) if self.text.as_bytes()[at] != b'{' => {
                return Err(Invalid::NotAnObject {
                    at: Position::of(self.text.as_bytes(), at),
                });
            }
            Some(_) => {}
        }
        let mut json = serde_json::Deserializer::from_str(self.text);
        let read = (&mut json)
            .deserialize_map(&mut *self)
            .and_then(|()| json.end());
        match self.invalid.take() {
            Some(invalid) => Err(invalid),
            None => Ok(read?),
        }
    }

    /// The order's text, its closing brace included.
    pub(super) fn into_json(self) -> Box<str> {
        let mut json = self.layout.into_stripped();
        json.push('}');
        json.into_boxed_str()
    }

    fn member(&mut self, name: &str, value: &str) -> Result<(), Invalid> {
        let name_at = self.offset(name);
        let separator = if self.layout.stripped().is_empty() {
            '{'
        } else {
            ','
        };
        self.layout.stripped().push(separator);
        self.layout.value(name_at..name_at + name.len())?;
        self.layout.stripped().push(':');

        let name = unquote(name)?;
        let value_at = self.offset(value);
        let value_range = value_at..value_at + value.len();
        match &*name {
            "id" | "value" if self.has(&name) => {
                Err(Invalid::duplicate(&name, 1, self.layout.position(name_at)))
            }
            "id" => {
                self.layout.value(value_range)?;
                self.identify(read_id(value)?);
                Ok(())
            }
            "value" => {
                self.layout.value(value_range)?;
                self.value = Some(read_value(value)?);
                Ok(())
            }
            name => {
                let hash = self.key.name(name);
                self.layout.name(hash, name, name_at)?;
                let start = self.layout.stripped().len();
                self.layout.value(value_range)?;
                let value = &self.layout.stripped()[start..];
                self.others = self.others.wrapping_add(self.key.member(hash, value));
                Ok(())
            }
        }
    }

    fn has(&self, name: &str) -> bool {
        if name == "id" {
            self.id.is_some()
        } else {
            self.value.is_some()
        }
    }

    /// Where `part`, which is borrowed from the text, begins in it.
    fn offset(&self, part: &str) -> usize {
        part.as_ptr().addr() - self.text.as_ptr().addr()
    }
}

impl<'de> Visitor<'de> for &mut Members<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an order as a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some((name, value)) = map.next_entry::<&RawValue, &RawValue>()? {
            if let Err(invalid) = self.member(name.get(), value.get()) {
                self.invalid = Some(invalid);
                return Err(A::Error::custom("not an order"));
            }
        }
        Ok(())
    }
}

fn read_id(raw: &str) -> Result<OrderId, Invalid> {
    if !raw.starts_with('"') {
        return Err(Invalid::Type {
            field: "id",
            expected: "a string",
        });
    }
    Ok(OrderId::parse(&unquote(raw)?)?)
}

fn read_value(raw: &str) -> Result<Decimal, Invalid> {
    match raw.as_bytes() {
        [b'"', ..] => Ok(decimal::parse(&unquote(raw)?)?),
        [b'-' | b'0'..=b'9', ..] => Ok(decimal::parse(raw)?),
        _ => Err(Invalid::Type {
            field: "value",
            expected: "a number or a number in a string",
        }),
    }
}
