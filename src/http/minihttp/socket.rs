//! What the adapter does with the crate's socket beside the crate.

use std::net::SocketAddr;
use std::os::fd::{BorrowedFd, RawFd};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::sockopt::{set_socket_send_buffer_size, set_tcp_nodelay, socket_send_buffer_size};
use rustix::net::{Shutdown, getpeername, shutdown};

/// A connection's socket. The crate's loop owns it. This is used from within
/// that loop's calls, or under the lock that the end of the connection takes
/// (`deadline.rs`): both while the crate has it open.
#[derive(Clone, Copy)]
pub(super) struct Socket(RawFd);

impl Socket {
    /// Of a connection that the crate's loop has just accepted.
    pub(super) fn of(descriptor: RawFd) -> Self {
        Self(descriptor)
    }

    pub(super) fn descriptor(&self) -> RawFd {
        self.0
    }

    /// Who has connected; `None` if it has gone.
    pub(super) fn peer(&self) -> Option<SocketAddr> {
        getpeername(self.borrow()).ok()??.try_into().ok()
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
        self.is_ready(PollFlags::OUT)
    }

    /// Whether something waits to be read: bytes, or the end of the stream.
    pub(super) fn is_readable(&self) -> bool {
        self.is_ready(PollFlags::IN | PollFlags::RDHUP)
    }

    /// Makes the crate look at the socket once more, although no event is due:
    /// the kernel announces a writable socket whenever the size of its send
    /// buffer is set, be it to what it was (`sk_setsockopt` in net/core/sock.c
    /// of Linux; where it does not, the connection waits for its deadline).
    pub(super) fn nudge(&self) {
        // What is read is twice what was set. An error means a broken socket,
        // which has been announced.
        if let Ok(bytes) = socket_send_buffer_size(self.borrow()) {
            let _ = set_socket_send_buffer_size(self.borrow(), bytes / 2);
        }
    }

    fn is_ready(&self, flags: PollFlags) -> bool {
        let mut polled = [PollFd::from_borrowed_fd(self.borrow(), flags)];
        let at_once = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        // An error means a broken socket, which takes and brings nothing.
        poll(&mut polled, Some(&at_once)).is_ok_and(|ready| ready > 0)
    }

    fn borrow(&self) -> BorrowedFd<'_> {
        // SAFETY: the descriptor is the connection's own: the crate names it to
        // the factory, and keeps the stream until it has dropped the service
        // (a test shows both, and `Cargo.toml` asks for just this version). So
        // it is open within each call of the service, and as long as the
        // service has not taken it back; no borrow leaves this file.
        unsafe { BorrowedFd::borrow_raw(self.0) }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::{self, Read as _, Write as _};
    use std::net::TcpStream;
    use std::path::PathBuf;
    use std::sync::mpsc::{Sender, channel};
    use std::time::Duration;

    use may_minihttp::{HttpService, HttpServiceFactory, Request, Response};

    use super::*;

    /// The open file behind a descriptor.
    fn file(descriptor: RawFd) -> io::Result<PathBuf> {
        fs::read_link(format!("/proc/self/fd/{descriptor}"))
    }

    struct Factory(Sender<io::Result<PathBuf>>);

    struct Observed {
        descriptor: RawFd,
        files: Sender<io::Result<PathBuf>>,
    }

    impl HttpServiceFactory for Factory {
        type Service = Observed;

        fn new_service(&self, id: usize) -> Observed {
            let descriptor = id as RawFd;
            self.0.send(file(descriptor)).unwrap();
            Observed {
                descriptor,
                files: self.0.clone(),
            }
        }
    }

    impl HttpService for Observed {
        fn call(&mut self, _: Request<'_, '_, '_>, _: &mut Response<'_>) -> io::Result<()> {
            self.files.send(file(self.descriptor)).unwrap();
            Ok(())
        }
    }

    impl Drop for Observed {
        fn drop(&mut self) {
            let _ = self.files.send(file(self.descriptor)); // the test is over, perhaps
        }
    }

    #[test]
    fn the_crate_has_the_socket_open_as_long_as_the_service() {
        let manifest = include_str!("../../../Cargo.toml");
        assert!(
            manifest.contains("\nmay_minihttp = { version = \"=0.1.11\","),
            "what is shown here is shown of one version"
        );
        // As the adapter does, to learn the port.
        let holder = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = holder.local_addr().unwrap();
        drop(holder);
        let (sender, files) = channel();
        let _engine = Factory(sender).start(address).unwrap();
        let next = || {
            let file = files.recv_timeout(Duration::from_secs(30)).unwrap();
            file.unwrap()
        };
        for _ in 0..2 {
            let mut client = TcpStream::connect(address).unwrap();
            let created = next();
            assert!(created.to_string_lossy().starts_with("socket:"));
            for _ in 0..2 {
                client.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
                assert_eq!(next(), created, "while it is called");
            }
            // Ended by the client, and for a request that is none.
            let _ = client.write_all(b"\0\r\n\r\n");
            client.shutdown(std::net::Shutdown::Write).unwrap();
            assert_eq!(next(), created, "when it is dropped");
            let _ = client.read_to_end(&mut Vec::new());
        }
    }
}
