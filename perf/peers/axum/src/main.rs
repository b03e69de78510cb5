//! The peer that `perf/compare` measures against: how fast an order port is
//! that promises nothing.
//!
//! It is what one would write first: axum, a bounded tokio channel, 503 when
//! the channel is full, one consumer that judges an order and numbers it. No
//! ids are remembered, nothing is kept, nothing is drained, nothing but the
//! channel is bounded. It has the service's allocator, so that the difference
//! measured is not the allocator's.
//!
//! `axum-peer [--listen 127.0.0.1:0] [--mode queued|committed] [--threads N]
//! [--queue-capacity 65536]`; prints `listening http ADDRESS`.

use std::{error::Error, hint::black_box, net::SocketAddr, process::ExitCode};

use axum::{
    Json, Router,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::post,
    serve::ListenerExt,
};
use serde::{Deserialize, Serialize};
use tokio::{
    net::TcpListener,
    sync::{mpsc, oneshot},
};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Clone, Copy, PartialEq)]
enum Mode {
    /// The reply follows the push into the channel.
    Queued,
    /// The reply follows the consumer's answer.
    Committed,
}

struct Options {
    listen: SocketAddr,
    mode: Mode,
    threads: usize,
    queue_orders: usize,
}

#[derive(Deserialize)]
struct Order {
    id: String,
    value: f64,
}

#[derive(Serialize)]
struct Outcome {
    id: String,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<u64>,
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

#[derive(Clone)]
struct Door {
    mode: Mode,
    queue: mpsc::Sender<Job>,
}

fn main() -> ExitCode {
    let options = match parse(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(why) => {
            eprintln!("axum-peer: {why}");
            return ExitCode::from(2);
        }
    };
    match serve(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("axum-peer: {why}");
            ExitCode::FAILURE
        }
    }
}

fn serve(options: &Options) -> Result<(), Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(options.threads)
        .enable_io()
        .build()?;
    runtime.block_on(async {
        let (queue, jobs) = mpsc::channel(options.queue_orders);
        tokio::spawn(consume(jobs));
        let mode = options.mode;
        let routes = Router::new()
            .route("/submit", post(submit))
            .with_state(Door { mode, queue });
        let listener = TcpListener::bind(options.listen).await?;
        println!("listening http {}", listener.local_addr()?);
        // As the service does. A failure means that the peer has gone, which
        // the next read says, too.
        let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
        axum::serve(listener, routes).await?;
        Ok(())
    })
}

async fn submit(State(door): State<Door>, Json(order): Json<Order>) -> Response {
    if door.mode == Mode::Queued {
        let id = order.id.clone();
        let waiter = None;
        return match door.queue.try_send(Job { order, waiter }) {
            Ok(()) => outcome(StatusCode::ACCEPTED, id, "queued", None),
            Err(_) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
        };
    }
    let (sender, answer) = oneshot::channel();
    let waiter = Some(sender);
    if door.queue.try_send(Job { order, waiter }).is_err() {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    match answer.await {
        Ok(Verdict { order, seq, passes }) => {
            let (code, status) = if passes {
                (StatusCode::CREATED, "processed")
            } else {
                (StatusCode::UNPROCESSABLE_ENTITY, "failed")
            };
            outcome(code, order.id, status, Some(seq))
        }
        Err(_) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

fn outcome(code: StatusCode, id: String, status: &'static str, seq: Option<u64>) -> Response {
    (code, Json(Outcome { id, status, seq })).into_response()
}

/// Takes orders one at a time, numbers them, and answers who waits.
async fn consume(mut jobs: mpsc::Receiver<Job>) {
    let mut seq = 0;
    while let Some(Job { order, waiter }) = jobs.recv().await {
        seq += 1;
        // The service's default rule; judged whether anyone waits or not.
        let passes = black_box(order.value > 0.0);
        if let Some(waiter) = waiter {
            // Whoever waited may have gone.
            drop(waiter.send(Verdict { order, seq, passes }));
        }
    }
}

fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Options, String> {
    let mut options = Options {
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        mode: Mode::Committed,
        threads: std::thread::available_parallelism().map_or(1, usize::from),
        queue_orders: 65_536,
    };
    while let Some(flag) = arguments.next() {
        let value = arguments.next().ok_or(format!("{flag} needs a value"))?;
        let bad = || format!("{flag} can't be {value}");
        match &*flag {
            "--listen" => options.listen = value.parse().map_err(|_| bad())?,
            "--threads" => options.threads = positive(&value).ok_or_else(bad)?,
            "--queue-capacity" => options.queue_orders = positive(&value).ok_or_else(bad)?,
            "--mode" => {
                options.mode = match &*value {
                    "queued" => Mode::Queued,
                    "committed" => Mode::Committed,
                    _ => return Err(bad()),
                }
            }
            _ => return Err(format!("{flag} is not known")),
        }
    }
    Ok(options)
}

fn positive(text: &str) -> Option<usize> {
    text.parse().ok().filter(|&number| number > 0)
}
