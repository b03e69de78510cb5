//! Who a request comes from, and what they may do.

use crate::access::quota::Quota;
use crate::order::Client as ClientName;

/// A client that was identified: the bearer of a token, or of a client
/// certificate.
#[derive(Debug)]
pub(crate) struct Client {
    /// As in the token file, or the subject of the certificate. A token can be
    /// without one.
    name: Option<ClientName>,
    scopes: Scopes,
    quota: Quota,
}

/// What a request needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// To submit orders.
    Submit,
    /// To read outcomes and figures.
    Read,
}

/// A set of scopes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Scopes(u8);

impl Client {
    pub(super) fn new(name: Option<ClientName>, scopes: Scopes, quota: Quota) -> Self {
        Self {
            name,
            scopes,
            quota,
        }
    }

    /// What its requests are charged to.
    pub(crate) fn quota(&self) -> &Quota {
        &self.quota
    }

    /// The name that orders of this client are recorded under.
    pub(crate) fn name(&self) -> Option<ClientName> {
        self.name
    }

    pub(super) fn scopes(&self) -> Scopes {
        self.scopes
    }
}

impl Scope {
    pub(crate) const ALL: [Self; 2] = [Self::Submit, Self::Read];

    /// As in the token file, and in a challenge.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Submit => "submit",
            Self::Read => "read",
        }
    }
}

impl Scopes {
    pub(super) fn all() -> Self {
        Scope::ALL.into_iter().fold(Self::default(), Self::with)
    }

    pub(super) fn with(self, scope: Scope) -> Self {
        Self(self.0 | 1 << scope as u8)
    }

    pub(super) fn has(self, scope: Scope) -> bool {
        self.0 & 1 << scope as u8 != 0
    }
}
