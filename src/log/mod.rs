//! The log on standard error, and the last words of a process.

mod end;
mod queue;
mod stderr;

use std::backtrace::{Backtrace, BacktraceStatus};
use std::fmt::Display;
use std::fs::File;
use std::io::Write;
use std::os::fd::AsFd as _;
use std::panic::PanicHookInfo;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;
use std::{io, panic, thread};

use order_processor::Config;
use order_processor::config::{HttpEngine, LogFormat, LogLevel};
use order_processor::internals::LogLimit;
use rustix::io::fcntl_dupfd_cloexec;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer as _, fmt};

use self::queue::LineQueue;

/// How long a panic waits for its message to be read, if the process goes on.
const PANIC_LINE: Duration = Duration::from_millis(100);

/// Set when the log has started.
static QUEUE: OnceLock<Arc<LineQueue>> = OnceLock::new();

/// Likewise.
static FORMAT: OnceLock<LogFormat> = OnceLock::new();

/// Starts the thread that writes, and sends events and panics to it.
///
/// Logs the service from the level asked for and its libraries from `warn`
/// (below it, their events are of use to their authors only); everything at
/// `trace`. Two libraries are silent below that: `may_minihttp` logs an error
/// when a client closes its connection, and `h2` warns of each frame that a
/// client shouldn't have sent, so a client could fill the log. What
/// `may_minihttp` prints past the log is logged within a limit.
///
/// # Errors
/// When the system gives no thread or descriptor.
pub(crate) fn start(config: &Config) -> io::Result<()> {
    let queue = Arc::<LineQueue>::default();
    let out = File::from(fcntl_dupfd_cloexec(io::stderr().as_fd(), 3)?);
    queue.start(out, |lines| {
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
    let _ = FORMAT.set(config.log_format); // started once
    panic::set_hook(Box::new(log_panic));
    end::prepare()?;
    if config.admin_listen.is_some() || config.http_engine == HttpEngine::MayMinihttp {
        stderr::take_over()?;
    }
    Ok(())
}

/// Says on standard error why the process ends, or what a command has to say
/// beside its output. A standard error that is full or closed is no reason to
/// end otherwise.
pub(crate) fn say(line: impl Display) {
    if FORMAT.get() == Some(&LogFormat::Json) {
        tracing::error!("{line}");
        return;
    }
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
/// too small. Each place in the program has a limit: a client may be able to
/// repeat a panic that is caught.
fn log_panic(info: &PanicHookInfo<'_>) {
    if order_processor::internals::is_starting() {
        return; // it is the reason of the error that the start returns
    }
    limit_of(info).log(|suppressed| log_panic_of_many(info, suppressed));
}

/// The limit of panics at this place.
fn limit_of(info: &PanicHookInfo<'_>) -> Arc<LogLimit> {
    /// Places in the program, so that there are few.
    static LIMITS: Mutex<Vec<(String, Arc<LogLimit>)>> = Mutex::new(Vec::new());
    let place = info.location().map(ToString::to_string).unwrap_or_default();
    let mut limits = LIMITS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, limit)) = limits.iter().find(|(known, _)| *known == place) {
        return limit.clone();
    }
    let limit = Arc::new(LogLimit::new());
    limits.push((place, limit.clone()));
    limit
}

fn log_panic_of_many(info: &PanicHookInfo<'_>, suppressed: Option<u64>) {
    if may::coroutine::is_coroutine() {
        tracing::error!(suppressed, "{info}");
        return;
    }
    let thread = thread::current();
    let thread = thread.name().unwrap_or("unnamed");
    let backtrace = Backtrace::capture();
    if backtrace.status() == BacktraceStatus::Captured {
        tracing::error!(thread, suppressed, "{info}\n{backtrace}");
    } else {
        tracing::error!(thread, suppressed, "{info}");
    }
    if let Some(queue) = QUEUE.get() {
        queue.flush_unless_stalled(PANIC_LINE);
    }
}
