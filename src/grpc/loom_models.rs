//! How calls are woken, model-checked.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake};

use loom::thread;

use crate::grpc::ready_queue::{ReadyQueue, TaskWaker};
use crate::sync::modelled::{Unpark, check};
use crate::sync::primitive::{AtomicUsize, Ordering};
use crate::sync::wake_queue::WakeQueue;

/// Counted by the dispatcher, so nothing for loom.
#[derive(Default)]
struct Count(std::sync::atomic::AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Two threads answer a call each and flush. The dispatcher, a thread that
/// sleeps until its waker is called, wakes both calls.
#[test]
fn an_answered_call_is_woken() {
    check(2, || {
        let ready_queue = Arc::<ReadyQueue>::default();
        let woken = Arc::<Count>::default();
        let calls = [0, 1].map(|_| {
            let call = ready_queue.task_waker();
            call.register(&Context::from_waker(&woken.clone().into()));
            call
        });
        let dispatcher = {
            let (ready_queue, woken) = (ready_queue.clone(), woken.clone());
            thread::spawn(move || {
                let waker = Unpark::current();
                let cx = &mut Context::from_waker(&waker);
                loop {
                    let _ = ready_queue.wake_queued(cx);
                    if woken.0.load(Ordering::Relaxed) == 2 {
                        return;
                    }
                    thread::park();
                }
            })
        };
        let answer = |call: &Arc<TaskWaker>, ready_queue: &ReadyQueue| {
            call.waker().wake();
            ready_queue.flush();
        };
        let [one, other] = calls;
        let committer = {
            let ready_queue = ready_queue.clone();
            thread::spawn(move || answer(&one, &ready_queue))
        };
        answer(&other, &ready_queue);
        committer.join().unwrap();
        dispatcher.join().unwrap();
    });
}

/// A call that waits for an answer sees it, or is woken by the dispatcher.
#[test]
fn a_call_registers_and_then_checks() {
    check(2, || {
        let ready_queue = Arc::<ReadyQueue>::default();
        let answer = Arc::new(AtomicUsize::new(0));
        let call = ready_queue.task_waker();
        let committer = {
            let (ready_queue, answer, call) = (ready_queue.clone(), answer.clone(), call.clone());
            thread::spawn(move || {
                answer.store(1, Ordering::Relaxed);
                call.waker().wake();
                // In the place of a dispatcher that is woken at once.
                let waker = std::task::Waker::noop();
                let _ = ready_queue.wake_queued(&mut Context::from_waker(waker));
            })
        };
        let waker = Unpark::current();
        let cx = &mut Context::from_waker(&waker);
        let check = || (answer.load(Ordering::Relaxed) == 1).then_some(());
        let mut waiting = pin!(call.wait_for(check));
        while waiting.as_mut().poll(cx) == Poll::Pending {
            thread::park();
        }
        committer.join().unwrap();
    });
}
