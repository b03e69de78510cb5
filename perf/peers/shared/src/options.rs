//! The command line of a peer.

use std::{error::Error, net::SocketAddr, process::ExitCode};

#[derive(Clone, Copy, PartialEq)]
pub enum Mode {
    /// The reply follows the push into the channel.
    Queued,
    /// The reply follows the consumer's answer.
    Committed,
}

/// `[--listen 127.0.0.1:0] [--mode queued|committed] [--threads N]
/// [--queue-capacity 65536]`
pub struct Options {
    pub listen: SocketAddr,
    pub mode: Mode,
    pub threads: usize,
    pub queue_orders: usize,
}

/// Runs a peer with the options of its command line; `serve` prints `listening
/// http ADDRESS` once it does.
pub fn run(name: &str, serve: impl FnOnce(&Options) -> Result<(), Box<dyn Error>>) -> ExitCode {
    let options = match parse(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(why) => {
            eprintln!("{name}: {why}");
            return ExitCode::from(2);
        }
    };
    match serve(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{name}: {why}");
            ExitCode::FAILURE
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
