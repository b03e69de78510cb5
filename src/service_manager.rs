//! Tells a service manager that the service is ready, or about to stop: the
//! protocol of sd_notify(3), one datagram to the socket that `NOTIFY_SOCKET`
//! names.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;

use rustix::net::{AddressFamily, SendFlags, SocketAddrUnix, SocketFlags, SocketType};
use rustix::net::{sendto, socket_with};

/// Orders are taken.
pub(crate) fn ready() {
    notify("READY=1");
}

/// The drain begins.
pub(crate) fn stopping() {
    notify("STOPPING=1");
}

fn notify(state: &str) {
    let Some(socket) = std::env::var_os("NOTIFY_SOCKET") else {
        return;
    };
    if let Err(error) = send(&socket, state.as_bytes()) {
        tracing::warn!("NOTIFY_SOCKET: can't send {state}: {error}");
    }
}

fn send(socket: &OsStr, state: &[u8]) -> io::Result<()> {
    let address = match socket.as_bytes() {
        // In Linux's abstract namespace.
        [b'@', name @ ..] => SocketAddrUnix::new_abstract_name(name)?,
        path => SocketAddrUnix::new(path)?,
    };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let from = socket_with(AddressFamily::UNIX, SocketType::DGRAM, flags, None)?;
    sendto(from, state, SendFlags::NOSIGNAL, &address)?;
    Ok(())
}
