//! Which ledger a sequence belongs to.

use std::fmt;

use siphasher::sip128::SipHasher13;

/// Tells one ledger from all others: sequences of two can't be compared. A
/// journal stores it beside its segments; the memory ledger draws a new one at
/// every start; that of a stream is derived from its name and its creation.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct LedgerId(pub(super) [u8; 16]);

impl LedgerId {
    /// The id that every process derives from what identifies a ledger.
    pub(super) fn derived(identity: &str) -> Self {
        Self(SipHasher13::new().hash(identity.as_bytes()).as_bytes())
    }

    /// The id of these hexadecimal digits.
    pub(crate) fn from_digits(digits: u128) -> Self {
        Self(digits.to_be_bytes())
    }

    /// # Panics
    /// If the operating system has no random numbers.
    pub(crate) fn random() -> Self {
        let mut id = [0; 16];
        getrandom::fill(&mut id).expect("the system has random numbers");
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
        assert_eq!(LedgerId::derived("a"), LedgerId::derived("a"));
        assert_ne!(LedgerId::derived("a"), LedgerId::derived("b"));
        // Instances of all versions have to agree.
        let fixed = LedgerId::derived("ORDERS").to_string();
        assert_eq!(fixed, "c6bd85cdab7831b413e7570e224a9507");
    }
}
