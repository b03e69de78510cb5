//! How much is in flight, and how often what is asked or tried again.

use std::time::Duration;

/// Bytes of messages in flight; past them orders wait in the committer's queue.
pub(crate) const BYTES_MAX: usize = 64 << 20;
/// How long the connection may take to accept a message before it is tried
/// again later: it accepts at once unless it is broken, or the server hangs and
/// all buffers up to it are full.
pub(super) const SEND_TIMEOUT: Duration = Duration::from_millis(100);
/// How often the clock is looked at while something is in flight.
pub(super) const TICK: Duration = Duration::from_millis(20);
/// Messages sent again at one tick.
pub(super) const RESENT_MAX: usize = 512;
/// Replies handled before the committer hears of them.
pub(super) const REPLIES_MAX: usize = 1024;
/// Stored messages that are read at a time.
pub(super) const READS_MAX: usize = 64;

/// How often the leader is asked for the stream's state: while a reader waits
/// at its end, while something is wrong, and otherwise.
pub(super) const PROBE_WATCHED: Duration = Duration::from_millis(100);
pub(super) const PROBE_IN_DOUBT: Duration = Duration::from_millis(500);
pub(super) const PROBE_IDLE: Duration = Duration::from_secs(5);
/// So many answers in a row say that the stream doesn't exist before it is
/// believed: a cluster that is just starting may not know yet.
pub(super) const MISSING_MAX: u32 = 4;
/// So many questions in a row without an answer before another server is tried.
pub(super) const UNANSWERED_MAX: u32 = 3;
