//! How much a client may do, and what it has done.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crossbeam_utils::CachePadded;

use crate::config::RequestRate;
use crate::metrics::ClientGauges;
use crate::sync::rate_limit::{Rate, RateLimit};

/// How much a client may do; `None`: as much as it likes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Quotas {
    holder: Holder,
    /// Requests, and orders of batches and streams.
    rate: Option<Rate>,
    /// Requests without their reply.
    in_flight: Option<u32>,
}

/// Who has a quota.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Holder {
    #[default]
    Token,
    Address,
}

/// What a client's requests are charged to.
#[derive(Clone, Debug)]
pub(crate) struct Quota {
    quotas: Quotas,
    usage: Arc<Usage>,
}

/// What a client has done. Outlives a reload of the file.
#[derive(Debug, Default)]
pub(super) struct Usage(CachePadded<Counts>);

#[derive(Debug, Default)]
struct Counts {
    rate: RateLimit,
    in_flight: AtomicU64,
    served: AtomicU64,
    over_rate: AtomicU64,
    over_in_flight: AtomicU64,
}

/// A client has used its quota up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OverQuota {
    pub(crate) holder: Holder,
    pub(crate) what: Exceeded,
}

/// What it has used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exceeded {
    /// So many at once are let through, all of them again in `refill`; one more
    /// in `wait`.
    Rate {
        burst: u64,
        refill: Duration,
        wait: Duration,
    },
    /// So many requests may be without a reply.
    InFlight { max: u32 },
}

/// A request without its reply; over on drop.
#[derive(Debug)]
pub(crate) struct InFlight(Arc<Usage>);

impl Quotas {
    pub(super) fn new(
        holder: Holder,
        rate: Option<RequestRate>,
        burst: Option<u32>,
        in_flight: Option<u32>,
    ) -> Self {
        let rate = rate.map(|rate| {
            let burst = burst.unwrap_or_else(|| rate.default_burst());
            Rate::new(rate.count, rate.period, burst)
        });
        Self {
            holder,
            rate,
            in_flight,
        }
    }

    /// The same, with requests in flight counted although they have no limit.
    pub(super) fn counting_in_flight(self) -> Self {
        let in_flight = self.in_flight.or(Some(u32::MAX));
        Self { in_flight, ..self }
    }

    fn over(&self, what: Exceeded) -> OverQuota {
        let holder = self.holder;
        OverQuota { holder, what }
    }
}

impl Quota {
    /// Of a client that has done what `usage` says.
    pub(super) fn new(quotas: Quotas, usage: Arc<Usage>) -> Self {
        Self { quotas, usage }
    }

    pub(super) fn usage(&self) -> &Arc<Usage> {
        &self.usage
    }

    /// Whether there is anything that it bounds.
    pub(crate) fn is_limited(&self) -> bool {
        self.quotas.rate.is_some() || self.quotas.in_flight.is_some()
    }

    /// Begins a request; `charges` unless its orders do that one by one. `None`
    /// where nobody counts what is in flight.
    pub(crate) fn begin(&self, charges: bool) -> Result<Option<InFlight>, OverQuota> {
        let begin = |max| {
            let over = |()| self.quotas.over(Exceeded::InFlight { max });
            self.usage.begin(max).map_err(over)
        };
        let in_flight = self.quotas.in_flight.map(begin).transpose()?;
        if !charges {
            return Ok(in_flight);
        }
        match self.quotas.rate {
            None => self.usage.count(),
            Some(_) => self
                .charge(Instant::now())
                .inspect_err(|_| self.count_over_rate())?,
        }
        Ok(in_flight)
    }

    /// Lets one order of a batch or a stream through, which came at this time.
    /// One that is refused may wait: it is counted by
    /// [`count_over_rate`](Self::count_over_rate).
    #[inline]
    pub(crate) fn charge(&self, now: Instant) -> Result<(), OverQuota> {
        if let Some(rate) = &self.quotas.rate {
            let over = |wait| {
                self.quotas.over(Exceeded::Rate {
                    burst: rate.burst(),
                    refill: rate.refill_time(),
                    wait,
                })
            };
            self.usage.0.rate.take(rate, now).map_err(over)?;
        }
        self.usage.count();
        Ok(())
    }

    /// Counts a request or an order that was refused for the rate.
    pub(crate) fn count_over_rate(&self) {
        self.usage.0.over_rate.fetch_add(1, Ordering::Relaxed);
    }
}

impl Usage {
    /// Counts a request or an order that was let through.
    #[inline]
    fn count(&self) {
        self.0.served.fetch_add(1, Ordering::Relaxed);
    }

    /// Begins a request.
    fn begin(self: &Arc<Self>, max: u32) -> Result<InFlight, ()> {
        // Counted first, then compared: two never share the last permit.
        let before = self.0.in_flight.fetch_add(1, Ordering::Relaxed);
        let begun = InFlight(self.clone());
        if before < u64::from(max) {
            return Ok(begun);
        }
        self.0.over_in_flight.fetch_add(1, Ordering::Relaxed);
        Err(())
    }

    /// Let through, refused for the rate, and for what is in flight.
    fn counts(&self) -> [u64; 3] {
        let Counts {
            served,
            over_rate,
            over_in_flight,
            ..
        } = &*self.0;
        [served, over_rate, over_in_flight].map(|count| count.load(Ordering::Relaxed))
    }

    pub(super) fn in_flight(&self) -> u64 {
        self.0.in_flight.load(Ordering::Relaxed)
    }

    /// Whether it may do as much as one that has done nothing yet.
    pub(super) fn is_idle(&self, now: Instant) -> bool {
        self.in_flight() == 0 && self.0.rate.is_idle(now)
    }

    /// Adds what it counts.
    pub(super) fn add_to(&self, gauges: &mut ClientGauges) {
        let [requests, over_rate, over_in_flight] = self.counts();
        gauges.requests += requests;
        gauges.over_rate += over_rate;
        gauges.over_in_flight += over_in_flight;
        gauges.in_flight += self.in_flight();
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

impl OverQuota {
    /// When to try again, in whole seconds, at least one.
    pub(crate) fn retry_after(&self) -> u32 {
        match self.what {
            Exceeded::Rate { wait, .. } => whole_seconds(wait),
            Exceeded::InFlight { .. } => 1,
        }
    }

    /// How long an order has to wait for its rate.
    pub(crate) fn wait(&self) -> Duration {
        match self.what {
            Exceeded::Rate { wait, .. } => wait,
            Exceeded::InFlight { .. } => Duration::ZERO,
        }
    }

    /// How long it takes until all of a burst is let through again.
    pub(crate) fn refill(&self) -> Duration {
        match self.what {
            Exceeded::Rate { refill, .. } => refill,
            Exceeded::InFlight { .. } => Duration::ZERO,
        }
    }

    /// The fields `RateLimit-Policy` and `RateLimit`
    /// (draft-ietf-httpapi-ratelimit-headers-10).
    pub(crate) fn fields(&self) -> [(&'static str, String); 2] {
        let (policy, limit) = match self.what {
            Exceeded::Rate { burst, refill, .. } => (
                format!(r#""rate";q={burst};w={}"#, whole_seconds(refill)),
                format!(r#""rate";r=0;t={}"#, self.retry_after()),
            ),
            Exceeded::InFlight { max } => (
                format!(r#""inflight";q={max};qu="concurrent-requests""#),
                r#""inflight";r=0"#.to_owned(),
            ),
        };
        [("RateLimit-Policy", policy), ("RateLimit", limit)]
    }

    /// What happened, for people.
    pub(crate) fn detail(&self) -> &'static str {
        match (self.holder, self.what) {
            (Holder::Token, Exceeded::Rate { .. }) => {
                "the token's rate is used up (rate= and burst= of its line)"
            }
            (Holder::Token, Exceeded::InFlight { .. }) => {
                "as many requests of the token are without a reply as inflight= of its line allows"
            }
            (Holder::Address, Exceeded::Rate { .. }) => {
                "the rate of the client's address is used up (--client-rate, --client-burst)"
            }
            (Holder::Address, Exceeded::InFlight { .. }) => {
                "as many requests of the client's address are without a reply as \
                 --client-inflight allows"
            }
        }
    }
}

fn whole_seconds(time: Duration) -> u32 {
    let seconds = time.as_nanos().div_ceil(1_000_000_000).max(1);
    u32::try_from(seconds).unwrap_or(u32::MAX)
}
