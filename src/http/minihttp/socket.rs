//! What the adapter does with the crate's socket beside the crate: a look now
//! and then, and an end to hearing.

use std::os::fd::BorrowedFd;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{Shutdown, shutdown};

use crate::http::minihttp::connection::Connection;

/// Requests between two looks at whether the client takes its replies, which
/// the crate would else collect without a bound.
pub(crate) const LOOK_EVERY: u32 = 64;

impl Connection {
    /// Has the crate find the end of what is sent.
    pub(crate) fn deafen(&self) {
        self.with_socket(|socket| {
            // The crate closes the connection when it reads its end. An error
            // means that the peer has closed it already.
            let _ = shutdown(socket, Shutdown::Read);
        });
    }

    /// Whether the client takes its replies, looked at now and then.
    pub(crate) fn is_taken(&mut self) -> bool {
        self.requests += 1;
        if self.requests < LOOK_EVERY {
            return true;
        }
        self.requests = 0;
        let mut writable = false;
        self.with_socket(|socket| {
            let mut polled = [PollFd::from_borrowed_fd(socket, PollFlags::OUT)];
            let at_once = Timespec {
                tv_sec: 0,
                tv_nsec: 0,
            };
            // An error means a broken socket, which takes nothing.
            writable = poll(&mut polled, Some(&at_once)).is_ok_and(|ready| ready > 0);
        });
        writable
    }

    pub(crate) fn with_socket(&self, act: impl FnOnce(BorrowedFd<'_>)) {
        // SAFETY: the descriptor is the connection's own. The crate's loop owns
        // the stream and calls us from within, so that it is open for the time
        // of this call.
        act(unsafe { BorrowedFd::borrow_raw(self.socket) });
    }
}
