//! Which ledger a sequence belongs to.

use std::fmt;
use std::hash::{BuildHasher, RandomState};

/// Tells one ledger from all others: sequences of two can't be compared. A
/// journal keeps it with its files, the memory ledger makes one a start.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct LedgerId(pub(super) [u8; 16]);

impl LedgerId {
    /// A new one, from the source that seeds the standard library's hash maps,
    /// which draws on the operating system's random numbers.
    pub fn random() -> Self {
        let seed = RandomState::new();
        let mut id = [0; 16];
        id[..8].copy_from_slice(&seed.hash_one(0_u8).to_le_bytes());
        id[8..].copy_from_slice(&seed.hash_one(1_u8).to_le_bytes());
        Self(id)
    }
}

/// As 32 hexadecimal digits: the feed's `Orders-Ledger-Id`.
impl fmt::Display for LedgerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for LedgerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LedgerId({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_32_hexadecimal_digits_and_no_two_are_the_same() {
        let id = LedgerId([0xab; 16]);
        assert_eq!(id.to_string(), "ab".repeat(16));
        assert_ne!(LedgerId::random(), LedgerId::random());
    }
}
