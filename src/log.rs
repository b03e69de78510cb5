//! What the process says on standard error.

use std::{io, panic};

use order_processor::Config;
use order_processor::config::{LogFormat, LogLevel};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer as _, fmt};

/// Logs to standard error: what the service says from the level asked for, what
/// its libraries say from `warn` (below it, they tell what only their authors
/// can use), and all of it at `trace`. Two are left out before that:
/// `may_minihttp` calls it an error that a client closes its connection, and `h2`
/// warns of each frame that a client shouldn't have sent, as many as it likes.
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

/// A backtrace takes more stack than a coroutine has: panics on one are told in
/// a line. They are caught, and fail one request.
pub(crate) fn tell_panics_briefly() {
    let whole = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if may::coroutine::is_coroutine() {
            tracing::error!("{info}");
        } else {
            whole(info);
        }
    }));
}
