//! Run queues and timers together, with coroutines that park.

use std::fs::File;
use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use may::coroutine;
use may::io::{CoIo, WaitIo as _};

use crate::http::runtime::run_queue::{RunQueues, TaskWaker, eventfd_on_thread};
use crate::http::runtime::timers::Timers;

/// Later than any test ends.
const FAR: Duration = Duration::from_secs(3600);
/// Before that, but longer than a loaded machine takes.
const LIMIT: Duration = Duration::from_secs(60);

/// Runs `body` on a coroutine with its waker and these timers, of `slots`
/// slots. What it sends is received; a panic in it ends the receiver.
fn on_a_coroutine(
    slots: usize,
    body: impl FnOnce(Arc<TaskWaker>, &Arc<Timers>, Sender<()>) + Send + 'static,
) -> (Arc<Timers>, Receiver<()>) {
    let run_queues = RunQueues::start(may::config().get_workers()).expect("eventfds are left");
    let timers = Timers::start(slots, run_queues.clone()).expect("a thread is left");
    let (sender, receiver) = channel();
    let own = timers.clone();
    let builder = coroutine::Builder::new().id(0).stack_size(16 << 10);
    let spawned = may::go!(builder, move || {
        let task_waker = run_queues.parked_waker(0, coroutine::current());
        body(task_waker, &own, sender);
    });
    spawned.expect("memory for a stack is left");
    (timers, receiver)
}

#[test]
fn an_armed_slot_wakes_its_coroutine_at_its_deadline() {
    let (timers, woken) = on_a_coroutine(1, |task_waker, timers, woken| {
        let slot = timers.take(task_waker).expect("one is free");
        for _ in 0..3 {
            let deadline = Instant::now() + Duration::from_millis(20);
            slot.arm(deadline);
            coroutine::park();
            assert!(Instant::now() >= deadline);
            woken.send(()).expect("the test receives");
        }
    });
    for _ in 0..3 {
        woken.recv_timeout(LIMIT).expect("woken in time");
    }
    timers.stop();
}

#[test]
fn an_earlier_deadline_replaces_a_later_one() {
    let (timers, woken) = on_a_coroutine(1, |task_waker, timers, woken| {
        let slot = timers.take(task_waker).expect("one is free");
        slot.arm(Instant::now() + FAR);
        // By now the timer thread sleeps until then, or is about to.
        coroutine::sleep(Duration::from_millis(20));
        slot.arm(Instant::now() + Duration::from_millis(20));
        // The later one changes nothing.
        slot.arm(Instant::now() + FAR);
        coroutine::park();
        woken.send(()).expect("the test receives");
    });
    woken.recv_timeout(LIMIT).expect("woken in time");
    timers.stop();
}

#[test]
fn all_are_woken_without_a_deadline() {
    let (timers, woken) = on_a_coroutine(1, |task_waker, timers, woken| {
        let _slot = timers.take(task_waker).expect("one is free");
        woken.send(()).expect("the test receives");
        coroutine::park();
        woken.send(()).expect("the test receives");
    });
    woken.recv_timeout(LIMIT).expect("it has a slot");
    timers.wake_all();
    woken.recv_timeout(LIMIT).expect("woken in time");
    timers.stop();
}

#[test]
fn an_event_waits_for_one_turn_however_many_give_way() {
    const GIVING_WAY: usize = 100;
    let threads = may::config().get_workers();
    let run_queues = RunQueues::start(threads).expect("eventfds are left");
    let event = File::from(eventfd_on_thread(0, threads).unwrap());
    let events = Arc::new(event.try_clone().unwrap());
    let turns = Arc::new(AtomicUsize::new(0));
    // The turn at whose end the event comes.
    let at = Arc::new(AtomicUsize::new(usize::MAX));
    let done = Arc::new(AtomicBool::new(false));
    for _ in 0..GIVING_WAY {
        let (run_queues, events) = (run_queues.clone(), events.clone());
        let (turns, at, done) = (turns.clone(), at.clone(), done.clone());
        let builder = coroutine::Builder::new().id(0).stack_size(16 << 10);
        let spawned = may::go!(builder, move || {
            let task_waker = run_queues.parked_waker(0, coroutine::current());
            while !done.load(Ordering::Relaxed) {
                task_waker.wake_in_turn();
                while task_waker.awaits_turn() {
                    coroutine::park();
                }
                let turn = turns.fetch_add(1, Ordering::Relaxed);
                if turn == at.load(Ordering::Relaxed) {
                    (&*events).write_all(&1_u64.to_ne_bytes()).unwrap();
                }
            }
        });
        spawned.expect("memory for a stack is left");
    }
    let (sender, waited) = channel();
    let builder = coroutine::Builder::new().id(0).stack_size(16 << 10);
    let spawned = may::go!(builder, move || {
        let polled = CoIo::new(event).unwrap();
        for _ in 0..10 {
            at.store(
                turns.load(Ordering::Relaxed) + 3 * GIVING_WAY,
                Ordering::Relaxed,
            );
            while turns.load(Ordering::Relaxed) <= at.load(Ordering::Relaxed) {
                polled.wait_io(); // an event on its way, or a first one of none
            }
            let turns_since = turns.load(Ordering::Relaxed) - at.load(Ordering::Relaxed);
            sender.send(turns_since).expect("the test receives");
        }
        done.store(true, Ordering::Relaxed);
    });
    spawned.expect("memory for a stack is left");
    let mut most = 0;
    for _ in 0..10 {
        most = most.max(waited.recv_timeout(LIMIT).expect("all have their turns"));
    }
    assert!(most <= 2, "{most} turns came before the event");
}

#[test]
fn a_slot_is_released_when_dropped() {
    let (timers, done) = on_a_coroutine(1, |task_waker, timers, done| {
        let slot = timers.take(task_waker.clone()).expect("one is free");
        slot.arm(Instant::now());
        assert!(timers.take(task_waker.clone()).is_none());
        drop(slot);
        assert!(timers.take(task_waker).is_some());
        done.send(()).expect("the test receives");
    });
    done.recv_timeout(LIMIT).expect("no panic");
    timers.stop();
}
