//! Keyed 128-bit hashes that represent ids and contents in claims and window.
//!
//! A client picks the bytes that are hashed, so the hash is keyed (SipHash-1-3 with 128 bits of
//! output, Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012) with a key that lives
//! only in this process: no client can search for two inputs with the same hash, and equal hashes
//! may be taken for equal inputs.
//!
//! Contents are sets of members, so their hashes must not depend on order: each member is hashed
//! alone and the hashes are added modulo 2^128 (Bellare and Micciancio, "A New Paradigm for
//! Collision-Free Hashing", 1997, and Clarke et al., "Incremental Multiset Hash Functions", 2003).
//! Under a secret key this is sound. Without the key, the hashes of different members are
//! independent random numbers. If two contents differ, then a member of one isn't in the other;
//! names are unique, so that member's random number is in the difference of the two sums once and
//! not a multiple of times that could cancel it, and the difference is zero with probability
//! 2^-128. The known attack on such sums (Wagner's generalized birthday, 2002) chooses
//! members by their hashes, and these, or the sums, never leave the process.

use std::fmt;
use std::hash::Hasher;

use rust_decimal::Decimal;
use siphasher::sip128::{Hasher128, SipHasher13};

use crate::order::id::OrderId;

/// The secret key of a process' hashes. Hashes under different keys can't be compared.
///
/// It holds four keys, one for each kind of input and derived from the one given, so that
/// an id, a name, a member and a value never share a hash. Each is kept as a hasher's initial
/// state.
#[derive(Clone)]
pub struct HashKey {
    ids: SipHasher13,
    names: SipHasher13,
    members: SipHasher13,
    values: SipHasher13,
}

impl HashKey {
    /// A new key from the operating system's random numbers (getrandom(2)).
    ///
    /// # Panics
    /// If the system has none: a predictable key would let clients choose colliding ids.
    pub fn random() -> Self {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).expect("the operating system gives random numbers");
        Self::from_bytes(bytes)
    }

    /// The key made of `bytes`; the same bytes give the same hashes.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        let given = SipHasher13::new_with_key(&bytes);
        let derive = |purpose: &str| {
            SipHasher13::new_with_key(&given.hash(purpose.as_bytes()).as_u128().to_le_bytes())
        };
        Self {
            ids: derive("order id"),
            names: derive("member name"),
            members: derive("member"),
            values: derive("order value"),
        }
    }

    /// The hash of an id.
    pub fn id(&self, id: &OrderId) -> u128 {
        self.ids.hash(id.as_bytes()).as_u128()
    }

    /// The hash of a member's name, without quotes and escapes.
    pub(super) fn name(&self, name: &str) -> u128 {
        self.names.hash(name.as_bytes()).as_u128()
    }

    /// The hash of a member, of `name`'s hash (whose fixed size keeps the parts apart) and the
    /// bytes of its value.
    pub(super) fn member(&self, name: u128, value: &str) -> u128 {
        let mut hasher = self.members;
        hasher.write(&name.to_le_bytes());
        hasher.write(value.as_bytes());
        hasher.finish128().as_u128()
    }

    /// The hash of an order's value, which must be normalized.
    pub(super) fn value(&self, value: Decimal) -> u128 {
        let mut bytes = [0; 20];
        bytes[..16].copy_from_slice(&value.mantissa().to_le_bytes());
        bytes[16..].copy_from_slice(&value.scale().to_le_bytes());
        self.values.hash(&bytes).as_u128()
    }
}

/// Hides the key: it must not end up in a log.
impl fmt::Debug for HashKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HashKey(secret)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn same_bytes_same_hash_other_key_other_hash() {
        let id = OrderId::parse("ord-001").unwrap();
        let one = HashKey::from_bytes([1; 16]);
        assert_eq!(one.id(&id), HashKey::from_bytes([1; 16]).id(&id));
        assert_ne!(one.id(&id), HashKey::from_bytes([2; 16]).id(&id));
        assert_ne!(HashKey::random().id(&id), HashKey::random().id(&id));
        assert_ne!(one.id(&id), one.id(&OrderId::parse("ord-002").unwrap()));
    }

    #[test]
    fn kinds_of_input_are_kept_apart() {
        let key = HashKey::from_bytes([1; 16]);
        assert_ne!(key.id(&OrderId::parse("a").unwrap()), key.name("a"));
        assert_ne!(
            key.member(key.name("a"), "bc"),
            key.member(key.name("ab"), "c")
        );
        assert_eq!(format!("{key:?}"), "HashKey(secret)");
    }
}
