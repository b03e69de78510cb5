//! What the service counts, and the three ways it says so: Prometheus text, OpenMetrics, JSON.
//!
//! Everything is fixed at compile time: no registry, no lock, and nothing is allocated once
//! [`Metrics::new`] has returned, save by the exposition into its caller's buffer. A figure is
//! written by the thread that owns it, or to a cell of the writing thread's own; a scrape only reads.
//!
//! | figure | written by | kind |
//! |---|---|---|
//! | `admission`, `http`, `withdrawn` | any thread that serves a submission | sharded |
//! | `workers[i]` | worker `i` | owned |
//! | `ledger` | the ledger thread | owned |
//! | `journal` | the ledger thread; its bytes by who makes segments | owned |
//! | [`Gauges`], [`ProcessMetrics`] | read by the caller of a scrape | values |
//!
//! The identity that holds at rest: accepted = processed + failed + withdrawn. A scrape under load
//! sees the orders that are still inside as the difference; see [`AdmissionMetrics::accepted`] for
//! when that difference can't go below zero.
//!
//! For one more family: a field below, its lines in `exposition` and in `stats`. What only exists
//! at times is an `Option` in [`Gauges`], as `process` is, or set once, as `journal`.

mod accept;
mod counter;
mod exposition;
mod histogram;
mod journal;
mod label;
mod process;
mod stats;
mod text;

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use crossbeam_utils::CachePadded;

pub(crate) use self::accept::wants_openmetrics;
pub(crate) use self::counter::{CounterFamily, Gauge};
pub use self::counter::{OwnedCounter, ShardedCounter};
pub(crate) use self::exposition::{CLASSIC_CONTENT_TYPE, OPENMETRICS_CONTENT_TYPE};
pub use self::exposition::{classic, openmetrics};
pub use self::histogram::Histogram;
pub(crate) use self::histogram::HistogramSnapshot;
pub(crate) use self::journal::JournalMetrics;
pub use self::label::Route;
pub(crate) use self::label::{Reason, StatusLabel, WithdrawReason};
pub use self::process::ProcessMetrics;
pub use self::stats::stats_json;

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
    /// Written by whoever serves HTTP.
    pub http: HttpMetrics,
    /// The journal's own, once one is open.
    pub journal: OnceLock<Arc<JournalMetrics>>,
    started: Instant,
}

impl Metrics {
    /// All figures at zero, for so many workers. The uptime counts from here.
    pub fn new(workers: usize) -> Self {
        Self {
            admission: AdmissionMetrics::default(),
            workers: (0..workers).map(|_| CachePadded::default()).collect(),
            ledger: CachePadded::default(),
            withdrawn: CounterFamily::new(),
            http: HttpMetrics::default(),
            journal: OnceLock::new(),
            started: Instant::now(),
        }
    }

    /// How long ago [`new`](Self::new) was called.
    pub fn uptime(&self) -> Duration {
        self.started.elapsed()
    }

    /// The wait in the intake queue, over all workers.
    fn queue_stage(&self) -> HistogramSnapshot {
        merged(self.workers.iter().map(|worker| &worker.queue))
    }

    /// The time in the processor, over all workers.
    fn process_stage(&self) -> HistogramSnapshot {
        merged(self.workers.iter().map(|worker| &worker.process))
    }

    fn worker_parks(&self) -> u64 {
        self.workers.iter().map(|worker| worker.parks.get()).sum()
    }

    fn worker_wakes(&self) -> u64 {
        self.workers.iter().map(|worker| worker.wakes.get()).sum()
    }
}

fn merged<'a>(histograms: impl Iterator<Item = &'a Histogram>) -> HistogramSnapshot {
    let mut sum = HistogramSnapshot::of_durations();
    histograms.for_each(|histogram| histogram.merge_into(&mut sum));
    sum
}

/// What became of submissions at the door. Every one is counted in just one of the three.
#[derive(Debug, Default)]
pub struct AdmissionMetrics {
    /// New orders let in.
    ///
    /// Counted once its place in the queue is sure, and before the push that shows it to a worker, no
    /// scrape sees an order's outcome without its acceptance. Counted after the push, a scrape may for
    /// a moment see one more outcome than acceptances.
    pub accepted: ShardedCounter,
    /// Submissions that met the same id and content.
    pub duplicate: ShardedCounter,
    /// Submissions turned away, by reason.
    pub rejected: CounterFamily<Reason, { Reason::COUNT }>,
}

/// One worker's figures.
#[derive(Debug)]
pub struct WorkerMetrics {
    /// How often the worker found nothing to do and parked.
    pub parks: OwnedCounter,
    /// How often it came back from a park.
    pub wakes: OwnedCounter,
    /// From admission to the worker's hand.
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

/// The ledger thread's figures. Processed and failed count at commit, before the reply.
#[derive(Debug)]
pub struct LedgerMetrics {
    /// Orders committed as processed.
    pub processed: OwnedCounter,
    /// Orders committed as failed.
    pub failed: OwnedCounter,
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
            commit: Histogram::of_durations(),
            total: Histogram::of_durations(),
        }
    }
}

/// The HTTP doors' figures, of all ports together.
#[derive(Debug, Default)]
pub struct HttpMetrics {
    /// Connections open now.
    pub connections: Gauge,
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
    fn requests_made(&self) -> impl Iterator<Item = (Route, StatusLabel, u64)> {
        let cells = Route::ALL
            .iter()
            .flat_map(|route| StatusLabel::all().map(move |status| (*route, status)));
        cells
            .map(|(route, status)| (route, status, self.requests.get((route, status))))
            .filter(|(_, _, count)| *count > 0)
    }
}

/// The levels that live elsewhere, read by the caller just before a scrape.
#[derive(Debug, Clone, Default)]
pub struct Gauges {
    /// Orders in the intake queue.
    pub queue_depth: u64,
    /// Slots of the intake queue.
    pub queue_capacity: u64,
    /// Bytes taken from the queue's budget, from admission to reply.
    pub queue_bytes: u64,
    /// Outcomes in the commit queue.
    pub commit_queue_depth: u64,
    /// The age of the oldest id in the dedupe window; `None` while it is empty.
    pub dedupe_window_age: Option<Duration>,
    /// Whether new orders are taken, as `/readyz` says.
    pub ready: bool,
    /// The kind of ledger, for `/stats`: a word that needs no escaping.
    pub ledger: &'static str,
    /// The process as its system sees it; `None` leaves the `process_*` families out.
    pub process: Option<ProcessMetrics>,
}
