//! The tokens of a file.

use std::sync::Arc;

use subtle::{ConditionallySelectable, ConstantTimeEq};

use crate::access::client::Client;
use crate::access::token::TokenHash;

/// The tokens of a file, as hashes.
#[derive(Debug, Default)]
pub(super) struct TokenSet {
    hashes: Vec<TokenHash>,
    /// In the same order.
    clients: Vec<Arc<Client>>,
}

impl TokenSet {
    pub(super) fn push(&mut self, hash: TokenHash, client: Arc<Client>) {
        self.hashes.push(hash);
        self.clients.push(client);
    }

    pub(super) fn len(&self) -> usize {
        self.hashes.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.hashes.is_empty()
    }

    /// Whose token this is. Takes as long for one that is known as for one that
    /// is nearly so, or not at all: each hash is compared, to its end.
    pub(super) fn find(&self, token: &[u8]) -> Option<&Arc<Client>> {
        let wanted = TokenHash::of(token);
        let mut found = u64::MAX;
        for (index, hash) in (0u64..).zip(&self.hashes) {
            found.conditional_assign(&index, hash.ct_eq(&wanted));
        }
        self.clients.get(usize::try_from(found).ok()?)
    }
}
