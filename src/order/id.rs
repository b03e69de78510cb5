//! The identity of an order: short, restricted to a safe alphabet, and held inline, so that it
//! travels through queues and the index without an allocation.

use std::fmt;
use std::hash::{Hash, Hasher};

use thiserror::Error;

/// Most characters (here also bytes) in an [`OrderId`].
pub(crate) const ID_LEN_MAX: usize = 64;

/// Which bytes an id is made of.
const ALPHABET: [bool; 256] = {
    let mut alphabet = [false; 256];
    let mut byte = 0;
    while byte < 128 {
        let allowed = byte as u8;
        alphabet[byte] = allowed.is_ascii_alphanumeric() || allowed == b'_' || allowed == b'-';
        byte += 1;
    }
    alphabet
};

/// An order's id: 1 to 64 characters of `A-Z a-z 0-9 _ -`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct OrderId {
    /// Zero past `len`: the derived equality compares whole arrays.
    bytes: [u8; ID_LEN_MAX],
    len: u8,
}

/// Why a text is no [`OrderId`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum InvalidId {
    /// No character at all.
    #[error("is empty, 1 to {ID_LEN_MAX} characters are allowed")]
    Empty,
    /// A character outside the alphabet.
    #[error("has {character:?} at byte {offset}, only A-Z a-z 0-9 _ - are allowed")]
    Character {
        /// The first such character.
        character: char,
        /// Its byte offset in the id, from 0.
        offset: usize,
    },
    /// More than 64 characters.
    #[error("has {len} characters, {ID_LEN_MAX} at most are allowed")]
    TooLong {
        /// How many there are.
        len: usize,
    },
}

impl OrderId {
    /// Checks and copies `text`.
    ///
    /// # Errors
    /// [`InvalidId`] names the first rule that `text` breaks.
    pub(crate) fn parse(text: &str) -> Result<Self, InvalidId> {
        if text.is_empty() {
            return Err(InvalidId::Empty);
        }
        let allowed = |byte: u8| ALPHABET[usize::from(byte)];
        if let Some(offset) = text.bytes().position(|byte| !allowed(byte)) {
            let character = text[offset..].chars().next();
            return Err(InvalidId::Character {
                character: character.expect("what is before it is ASCII, and a byte is there"),
                offset,
            });
        }
        let len = text.len();
        if len > ID_LEN_MAX {
            return Err(InvalidId::TooLong { len });
        }
        let mut bytes = [0; ID_LEN_MAX];
        bytes[..len].copy_from_slice(text.as_bytes());
        // `len` is at most 64 here.
        Ok(Self {
            bytes,
            len: len as u8,
        })
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        str::from_utf8(self.as_bytes()).expect("parse lets only ASCII through")
    }

    /// The id as ASCII bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

impl Hash for OrderId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_bytes().hash(state);
    }
}

impl fmt::Display for OrderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for OrderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OrderId").field(&self.as_str()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn length_limit_from_both_sides() {
        assert_eq!(OrderId::parse(""), Err(InvalidId::Empty));
        assert_eq!(OrderId::parse("a").unwrap().as_str(), "a");
        let longest = "x".repeat(64);
        assert_eq!(OrderId::parse(&longest).unwrap().as_str(), longest);
        assert_eq!(
            OrderId::parse(&"x".repeat(65)),
            Err(InvalidId::TooLong { len: 65 })
        );
    }

    #[test]
    fn every_ascii_character_is_checked() {
        let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";
        for byte in 0..128u8 {
            let character = char::from(byte);
            let parsed = OrderId::parse(&format!("a{character}"));
            if alphabet.contains(character) {
                assert!(parsed.is_ok(), "{character:?}");
            } else {
                assert_eq!(
                    parsed,
                    Err(InvalidId::Character {
                        character,
                        offset: 1
                    })
                );
            }
        }
        assert_eq!(
            OrderId::parse("aé"),
            Err(InvalidId::Character {
                character: 'é',
                offset: 1
            })
        );
    }

    #[test]
    fn a_prefix_is_another_id() {
        assert_ne!(OrderId::parse("a").unwrap(), OrderId::parse("aa").unwrap());
        assert_eq!(
            format!("{:?}", OrderId::parse("a").unwrap()),
            "OrderId(\"a\")"
        );
        assert_eq!(format!("[{:>3}]", OrderId::parse("a").unwrap()), "[  a]");
    }
}
