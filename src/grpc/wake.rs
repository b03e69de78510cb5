//! Waking calls from the pipeline's threads, one system call a batch.
//!
//! Waking a tokio task from a plain thread costs a lock and, if its runtime
//! sleeps, a write to an eventfd each time. So a waker that the pipeline calls
//! only puts its [`Sleeper`] on a list; the flush behind a batch wakes one task,
//! [`Wakeups::serve`], which wakes the others from inside the runtime, where
//! that is a push into a local queue. A call has one sleeper, however many
//! orders it waits for, so a stream is on the list once a batch.
//!
//! # Why nobody stays listed and asleep
//!
//! Who lists a sleeper flushes afterwards. The flush skips the wake-up only if
//! `signalled` is set, that is, if the serving task has not yet begun to empty
//! the list: it clears the flag (SeqCst) before it does, and has registered its
//! own waker before that. So it is either woken or still to look.

use std::{
    future::{Future, poll_fn},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

use atomic_waker::AtomicWaker;
use crossbeam_queue::SegQueue;
use crossbeam_utils::CachePadded;

use crate::pipeline::ticket::Flush;

/// The list and the task that empties it.
#[derive(Default)]
pub(super) struct Wakeups {
    /// Those to wake. Each is listed once at most, so that there are never more
    /// than there are calls.
    list: SegQueue<Arc<Sleeper>>,
    /// Whether the serving task has been signalled and has not begun yet.
    signalled: CachePadded<AtomicBool>,
    server: AtomicWaker,
}

/// A call that waits for the pipeline. As a [`Waker`] it lists itself.
pub(super) struct Sleeper {
    task: AtomicWaker,
    listed: AtomicBool,
    wakeups: Arc<Wakeups>,
}

impl Wakeups {
    /// Wakes those who are listed whenever the pipeline has flushed. Never ends.
    pub(super) async fn serve(self: Arc<Self>) {
        poll_fn(|cx| self.wake_listed(cx)).await
    }

    fn wake_listed(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.server.register(cx.waker());
        self.signalled.store(false, Ordering::SeqCst);
        // No more than were listed at the start: those who come meanwhile have
        // signalled again, and the others want their turn.
        for _ in 0..self.list.len() {
            let Some(sleeper) = self.list.pop() else {
                break;
            };
            // AcqRel: pairs with the swap in `wake_by_ref`, either way.
            sleeper.listed.swap(false, Ordering::AcqRel);
            sleeper.task.wake();
        }
        self.flush();
        Poll::Pending
    }

    /// A sleeper for one call.
    pub(super) fn sleeper(self: &Arc<Self>) -> Arc<Sleeper> {
        Arc::new(Sleeper {
            task: AtomicWaker::new(),
            listed: AtomicBool::new(false),
            wakeups: self.clone(),
        })
    }
}

impl Flush for Wakeups {
    fn flush(&self) {
        if !self.list.is_empty() && !self.signalled.swap(true, Ordering::SeqCst) {
            self.server.wake();
        }
    }
}

impl Sleeper {
    /// Has the task of this context woken; look at what is waited for after
    /// this call.
    pub(super) fn sleep(&self, cx: &Context<'_>) {
        self.task.register(cx.waker());
    }

    /// What the pipeline is given.
    pub(super) fn waker(self: &Arc<Self>) -> Waker {
        Waker::from(self.clone())
    }

    /// Waits until `look` finds something. For one waiter at a time.
    pub(super) fn until<'a, T>(
        &'a self,
        mut look: impl FnMut() -> Option<T> + Send + 'a,
    ) -> impl Future<Output = T> + Send + 'a {
        poll_fn(move |cx| {
            self.sleep(cx);
            look().map_or(Poll::Pending, Poll::Ready)
        })
    }
}

impl Wake for Sleeper {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // AcqRel pairs with the serving task's: who finds it listed knows that
        // the task will wake it after seeing what came before.
        if !self.listed.swap(true, Ordering::AcqRel) {
            self.wakeups.list.push(self.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    impl Count {
        fn taken(&self) -> usize {
            self.0.swap(0, Ordering::SeqCst)
        }
    }

    #[test]
    fn a_batch_of_answers_wakes_the_server_once_and_each_call_once() {
        let wakeups = Arc::<Wakeups>::default();
        let (server, call) = (Arc::<Count>::default(), Arc::<Count>::default());
        let (server_waker, call_waker) = (server.clone().into(), call.clone().into());
        let mut server_cx = Context::from_waker(&server_waker);
        assert!(wakeups.wake_listed(&mut server_cx).is_pending());

        let sleepers: Vec<_> = (0..3).map(|_| wakeups.sleeper()).collect();
        for sleeper in &sleepers {
            sleeper.sleep(&Context::from_waker(&call_waker));
        }
        for _ in 0..5 {
            sleepers.iter().for_each(|sleeper| sleeper.waker().wake());
        }
        assert_eq!(
            (server.taken(), call.taken()),
            (0, 0),
            "not before the flush"
        );
        wakeups.flush();
        wakeups.flush();
        assert_eq!((server.taken(), call.taken()), (1, 0));
        assert!(wakeups.wake_listed(&mut server_cx).is_pending());
        assert_eq!((server.taken(), call.taken()), (0, 3));

        // Listed again after it was woken, and flushed again.
        sleepers[0].sleep(&Context::from_waker(&call_waker));
        sleepers[0].waker().wake();
        wakeups.flush();
        assert_eq!(server.taken(), 1);
    }
}
