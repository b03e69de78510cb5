//! The trait, and the verdict it returns.

use std::sync::Arc;

use crate::order::Order;

/// Longest reason that is kept, in bytes; longer ones are cut.
pub(crate) const REASON_BYTES_MAX: usize = 256;

/// Does the work for one order at a time, on several worker threads at once.
///
/// It runs *at least* once for an order: after a crash, a drain deadline or a
/// race of two instances it may run again, so side effects must be idempotent
/// by [`Order::id`]. It may block, unless it [is quick](Self::is_quick): each
/// worker has its own thread. A panic in it makes the order
/// [`Verdict::Failed`] and does not end the process.
///
/// ```
/// use order_processor::{Order, Processor, Verdict};
///
/// /// Takes what the desk may trade, and no more than that.
/// struct Desk;
///
/// impl Processor for Desk {
///     fn process(&self, order: &Order) -> Verdict {
///         if order.value() > 10_000.into() {
///             return Verdict::failed("over the desk's limit");
///         }
///         Verdict::Processed
///     }
/// }
/// ```
pub trait Processor: Send + Sync + 'static {
    /// Does the work for `order` and returns its outcome.
    fn process(&self, order: &Order) -> Verdict;

    /// Whether `process` always returns within microseconds and never blocks.
    /// Verdicts may then be held back for as long, so that the committer is
    /// woken once for several; and on one or two cores the only worker is the
    /// committer as well, so that a call that hangs stops all commits. `false`
    /// unless overridden.
    fn is_quick(&self) -> bool {
        false
    }
}

/// The outcome of the work for an order. Reasons are cut to 256 bytes, between
/// characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The work is done: committed as processed.
    Processed,
    /// Refused for good, with the reason: committed as failed.
    Failed(Arc<str>),
    /// A transient failure, with the reason: nothing is committed, the client
    /// is asked to retry, and the id is free again. An order that the client
    /// was told is queued is processed again after a second, until it has an
    /// outcome or a drain saves it for the next start.
    Retry(Arc<str>),
}

impl Verdict {
    /// [`Verdict::Failed`] with this reason, cut to 256 bytes.
    pub fn failed(reason: &str) -> Self {
        Self::Failed(cut(reason).into())
    }

    /// [`Verdict::Retry`] with this reason, cut to 256 bytes.
    pub fn retry(reason: &str) -> Self {
        Self::Retry(cut(reason).into())
    }

    /// The verdict with its reason cut to 256 bytes.
    pub(crate) fn bounded(self) -> Self {
        match self {
            Self::Failed(reason) if reason.len() > REASON_BYTES_MAX => Self::failed(&reason),
            Self::Retry(reason) if reason.len() > REASON_BYTES_MAX => Self::retry(&reason),
            other => other,
        }
    }
}

fn cut(reason: &str) -> &str {
    &reason[..reason.floor_char_boundary(REASON_BYTES_MAX)]
}

impl<P: Processor + ?Sized> Processor for Arc<P> {
    fn process(&self, order: &Order) -> Verdict {
        (**self).process(order)
    }

    fn is_quick(&self) -> bool {
        (**self).is_quick()
    }
}

#[cfg(test)]
mod tests {
    use crate::pipeline::processor::api::{REASON_BYTES_MAX, Verdict, cut};

    #[test]
    fn reasons_are_cut_between_characters() {
        let long = "ä".repeat(200);
        let Verdict::Failed(reason) = Verdict::Failed(long.as_str().into()).bounded() else {
            panic!("still failed");
        };
        assert_eq!(reason.len(), REASON_BYTES_MAX);
        let odd = format!("a{long}");
        assert_eq!(cut(&odd).len(), REASON_BYTES_MAX - 1);
        assert_eq!(Verdict::retry("short"), Verdict::Retry("short".into()));
    }
}
