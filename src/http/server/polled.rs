//! A descriptor on the poll list of its I/O thread.

use std::io;
use std::os::fd::{AsRawFd, RawFd};

use may::io::CoIo;

/// Borrows a descriptor by its number. `CoIo` closes what it owns before it
/// takes it off the poll list, and in between the number can be given to another
/// socket; so it must own nothing.
pub(crate) struct PolledFd(RawFd);

impl AsRawFd for PolledFd {
    fn as_raw_fd(&self) -> RawFd {
        self.0
    }
}

/// Puts a socket on the poll list until the result is dropped. The socket must
/// outlive it: declare it behind the result in a struct.
///
/// # Errors
/// When the descriptor can't be polled.
pub(crate) fn poll(socket: &impl AsRawFd) -> io::Result<CoIo<PolledFd>> {
    CoIo::new(PolledFd(socket.as_raw_fd())).map_err(io::Error::other)
}
