//! The life of the process: parse, bind, serve, drain, exit.

mod log;
mod tool;

use std::io::Write;
use std::process::ExitCode;
use std::sync::mpsc;
use std::sync::mpsc::{Receiver, Sender};
use std::{io, panic, thread};

use order_processor::config::Command;
use order_processor::{Config, Drained, LedgerFailed, Server, StartError};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Exit codes, part of the contract.
mod exit {
    pub(crate) const FAILED: u8 = 1;
    pub(crate) const USAGE: u8 = 2;
    pub(crate) const DEADLINE: u8 = 3;
    pub(crate) const LEDGER: u8 = 4;
}

/// What ends the process.
enum Event {
    Signal(i32),
    Fault(LedgerFailed),
}

fn main() -> ExitCode {
    // The panic hook has reported it.
    panic::catch_unwind(run).unwrap_or(exit::FAILED.into())
}

fn run() -> ExitCode {
    match Command::try_parse(std::env::args_os()) {
        Ok(Command::Serve(config)) => serve(&config),
        Ok(Command::Verify(dir)) => tool::verify(&dir),
        Ok(Command::Cat(cat)) => tool::cat(&cat),
        Err(usage) => {
            let _ = usage.print(); // to a closed pipe: the exit code remains
            usage.exit_code().into()
        }
    }
}

fn serve(config: &Config) -> ExitCode {
    log::start(config);
    log::shorten_panics();
    let (sender, events) = mpsc::channel();
    match start(config, sender) {
        Ok(server) => end(server, config, &events),
        Err(error) => {
            eprintln!("order-processor: {error}");
            match error {
                CannotStart::Server(StartError::Plan(_)) => exit::USAGE.into(),
                _ => exit::FAILED.into(),
            }
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum CannotStart {
    #[error("can't watch signals: {0}")]
    Signals(io::Error),
    #[error("can't print the addresses: {0}")]
    Addresses(io::Error),
    #[error(transparent)]
    Server(#[from] StartError),
}

/// Binds, prints the addresses, recovers.
fn start(config: &Config, events: Sender<Event>) -> Result<Server, CannotStart> {
    watch_signals(events.clone()).map_err(CannotStart::Signals)?;
    // `send` fails only once main has ended.
    let mut server = Server::start(config, move |fault| drop(events.send(Event::Fault(fault))))?;
    print_addresses(&server).map_err(CannotStart::Addresses)?;
    server.open()?;
    Ok(server)
}

/// Waits for a signal, and drains; or for a fault, and stops at once.
fn end(server: Server, config: &Config, events: &Receiver<Event>) -> ExitCode {
    let event = events.recv();
    match event.expect("the signal thread lives as long as the process") {
        Event::Signal(signal) => {
            tracing::info!(signal, timeout = ?config.drain_timeout, "draining");
            let drained = server.drain(config.drain_timeout);
            // A fault meanwhile decides, whatever the result of the drain.
            let fault = events.try_iter().find_map(|event| match event {
                Event::Fault(fault) => Some(fault),
                Event::Signal(_) => None,
            });
            fault.map_or_else(|| report(drained), |fault| report_fault(&fault))
        }
        Event::Fault(fault) => {
            server.abandon();
            report_fault(&fault)
        }
    }
}

/// Reports the first SIGTERM or SIGINT; the second ends the process at once.
fn watch_signals(events: Sender<Event>) -> io::Result<()> {
    let mut signals = Signals::new([SIGTERM, SIGINT])?;
    thread::Builder::new()
        .name("signals".into())
        .spawn(move || {
            let mut signals = signals.forever();
            if let Some(first) = signals.next() {
                drop(events.send(Event::Signal(first))); // main has ended otherwise
            }
            if signals.next().is_some() {
                tracing::warn!("second signal: stopped without draining");
                std::process::exit(exit::DEADLINE.into());
            }
        })?;
    Ok(())
}

/// The addresses bound, a line each, for the process that started this one.
fn print_addresses(server: &Server) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "listening http {}", server.http())?;
    if let Some(admin) = server.admin() {
        writeln!(out, "listening admin {admin}")?;
    }
    if let Some(grpc) = server.grpc() {
        writeln!(out, "listening grpc {grpc}")?;
    }
    out.flush()
}

fn report(drained: Drained) -> ExitCode {
    let Drained {
        drained,
        kept,
        lost,
        keeping_failed,
        in_time,
        took,
    } = drained;
    let took_ms = took.as_millis() as u64;
    if keeping_failed {
        tracing::error!(
            drained,
            kept,
            lost,
            took_ms,
            "not all orders acknowledged as queued could be kept: lost={lost}"
        );
        exit::LEDGER.into()
    } else if in_time {
        tracing::info!(drained, kept, took_ms, "drained");
        ExitCode::SUCCESS
    } else {
        tracing::error!(
            drained,
            kept,
            lost,
            took_ms,
            "the drain deadline passed: kept={kept} lost={lost}"
        );
        exit::DEADLINE.into()
    }
}

fn report_fault(fault: &LedgerFailed) -> ExitCode {
    tracing::error!(%fault, "stopped by a fault");
    exit::LEDGER.into()
}
