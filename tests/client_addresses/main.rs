//! Where requests come from: what proxies say of that, whose word is taken, and
//! what an address may do.

#[path = "../tls/authority.rs"]
#[allow(dead_code, reason = "made for the tests of TLS")]
mod authority;
#[path = "../harness/mod.rs"]
mod harness;

mod forwarded;
mod grpc;
mod proxy_protocol;
mod quotas;

use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use harness::{Client, Service, until};
use serde_json::Value;
use socket2::{Domain, Socket, Type};

/// Where proxies connect from in these tests; any other address is none.
const PROXY: Ipv4Addr = Ipv4Addr::LOCALHOST;
const STRANGER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
const TRUSTED: [&str; 2] = ["--trusted-proxies", "127.0.0.1,10.0.0.0/8"];
const LOGGED: [&str; 4] = ["--access-log", "all", "--log-format", "json"];

/// A connection from this address.
fn connect(from: Ipv4Addr, to: SocketAddr) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from((from, 0)).into()).unwrap();
    socket.connect(&to.into()).unwrap();
    let stream: TcpStream = socket.into();
    stream.set_nodelay(true).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    stream
}

fn client(from: Ipv4Addr, to: SocketAddr) -> Client {
    Client::of(connect(from, to))
}

/// A header of the PROXY protocol, version 2: command and family, and what
/// follows its length.
fn proxy_header(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
    let fixed = [0x20 | command, family, length[0], length[1]];
    [&b"\r\n\r\n\0\r\nQUIT\n"[..], &fixed, rest].concat()
}

/// One of TCP over IPv4, from this address.
fn proxied(source: [u8; 4]) -> Vec<u8> {
    let addresses = [&source[..], &[10, 0, 0, 9], &[0x12, 0x34], &[0, 80]].concat();
    proxy_header(1, 0x11, &addresses)
}

/// The lines of the access log.
fn logged(service: &Service) -> Vec<Value> {
    let log = service.log();
    let lines = log
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let fields = lines.map(|line| line["fields"].clone());
    let is_access = |line: &Value| line["message"] == "request" || line["message"] == "call";
    fields.filter(is_access).collect()
}

/// The access lines, once there are so many: the peer's address and the
/// client's, where it is another.
fn addresses(service: &Service, count: usize) -> Vec<(String, Option<String>)> {
    until("logged", || of_orders(service).len() >= count);
    of_orders(service)
}

fn of_orders(service: &Service) -> Vec<(String, Option<String>)> {
    let lines = logged(service).into_iter();
    // The harness asks the admin port whether it is ready.
    let lines = lines.filter(|line| line["route"] != "readyz");
    let address = |line: Value| {
        let peer: SocketAddr = line["peer"].as_str().unwrap().parse().unwrap();
        let client = line["client_address"].as_str().map(str::to_owned);
        (peer.ip().to_string(), client)
    };
    lines.map(address).collect()
}
