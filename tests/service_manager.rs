//! What a service manager is told, by a socket of the test's own: sd_notify(3).

mod harness;

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

use harness::{BASE_FLAGS, PATIENCE, Service};

#[test]
fn it_is_told_of_ready_and_stopping() {
    for abstract_name in [false, true] {
        let name = format!("/tmp/orders-notify-{}", std::process::id());
        let (address, shown) = if abstract_name {
            let address = SocketAddr::from_abstract_name(&name).unwrap();
            (address, format!("@{name}"))
        } else {
            (SocketAddr::from_pathname(&name).unwrap(), name.clone())
        };
        let socket = UnixDatagram::bind_addr(&address).unwrap();
        let _ = socket.set_read_timeout(Some(PATIENCE));
        let told = || {
            let mut bytes = [0; 100];
            let received = socket.recv(&mut bytes).expect("a datagram");
            String::from_utf8(bytes[..received].to_vec()).unwrap()
        };
        let mut command = Service::command();
        command.args(BASE_FLAGS).env("NOTIFY_SOCKET", &shown);
        let service = Service::launch(command);
        assert_eq!(told(), "READY=1");
        let line = format!("ready: http://{}/", service.http);
        let ended = service.drain();
        assert_eq!(told(), "STOPPING=1");
        assert!(ended.log.contains(&line), "{}", ended.log);
        let _ = std::fs::remove_file(&name); // the abstract one has no file
    }
}
