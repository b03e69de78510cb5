//! How much a client may do, and what it has done.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crossbeam_utils::CachePadded;

use crate::sync::rate_limit::{Rate, RateLimit};

/// How much a client may do; `None`: as much as it likes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Quotas {
    /// Requests, and orders of batches and streams.
    pub(super) rate: Option<Rate>,
    /// Requests without their reply.
    pub(super) in_flight: Option<u32>,
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
pub(crate) enum OverQuota {
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

impl Usage {
    /// Lets a request or an order through at this time.
    #[inline]
    pub(super) fn charge(&self, rate: &Rate, now: Instant) -> Result<(), OverQuota> {
        match self.0.rate.take(rate, now) {
            Ok(()) => {
                self.count();
                Ok(())
            }
            Err(wait) => Err(OverQuota::Rate {
                burst: rate.burst(),
                refill: rate.refill_time(),
                wait,
            }),
        }
    }

    /// Counts a request or an order that was let through.
    #[inline]
    pub(super) fn count(&self) {
        self.0.served.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count_over_rate(&self) {
        self.0.over_rate.fetch_add(1, Ordering::Relaxed);
    }

    /// Begins a request.
    pub(super) fn begin(self: &Arc<Self>, max: u32) -> Result<InFlight, OverQuota> {
        // Counted first, then compared: two never share the last permit.
        let before = self.0.in_flight.fetch_add(1, Ordering::Relaxed);
        let begun = InFlight(self.clone());
        if before < u64::from(max) {
            return Ok(begun);
        }
        self.0.over_in_flight.fetch_add(1, Ordering::Relaxed);
        Err(OverQuota::InFlight { max })
    }

    /// Let through, refused for the rate, and for what is in flight.
    pub(super) fn counts(&self) -> [u64; 3] {
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
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

impl OverQuota {
    /// When to try again, in whole seconds, at least one.
    pub(crate) fn retry_after(&self) -> u32 {
        match self {
            Self::Rate { wait, .. } => whole_seconds(*wait),
            Self::InFlight { .. } => 1,
        }
    }

    /// The fields `RateLimit-Policy` and `RateLimit`
    /// (draft-ietf-httpapi-ratelimit-headers-10).
    pub(crate) fn fields(&self) -> [(&'static str, String); 2] {
        let (policy, limit) = match self {
            Self::Rate { burst, refill, .. } => (
                format!(r#""rate";q={burst};w={}"#, whole_seconds(*refill)),
                format!(r#""rate";r=0;t={}"#, self.retry_after()),
            ),
            Self::InFlight { max } => (
                format!(r#""inflight";q={max};qu="concurrent-requests""#),
                r#""inflight";r=0"#.to_owned(),
            ),
        };
        [("RateLimit-Policy", policy), ("RateLimit", limit)]
    }

    /// What happened, for people.
    pub(crate) fn detail(&self) -> &'static str {
        match self {
            Self::Rate { .. } => "the token's rate is used up (rate= and burst= of its line)",
            Self::InFlight { .. } => {
                "as many requests of the token are without a reply as inflight= of its line allows"
            }
        }
    }
}

fn whole_seconds(time: Duration) -> u32 {
    let seconds = time.as_nanos().div_ceil(1_000_000_000).max(1);
    u32::try_from(seconds).unwrap_or(u32::MAX)
}
