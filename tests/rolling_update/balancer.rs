//! HAProxy in front of two instances, with the backend of docs/operations.md.

use std::fs;
use std::fs::File;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::harness::{Directory, lasting_address, until};

/// HAProxy. Ended when dropped.
pub(crate) struct Balancer {
    child: Child,
    pub(crate) http: SocketAddr,
    /// Holds its configuration and its log.
    directory: Directory,
}

/// The backend as the page has it, for these instances.
fn documented(instances: [SocketAddr; 2]) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/operations.md");
    let page = fs::read_to_string(path).unwrap();
    let (_, block) = page.split_once("```haproxy\n").expect("it is on the page");
    let (block, _) = block.split_once("```").unwrap();
    let [one, two] = instances.map(|address| address.to_string());
    for documented in ["10.0.0.1:8080", "10.0.0.2:8080"] {
        assert!(block.contains(documented), "{documented} in {block}");
    }
    block
        .replace("10.0.0.1:8080", &one)
        .replace("10.0.0.2:8080", &two)
}

impl Balancer {
    #[track_caller]
    pub(crate) fn start(instances: [SocketAddr; 2]) -> Self {
        let directory = Directory::new();
        fs::create_dir(&directory.0).unwrap();
        let http = lasting_address();
        let backend = documented(instances);
        let config = directory.0.join("haproxy.cfg");
        let text = format!(
            "defaults\n    mode http\n    timeout connect 5s\n    timeout client 75s\n    \
             timeout server 75s\n\nfrontend orders\n    bind {http}\n    \
             monitor-uri /both\n    monitor fail if {{ nbsrv(orders) lt 2 }}\n    \
             default_backend orders\n\n{backend}"
        );
        fs::write(&config, text).unwrap();
        let mut command = Command::new("haproxy");
        command.arg("-db").arg("-f").arg(&config);
        let log = File::create(directory.0.join("log")).unwrap();
        let child = command.stdout(Stdio::null()).stderr(log).spawn();
        let balancer = Self {
            child: child.expect("it is there, see tests/run"),
            http,
            directory,
        };
        balancer.sees_both();
        balancer
    }

    /// Waits until its own checks have found both instances ready.
    #[track_caller]
    pub(crate) fn sees_both(&self) {
        until("the balancer has both instances", || {
            let Ok(mut stream) = TcpStream::connect(self.http) else {
                return false;
            };
            let mut reply = String::new();
            let asked = stream.write_all(b"GET /both HTTP/1.0\r\n\r\n");
            let read = asked.and_then(|()| stream.read_to_string(&mut reply));
            read.is_ok() && reply.contains(" 200 ")
        });
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        let _ = self.child.kill(); // it may have ended
        let _ = self.child.wait();
        if std::thread::panicking() {
            let log = fs::read_to_string(self.directory.0.join("log")).unwrap_or_default();
            println!("log of the balancer:\n{log}");
        }
    }
}
