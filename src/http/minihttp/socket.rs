//! What the adapter does with the crate's socket beside the crate.

use std::os::fd::{BorrowedFd, RawFd};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::sockopt::set_tcp_nodelay;
use rustix::net::{Shutdown, shutdown};

/// A connection's socket. The crate's loop owns it, and outlives this.
pub(super) struct Socket(RawFd);

impl Socket {
    /// Of a connection that the crate's loop has just accepted.
    pub(super) fn of(descriptor: RawFd) -> Self {
        Self(descriptor)
    }

    pub(super) fn descriptor(&self) -> RawFd {
        self.0
    }

    /// Replies are small and complete: nothing is gained by delaying them.
    pub(super) fn set_nodelay(&self) {
        // A socket that refuses is broken, which its first read shows.
        let _ = set_tcp_nodelay(self.borrow(), true);
    }

    /// Makes the crate read the end of the stream, upon which it closes the
    /// connection.
    pub(super) fn shut_down_reading(&self) {
        // An error means that the peer has closed it already.
        let _ = shutdown(self.borrow(), Shutdown::Read);
    }

    pub(super) fn shut_down(&self) {
        let _ = shutdown(self.borrow(), Shutdown::Both); // likewise
    }

    /// Whether the send buffer has space: the client receives its replies.
    pub(super) fn is_writable(&self) -> bool {
        let mut polled = [PollFd::from_borrowed_fd(self.borrow(), PollFlags::OUT)];
        let at_once = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        // An error means a broken socket, which takes nothing.
        poll(&mut polled, Some(&at_once)).is_ok_and(|ready| ready > 0)
    }

    fn borrow(&self) -> BorrowedFd<'_> {
        // SAFETY: the descriptor is the connection's own. The crate's loop owns
        // the stream and calls us from within, so it is open for the time of
        // each call; no borrow leaves this file.
        unsafe { BorrowedFd::borrow_raw(self.0) }
    }
}
