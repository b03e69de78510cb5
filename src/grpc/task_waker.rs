//! Waking calls from the pipeline's threads, one system call a batch.
//!
//! Waking a tokio task from a plain thread costs a lock and, if its runtime
//! sleeps, a write to an eventfd each time. So a waker that the pipeline calls
//! only puts its [`TaskWaker`] on a list; the flush behind a batch wakes one task,
//! [`Wakeups::serve`], which wakes the others from inside the runtime, where
//! that is a push into a local queue. A call has one task_waker, however many
//! orders it waits for, so a stream is on the list once a batch.
//!
//! # Why nobody stays listed and asleep
//!
//! Who lists a task_waker flushes afterwards. The flush skips the wake-up only if
//! `signalled` is set, that is, if the serving task has not yet begun to empty
//! the list: it clears the flag (SeqCst) before it does, and has registered its
//! own waker before that. So it is either woken or still to look.

use std::future::{Future, poll_fn};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use atomic_waker::AtomicWaker;
use crossbeam_queue::SegQueue;
use crossbeam_utils::CachePadded;

use crate::sync::wake_queue::WakeQueue;

/// The list and the task that empties it.
#[derive(Default)]
pub(super) struct Wakeups {
    /// Those to wake. Each is listed once at most, so that there are never more
    /// than there are calls.
    list: SegQueue<Arc<TaskWaker>>,
    /// Whether the serving task has been signalled and has not begun yet.
    signalled: CachePadded<AtomicBool>,
    server: AtomicWaker,
}

/// A call that waits for the pipeline. As a [`Waker`] it lists itself.
pub(super) struct TaskWaker {
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
            let Some(task_waker) = self.list.pop() else {
                break;
            };
            // AcqRel: pairs with the swap in `wake_by_ref`, either way.
            task_waker.listed.swap(false, Ordering::AcqRel);
            task_waker.task.wake();
        }
        self.flush();
        Poll::Pending
    }

    /// A task_waker for one call.
    pub(super) fn task_waker(self: &Arc<Self>) -> Arc<TaskWaker> {
        Arc::new(TaskWaker {
            task: AtomicWaker::new(),
            listed: AtomicBool::new(false),
            wakeups: self.clone(),
        })
    }
}

impl WakeQueue for Wakeups {
    fn flush(&self) {
        if !self.list.is_empty() && !self.signalled.swap(true, Ordering::SeqCst) {
            self.server.wake();
        }
    }
}

impl TaskWaker {
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

impl Wake for TaskWaker {
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

        let task_wakers: Vec<_> = (0..3).map(|_| wakeups.task_waker()).collect();
        for task_waker in &task_wakers {
            task_waker.sleep(&Context::from_waker(&call_waker));
        }
        for _ in 0..5 {
            task_wakers
                .iter()
                .for_each(|task_waker| task_waker.waker().wake());
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
        task_wakers[0].sleep(&Context::from_waker(&call_waker));
        task_wakers[0].waker().wake();
        wakeups.flush();
        assert_eq!(server.taken(), 1);
    }
}
