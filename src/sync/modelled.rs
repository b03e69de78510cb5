//! What the models use in the place of the standard library's and other crates'
//! types: made of loom's, so that loom sees every access.

use std::collections::VecDeque;
use std::task::Waker;

use loom::sync::Mutex;
use loom::sync::atomic::{Ordering, fence};

/// Loom takes SeqCst accesses for AcqRel ones. A fence before each gives them
/// the order that they have in the language, as it does in the usual mapping to
/// Power and Arm ("leading sync"; Batty et al., "Clarifying and Compiling
/// C/C++ Concurrency", POPL 2012).
fn lead(ordering: Ordering) -> Ordering {
    if ordering == Ordering::SeqCst {
        fence(Ordering::SeqCst);
    }
    ordering
}

macro_rules! atomic {
    ($name:ident, $value:ty, [$($op:ident),*]) => {
        #[derive(Debug, Default)]
        pub(crate) struct $name(loom::sync::atomic::$name);

        #[allow(dead_code)] // not every type needs every operation
        impl $name {
            pub(crate) fn new(value: $value) -> Self {
                Self(loom::sync::atomic::$name::new(value))
            }

            pub(crate) fn load(&self, ordering: Ordering) -> $value {
                self.0.load(lead(ordering))
            }

            pub(crate) fn store(&self, value: $value, ordering: Ordering) {
                self.0.store(value, lead(ordering));
            }

            pub(crate) fn swap(&self, value: $value, ordering: Ordering) -> $value {
                self.0.swap(value, lead(ordering))
            }

            pub(crate) fn compare_exchange(
                &self,
                current: $value,
                new: $value,
                success: Ordering,
                failure: Ordering,
            ) -> Result<$value, $value> {
                self.0.compare_exchange(current, new, lead(success), failure)
            }

            pub(crate) fn fetch_update(
                &self,
                success: Ordering,
                failure: Ordering,
                update: impl FnMut($value) -> Option<$value>,
            ) -> Result<$value, $value> {
                self.0.fetch_update(lead(success), failure, update)
            }

            $(pub(crate) fn $op(&self, value: $value, ordering: Ordering) -> $value {
                self.0.$op(value, lead(ordering))
            })*
        }
    };
}

atomic!(AtomicBool, bool, []);
atomic!(AtomicU8, u8, [fetch_max]);
atomic!(AtomicU32, u32, []);
atomic!(AtomicU64, u64, [fetch_add, fetch_sub, fetch_or, fetch_and]);
atomic!(AtomicUsize, usize, [fetch_add, fetch_sub]);

/// A table of zeroes, where the tables are made of fresh pages otherwise.
pub(crate) fn zeroed_slice_box<T: Default>(len: usize) -> Box<[T]> {
    (0..len).map(|_| T::default()).collect()
}

/// Loom's flag says who sees the value.
pub(crate) struct OnceLock<T> {
    is_set: AtomicBool,
    setting: Mutex<()>,
    value: std::sync::OnceLock<T>,
}

impl<T> OnceLock<T> {
    pub(crate) fn new() -> Self {
        Self {
            is_set: AtomicBool::new(false),
            setting: Mutex::new(()),
            value: std::sync::OnceLock::new(),
        }
    }

    pub(crate) fn get(&self) -> Option<&T> {
        if self.is_set.load(Ordering::Acquire) {
            self.value.get()
        } else {
            None
        }
    }

    pub(crate) fn set(&self, value: T) -> Result<(), T> {
        let _setting = self.setting.lock();
        self.value.set(value)?;
        self.is_set.store(true, Ordering::Release);
        Ok(())
    }

    pub(crate) fn get_or_init(&self, init: impl FnOnce() -> T) -> &T {
        let _ = self.set(init());
        self.value.get().expect("it is set")
    }
}

impl<T> Default for OnceLock<T> {
    fn default() -> Self {
        Self::new()
    }
}

/// As that of the crate `atomic-waker`, with a lock.
#[derive(Default)]
pub(crate) struct AtomicWaker(Mutex<Option<Waker>>);

impl AtomicWaker {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn register(&self, waker: &Waker) {
        *self.0.lock().expect("no panic") = Some(waker.clone());
    }

    pub(crate) fn wake(&self) {
        let waker = self.0.lock().expect("no panic").take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// Promises less than crossbeam's: what is asked without taking anything may be
/// out of date.
pub(crate) struct SegQueue<T> {
    len: AtomicUsize,
    items: Mutex<VecDeque<T>>,
}

impl<T> SegQueue<T> {
    pub(crate) fn new() -> Self {
        Self {
            len: AtomicUsize::new(0),
            items: Mutex::new(VecDeque::new()),
        }
    }

    pub(crate) fn push(&self, item: T) {
        self.items.lock().expect("no panic").push_back(item);
        self.len.fetch_add(1, Ordering::Release);
    }

    pub(crate) fn pop(&self) -> Option<T> {
        let take = |len: usize| len.checked_sub(1);
        self.len
            .fetch_update(Ordering::Acquire, Ordering::Relaxed, take)
            .ok()?;
        self.items.lock().expect("no panic").pop_front()
    }

    pub(crate) fn len(&self) -> usize {
        self.len.load(Ordering::Relaxed)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Wakes a thread of a model.
pub(crate) struct Unpark(loom::thread::Thread);

impl Unpark {
    /// A waker of the calling thread.
    pub(crate) fn current() -> Waker {
        Self::waker(&loom::thread::current())
    }

    pub(crate) fn waker(thread: &loom::thread::Thread) -> Waker {
        Waker::from(std::sync::Arc::new(Self(thread.clone())))
    }
}

impl std::task::Wake for Unpark {
    fn wake(self: std::sync::Arc<Self>) {
        self.0.unpark();
    }
}

/// Every order of events with so many preemptions of a thread at most. Loom
/// looks for a race between an access and the last one before it only, so a
/// thread's own load may hide that its store races: the mutants show whether a
/// model sees enough.
pub(crate) fn check(preemptions: usize, model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(model);
}
