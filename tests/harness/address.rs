//! Ports that outlive a process, and those of other programs.

use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};

/// An address that nobody listens on, and that stays free while a process on it
/// is replaced: its port is below those that systems hand out by themselves
/// (32768 and up on Linux), which a client's own connection may get.
pub(crate) fn lasting_address() -> SocketAddr {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    loop {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let start = (std::process::id() % 600) as u16 * 20;
        let address = SocketAddr::from(([127, 0, 0, 1], 20_000 + (start + number) % 12_000));
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
}
