//! A service with a processor of its own: a desk with a limit for each account.
//! A template: lines printed, exit codes and drain are those of the service
//! itself, and what the desk remembers is read from the feed again at each
//! start. docs/processors.md says how to make it a program of your own.
//!
//! ```text
//! cargo run --release --example own_processor
//! curl -d '{"id":"a-1","value":600,"account":"alice"}' localhost:8080/submit   # 201
//! curl -d '{"id":"a-2","value":600,"account":"alice"}' localhost:8080/submit   # 422: over the limit
//! ```
//!
//! It takes the same flags as the service, but for those of the log, which is
//! the program's own. With `--token-file` the desk's own reading of the feed
//! needs a token, too, in `DESK_TOKEN`.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::ExitCode;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc};
use std::{env, io};

use order_processor::{
    Config, Drained, LedgerFailed, Order, Processor, Recovered, Server, StartError, Verdict,
};
use rust_decimal::Decimal;
use serde_json::value::RawValue;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// What each account has spent.
struct Desk {
    limit: Decimal,
    /// By account and order id: an order may be processed more than once, and
    /// must count once. `None` until it has been read from the feed.
    accounts: Mutex<Option<Accounts>>,
    known: Condvar,
}

type Accounts = HashMap<String, HashMap<String, Decimal>>;

#[derive(serde::Deserialize)]
struct Fields {
    account: Option<String>,
}

impl Desk {
    fn with_limit(limit: u32) -> Self {
        Self {
            limit: limit.into(),
            accounts: Mutex::new(None),
            known: Condvar::new(),
        }
    }

    fn accounts(&self) -> MutexGuard<'_, Option<Accounts>> {
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets what earlier runs have committed.
    fn remember(&self, accounts: Accounts) {
        *self.accounts() = Some(accounts);
        self.known.notify_all();
    }
}

impl Processor for Desk {
    fn process(&self, order: &Order) -> Verdict {
        let account = match serde_json::from_str(order.json()) {
            Ok(Fields {
                account: Some(account),
            }) => account,
            Ok(Fields { account: None }) => return Verdict::failed("no account is named"),
            Err(error) => return Verdict::failed(&format!("account: {error}")),
        };
        // A processor may block: each worker has its own thread. Orders wait in
        // the queue until the desk knows what was spent before.
        let waited = self
            .known
            .wait_while(self.accounts(), |accounts| accounts.is_none());
        let mut accounts = waited.unwrap_or_else(PoisonError::into_inner);
        let accounts = accounts.as_mut().expect("waited for, above");
        let spent = accounts.entry(account).or_default();
        spent.insert(order.id().to_string(), order.value());
        if spent.values().sum::<Decimal>() > self.limit {
            spent.remove(order.id().as_str());
            return Verdict::failed("over the account's limit");
        }
        Verdict::Processed
    }
}

/// A line of the feed, as far as the desk cares.
#[derive(serde::Deserialize)]
struct Line<'a> {
    seq: u64,
    id: String,
    status: String,
    #[serde(borrow)]
    order: Committed<'a>,
}

#[derive(serde::Deserialize)]
struct Committed<'a> {
    account: Option<String>,
    /// As it was sent, a number or a string: a float would round it.
    #[serde(borrow)]
    value: &'a RawValue,
}

/// Reads the whole feed. A desk with a long history keeps a snapshot with its
/// sequence, and reads what came after it.
fn spent_before(http: SocketAddr) -> io::Result<Accounts> {
    let mut accounts = Accounts::new();
    let mut after = 0;
    loop {
        let page = page(http, after)?;
        if page.is_empty() {
            return Ok(accounts);
        }
        for line in page.lines() {
            let line: Line<'_> = serde_json::from_str(line)?;
            after = line.seq;
            let value = line.order.value.get().trim_matches('"');
            let value = value.parse().or_else(|_| Decimal::from_scientific(value));
            if let (Some(account), "processed") = (line.order.account, &*line.status) {
                let value = value.map_err(io::Error::other)?;
                accounts.entry(account).or_default().insert(line.id, value);
            }
        }
    }
}

/// A page of the feed, by the service's own port.
fn page(http: SocketAddr, after: u64) -> io::Result<String> {
    let mut stream = TcpStream::connect(http)?;
    let token = env::var("DESK_TOKEN").map(|token| format!("Authorization: Bearer {token}\r\n"));
    let token = token.unwrap_or_default();
    write!(
        stream,
        "GET /orders?after={after}&limit=10000 HTTP/1.0\r\nHost: localhost\r\n{token}\r\n"
    )?;
    let mut reply = String::new();
    stream.read_to_string(&mut reply)?;
    let (head, body) = reply.split_once("\r\n\r\n").unwrap_or((&reply, ""));
    match head.split(' ').nth(1) {
        Some("200") => Ok(body.to_owned()),
        _ => Err(io::Error::other(
            head.lines().next().unwrap_or("").to_owned(),
        )),
    }
}

enum Event {
    Recovered(Box<Result<Recovered, StartError>>),
    Signal(i32),
    Fault(LedgerFailed),
}

fn main() -> ExitCode {
    let config = match Config::try_parse(env::args_os()) {
        Ok(config) => config,
        Err(usage) => {
            let _ = usage.print();
            return usage.exit_code().into();
        }
    };
    start_log();
    run(&config).unwrap_or_else(|error| {
        tracing::error!("{error}");
        ExitCode::FAILURE
    })
}

/// Events of the service and of this program; of the libraries, warnings.
fn start_log() {
    let targets = Targets::new()
        .with_default(LevelFilter::WARN)
        // Clients could fill the log with theirs.
        .with_targets([("h2", LevelFilter::OFF), ("may_minihttp", LevelFilter::OFF)])
        .with_target("order_processor", LevelFilter::INFO)
        .with_target(env!("CARGO_CRATE_NAME"), LevelFilter::INFO);
    let lines = tracing_subscriber::fmt::layer().with_writer(io::stderr);
    tracing_subscriber::registry()
        .with(lines.with_ansi(false))
        .with(targets)
        .init();
}

fn run(config: &Config) -> Result<ExitCode, Box<dyn std::error::Error>> {
    let mut signals = Signals::new([SIGTERM, SIGINT, SIGHUP])?;
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    // `send` fails only once main has ended.
    let (events, received) = mpsc::channel();
    let (faulted, signalled) = (events.clone(), events.clone());
    let desk = Arc::new(Desk::with_limit(1000));
    let mut server = Server::start_with(config, desk.clone(), move |why| {
        let _ = faulted.send(Event::Fault(why));
    })?;
    print_addresses(&server);
    // On a thread of its own: it may take long, and a signal ends it.
    server.recovery().spawn(move |recovered| {
        let _ = events.send(Event::Recovered(recovered.into()));
    })?;
    std::thread::spawn(move || {
        for signal in signals.forever() {
            let _ = signalled.send(Event::Signal(signal));
        }
    });
    loop {
        match received.recv()? {
            Event::Recovered(recovered) => {
                server.open_recovered((*recovered)?)?;
                desk.remember(spent_before(server.http())?);
                println!("ready http://{}/", server.http());
            }
            // A closed terminal ends nothing; certificates and tokens are read
            // again.
            Event::Signal(SIGHUP) => server.reload(),
            Event::Signal(signal) => {
                tracing::info!(signal, "draining");
                return Ok(report(&server.drain(config.drain_timeout)));
            }
            Event::Fault(why) => {
                tracing::error!(%why, "stopped by a fault");
                server.abandon();
                return Ok(4.into());
            }
        }
    }
}

fn print_addresses(server: &Server) {
    println!("listening http {}", server.http());
    if let Some(admin) = server.admin() {
        println!("listening admin {admin}");
    }
    if let Some(grpc) = server.grpc() {
        println!("listening grpc {grpc}");
    }
}

/// The exit codes of docs/operations.md.
fn report(drained: &Drained) -> ExitCode {
    tracing::info!(?drained, "drained");
    if drained.keeping_failed {
        4.into()
    } else if drained.in_time {
        ExitCode::SUCCESS
    } else {
        3.into()
    }
}
