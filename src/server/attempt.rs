//! What the system refuses while the service starts, as an error.
//!
//! `may` and its stacks panic when epoll, `mmap` or a thread is refused (by
//! seccomp, `ulimit -v`, `-u` or `-n`), and so does the allocation of a large
//! table. While the service starts, that is the world's error and not a bug:
//! the caller gets what the panic said.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::server::error::StartError;

thread_local! {
    static STARTING: Cell<bool> = const { Cell::new(false) };
}

/// Whether a panic of this thread becomes a [`StartError`]: a panic hook need
/// not report it.
pub fn is_starting() -> bool {
    STARTING.get()
}

/// Runs `start`, whose panics become errors. What it has begun stays half done:
/// the process can only end.
pub(super) fn attempt<T>(start: impl FnOnce() -> Result<T, StartError>) -> Result<T, StartError> {
    STARTING.set(true);
    let result = catch_unwind(AssertUnwindSafe(start));
    STARTING.set(false);
    result.unwrap_or_else(|panic| Err(StartError::Panicked(message(&*panic))))
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("a panic")
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_an_error_with_its_message() {
        let refused = |panics: fn()| {
            let result = attempt(|| {
                assert!(is_starting());
                panics();
                Ok(())
            });
            assert!(!is_starting());
            result.unwrap_err().to_string()
        };
        assert_eq!(refused(|| panic!("no memory")), "can't start: no memory");
        assert_eq!(refused(|| panic!("no {}", 1)), "can't start: no 1");
        assert_eq!(refused(|| std::panic::panic_any(1)), "can't start: a panic");
        assert!(attempt(|| Ok(())).is_ok() && !is_starting());
    }
}
