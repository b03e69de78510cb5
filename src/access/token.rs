//! One token: its form, its hash, and a new one.
//!
//! A token is random, so that a plain SHA-256 is enough: there is no list of
//! likely ones to try, as there is of passwords.

use std::fmt;

use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

/// Characters of a token. Sixteen from 64 are 96 bits, if they are random.
pub(super) const TOKEN_LEN_MIN: usize = 16;
pub(super) const TOKEN_LEN_MAX: usize = 512;
/// Characters of a name.
pub(super) const NAME_LEN_MAX: usize = 64;

/// Random bytes of a new token.
const NEW_TOKEN_BYTES: usize = 24;

/// The SHA-256 of a token. It has no `Debug` that shows it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct TokenHash([u64; 4]);

impl TokenHash {
    pub(super) fn of(token: &[u8]) -> Self {
        Self::from_bytes(Sha256::digest(token).into())
    }

    /// From 64 hexadecimal digits, in either case.
    pub(super) fn from_hex(text: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        if text.len() != 2 * bytes.len() || !text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return None;
        }
        for (at, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[2 * at..2 * at + 2], 16).ok()?;
        }
        Some(Self::from_bytes(bytes))
    }

    fn from_bytes(bytes: [u8; 32]) -> Self {
        let (words, _) = bytes.as_chunks::<8>();
        let mut hash = [0; 4];
        for (word, bytes) in hash.iter_mut().zip(words) {
            *word = u64::from_ne_bytes(*bytes);
        }
        Self(hash)
    }
}

impl ConstantTimeEq for TokenHash {
    fn ct_eq(&self, other: &Self) -> Choice {
        let differ = self
            .0
            .iter()
            .zip(&other.0)
            .fold(0, |sum, (a, b)| sum | a ^ b);
        differ.ct_eq(&0)
    }
}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenHash")
    }
}

/// Whether a text can be sent as a token: `b64token` of RFC 6750 section 2.1.
pub(super) fn is_b64token(text: &[u8]) -> bool {
    let end = text.iter().rposition(|byte| *byte != b'=');
    let stem = &text[..end.map_or(0, |last| last + 1)];
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~+/".contains(byte);
    !stem.is_empty() && stem.iter().all(plain)
}

/// Names that metrics give to those that have none and to the many; and what
/// somebody has written who has left the name of a hash out.
const RESERVED_NAMES: [&str; 3] = ["unnamed", "other", "sha256"];

/// Checks the name of a client.
pub(super) fn check_name(text: &str) -> Result<(), BadName> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let fits = (1..=NAME_LEN_MAX).contains(&text.len()) && text.bytes().all(plain);
    if fits && !RESERVED_NAMES.contains(&text) {
        Ok(())
    } else {
        Err(BadName)
    }
}

/// A name that can't stand in a token file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a name is 1 to 64 of A-Z a-z 0-9 - _ . and none of unnamed, other, sha256")]
pub struct BadName;

/// A new random token, and its line for the token file.
///
/// # Errors
/// [`BadName`].
///
/// # Panics
/// When the system has no random numbers.
pub fn new_token(name: &str) -> Result<[String; 2], BadName> {
    check_name(name)?;
    let mut bytes = [0; NEW_TOKEN_BYTES];
    getrandom::fill(&mut bytes).expect("the system has random numbers");
    let token = hex(&bytes);
    let line = format!("{name}:sha256:{}", hex(&Sha256::digest(&token)));
    Ok([token, line])
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
