//! The client of `perf/grpc`: keeps a number of orders in flight, each with an
//! id that nobody has sent before, and says how many were answered and how
//! fast.
//!
//! `grpc-load --address HOST:PORT --mode submit|stream [--expect
//! processed|queued] [--connections 4] [--in-flight 64] [--seconds 5] [--warmup
//! 1] [--threads 1]`
//!
//! `submit` keeps `--in-flight` calls open over all connections; `stream` keeps
//! one stream a connection, and that many orders without a response over all.
//! An answer other than the expected one is an error, and ends the call's place
//! or the stream; the first one is told on standard error.
//!
//! Prints `measuring` when the warm-up is over, `measured` when the seconds
//! are, so that others can look at their clocks, too, and then one line of
//! JSON. What is in flight at the end is waited for, and not counted.

use std::{
    collections::VecDeque,
    error::Error,
    hash::{BuildHasher, RandomState},
    net::SocketAddr,
    process::ExitCode,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use orders_v1::{
    Order, OrderStatus, SubmitRequest, SubmitResult, SubmitStreamRequest,
    order_service_client::OrderServiceClient,
};
use rustix::time::{ClockId, clock_gettime};
use tokio::{
    sync::mpsc,
    task::JoinSet,
    time::{Instant, sleep_until, timeout},
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::{Channel, Endpoint};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How long what is in flight at the end may take.
const LAST_ANSWERS_MAX: Duration = Duration::from_secs(10);
/// So that a place is three digits of an id.
const PLACES_MAX: usize = 0x1000;

type Client = OrderServiceClient<Channel>;

#[derive(Clone, Copy, PartialEq)]
enum Mode {
    Submit,
    Stream,
}

/// Which answer is the right one.
#[derive(Clone, Copy)]
enum Expect {
    Processed,
    Queued,
}

struct Options {
    address: SocketAddr,
    mode: Mode,
    expect: Expect,
    connections: usize,
    in_flight: usize,
    seconds: u64,
    warmup: u64,
    threads: usize,
}

/// When answers count.
#[derive(Clone, Copy)]
struct Window {
    start: Instant,
    end: Instant,
}

/// What one place in flight, or one stream, has seen.
#[derive(Default)]
struct Tally {
    /// Of each order answered inside the window, in microseconds.
    latencies: Vec<u32>,
    errors: u64,
    /// The first of them.
    why: Option<String>,
}

/// Makes the orders of one place.
struct Orders {
    before: String,
    made: u64,
}

fn main() -> ExitCode {
    let options = match parse(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(why) => {
            eprintln!("grpc-load: {why}");
            return ExitCode::from(2);
        }
    };
    match load(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("grpc-load: {why}");
            ExitCode::FAILURE
        }
    }
}

fn load(options: &Options) -> Result<(), Box<dyn Error>> {
    let mut builder = if options.threads == 1 {
        tokio::runtime::Builder::new_current_thread()
    } else {
        tokio::runtime::Builder::new_multi_thread()
    };
    let runtime = builder
        .worker_threads(options.threads)
        .enable_all()
        .build()?;
    runtime.block_on(run(options))
}

async fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    let mut clients = Vec::with_capacity(options.connections);
    for _ in 0..options.connections {
        let endpoint = Endpoint::from_shared(format!("http://{}", options.address))?;
        let channel = endpoint
            .connect()
            .await
            .map_err(|error| format!("can't connect to {}: {error:?}", options.address))?;
        clients.push(Client::new(channel));
    }
    let start = Instant::now() + Duration::from_secs(options.warmup);
    let end = start + Duration::from_secs(options.seconds);
    let window = Window { start, end };
    let prefix = prefix();
    let mut places = JoinSet::new();
    match options.mode {
        Mode::Submit => {
            for place in 0..options.in_flight {
                let client = clients[place % clients.len()].clone();
                let orders = Orders::new(&prefix, place);
                places.spawn(submit(client, orders, window, options.expect));
            }
        }
        Mode::Stream => {
            let (each, rest) = (
                options.in_flight / clients.len(),
                options.in_flight % clients.len(),
            );
            for (place, client) in clients.drain(..).enumerate() {
                let in_flight = each + usize::from(place < rest);
                let orders = Orders::new(&prefix, place);
                places.spawn(stream(client, orders, in_flight, window, options.expect));
            }
        }
    }

    sleep_until(window.start).await;
    let cpu_before = own_cpu_seconds();
    println!("measuring");
    sleep_until(window.end).await;
    let cpu = own_cpu_seconds() - cpu_before;
    println!("measured");

    let tallies = timeout(LAST_ANSWERS_MAX, places.join_all())
        .await
        .map_err(|_| format!("no answers for {LAST_ANSWERS_MAX:?} after the end"))?;
    let mut latencies = Vec::new();
    let mut errors = 0;
    let mut why = None;
    for mut tally in tallies {
        latencies.append(&mut tally.latencies);
        errors += tally.errors;
        why = why.or(tally.why);
    }
    if let Some(why) = why {
        eprintln!("grpc-load: {errors} errors; the first: {why}");
    }
    latencies.sort_unstable();
    println!(
        r#"{{"orders":{},"seconds":{},"p50_us":{},"p99_us":{},"p999_us":{},"max_us":{},"errors":{errors},"generator_cpu_seconds":{cpu:.6}}}"#,
        latencies.len(),
        options.seconds,
        rank(&latencies, 500),
        rank(&latencies, 990),
        rank(&latencies, 999),
        rank(&latencies, 1000),
    );
    Ok(())
}

/// Sends one order after the other until the window's end.
async fn submit(mut client: Client, mut orders: Orders, window: Window, expect: Expect) -> Tally {
    let expected = match expect {
        Expect::Processed => OrderStatus::Processed,
        Expect::Queued => OrderStatus::Queued,
    };
    let mut tally = Tally::default();
    loop {
        let sent = Instant::now();
        if sent >= window.end {
            return tally;
        }
        let request = SubmitRequest {
            order: Some(orders.next()),
            ..SubmitRequest::default()
        };
        match client.submit(request).await {
            Ok(response) => {
                let response = response.into_inner();
                if response.status() != expected || response.duplicate {
                    return tally.ended(format!("{response:?}"));
                }
                tally.answered(sent, window);
            }
            Err(status) => return tally.ended(status.to_string()),
        }
    }
}

/// Keeps orders of one stream in flight until the window's end.
async fn stream(
    mut client: Client,
    mut orders: Orders,
    in_flight: usize,
    window: Window,
    expect: Expect,
) -> Tally {
    let expected = match expect {
        Expect::Processed => SubmitResult::Processed,
        Expect::Queued => SubmitResult::Queued,
    };
    let mut tally = Tally::default();
    // Those without a response, the oldest first.
    let mut sent = VecDeque::with_capacity(in_flight);
    let (requests, outgoing) = mpsc::channel(in_flight);
    let mut send = |to: &mpsc::Sender<_>, sent: &mut VecDeque<_>| {
        let request = SubmitStreamRequest {
            order: Some(orders.next()),
            ..SubmitStreamRequest::default()
        };
        sent.push_back(Instant::now());
        // It has room for all in flight. If the call has ended, its next
        // response says why.
        let _ = to.try_send(request);
    };
    for _ in 0..in_flight {
        send(&requests, &mut sent);
    }
    let mut responses = match client.submit_stream(ReceiverStream::new(outgoing)).await {
        Ok(responses) => responses.into_inner(),
        Err(status) => return tally.ended(status.to_string()),
    };
    // Taken at the end, which closes our side.
    let mut requests = Some(requests);
    let mut answered = 0;
    loop {
        let response = match responses.message().await {
            Ok(Some(response)) => response,
            Ok(None) if sent.is_empty() => return tally,
            Ok(None) => return tally.ended(format!("{} orders without a response", sent.len())),
            Err(status) => return tally.ended(status.to_string()),
        };
        answered += 1;
        let Some(at) = sent.pop_front() else {
            return tally.ended("more responses than orders".into());
        };
        if response.index != answered || response.result() != expected {
            return tally.ended(format!("response {answered} is {response:?}"));
        }
        tally.answered(at, window);
        if Instant::now() >= window.end {
            requests = None;
        } else if let Some(requests) = &requests {
            send(requests, &mut sent);
        }
    }
}

impl Tally {
    fn answered(&mut self, sent: Instant, window: Window) {
        let now = Instant::now();
        if window.start <= now && now < window.end {
            let micros = now.duration_since(sent).as_micros();
            self.latencies.push(micros.try_into().unwrap_or(u32::MAX));
        }
    }

    fn ended(mut self, why: String) -> Self {
        self.errors += 1;
        self.why.get_or_insert(why);
        self
    }
}

impl Orders {
    fn new(prefix: &str, place: usize) -> Self {
        Self {
            before: format!("{prefix}{place:03x}"),
            made: 0,
        }
    }

    /// An order as long as one of orders.lua.
    fn next(&mut self) -> Order {
        self.made += 1;
        Order {
            id: format!("{}{:09x}", self.before, self.made),
            value: "100.50".into(),
            attributes_json: String::new(),
        }
    }
}

/// What the ids of this run begin with: seconds, and 64 random bits.
fn prefix() -> String {
    let seconds = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    // Its keys are random.
    let random = RandomState::new().hash_one(seconds);
    format!("{seconds:08x}-{random:016x}-")
}

/// The value that so many thousandths are not above; 0 if there are none.
fn rank(sorted: &[u32], thousandths: usize) -> u32 {
    let place = (sorted.len() * thousandths).div_ceil(1000);
    sorted
        .get(place.saturating_sub(1))
        .copied()
        .unwrap_or_default()
}

fn own_cpu_seconds() -> f64 {
    let used = clock_gettime(ClockId::ProcessCPUTime);
    used.tv_sec as f64 + used.tv_nsec as f64 / 1e9
}

fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Options, String> {
    let (mut address, mut mode) = (None, None);
    let mut options = Options {
        address: SocketAddr::from(([127, 0, 0, 1], 0)),
        mode: Mode::Submit,
        expect: Expect::Processed,
        connections: 4,
        in_flight: 64,
        seconds: 5,
        warmup: 1,
        threads: 1,
    };
    while let Some(flag) = arguments.next() {
        let value = arguments.next().ok_or(format!("{flag} needs a value"))?;
        let bad = || format!("{flag} can't be {value}");
        match &*flag {
            "--address" => address = Some(value.parse().map_err(|_| bad())?),
            "--connections" => options.connections = positive(&value).ok_or_else(bad)?,
            "--in-flight" => options.in_flight = positive(&value).ok_or_else(bad)?,
            "--seconds" => options.seconds = positive(&value).ok_or_else(bad)? as u64,
            "--warmup" => options.warmup = value.parse().map_err(|_| bad())?,
            "--threads" => options.threads = positive(&value).ok_or_else(bad)?,
            "--mode" => {
                mode = Some(match &*value {
                    "submit" => Mode::Submit,
                    "stream" => Mode::Stream,
                    _ => return Err(bad()),
                });
            }
            "--expect" => {
                options.expect = match &*value {
                    "processed" => Expect::Processed,
                    "queued" => Expect::Queued,
                    _ => return Err(bad()),
                };
            }
            _ => return Err(format!("{flag} is not known")),
        }
    }
    options.address = address.ok_or("--address is needed")?;
    options.mode = mode.ok_or("--mode is needed")?;
    if options.in_flight < options.connections {
        return Err("--in-flight must be at least --connections".into());
    }
    if options.in_flight > PLACES_MAX && options.mode == Mode::Submit {
        return Err(format!("--in-flight can be {PLACES_MAX} calls at most"));
    }
    if options.connections > PLACES_MAX {
        return Err(format!("--connections can be {PLACES_MAX} at most"));
    }
    Ok(options)
}

fn positive(text: &str) -> Option<usize> {
    text.parse().ok().filter(|&number| number > 0)
}
