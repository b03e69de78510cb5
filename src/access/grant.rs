//! The right of a call that may outlast the tokens it came with.

use std::sync::Arc;

use crate::access::caller::Caller;
use crate::access::client::{Client, Scope};
use crate::access::policy::{Access, Denied, Need};
use crate::access::token::TokenHash;

/// What a call that lasts was let in with, to be checked again before each of
/// its steps: a connection checks its requests only as they begin.
#[derive(Clone, Debug)]
pub(crate) struct Grant {
    token: TokenHash,
    scope: Scope,
    client: Arc<Client>,
    /// Of the tokens that it was found in.
    generation: u64,
}

impl Grant {
    /// That of the current request, which [`Access::check`] has let through.
    /// `None` where it needed no token.
    pub(crate) fn of(access: &Access, caller: &Caller, need: Need) -> Option<Self> {
        let scope = access.scope(need)?;
        let identified = caller.identified()?;
        Some(Self {
            token: identified.token,
            scope,
            client: identified.client.clone(),
            generation: identified.generation,
        })
    }

    /// Whether the call may go on. The client, if the tokens have changed since
    /// the last check: its name and quotas may be others. A load as long as
    /// they haven't.
    ///
    /// # Errors
    /// When the token is gone or has lost its scope; again with each check,
    /// until it is back.
    #[inline]
    pub(crate) fn check(&mut self, access: &Access) -> Result<Option<&Client>, Denied> {
        if access.generation() == Some(self.generation) {
            return Ok(None);
        }
        self.look_up(access).map(Some)
    }

    #[cold]
    fn look_up(&mut self, access: &Access) -> Result<&Client, Denied> {
        let (generation, client) = access.find(&self.token)?;
        if !client.scopes().has(self.scope) {
            return Err(Denied::Scope(self.scope));
        }
        self.generation = generation;
        self.client = client;
        Ok(&self.client)
    }
}
