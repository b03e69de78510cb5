//! Reads an order's members out of a JSON object.
//!
//! `serde_json` visits the object and lends each name and value as text
//! ([`RawValue`]), which it checks against the whole grammar without building a
//! tree and, for raw text, without recursion: its open brackets are on the
//! heap. Then [`Minifier`] passes over the same text for the rules that are
//! ours.

use std::fmt;

use rust_decimal::Decimal;
use serde::Deserializer as _;
use serde::de::{Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::order::decimal;
use crate::order::hash::HashKey;
use crate::order::id::OrderId;
use crate::order::invalid::Invalid;
use crate::order::minify::{Minifier, unquote};
use crate::order::text_position::TextPosition;

/// Some programs begin a text in UTF-8 with it. It says nothing, and RFC 8259
/// section 8.1 lets a reader ignore it.
pub(crate) const BYTE_ORDER_MARK: &str = "\u{feff}";

/// What is known of an order while its members are read.
pub(super) struct Members<'a> {
    /// The id and its hash.
    pub(super) id: Option<(OrderId, u128)>,
    pub(super) value: Option<Decimal>,
    /// The sum of the hashes of the members but `id` and `value`.
    pub(super) others: u128,
    minifier: Minifier<'a>,
    text: &'a str,
    key: &'a HashKey,
    /// Called with the id's hash as soon as it is read.
    on_id: &'a dyn Fn(u128),
    /// Why reading stopped; `serde_json`'s error type can't carry it.
    invalid: Option<Invalid>,
}

impl<'a> Members<'a> {
    /// Nothing known yet, to be read from `text`; `minified` is empty or begins
    /// an order's JSON with an open brace and members. A byte order mark before
    /// the text is ignored, and not counted in positions.
    pub(super) fn new(
        text: &'a str,
        key: &'a HashKey,
        minified: String,
        on_id: &'a dyn Fn(u128),
    ) -> Self {
        let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
        Self {
            id: None,
            value: None,
            others: 0,
            minifier: Minifier::new(text, key, minified),
            text,
            key,
            on_id,
            invalid: None,
        }
    }

    pub(super) fn set_id(&mut self, id: OrderId) {
        let hash = self.key.id(&id);
        (self.on_id)(hash);
        self.id = Some((id, hash));
    }

    /// Gives an object that has members but no id this one.
    #[cold]
    pub(super) fn set_missing_id(&mut self, id: &OrderId) {
        if self.id.is_some() || self.minifier.minified().is_empty() {
            return;
        }
        self.set_id(*id);
        let brace = '{'.len_utf8();
        let member = format!(r#""id":"{}","#, id.as_str());
        self.minifier.minified().insert_str(brace, &member);
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
                    at: TextPosition::of(self.text.as_bytes(), at),
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
        let mut json = self.minifier.into_minified();
        json.push('}');
        json.into_boxed_str()
    }

    fn member(&mut self, name: &str, value: &str) -> Result<(), Invalid> {
        let name_at = self.offset(name);
        let separator = if self.minifier.minified().is_empty() {
            '{'
        } else {
            ','
        };
        self.minifier.minified().push(separator);
        self.minifier.value(name_at..name_at + name.len())?;
        self.minifier.minified().push(':');

        let name = unquote(name)?;
        let value_at = self.offset(value);
        let value_range = value_at..value_at + value.len();
        match &*name {
            "id" | "value" if self.has(&name) => Err(Invalid::duplicate(
                &name,
                1,
                self.minifier.position(name_at),
            )),
            "id" => {
                self.minifier.value(value_range)?;
                self.set_id(read_id(value)?);
                Ok(())
            }
            "value" => {
                self.minifier.value(value_range)?;
                self.value = Some(read_value(value)?);
                Ok(())
            }
            name => {
                let hash = self.key.name(name);
                self.minifier.name(hash, name, name_at)?;
                let start = self.minifier.minified().len();
                self.minifier.value(value_range)?;
                let value = &self.minifier.minified()[start..];
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
