//! The log on standard error, and the last words of a process.

mod queue;

use std::backtrace::{Backtrace, BacktraceStatus};
use std::fmt::Display;
use std::io::Write;
use std::panic::PanicHookInfo;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use std::{io, panic, thread};

use order_processor::Config;
use order_processor::config::{LogFormat, LogLevel};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer as _, fmt};

use self::queue::LineQueue;

/// How long the end of the process waits for its last lines to be read.
const LAST_LINES: Duration = Duration::from_secs(1);
/// How long a panic waits for its message to be read, if the process goes on.
const PANIC_LINE: Duration = Duration::from_millis(100);

/// Set when the log has started.
static QUEUE: OnceLock<Arc<LineQueue>> = OnceLock::new();

/// Starts the thread that writes, and sends events and panics to it.
///
/// Logs the service from the level asked for and its libraries from `warn`
/// (below it, their events are of use to their authors only); everything at
/// `trace`. Two libraries are silent below that: `may_minihttp` logs an error
/// when a client closes its connection, and `h2` warns of each frame that a
/// client shouldn't have sent, so a client could fill the log.
///
/// # Errors
/// When the system gives no thread.
pub(crate) fn start(config: &Config) -> io::Result<()> {
    let queue = Arc::<LineQueue>::default();
    queue.start(io::stderr(), |lines| {
        tracing::warn!(
            lines,
            "lines of the log were dropped: standard error was not read in time"
        );
    })?;
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
    let lines = queue.clone();
    let lines = fmt::layer().with_writer(move || Line(lines.clone()));
    let lines = match config.log_format {
        LogFormat::Text => lines.with_ansi(false).with_target(false).boxed(),
        LogFormat::Json => lines.json().boxed(),
    };
    tracing_subscriber::registry()
        .with(lines.with_filter(targets))
        .init();
    QUEUE.get_or_init(|| queue);
    order_processor::internals::before_exit(flush);
    panic::set_hook(Box::new(log_panic));
    Ok(())
}

/// Waits until what was logged is written, at the end of the process; not
/// longer than a second, should nobody read it.
pub(crate) fn flush() {
    if let Some(queue) = QUEUE.get() {
        queue.flush(LAST_LINES);
    }
}

/// Says on standard error why the process ends, or what a command has to say
/// beside its output. A standard error that is full or closed is no reason to
/// end otherwise.
pub(crate) fn say(line: impl Display) {
    let line = format!("order-processor: {line}\n");
    match QUEUE.get() {
        Some(queue) => queue.push(line.as_bytes()),
        None => drop(io::stderr().write_all(line.as_bytes())),
    }
}

/// One event, which the layer writes in one piece.
struct Line(Arc<LineQueue>);

impl Write for Line {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.push(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Logs a panic, and waits a moment for it to be written, since the process may
/// be about to abort. On a coroutine, whose panic is caught and fails one
/// request, it does neither wait nor take a backtrace, for which the stack is
/// too small.
fn log_panic(info: &PanicHookInfo<'_>) {
    if order_processor::internals::is_starting() {
        return; // it is the reason of the error that the start returns
    }
    if may::coroutine::is_coroutine() {
        tracing::error!("{info}");
        return;
    }
    let thread = thread::current();
    let thread = thread.name().unwrap_or("unnamed");
    let backtrace = Backtrace::capture();
    if backtrace.status() == BacktraceStatus::Captured {
        tracing::error!(thread, "{info}\n{backtrace}");
    } else {
        tracing::error!(thread, "{info}");
    }
    if let Some(queue) = QUEUE.get() {
        queue.flush_unless_stalled(PANIC_LINE);
    }
}
