//! Who a request comes from, and what they may do.

use std::sync::Arc;
use std::time::Instant;

use crate::access::quota::{InFlight, OverQuota, Quotas, Usage};
use crate::metrics::ClientGauges;
use crate::order::Client as ClientName;

/// A client that was identified: the bearer of a token, or of a client
/// certificate.
#[derive(Debug)]
pub(crate) struct Client {
    /// As in the token file, or the subject of the certificate. A token can be
    /// without one.
    name: Option<ClientName>,
    scopes: Scopes,
    quotas: Quotas,
    usage: Arc<Usage>,
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
    /// A client that has done what `usage` says.
    pub(super) fn new(
        name: Option<ClientName>,
        scopes: Scopes,
        quotas: Quotas,
        usage: Arc<Usage>,
    ) -> Self {
        Self {
            name,
            scopes,
            quotas,
            usage,
        }
    }

    /// Begins a request; `charges` unless its orders do that one by one. `None`
    /// where nobody counts what is in flight.
    pub(crate) fn begin(&self, charges: bool) -> Result<Option<InFlight>, OverQuota> {
        let Quotas { rate, in_flight } = self.quotas;
        let in_flight = in_flight.map(|max| self.usage.begin(max)).transpose()?;
        if !charges {
            return Ok(in_flight);
        }
        match rate {
            None => self.usage.count(),
            Some(rate) => self
                .usage
                .charge(&rate, Instant::now())
                .inspect_err(|_| self.count_over_rate())?,
        }
        Ok(in_flight)
    }

    /// Lets one order of a batch or a stream through, which came at this time.
    /// One that is refused may wait: it is counted by
    /// [`count_over_rate`](Self::count_over_rate).
    #[inline]
    pub(crate) fn charge(&self, now: Instant) -> Result<(), OverQuota> {
        match &self.quotas.rate {
            Some(rate) => self.usage.charge(rate, now),
            None => {
                self.usage.count();
                Ok(())
            }
        }
    }

    /// Counts a request or an order that was refused for the rate.
    pub(crate) fn count_over_rate(&self) {
        self.usage.count_over_rate();
    }

    pub(super) fn usage(&self) -> &Arc<Usage> {
        &self.usage
    }

    /// Adds what it has done.
    pub(super) fn add_to(&self, gauges: &mut ClientGauges) {
        let [requests, over_rate, over_in_flight] = self.usage.counts();
        gauges.requests += requests;
        gauges.over_rate += over_rate;
        gauges.over_in_flight += over_in_flight;
        gauges.in_flight += self.usage.in_flight();
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
