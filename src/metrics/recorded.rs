//! What the pipeline and the front ends record, by the part that writes it.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use crossbeam_utils::CachePadded;

use crate::metrics::counter::{CounterFamily, Gauge, OwnedCounter, ShardedCounter};
use crate::metrics::grpc::GrpcMetrics;
use crate::metrics::histogram::{Histogram, HistogramSnapshot};
use crate::metrics::journal::JournalMetrics;
use crate::metrics::label::{DenyReason, Reason, Route, StatusLabel, WithdrawReason};
use crate::metrics::tls::TlsMetrics;

/// Every figure of one process.
#[derive(Debug)]
pub struct Metrics {
    /// Written where submissions come in.
    pub admission: AdmissionMetrics,
    /// One for each worker, written by that worker only.
    pub workers: Box<[CachePadded<WorkerMetrics>]>,
    /// Written by the ledger thread only.
    pub ledger: CachePadded<LedgerMetrics>,
    /// Accepted orders that ended without an outcome.
    pub withdrawn: CounterFamily<WithdrawReason, { WithdrawReason::COUNT }>,
    /// Requests and calls that could not be made by who made them.
    pub denied: CounterFamily<DenyReason, { DenyReason::COUNT }>,
    /// Written by any thread that serves HTTP.
    pub http: HttpMetrics,
    /// Written by any thread that serves connections.
    pub tls: TlsMetrics,
    /// The journal's own, once one is open.
    pub journal: OnceLock<Arc<JournalMetrics>>,
    /// The gRPC port's own, once it is open.
    pub grpc: OnceLock<Arc<GrpcMetrics>>,
    started: Instant,
}

impl Metrics {
    /// All figures at zero, for this many workers. The uptime counts from here.
    pub fn new(workers: usize) -> Self {
        Self {
            admission: AdmissionMetrics::default(),
            workers: (0..workers).map(|_| CachePadded::default()).collect(),
            ledger: CachePadded::default(),
            withdrawn: CounterFamily::new(),
            denied: CounterFamily::new(),
            http: HttpMetrics::default(),
            tls: TlsMetrics::default(),
            journal: OnceLock::new(),
            grpc: OnceLock::new(),
            started: Instant::now(),
        }
    }

    /// How long ago [`new`](Self::new) was called.
    pub fn uptime(&self) -> Duration {
        self.started.elapsed()
    }

    /// The wait in the intake queue, over all workers.
    pub(super) fn queue_stage(&self) -> HistogramSnapshot {
        merged(self.workers.iter().map(|worker| &worker.queue))
    }

    /// The time in the processor, over all workers.
    pub(super) fn process_stage(&self) -> HistogramSnapshot {
        merged(self.workers.iter().map(|worker| &worker.process))
    }

    pub(super) fn worker_parks(&self) -> u64 {
        self.workers.iter().map(|worker| worker.parks.get()).sum()
    }

    pub(super) fn worker_wakes(&self) -> u64 {
        self.workers.iter().map(|worker| worker.wakes.get()).sum()
    }
}

fn merged<'a>(histograms: impl Iterator<Item = &'a Histogram>) -> HistogramSnapshot {
    let mut sum = HistogramSnapshot::of_durations();
    histograms.for_each(|histogram| histogram.merge_into(&mut sum));
    sum
}

/// The results of admission. Every submission is counted in exactly one of the
/// three.
#[derive(Debug, Default)]
pub struct AdmissionMetrics {
    /// New orders accepted.
    ///
    /// Counted just after the push that shows the order to a worker, whose
    /// outcome may be counted first. A scrape reads it through
    /// [`OrderCounts`](crate::metrics::order_counts::OrderCounts), which allows
    /// for that.
    pub accepted: ShardedCounter,
    /// Submissions of an id and content seen before.
    pub duplicate: ShardedCounter,
    /// Submissions rejected, by reason.
    pub rejected: CounterFamily<Reason, { Reason::COUNT }>,
}

/// One worker's figures.
#[derive(Debug)]
pub struct WorkerMetrics {
    /// How often the worker found nothing to do and parked.
    pub parks: OwnedCounter,
    /// How often it came back from a park.
    pub wakes: OwnedCounter,
    /// From admission until the worker takes it.
    pub queue: Histogram,
    /// Inside the processor.
    pub process: Histogram,
}

impl Default for WorkerMetrics {
    fn default() -> Self {
        Self {
            parks: OwnedCounter::new(),
            wakes: OwnedCounter::new(),
            queue: Histogram::of_durations(),
            process: Histogram::of_durations(),
        }
    }
}

/// The ledger thread's figures. Processed and failed count at commit, before
/// the reply.
#[derive(Debug)]
pub struct LedgerMetrics {
    /// Orders committed as processed.
    pub processed: OwnedCounter,
    /// Orders committed as failed.
    pub failed: OwnedCounter,
    /// Accepted orders whose id another process had committed, with the same
    /// content.
    pub already_there_same: OwnedCounter,
    /// The same with other content.
    pub already_there_other: OwnedCounter,
    /// From the processor's verdict to the commit, an order each.
    pub commit: Histogram,
    /// From admission to the commit, an order each.
    pub total: Histogram,
}

impl LedgerMetrics {
    /// Orders committed, either way.
    pub fn outcomes(&self) -> u64 {
        self.processed.get() + self.failed.get()
    }
}

impl Default for LedgerMetrics {
    fn default() -> Self {
        Self {
            processed: OwnedCounter::new(),
            failed: OwnedCounter::new(),
            already_there_same: OwnedCounter::new(),
            already_there_other: OwnedCounter::new(),
            commit: Histogram::of_durations(),
            total: Histogram::of_durations(),
        }
    }
}

/// The HTTP figures, of all ports together.
#[derive(Debug, Default)]
pub struct HttpMetrics {
    /// Connections open now.
    pub connections: Gauge,
    /// How many the order port serves at a time, as far as the descriptor limit
    /// allows.
    pub connections_max: Gauge,
    /// Batches between their head and the last byte of their reply.
    pub batches: Gauge,
    /// Requests answered, by route and status.
    pub requests: CounterFamily<(Route, StatusLabel), { Route::COUNT * StatusLabel::COUNT }>,
}

impl HttpMetrics {
    /// Counts one request answered with `status`.
    #[inline]
    pub fn request(&self, route: Route, status: u16) {
        self.requests.inc((route, StatusLabel::of(status)));
    }

    /// The cells that are not zero, by route and then status.
    pub(super) fn requests_made(&self) -> impl Iterator<Item = (Route, StatusLabel, u64)> {
        let cells = Route::ALL
            .iter()
            .flat_map(|route| StatusLabel::all().map(move |status| (*route, status)));
        cells
            .map(|(route, status)| (route, status, self.requests.get((route, status))))
            .filter(|(_, _, count)| *count > 0)
    }
}
