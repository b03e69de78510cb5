//! Waking calls from the pipeline's threads, one system call a batch.
//!
//! Waking a tokio task from a plain thread costs a lock and, if its runtime
//! sleeps, a write to an eventfd each time. So a waker that the pipeline calls
//! only puts its [`TaskWaker`] on the ready queue; the flush behind a batch
//! wakes one task, [`ReadyQueue::dispatch`], which wakes the others from inside
//! the runtime, where that is a push into a local queue. A call has one task
//! waker, however many orders it waits for, so a stream is queued once a batch.
//!
//! The dispatcher registers its own waker before it begins to empty the queue,
//! so that it is either woken or has yet to read what was queued.

use std::future::{Future, poll_fn};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use crate::sync::crash;
use crate::sync::dispatch_queue::{DispatchQueue, Task};
use crate::sync::primitive::{AtomicBool, AtomicWaker};
use crate::sync::wake_queue::WakeQueue;

/// Calls that are ready to go on, and the task that wakes them.
#[derive(Default)]
pub(crate) struct ReadyQueue {
    calls: DispatchQueue<TaskWaker>,
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

    pub(super) fn wake_queued(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.dispatcher.register(cx.waker());
        self.calls.dispatch(|call| call.task.wake());
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
        self.calls.flush(|| self.dispatcher.wake());
    }
}

impl TaskWaker {
    /// Has the task of this context woken. Check what is awaited after this
    /// call, not before.
    pub(super) fn register(&self, cx: &Context<'_>) {
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
        self.ready_queue.calls.push(self);
    }
}

impl Task for TaskWaker {
    fn queued(&self) -> &AtomicBool {
        &self.queued
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

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
