//! The life of the process: parse, bind, serve, drain, exit.

#![deny(clippy::print_stdout, clippy::print_stderr)] // they panic on an error

mod health;
mod log;
mod service_manager;
mod signals;
mod tool;

use std::io::Write;
use std::process::ExitCode;
use std::sync::mpsc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::Duration;
use std::{io, panic};

use order_processor::config::Command;
use order_processor::{Config, Drained, LedgerFailed, Recovered, Server, StartError};

use crate::signals::HangUp;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Exit codes, part of the contract.
mod exit {
    pub(crate) const FAILED: u8 = 1;
    pub(crate) const USAGE: u8 = 2;
    pub(crate) const DEADLINE: u8 = 3;
    /// Of `journal salvage`: done, but not all is there.
    pub(crate) const INCOMPLETE: u8 = 3;
    pub(crate) const LEDGER: u8 = 4;
}

/// How long the main thread waits without looking at the certificate.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// How often it looks whether orders are taken, if they are not at once after
/// the recovery.
const READY_CHECK_INTERVAL: Duration = Duration::from_millis(100);

/// What the main thread waits for.
enum Event {
    Signal(i32),
    HangUp,
    Fault(LedgerFailed),
    Recovered(Box<Result<Recovered, StartError>>),
}

fn main() -> ExitCode {
    // The panic hook has reported it.
    panic::catch_unwind(run).unwrap_or(exit::FAILED.into())
}

fn run() -> ExitCode {
    let hang_up = match HangUp::survive() {
        Ok(hang_up) => hang_up,
        Err(error) => return failed(&CannotStart::Signals(error)),
    };
    match Command::try_parse(std::env::args_os()) {
        Ok(Command::Serve(config)) => serve(&config),
        Ok(Command::Limits(config, format)) => {
            hang_up.ends_the_process();
            config.warnings.iter().for_each(log::say);
            tool::limits(&config, format)
        }
        Ok(Command::Settings {
            settings,
            warnings,
            format,
        }) => {
            hang_up.ends_the_process();
            warnings.iter().for_each(log::say);
            tool::settings(&settings, format)
        }
        Ok(Command::Health(health)) => {
            hang_up.ends_the_process();
            health::ask(&health)
        }
        Ok(Command::Text(text)) => {
            hang_up.ends_the_process();
            tool::print(&text)
        }
        Ok(Command::NewToken(name)) => {
            hang_up.ends_the_process();
            tool::new_token(&name)
        }
        Ok(Command::Verify(dir)) => {
            hang_up.ends_the_process();
            tool::verify(&dir)
        }
        Ok(Command::Cat(cat)) => {
            hang_up.ends_the_process();
            tool::cat(&cat)
        }
        Ok(Command::Backup { data_dir, to }) => {
            hang_up.ends_the_process();
            tool::backup(&data_dir, &to)
        }
        Ok(Command::Salvage(salvage)) => {
            hang_up.ends_the_process();
            tool::salvage(&salvage)
        }
        Ok(Command::Restore { from, data_dir }) => {
            hang_up.ends_the_process();
            tool::restore(&from, &data_dir)
        }
        Err(usage) => {
            let _ = usage.print(); // to a closed pipe: the exit code remains
            usage.exit_code().into()
        }
    }
}

fn serve(config: &Config) -> ExitCode {
    let (sender, events) = mpsc::channel();
    match start(config, sender) {
        Ok(server) => run_to_end(server, config, &events),
        Err(error) => failed(&error),
    }
}

fn failed(error: &CannotStart) -> ExitCode {
    log::say(error);
    match error {
        CannotStart::Server(StartError::Plan(_)) => exit::USAGE.into(),
        _ => exit::FAILED.into(),
    }
}

#[derive(Debug, thiserror::Error)]
enum CannotStart {
    #[error("can't watch signals: {0}")]
    Signals(io::Error),
    #[error("can't start the log: {0}")]
    Log(io::Error),
    #[error("can't print the addresses: {0}")]
    Addresses(io::Error),
    #[error(transparent)]
    Server(#[from] StartError),
}

/// Binds, prints the addresses, begins to recover.
fn start(config: &Config, events: Sender<Event>) -> Result<Server, CannotStart> {
    // `send` fails only once main has ended.
    let (hung_up, signalled, faulted) = (events.clone(), events.clone(), events.clone());
    signals::watch(
        move || drop(hung_up.send(Event::HangUp)),
        move |signal| drop(signalled.send(Event::Signal(signal))),
    )
    .map_err(CannotStart::Signals)?;
    log::start(config).map_err(CannotStart::Log)?;
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    let mut server = Server::start(config, move |fault| drop(faulted.send(Event::Fault(fault))))?;
    print_addresses(&server).map_err(CannotStart::Addresses)?;
    server
        .recovery()
        .spawn(move |recovered| drop(events.send(Event::Recovered(recovered.into()))))?;
    Ok(server)
}

/// Serves until there is a signal, and drains; or a fault, and stops at once.
fn run_to_end(mut server: Server, config: &Config, events: &Receiver<Event>) -> ExitCode {
    let mut waits_to_be_ready = false;
    loop {
        let wait = match waits_to_be_ready {
            true => READY_CHECK_INTERVAL,
            false => DAY,
        };
        let event = match events.recv_timeout(wait) {
            Ok(event) => event,
            Err(RecvTimeoutError::Timeout) if waits_to_be_ready => {
                waits_to_be_ready = !announce_ready(&server);
                continue;
            }
            Err(RecvTimeoutError::Timeout) => {
                server.warn_of_expiry();
                continue;
            }
            Err(RecvTimeoutError::Disconnected) => {
                unreachable!("the signal thread lives as long as the process")
            }
        };
        match event {
            Event::Recovered(recovered) => {
                let opened = (*recovered).and_then(|recovered| server.open_recovered(recovered));
                if let Err(error) = opened {
                    return failed(&error.into());
                }
                waits_to_be_ready = !announce_ready(&server);
                if waits_to_be_ready {
                    tracing::warn!("recovered, but not ready: /readyz says what is missing");
                }
            }
            Event::HangUp => server.reload(),
            Event::Signal(signal) => {
                tracing::info!(signal, timeout = ?config.drain_timeout, "draining");
                service_manager::stopping();
                let drained = server.drain(config.drain_timeout);
                // A fault meanwhile decides, whatever the result of the drain.
                let fault = events.try_iter().find_map(|event| match event {
                    Event::Fault(fault) => Some(fault),
                    Event::Signal(_) | Event::HangUp | Event::Recovered(_) => None,
                });
                return fault.map_or_else(
                    || report(drained),
                    |fault| report_fault_in_drain(&fault, drained),
                );
            }
            Event::Fault(fault) => {
                server.abandon();
                return report_fault(&fault);
            }
        }
    }
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

/// The last line, once orders are taken; `false` if they are not: what is said
/// after it is a failure of the service, not of its start.
fn announce_ready(server: &Server) -> bool {
    if !server.takes_orders() {
        return false;
    }
    let http = server.http();
    tracing::info!("ready: http://{http}/");
    // Whoever started it may have read the addresses only.
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "ready http://{http}/").and_then(|()| out.flush());
    service_manager::ready();
    true
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
            "not all orders acknowledged as queued could be kept"
        );
        exit::LEDGER.into()
    } else if in_time {
        tracing::info!(drained, kept, took_ms, "drained");
        ExitCode::SUCCESS
    } else {
        tracing::error!(drained, kept, lost, took_ms, "the drain deadline passed");
        exit::DEADLINE.into()
    }
}

fn report_fault_in_drain(fault: &LedgerFailed, drained: Drained) -> ExitCode {
    let Drained {
        drained,
        kept,
        lost,
        took,
        ..
    } = drained;
    let took_ms = took.as_millis() as u64;
    tracing::error!(
        drained,
        kept,
        lost,
        took_ms,
        "the ledger failed while the service drained"
    );
    report_fault(fault)
}

fn report_fault(fault: &LedgerFailed) -> ExitCode {
    tracing::error!(%fault, "stopped by a fault");
    exit::LEDGER.into()
}
