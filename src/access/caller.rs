//! What a connection remembers of who asks on it.

use std::net::IpAddr;
use std::sync::Arc;

use subtle::ConstantTimeEq;

use crate::access::addresses::{AddressQuota, Addresses};
use crate::access::client::{Client, Scopes};
use crate::access::quota::{InFlight, OverQuota, Quota, Quotas};
use crate::access::token::TokenHash;
use crate::order::Client as ClientName;
use crate::sync::log_limit::LogLimit;

/// What a connection remembers of who asks on it: the last `Authorization` that
/// was found good. A proxy may send requests of many clients on one connection,
/// so each request is compared with it.
#[derive(Debug, Default)]
pub(crate) struct Caller {
    /// Who has shown a certificate when the connection began.
    certified: Option<Arc<Client>>,
    /// With the `Authorization` that has the token.
    identified: Option<(Box<[u8]>, Identified)>,
    /// The current request is that client's.
    is_current: bool,
    /// Of the last address, where addresses have quotas.
    address: Option<AddressQuota>,
    /// The current request is charged to it.
    charges_address: bool,
    /// Of the current request.
    in_flight: Option<InFlight>,
}

/// Who sent a request that goes on without its connection, and what it is
/// charged to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Identity {
    pub(crate) name: Option<ClientName>,
    pub(crate) quota: Option<Quota>,
}

impl Identity {
    /// Whether there is something in it.
    pub(crate) fn is_known(&self) -> bool {
        self.name.is_some() || self.quota.is_some()
    }
}

/// Whose token was found, and where.
#[derive(Debug)]
pub(super) struct Identified {
    /// Of the set of tokens that it was found in.
    pub(super) generation: u64,
    pub(super) token: TokenHash,
    pub(super) client: Arc<Client>,
}

impl Caller {
    /// On a connection whose client has shown a certificate with this name.
    pub(crate) fn certified(name: &str) -> Self {
        // A name with other characters stands in no record.
        let name = ClientName::named(name)
            .inspect_err(|why| {
                static LIMIT: LogLimit = LogLimit::new();
                LIMIT.log(|suppressed| {
                    tracing::warn!(
                        suppressed,
                        "the name in a client's certificate is in no record and no access line: {why}"
                    );
                });
            })
            .ok();
        let quota = Quota::new(Quotas::default(), Arc::default());
        let client = Client::new(name, Scopes::all(), quota);
        Self {
            certified: Some(Arc::new(client)),
            ..Self::default()
        }
    }

    /// Who sent the current request: whose token it has, else whose certificate
    /// the connection has. `None` where nobody has to say so.
    pub(crate) fn client(&self) -> Option<&Arc<Client>> {
        let by_token = self.identified().map(|identified| &identified.client);
        by_token.or(self.certified.as_ref())
    }

    /// Whose token the current request has.
    pub(super) fn identified(&self) -> Option<&Identified> {
        let known = self.identified.as_ref().filter(|_| self.is_current);
        known.map(|(_, identified)| identified)
    }

    /// The name of who sent it.
    pub(crate) fn name(&self) -> Option<ClientName> {
        self.client()?.name()
    }

    /// What the current request is charged to.
    pub(crate) fn quota(&self) -> Option<&Quota> {
        let address = self.address.as_ref().filter(|_| self.charges_address);
        match address {
            Some(address) => Some(&address.quota),
            None => self.client().map(|client| client.quota()),
        }
    }

    /// Both, for a request that goes on by itself.
    pub(crate) fn identity(&self) -> Identity {
        Identity {
            name: self.name(),
            quota: self.quota().cloned(),
        }
    }

    /// A request begins, of which nothing is known.
    pub(super) fn begin(&mut self) {
        self.is_current = false;
        self.charges_address = false;
        self.in_flight = None;
    }

    /// The current request comes from this address, which has a quota.
    pub(super) fn come_from(&mut self, address: IpAddr, addresses: &Addresses) {
        addresses.find(address, &mut self.address);
        self.charges_address = true;
    }

    /// Counts the current request as in flight until [`replied`](Self::replied),
    /// and in its client's rate, if it `charges`.
    pub(crate) fn begin_request(&mut self, charges: bool) -> Result<(), OverQuota> {
        if let Some(quota) = self.quota() {
            self.in_flight = quota.begin(charges)?;
        }
        Ok(())
    }

    /// The current request has its reply.
    pub(crate) fn replied(&mut self) {
        self.in_flight = None;
    }

    /// The client with this `Authorization`, if it is the last one's, and the
    /// tokens are still those of this generation.
    #[inline]
    pub(super) fn recall(&mut self, generation: u64, authorization: &[u8]) -> Option<&Client> {
        let (known, identified) = self.identified.as_ref()?;
        // Another client of the same proxy may be guessing.
        self.is_current = identified.generation == generation && is_same(known, authorization);
        self.is_current.then_some(&identified.client)
    }

    pub(super) fn remember(&mut self, authorization: &[u8], identified: Identified) {
        self.is_current = true;
        self.identified = Some((authorization.into(), identified));
    }
}

/// Whether two texts are the same, in a time that depends on their length only.
fn is_same(known: &[u8], given: &[u8]) -> bool {
    if known.len() != given.len() {
        return false;
    }
    // No early exit: the compiler makes some wide instructions of it, which
    // `subtle` byte by byte can't.
    let differ = known.iter().zip(given).fold(0, |sum, (a, b)| sum | a ^ b);
    differ.ct_eq(&0u8).into()
}
