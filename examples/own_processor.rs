//! A service with a processor of its own: a desk with a limit for each account.
//! A template: lines printed, exit codes and drain are those of the service
//! itself, and what the desk remembers is read from the ledger again at each
//! start. docs/processors.md says how to make it a program of your own.
//!
//! ```text
//! cargo run --release --example own_processor
//! curl -d '{"id":"a-1","value":600,"account":"alice"}' localhost:8080/submit   # 201
//! curl -d '{"id":"a-2","value":600,"account":"alice"}' localhost:8080/submit   # 422: over the limit
//! ```
//!
//! It takes the same flags as the service, and warns of those that do nothing
//! here: the processor and the log are the program's own.

use std::collections::HashMap;
use std::error::Error;
use std::process::ExitCode;
use std::sync::mpsc::RecvTimeoutError;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::Duration;
use std::{env, io};

use order_processor::{
    Config, Drained, LedgerFailed, Order, OutcomesError, Processor, Recovered, Server, Verdict,
};
use rust_decimal::Decimal;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// How long main waits without looking at the certificate.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// How often it looks whether orders are taken, if they are not at once after
/// the recovery: a disk may be full.
const READY_CHECK_INTERVAL: Duration = Duration::from_millis(100);

/// What each account has spent.
struct Desk {
    limit: Decimal,
    /// By account and order id: an order may be processed more than once, and
    /// must count once.
    accounts: Mutex<HashMap<String, HashMap<String, Decimal>>>,
}

#[derive(serde::Deserialize)]
struct Fields {
    account: Option<String>,
}

/// Whose an order is, from its JSON.
fn account(json: &str) -> Result<String, String> {
    match serde_json::from_str(json) {
        Ok(Fields { account }) => account.ok_or_else(|| "no account is named".to_owned()),
        Err(error) => Err(format!("account: {error}")),
    }
}

impl Desk {
    fn with_limit(limit: u32) -> Self {
        Self {
            limit: limit.into(),
            accounts: Mutex::default(),
        }
    }

    fn accounts(&self) -> MutexGuard<'_, HashMap<String, HashMap<String, Decimal>>> {
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads what was spent before, from all that the ledger has. A desk with a
    /// long history keeps a snapshot with its sequence and the ledger's id, and
    /// reads what came after it.
    fn remember(&self, recovered: &Recovered) -> Result<(), OutcomesError> {
        let mut accounts = self.accounts();
        for outcome in recovered.outcomes_after(0) {
            let outcome = match outcome {
                Err(OutcomesError::Gone { oldest, .. }) => {
                    tracing::warn!(
                        oldest,
                        "the ledger begins late: what accounts have spent before is not counted"
                    );
                    continue;
                }
                outcome => outcome?,
            };
            // Of another processor, it may name no account.
            if let (true, Ok(account)) = (outcome.is_processed(), account(outcome.json())) {
                let spent = accounts.entry(account).or_default();
                spent.insert(outcome.id().to_string(), outcome.value());
            }
        }
        Ok(())
    }
}

impl Processor for Desk {
    fn process(&self, order: &Order) -> Verdict {
        let account = match account(order.json()) {
            Ok(account) => account,
            Err(why) => return Verdict::failed(&why),
        };
        let mut accounts = self.accounts();
        let spent = accounts.entry(account).or_default();
        spent.insert(order.id().to_string(), order.value());
        if spent.values().sum::<Decimal>() > self.limit {
            spent.remove(order.id().as_str());
            return Verdict::failed("over the account's limit");
        }
        Verdict::Processed
    }
}

enum Event {
    Recovered(Result<Box<Recovered>, Box<dyn Error + Send + Sync>>),
    Signal(i32),
    Fault(LedgerFailed),
}

fn main() -> ExitCode {
    let config = match Config::try_parse(env::args_os()) {
        Ok(config) => config,
        Err(usage) => {
            // It speaks of order-processor.
            let name = env!("CARGO_BIN_NAME");
            let what = "has the flags of order-processor, and none of its commands";
            match usage.exit_code() {
                0 => println!("{name} {what}\n"),
                _ => eprintln!("{name} {what}"),
            }
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

/// Flags that are for the service's own processors and log.
fn warn_of_unused(config: &Config) {
    let unset = Config::default();
    for (flag, is_set) in [
        ("--processor", config.processor != unset.processor),
        ("--simulate", config.simulate != unset.simulate),
        ("--max-value", config.max_value != unset.max_value),
        ("--log-level", config.log_level != unset.log_level),
        ("--log-format", config.log_format != unset.log_format),
    ] {
        if is_set {
            tracing::warn!("{flag} has no effect in this program");
        }
    }
}

fn run(config: &Config) -> Result<ExitCode, Box<dyn Error + Send + Sync>> {
    let mut signals = Signals::new([SIGTERM, SIGINT, SIGHUP])?;
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    warn_of_unused(config);
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
        let remembered = recovered.map_err(Into::into).and_then(|recovered| {
            desk.remember(&recovered)?;
            Ok(Box::new(recovered))
        });
        let _ = events.send(Event::Recovered(remembered));
    })?;
    std::thread::spawn(move || {
        for signal in signals.forever() {
            let _ = signalled.send(Event::Signal(signal));
        }
    });
    serve(server, config, &received)
}

fn serve(
    mut server: Server,
    config: &Config,
    received: &mpsc::Receiver<Event>,
) -> Result<ExitCode, Box<dyn Error + Send + Sync>> {
    let mut waits_to_be_ready = false;
    loop {
        let wait = match waits_to_be_ready {
            true => READY_CHECK_INTERVAL,
            false => DAY,
        };
        match received.recv_timeout(wait) {
            Err(RecvTimeoutError::Timeout) if waits_to_be_ready => {
                waits_to_be_ready = !announce_ready(&server);
            }
            Err(RecvTimeoutError::Timeout) => server.warn_of_expiry(),
            Ok(Event::Recovered(recovered)) => {
                server.open_recovered(*recovered?)?;
                waits_to_be_ready = !announce_ready(&server);
            }
            // A closed terminal ends nothing; certificates and tokens are read
            // again.
            Ok(Event::Signal(SIGHUP)) => server.reload(),
            Ok(Event::Signal(signal)) => {
                tracing::info!(signal, "draining");
                return Ok(report(server.drain(config.drain_timeout)));
            }
            Ok(Event::Fault(why)) => {
                tracing::error!(%why, "stopped by a fault");
                server.abandon();
                return Ok(4.into());
            }
            Err(RecvTimeoutError::Disconnected) => {
                unreachable!("the signal thread lives as long as the process")
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

/// Says once that orders are taken; `false` if they are not.
fn announce_ready(server: &Server) -> bool {
    if !server.takes_orders() {
        return false;
    }
    let http = server.http();
    tracing::info!("ready: http://{http}/");
    println!("ready http://{http}/");
    true
}

/// The exit codes of docs/operations.md.
fn report(drained: Drained) -> ExitCode {
    let Drained {
        drained,
        kept,
        lost,
        keeping_failed,
        in_time,
        took,
    } = drained;
    let took_ms = took.as_millis();
    if in_time && !keeping_failed {
        tracing::info!(drained, kept, took_ms, "drained");
        return ExitCode::SUCCESS;
    }
    tracing::error!(drained, kept, lost, took_ms, "drained in part");
    if keeping_failed { 4.into() } else { 3.into() }
}
