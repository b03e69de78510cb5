//! Oneshots, dispatch queues and watch lists, model-checked.

use std::sync::Arc;
use std::task::Waker;

use loom::sync::Notify;
use loom::thread;

use crate::sync::dispatch_queue::{DispatchQueue, Task};
use crate::sync::modelled::{Unpark, check};
use crate::sync::oneshot::Oneshot;
use crate::sync::primitive::{AtomicBool, AtomicUsize, Ordering};
use crate::sync::watch_list::WatchList;

/// A submitter that is woken finds its answer, and it is woken.
#[test]
fn a_oneshot_wakes_behind_its_value() {
    check(3, || {
        let oneshot = Arc::new(Oneshot::new(Some(Unpark::current())));
        let published = Arc::new(AtomicUsize::new(0));
        let committer = {
            let (oneshot, published) = (oneshot.clone(), published.clone());
            thread::spawn(move || {
                published.store(1, Ordering::Relaxed);
                oneshot.complete(7);
            })
        };
        while oneshot.get().is_none() {
            thread::park();
        }
        assert_eq!(published.load(Ordering::Relaxed), 1);
        committer.join().unwrap();
    });
}

struct Counter {
    queued: AtomicBool,
    answers: [AtomicUsize; 2],
}

impl Task for Counter {
    fn queued(&self) -> &AtomicBool {
        &self.queued
    }
}

/// Two threads answer a task, queue it and flush. The dispatcher, which waits
/// for its signal only, wakes it behind each of the answers.
#[test]
fn a_queued_task_is_woken() {
    check(3, || {
        let queue = Arc::<DispatchQueue<Counter>>::default();
        let signal = Arc::new(Notify::new());
        let task = Arc::new(Counter {
            queued: AtomicBool::new(false),
            answers: [AtomicUsize::new(0), AtomicUsize::new(0)],
        });
        let pushers = [0, 1].map(|pusher| {
            let (queue, signal, task) = (queue.clone(), signal.clone(), task.clone());
            thread::spawn(move || {
                task.answers[pusher].store(1, Ordering::Relaxed);
                queue.push(&task);
                queue.flush(|| signal.notify());
            })
        });
        let mut seen = 0;
        while seen < 2 {
            signal.wait();
            let look = |task: &Counter| {
                let answers = task.answers.each_ref();
                seen = answers.map(|one| one.load(Ordering::Relaxed)).iter().sum();
            };
            queue.dispatch(look);
        }
        for pusher in pushers {
            pusher.join().unwrap();
        }
    });
}

/// A task that is queued while the dispatcher is at work has a turn, too: its
/// flush may have found the dispatcher signalled.
#[test]
fn two_tasks_are_woken() {
    check(3, || {
        let queue = Arc::<DispatchQueue<Counter>>::default();
        let signal = Arc::new(Notify::new());
        let pushers = [0, 1].map(|_| {
            let (queue, signal) = (queue.clone(), signal.clone());
            thread::spawn(move || {
                let task = Arc::new(Counter {
                    queued: AtomicBool::new(false),
                    answers: Default::default(),
                });
                queue.push(&task);
                queue.flush(|| signal.notify());
            })
        });
        let mut woken = 0;
        while woken < 2 {
            signal.wait();
            queue.dispatch(|_| woken += 1);
        }
        for pusher in pushers {
            pusher.join().unwrap();
        }
    });
}

/// A watcher sees the change or is woken by it, by the notifier itself or by
/// the relay.
#[test]
fn a_watcher_misses_no_change() {
    for others in [0, 1] {
        check(2, move || {
            let list = Arc::<WatchList>::default();
            let _others: Vec<_> = (0..others).map(|_| list.watch(Waker::noop())).collect();
            let changed = Arc::new(AtomicUsize::new(0));
            let relay = Relay::start(&list, others > 0);
            let notifier = {
                let (list, changed) = (list.clone(), changed.clone());
                thread::spawn(move || {
                    changed.store(1, Ordering::Relaxed);
                    list.notify();
                })
            };
            loop {
                let _watch = list.watch(&Unpark::current());
                if changed.load(Ordering::Relaxed) == 1 {
                    break;
                }
                thread::park();
            }
            notifier.join().unwrap();
            relay.end();
        });
    }
}

/// A thread that wakes who is listed when it is woken.
struct Relay(Option<(thread::JoinHandle<()>, Arc<AtomicBool>)>);

impl Relay {
    fn start(list: &Arc<WatchList>, start: bool) -> Self {
        if !start {
            return Self(None);
        }
        let ended = Arc::new(AtomicBool::new(false));
        let thread = {
            let (list, ended) = (list.clone(), ended.clone());
            thread::spawn(move || {
                loop {
                    thread::park();
                    if ended.load(Ordering::Acquire) {
                        return;
                    }
                    list.wake_listed();
                }
            })
        };
        list.set_relay(Unpark::waker(thread.thread()));
        Self(Some((thread, ended)))
    }

    fn end(self) {
        if let Self(Some((thread, ended))) = self {
            ended.store(true, Ordering::Release);
            thread.thread().unpark();
            thread.join().unwrap();
        }
    }
}
