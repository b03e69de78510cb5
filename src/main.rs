//! The life of the process: parse, bind, serve, drain, exit.

mod log;
mod tool;

use std::io::Write;
use std::process::ExitCode;
use std::sync::mpsc;
use std::{io, thread};

use order_processor::config::Command;
use order_processor::{Drained, LedgerFailed, Server, StartError};
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
    let config = match Command::try_parse(std::env::args_os()) {
        Ok(Command::Serve(config)) => config,
        Ok(Command::Verify(dir)) => return tool::verify(&dir),
        Ok(Command::Cat(cat)) => return tool::cat(&cat),
        Err(usage) => {
            let _ = usage.print(); // nobody reads it: the exit code remains
            return usage.exit_code().into();
        }
    };
    log::start(&config);
    log::tell_panics_briefly();
    let (event, events) = mpsc::channel();
    if let Err(error) = watch_signals(event.clone()) {
        eprintln!("order-processor: can't watch signals: {error}");
        return exit::FAILED.into();
    }
    let mut server =
        match Server::start(&config, move |fault| drop(event.send(Event::Fault(fault)))) {
            Ok(server) => server,
            Err(error) => {
                eprintln!("order-processor: {error}");
                let usage = matches!(error, StartError::Plan(_));
                return if usage { exit::USAGE } else { exit::FAILED }.into();
            }
        };
    if let Err(error) = announce(&server) {
        eprintln!("order-processor: can't print the addresses: {error}");
        return exit::FAILED.into();
    }
    if let Err(error) = server.open() {
        eprintln!("order-processor: {error}");
        return exit::FAILED.into();
    }

    match events
        .recv()
        .expect("the signal thread lives as long as the process")
    {
        Event::Signal(signal) => {
            tracing::info!(signal, timeout = ?config.drain_timeout, "draining");
            let drained = server.drain(config.drain_timeout);
            // What broke meanwhile decides, however the drain went.
            let fault = events.try_iter().find_map(|event| match event {
                Event::Fault(fault) => Some(fault),
                Event::Signal(_) => None,
            });
            fault.map_or_else(|| report(drained), |fault| failed(&fault))
        }
        Event::Fault(fault) => {
            server.abandon();
            failed(&fault)
        }
    }
}

fn failed(fault: &LedgerFailed) -> ExitCode {
    tracing::error!(%fault, "the service can't go on");
    exit::LEDGER.into()
}

/// The addresses bound, a line each, for whoever started the process.
fn announce(server: &Server) -> io::Result<()> {
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

/// Reports the first SIGTERM or SIGINT; the second ends the process at once.
fn watch_signals(event: mpsc::Sender<Event>) -> io::Result<()> {
    let mut signals = Signals::new([SIGTERM, SIGINT])?;
    thread::Builder::new()
        .name("signals".into())
        .spawn(move || {
            let mut signals = signals.forever();
            if let Some(first) = signals.next() {
                drop(event.send(Event::Signal(first))); // main has ended otherwise
            }
            if signals.next().is_some() {
                tracing::warn!("second signal: stopped without draining");
                std::process::exit(exit::DEADLINE.into());
            }
        })?;
    Ok(())
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
            "not all that was told queued could be kept: lost={lost}"
        );
        return exit::LEDGER.into();
    }
    if in_time {
        tracing::info!(drained, kept, took_ms, "drained");
        return ExitCode::SUCCESS;
    }
    tracing::error!(
        drained,
        kept,
        lost,
        took_ms,
        "the drain deadline passed: kept={kept} lost={lost}"
    );
    exit::DEADLINE.into()
}
