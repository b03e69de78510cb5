//! Descriptor 2, taken over: what libraries print to it is logged, within a
//! limit.
//!
//! `may_minihttp` prints a line for each request that it can't parse, so where
//! it serves a port, a client could fill what standard error is stored in. A
//! pipe takes the place of descriptor 2, and the thread `stderr` reads it. The
//! log itself has a copy of the descriptor that was there before.
//!
//! What the runtime prints before it aborts goes through the pipe, too, so the
//! end of the process waits for it to be read (`end.rs`).

use std::io::{PipeReader, Read as _};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::{io, thread};

use order_processor::internals::LogLimit;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::ioctl_fionread;
use rustix::stdio::dup2_stderr;

/// Bytes of a line at most; the rest counts as another.
const LINE_BYTES_MAX: usize = 1 << 10;
/// How long the rest of a line may take; what is there then is a line.
const REST: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 50_000_000,
};
/// How a line that a client can cause begins.
const NOT_PARSED: &[u8] = b"failed to parse http request";

static PIPE: OnceLock<Pipe> = OnceLock::new();

/// What descriptor 2 is now.
struct Pipe {
    reader: PipeReader,
    /// Something that has been read is not in the log yet.
    is_reading: AtomicBool,
}

/// Puts the pipe in place. To be called once the log has started.
pub(super) fn take_over() -> io::Result<()> {
    let (reader, writer) = io::pipe()?;
    let pipe = PIPE.get_or_init(|| Pipe {
        reader,
        is_reading: AtomicBool::new(false),
    });
    thread::Builder::new()
        .name("stderr".into())
        .spawn(|| pipe.log_lines())?;
    Ok(dup2_stderr(&writer)?)
}

/// Whether all that has been printed is in the log. Also for a signal handler:
/// a system call and a load.
pub(super) fn is_read() -> bool {
    PIPE.get().is_none_or(|pipe| {
        // In this order: bytes leave the pipe after the flag is set. The load
        // pairs with the stores in `log_lines`.
        ioctl_fionread(&pipe.reader).unwrap_or(0) == 0 && !pipe.is_reading.load(Ordering::SeqCst)
    })
}

impl Pipe {
    /// Logs what is printed, a line each.
    fn log_lines(&self) {
        let mut bytes = [0; 4096];
        let mut printed = Vec::new();
        loop {
            let timeout = (!printed.is_empty()).then_some(REST);
            let mut readable = [PollFd::new(&self.reader, PollFlags::IN)];
            match poll(&mut readable, timeout.as_ref()) {
                Ok(0) => log_line(&std::mem::take(&mut printed)),
                Ok(_) => {
                    self.is_reading.store(true, Ordering::SeqCst);
                    // The writing end is open as long as the process lives.
                    let read = (&self.reader).read(&mut bytes).unwrap_or(0);
                    printed.extend_from_slice(&bytes[..read]);
                    log_whole_lines(&mut printed);
                }
                Err(_) => continue, // a signal
            }
            self.is_reading.store(!printed.is_empty(), Ordering::SeqCst);
        }
    }
}

/// Logs the lines that are whole, and removes them.
fn log_whole_lines(printed: &mut Vec<u8>) {
    let mut rest = &printed[..];
    loop {
        let most = &rest[..rest.len().min(LINE_BYTES_MAX)];
        let line = match memchr::memchr(b'\n', most) {
            Some(end) => &rest[..=end],
            None if most.len() == LINE_BYTES_MAX => most,
            None => break,
        };
        log_line(line);
        rest = &rest[line.len()..];
    }
    printed.drain(..printed.len() - rest.len());
}

/// A client can't use up the limit of what the runtime says about an abort.
fn log_line(line: &[u8]) {
    static REQUESTS: LogLimit = LogLimit::new();
    static OTHERS: LogLimit = LogLimit::new();
    let text = String::from_utf8_lossy(line.trim_ascii_end());
    if line.starts_with(NOT_PARSED) {
        REQUESTS.log(|suppressed| tracing::warn!(suppressed, "may_minihttp: {text}"));
    } else if !text.is_empty() {
        // Whatever the level of the log, as if it had been printed.
        OTHERS.log(|suppressed| tracing::error!(suppressed, "printed: {text}"));
    }
}
