//! The tokens of a file.

use std::sync::Arc;

use subtle::{ConditionallySelectable, ConstantTimeEq};

use crate::access::client::Client;
use crate::access::quota::Usage;
use crate::access::token::TokenHash;
use crate::metrics::ClientGauges;

/// Clients that have metrics under their own names; the rest is `other`.
const NAMES_SHOWN_MAX: usize = 64;

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

    /// What the client of this name has done; without one, that of this token.
    pub(super) fn usage(&self, name: Option<&str>, hash: &TokenHash) -> Option<Arc<Usage>> {
        let mut known = self.hashes.iter().zip(&self.clients);
        let (_, client) = known.find(|(its_hash, client)| match (name, client.name()) {
            (Some(name), Some(its_name)) => name == its_name.as_str(),
            (None, None) => *its_hash == hash,
            _ => false,
        })?;
        Some(client.quota().usage().clone())
    }

    /// What its clients have done: those of the first names, then the tokens
    /// without a name, and the rest, where there are any.
    pub(super) fn gauges(&self) -> Vec<ClientGauges> {
        let mut gauges = Vec::new();
        let mut unnamed = None;
        let mut others = None;
        for client in &self.clients {
            let gauge = match client.name() {
                None => unnamed.get_or_insert_with(|| ClientGauges::new("unnamed")),
                Some(name) if gauges.len() < NAMES_SHOWN_MAX => {
                    gauges.push(ClientGauges::new(name.as_str()));
                    gauges.last_mut().expect("it has just been pushed")
                }
                Some(_) => others.get_or_insert_with(|| ClientGauges::new("other")),
            };
            client.quota().usage().add_to(gauge);
        }
        gauges.extend(unnamed.into_iter().chain(others));
        gauges
    }

    /// Whose token this is. Takes as long for one that is known as for one that
    /// is nearly so, or not at all: each hash is compared, to its end.
    pub(super) fn find(&self, token: &TokenHash) -> Option<&Arc<Client>> {
        let mut found = u64::MAX;
        for (index, hash) in (0u64..).zip(&self.hashes) {
            found.conditional_assign(&index, hash.ct_eq(token));
        }
        self.clients.get(usize::try_from(found).ok()?)
    }
}
