//! The log on standard error.

use std::{io, panic};

use order_processor::Config;
use order_processor::config::{LogFormat, LogLevel};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer as _, fmt};

/// Logs the service from the level asked for and its libraries from `warn` (below
/// it, their events are of use to their authors only); everything at `trace`. Two
/// libraries are silent below that: `may_minihttp` logs an error when a client
/// closes its connection, and `h2` warns of each frame that a client shouldn't
/// have sent, so a client could fill the log.
pub(crate) fn start(config: &Config) {
    let level = match config.log_level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    let targets = if level == LevelFilter::TRACE {
        Targets::new().with_default(level)
    } else {
        Targets::new()
            .with_default(level.min(LevelFilter::WARN))
            .with_target("may_minihttp", LevelFilter::OFF)
            .with_target("h2", LevelFilter::OFF)
            .with_target(env!("CARGO_CRATE_NAME"), level)
    };
    let lines = fmt::layer().with_writer(io::stderr);
    let lines = match config.log_format {
        LogFormat::Text => lines.with_ansi(false).with_target(false).boxed(),
        LogFormat::Json => lines.json().boxed(),
    };
    tracing_subscriber::registry()
        .with(lines.with_filter(targets))
        .init();
}

/// Logs a panic on a coroutine in one line, since a backtrace takes more stack than
/// a coroutine has. Such a panic is caught and fails one request.
pub(crate) fn shorten_panics() {
    let default_hook = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if may::coroutine::is_coroutine() {
            tracing::error!("{info}");
        } else {
            default_hook(info);
        }
    }));
}
