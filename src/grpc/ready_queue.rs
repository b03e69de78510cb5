//! Waking calls from the pipeline's threads, one system call a batch.
//!
//! Waking a tokio task from a plain thread costs a lock and, if its runtime
//! sleeps, a write to an eventfd each time. So a waker that the pipeline calls
//! only puts its [`TaskWaker`] on the ready queue; the flush behind a batch
//! wakes one task, [`ReadyQueue::dispatch`], which wakes the others from inside
//! the runtime, where that is a push into a local queue. A call has one task
//! waker, however many orders it waits for, so a stream is queued once a batch.
//!
//! # Why no call stays queued and asleep
//!
//! The thread that queues a task waker flushes afterwards. The flush skips the
//! wake-up only if `signalled` is set, that is, if the dispatcher has not yet
//! begun to empty the queue: it clears the flag (SeqCst) before it does, and
//! has registered its own waker before that. So it is either woken or has yet
//! to read the queue.

use std::future::{Future, poll_fn};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use atomic_waker::AtomicWaker;
use crossbeam_queue::SegQueue;
use crossbeam_utils::CachePadded;

use crate::sync::crash;
use crate::sync::wake_queue::WakeQueue;

/// Calls that are ready to go on, and the task that wakes them.
#[derive(Default)]
pub(crate) struct ReadyQueue {
    /// Each task waker is queued once at most, so that there are never more
    /// than there are calls.
    queue: SegQueue<Arc<TaskWaker>>,
    /// Whether the dispatcher has been signalled and has not begun yet.
    signalled: CachePadded<AtomicBool>,
    dispatcher: AtomicWaker,
}

/// A call that waits for the pipeline. As a [`Waker`] it queues itself.
pub(super) struct TaskWaker {
    task: AtomicWaker,
    queued: AtomicBool,
    ready_queue: Arc<ReadyQueue>,
}

impl ReadyQueue {
    /// Wakes the queued calls whenever the pipeline has flushed. Never ends.
    pub(super) async fn dispatch(self: Arc<Self>) {
        let _guard = crash::guard();
        poll_fn(|cx| self.wake_queued(cx)).await
    }

    fn wake_queued(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.dispatcher.register(cx.waker());
        self.signalled.store(false, Ordering::SeqCst);
        // No more than were queued at the start: later ones have signalled
        // again, and other tasks want their turn.
        for _ in 0..self.queue.len() {
            let Some(task_waker) = self.queue.pop() else {
                break;
            };
            // AcqRel: pairs with the swap in `wake_by_ref`, either way.
            task_waker.queued.swap(false, Ordering::AcqRel);
            task_waker.task.wake();
        }
        self.flush();
        Poll::Pending
    }

    /// A task waker for one call.
    pub(super) fn task_waker(self: &Arc<Self>) -> Arc<TaskWaker> {
        Arc::new(TaskWaker {
            task: AtomicWaker::new(),
            queued: AtomicBool::new(false),
            ready_queue: self.clone(),
        })
    }
}

impl WakeQueue for ReadyQueue {
    fn flush(&self) {
        if !self.queue.is_empty() && !self.signalled.swap(true, Ordering::SeqCst) {
            self.dispatcher.wake();
        }
    }
}

impl TaskWaker {
    /// Has the task of this context woken. Check what is awaited after this
    /// call, not before.
    fn register(&self, cx: &Context<'_>) {
        self.task.register(cx.waker());
    }

    /// The waker that the pipeline is given.
    pub(super) fn waker(self: &Arc<Self>) -> Waker {
        Waker::from(self.clone())
    }

    /// Waits until `check` returns a value. For one waiter at a time.
    pub(super) fn wait_for<'a, T>(
        &'a self,
        mut check: impl FnMut() -> Option<T> + Send + 'a,
    ) -> impl Future<Output = T> + Send + 'a {
        poll_fn(move |cx| {
            self.register(cx);
            check().map_or(Poll::Pending, Poll::Ready)
        })
    }
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // AcqRel pairs with the dispatcher's swap: a thread that finds the
        // waker queued knows that the dispatcher will wake the task after
        // seeing what came before.
        if !self.queued.swap(true, Ordering::AcqRel) {
            self.ready_queue.queue.push(self.clone());
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
        fn take(&self) -> usize {
            self.0.swap(0, Ordering::SeqCst)
        }
    }

    #[test]
    fn a_batch_of_answers_wakes_the_dispatcher_once_and_each_call_once() {
        let ready_queue = Arc::<ReadyQueue>::default();
        let (dispatcher, call) = (Arc::<Count>::default(), Arc::<Count>::default());
        let (dispatcher_waker, call_waker) = (dispatcher.clone().into(), call.clone().into());
        let mut dispatcher_cx = Context::from_waker(&dispatcher_waker);
        assert!(ready_queue.wake_queued(&mut dispatcher_cx).is_pending());

        let task_wakers: Vec<_> = (0..3).map(|_| ready_queue.task_waker()).collect();
        for task_waker in &task_wakers {
            task_waker.register(&Context::from_waker(&call_waker));
        }
        for _ in 0..5 {
            task_wakers
                .iter()
                .for_each(|task_waker| task_waker.waker().wake());
        }
        assert_eq!(
            (dispatcher.take(), call.take()),
            (0, 0),
            "not before the flush"
        );
        ready_queue.flush();
        ready_queue.flush();
        assert_eq!((dispatcher.take(), call.take()), (1, 0));
        assert!(ready_queue.wake_queued(&mut dispatcher_cx).is_pending());
        assert_eq!((dispatcher.take(), call.take()), (0, 3));

        // Queued again after it was woken, and flushed again.
        task_wakers[0].register(&Context::from_waker(&call_waker));
        task_wakers[0].waker().wake();
        ready_queue.flush();
        assert_eq!(dispatcher.take(), 1);
    }
}
