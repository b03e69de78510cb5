//! An order port that stores its orders in a database or a stream, behind axum:
//! `durable-peer --store postgres|redis|jetstream --address ADDRESS
//! [--listen 127.0.0.1:0] [--connections N] [--threads N]`.
//!
//! An order is answered with 201 when the store has acknowledged it as written
//! to its disk, and with 200 when its id is there already: the two promises of
//! the service that a client can't do without. What else the service does (other
//! content under an old id, limits, a drain, the feed) is not asked for.
//!
//! `ADDRESS` is what the store's client reads: `host=/run/postgresql user=orders`,
//! `redis+unix:///run/redis.sock`, `nats://127.0.0.1:4222`.

mod jetstream;
mod postgres;
mod redis;

use std::{error::Error, net::SocketAddr, process::ExitCode, sync::Arc};

use axum::{
    Json, Router,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::post,
    serve::ListenerExt,
};
use shared::{Order, Outcome};
use tokio::net::TcpListener;

type BoxError = Box<dyn Error + Send + Sync>;

enum Store {
    Postgres(postgres::Orders),
    Redis(redis::Orders),
    JetStream(jetstream::Orders),
}

/// What became of an order, with its sequence where the store says it.
enum Stored {
    New(u64),
    Old(Option<u64>),
}

struct Options {
    listen: SocketAddr,
    store: String,
    address: String,
    connections: usize,
    threads: usize,
}

fn main() -> ExitCode {
    let options = match parse(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(why) => {
            eprintln!("durable-peer: {why}");
            return ExitCode::from(2);
        }
    };
    match serve(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("durable-peer: {why}");
            ExitCode::FAILURE
        }
    }
}

fn serve(options: &Options) -> Result<(), BoxError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(options.threads)
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let (address, connections) = (&*options.address, options.connections);
        let store = match &*options.store {
            "postgres" => Store::Postgres(postgres::Orders::open(address, connections).await?),
            "redis" => Store::Redis(redis::Orders::open(address).await?),
            "jetstream" => Store::JetStream(jetstream::Orders::open(address).await?),
            other => return Err(format!("--store can't be {other}").into()),
        };
        let routes = Router::new()
            .route("/submit", post(submit))
            .with_state(Arc::new(store));
        let listener = TcpListener::bind(options.listen).await?;
        println!("listening http {}", listener.local_addr()?);
        // As the service does. A failure means that the peer has gone, which
        // the next read says, too.
        let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
        axum::serve(listener, routes).await?;
        Ok(())
    })
}

async fn submit(State(store): State<Arc<Store>>, Json(order): Json<Order>) -> Response {
    let stored = match &*store {
        Store::Postgres(orders) => orders.put(&order).await,
        Store::Redis(orders) => orders.put(&order).await,
        Store::JetStream(orders) => orders.put(&order).await,
    };
    let (code, seq) = match stored {
        Ok(Stored::New(seq)) => (StatusCode::CREATED, Some(seq)),
        Ok(Stored::Old(seq)) => (StatusCode::OK, seq),
        Err(why) => {
            eprintln!("durable-peer: {why}");
            return StatusCode::SERVICE_UNAVAILABLE.into_response();
        }
    };
    let (id, status) = (order.id, "processed");
    (code, Json(Outcome { id, status, seq })).into_response()
}

fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Options, String> {
    let mut options = Options {
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        store: String::new(),
        address: String::new(),
        connections: 64,
        threads: std::thread::available_parallelism().map_or(1, usize::from),
    };
    while let Some(flag) = arguments.next() {
        let value = arguments.next().ok_or(format!("{flag} needs a value"))?;
        let number = value.parse().ok().filter(|&number: &usize| number > 0);
        let bad = || format!("{flag} can't be {value}");
        match &*flag {
            "--listen" => options.listen = value.parse().map_err(|_| bad())?,
            "--store" => options.store = value,
            "--address" => options.address = value,
            "--connections" => options.connections = number.ok_or_else(bad)?,
            "--threads" => options.threads = number.ok_or_else(bad)?,
            _ => return Err(format!("{flag} is not known")),
        }
    }
    Ok(options)
}
