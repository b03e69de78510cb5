//! What a connection remembers of who asks on it.

use std::sync::Arc;

use subtle::ConstantTimeEq;

use crate::access::client::{Client, Scopes};
use crate::access::quota::{InFlight, OverQuota, Quotas};
use crate::order::Client as ClientName;
use crate::sync::log_limit::LogLimit;

/// What a connection remembers of who asks on it: the last `Authorization` that
/// was found good. A proxy may send requests of many clients on one connection,
/// so each request is compared with it.
#[derive(Debug, Default)]
pub(crate) struct Caller {
    /// Who has shown a certificate when the connection began.
    certified: Option<Arc<Client>>,
    identified: Option<Identified>,
    /// The current request is that client's.
    is_current: bool,
    /// Of the current request.
    in_flight: Option<InFlight>,
}

#[derive(Debug)]
struct Identified {
    /// Of the set of tokens that it was found in.
    generation: u64,
    authorization: Box<[u8]>,
    client: Arc<Client>,
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
        let client = Client::new(name, Scopes::all(), Quotas::default(), Arc::default());
        Self {
            certified: Some(Arc::new(client)),
            ..Self::default()
        }
    }

    /// Who sent the current request: whose token it has, else whose certificate
    /// the connection has. `None` where nobody has to say so.
    pub(crate) fn client(&self) -> Option<&Arc<Client>> {
        let identified = self.identified.as_ref().filter(|_| self.is_current);
        let by_token = identified.map(|identified| &identified.client);
        by_token.or(self.certified.as_ref())
    }

    /// A request begins, of which nothing is known.
    pub(super) fn begin(&mut self) {
        self.is_current = false;
        self.in_flight = None;
    }

    /// Counts the current request as in flight until [`replied`](Self::replied),
    /// and in its client's rate, if it `charges`.
    pub(crate) fn begin_request(&mut self, charges: bool) -> Result<(), OverQuota> {
        if let Some(client) = self.client() {
            self.in_flight = client.begin(charges)?;
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
        let known = self.identified.as_ref()?;
        // Another client of the same proxy may be guessing.
        self.is_current =
            known.generation == generation && is_same(&known.authorization, authorization);
        self.is_current.then_some(&known.client)
    }

    pub(super) fn remember(&mut self, generation: u64, authorization: &[u8], client: Arc<Client>) {
        self.is_current = true;
        self.identified = Some(Identified {
            generation,
            authorization: authorization.into(),
            client,
        });
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
