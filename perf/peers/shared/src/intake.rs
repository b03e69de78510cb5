//! The channel and its consumer.

use std::hint::black_box;

use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};

use crate::options::{Mode, Options};

/// What a client sends.
#[derive(Deserialize)]
pub struct Order {
    pub id: String,
    pub value: f64,
}

/// The body of a reply.
#[derive(Serialize)]
pub struct Outcome {
    pub id: String,
    pub status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seq: Option<u64>,
}

/// What the consumer answers.
struct Verdict {
    order: Order,
    seq: u64,
    passes: bool,
}

/// An order on its way to the consumer, and who waits for it.
struct Job {
    order: Order,
    waiter: Option<oneshot::Sender<Verdict>>,
}

/// The sending side of the channel.
#[derive(Clone)]
pub struct Intake {
    mode: Mode,
    queue: mpsc::Sender<Job>,
}

impl Intake {
    /// The channel, and its consumer, which the caller spawns.
    pub fn new(options: &Options) -> (Self, impl Future<Output = ()> + Send + use<>) {
        let (queue, jobs) = mpsc::channel(options.queue_orders);
        let mode = options.mode;
        (Self { mode, queue }, consume(jobs))
    }

    /// The status of the reply, and its body; none when the channel is full.
    pub async fn submit(&self, order: Order) -> (u16, Option<Outcome>) {
        if self.mode == Mode::Queued {
            let id = order.id.clone();
            let waiter = None;
            return match self.queue.try_send(Job { order, waiter }) {
                Ok(()) => (202, Some(outcome(id, "queued", None))),
                Err(_) => (503, None),
            };
        }
        let (sender, answer) = oneshot::channel();
        let waiter = Some(sender);
        if self.queue.try_send(Job { order, waiter }).is_err() {
            return (503, None);
        }
        match answer.await {
            Ok(Verdict { order, seq, passes }) => {
                let (code, status) = if passes {
                    (201, "processed")
                } else {
                    (422, "failed")
                };
                (code, Some(outcome(order.id, status, Some(seq))))
            }
            Err(_) => (503, None),
        }
    }
}

fn outcome(id: String, status: &'static str, seq: Option<u64>) -> Outcome {
    Outcome { id, status, seq }
}

/// Takes orders one at a time, numbers them, and answers who waits.
async fn consume(mut jobs: mpsc::Receiver<Job>) {
    let mut seq = 0;
    while let Some(Job { order, waiter }) = jobs.recv().await {
        seq += 1;
        // The service's default rule; evaluated whether anyone waits or not.
        let passes = black_box(order.value > 0.0);
        if let Some(waiter) = waiter {
            // Whoever waited may have gone.
            drop(waiter.send(Verdict { order, seq, passes }));
        }
    }
}
