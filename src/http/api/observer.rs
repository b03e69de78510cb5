//! The observer: one thread that puts scrapes together.
//!
//! A scrape reads `/proc` and builds some kilobytes of text: neither belongs
//! on a coroutine, whose thread serves orders and whose stack is small. So it
//! is requested here, through a bounded queue, and the coroutine waits for it
//! as it waits for an order.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::task::Waker;

use crossbeam_queue::ArrayQueue;

use crate::access::Access;
use crate::http::wire::reply::{Caching, Reply};
use crate::metrics;
use crate::metrics::{Gauges, ProcessMetrics};
use crate::pipeline::Pipeline;
use crate::pipeline::gate::GateState;
use crate::sync::crash;
use crate::sync::oneshot::Oneshot;
use crate::sync::parking::{Dequeue, Idle, Parking, Urgency};
use crate::tls::Tls;

/// Scrapes that may wait. More are no use: their scrapers have timed out by
/// then.
const WAITING_MAX: usize = 64;

/// What can be scraped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum View {
    /// The Prometheus text format.
    Classic,
    OpenMetrics,
    /// JSON for the status page.
    Stats,
}

struct Scrape {
    view: View,
    reply: Arc<Oneshot<Reply>>,
}

struct ScrapeQueue {
    queue: ArrayQueue<Scrape>,
    parking: Parking,
    closed: AtomicBool,
}

/// A handle to the thread.
#[derive(Clone)]
pub(crate) struct Observer(Arc<ScrapeQueue>);

impl Observer {
    /// Starts the thread. It ends when the pipeline is gone or on
    /// [`stop`](Self::stop).
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(crate) fn start(
        pipeline: &Arc<Pipeline>,
        access: Arc<Access>,
        tls: Option<Arc<Tls>>,
    ) -> io::Result<Self> {
        let scrapes = ScrapeQueue::new();
        let (observer, pipeline) = (scrapes.clone(), Arc::downgrade(pipeline));
        crash::spawn("observer", move || {
            observer.run(&pipeline, &access, tls.as_deref())
        })?;
        Ok(Self(scrapes))
    }

    /// Without a thread.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn unstarted() -> Self {
        Self(ScrapeQueue::new())
    }

    /// Answers a scrape on this thread; whether one was waiting.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn answer_one(&self, pipeline: &Pipeline, access: &Access) -> bool {
        let next = self.0.queue.pop();
        next.map(|scrape| {
            let gauges = gauges(pipeline, access, None);
            scrape.reply.complete(view(pipeline, &gauges, scrape.view));
        })
        .is_some()
    }

    /// Asks for a view; `None` when too many are waiting.
    pub(crate) fn ask(&self, view: View, waker: &Waker) -> Option<Arc<Oneshot<Reply>>> {
        let reply = Arc::new(Oneshot::new(Some(waker.clone())));
        let scrape = Scrape {
            view,
            reply: reply.clone(),
        };
        self.0.queue.push(scrape).ok()?;
        self.0.parking.notify(Urgency::Now);
        Some(reply)
    }

    pub(crate) fn stop(&self) {
        self.0.closed.store(true, Ordering::Release);
        self.0.parking.notify_all();
    }
}

impl ScrapeQueue {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            queue: ArrayQueue::new(WAITING_MAX),
            parking: Parking::new(1, Idle::Yield),
            closed: AtomicBool::new(false),
        })
    }

    fn run(&self, pipeline: &Weak<Pipeline>, access: &Access, tls: Option<&Tls>) {
        loop {
            let next = self
                .parking
                .next(0, Urgency::Now, || match self.queue.pop() {
                    Some(scrape) => Dequeue::Item(scrape, false),
                    None if self.closed.load(Ordering::Acquire) => Dequeue::Closed,
                    None => Dequeue::Empty,
                });
            let (Some(scrape), Some(pipeline)) = (next.item, pipeline.upgrade()) else {
                return;
            };
            let gauges = gauges(&pipeline, access, tls);
            scrape.reply.complete(view(&pipeline, &gauges, scrape.view));
            pipeline.wake_queues.flush();
        }
    }
}

fn view(pipeline: &Pipeline, gauges: &Gauges, view: View) -> Reply {
    let mut body = Vec::with_capacity(20 << 10);
    pipeline.warn_of_stall();
    let (content_type, caching) = match view {
        View::Classic => {
            metrics::classic(&pipeline.metrics, gauges, &mut body);
            (metrics::CLASSIC_CONTENT_TYPE, Caching::ByAccept)
        }
        View::OpenMetrics => {
            metrics::openmetrics(&pipeline.metrics, gauges, &mut body);
            (metrics::OPENMETRICS_CONTENT_TYPE, Caching::ByAccept)
        }
        View::Stats => {
            metrics::stats_json(&pipeline.metrics, gauges, &mut body);
            return Reply::json(200, body);
        }
    };
    Reply::bytes(200, content_type, body).cached(caching)
}

/// The levels as they are now.
fn gauges(pipeline: &Pipeline, access: &Access, tls: Option<&Tls>) -> Gauges {
    let archive = pipeline.archive();
    let (clients, addresses) = access.gauges();
    let state = pipeline.gate.state();
    Gauges {
        queue_depth: pipeline.depth() as u64,
        queue_capacity: pipeline.capacity() as u64,
        queue_bytes: pipeline.gate.bytes(),
        bulk_orders: pipeline.bulk.orders(),
        commit_queue_depth: pipeline.commit_depth() as u64,
        dedupe_window_age: pipeline.window.age(),
        ready: state == GateState::Open,
        draining: state == GateState::Draining,
        ledger: archive.map_or("", |archive| archive.kind()),
        ledger_id: archive.map(|archive| archive.ledger_id().to_string()),
        last_seq: archive.map(|archive| archive.last_seq()),
        oldest_seq: archive.map(|archive| archive.oldest_seq()),
        disk: archive.and_then(|archive| archive.disk()),
        nats: archive.and_then(|archive| archive.nats()),
        tls_not_after: tls.map(Tls::not_after),
        clients,
        addresses,
        process: ProcessMetrics::read(),
    }
}
