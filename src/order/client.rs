//! Who submits orders, by name.
//!
//! A name travels with each order as a reference: it is written once, for the
//! life of the process, so that neither a copy nor a count is made an order.
//! Names are given by the operator, in the token file or through the authority
//! that signs certificates, not by those who connect, and few.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use thiserror::Error;

/// Most characters (here also bytes) in a client's name.
pub(crate) const CLIENT_LEN_MAX: usize = 64;

/// Most names in one process: 8 MiB of them.
const NAMES_MAX: usize = 1 << 16;

static NAMES: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());

/// A client's name: 1 to 64 characters of `A-Z a-z 0-9 . _ -`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Client(&'static str);

/// Why there is no [`Client`] of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum InvalidClient {
    /// It is empty, too long, or has other characters.
    #[error("a client's name is 1 to {CLIENT_LEN_MAX} of A-Z a-z 0-9 . _ -")]
    Name,
    /// There are as many names as one process has.
    #[error("there have been {NAMES_MAX} names of clients since the start")]
    TooMany,
}

impl Client {
    /// The client of this name. Takes a lock, and memory for a name that is
    /// new: for whoever reads names from a file, not once a request.
    ///
    /// # Errors
    /// [`InvalidClient`].
    pub(crate) fn named(name: &str) -> Result<Self, InvalidClient> {
        if !is_client_name(name) {
            return Err(InvalidClient::Name);
        }
        // A poisoned set is consistent: it is changed by single insertions.
        let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = names.get(name) {
            return Ok(Self(known));
        }
        if names.len() >= NAMES_MAX {
            return Err(InvalidClient::TooMany);
        }
        let name: &'static str = Box::leak(name.into());
        names.insert(name);
        Ok(Self(name))
    }

    pub(crate) fn as_str(self) -> &'static str {
        self.0
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Client").field(&self.0).finish()
    }
}

/// Whether a client may have this name. In none of them needs anything escaping
/// in JSON, a header or a log line.
pub(crate) fn is_client_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    (1..=CLIENT_LEN_MAX).contains(&name.len()) && name.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_written_once() {
        let one = Client::named("desk-7.eu_west").unwrap();
        let again = Client::named(&String::from("desk-7.eu_west")).unwrap();
        assert_eq!(one, again);
        assert!(std::ptr::eq(one.as_str(), again.as_str()));
        assert_ne!(one, Client::named("desk-8").unwrap());
    }

    #[test]
    fn names_are_of_a_safe_alphabet() {
        let longest = "x".repeat(CLIENT_LEN_MAX);
        assert!(Client::named(&longest).is_ok());
        for name in [
            "",
            "a b",
            "a\"b",
            "a\r\nb",
            "ä",
            "a:b",
            &format!("{longest}x"),
        ] {
            assert_eq!(Client::named(name), Err(InvalidClient::Name), "{name:?}");
        }
    }
}
