//! The PROXY protocol, before anything else.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::process::{Command, Stdio};

use crate::authority::{Authority, text};
use crate::harness::{Client, Service, order, until};
use crate::{LOGGED, PROXY, STRANGER, TRUSTED, addresses, client, connect, proxied, proxy_header};

fn service(flags: &[&str]) -> Service {
    Service::start(&[&TRUSTED[..], &LOGGED, &["--proxy-protocol"], flags].concat())
}

#[test]
fn a_proxy_says_on_whose_behalf_it_connects() {
    let service = service(&[]);
    let tlv = [4, 0, 200].into_iter().chain([0; 200]).collect::<Vec<_>>();
    let v6 = [&[0x20, 1, 0xd, 0xb8][..], &[0; 28], &[0; 4], &tlv].concat();
    for (number, (header, address)) in [
        (proxied([192, 0, 2, 7]), Some("192.0.2.7")),
        (proxy_header(1, 0x21, &v6), Some("2001:db8::")),
        (proxy_header(0, 0, &[]), None),
        (proxy_header(1, 0, &tlv), None),
    ]
    .into_iter()
    .enumerate()
    {
        let mut client = client(PROXY, service.http);
        // In two pieces, and with the first request behind it.
        client.send(&header[..13]);
        client.send([&header[13..], order(&format!("a-{number}")).as_bytes()].concat());
        assert_eq!(client.reply().status, 201);
        assert_eq!(client.ask(order(&format!("b-{number}"))).status, 201);
        let lines = addresses(&service, 2 * number + 2);
        let want = (PROXY.to_string(), address.map(str::to_owned));
        assert_eq!(lines[2 * number..], [want.clone(), want]);
    }
}

#[test]
fn a_proxy_without_a_header_is_closed_and_a_stranger_needs_none() {
    let service = service(&["--head-timeout", "2s"]);
    // No header, no answer.
    for bytes in [
        &b"GET /healthz HTTP/1.1\r\nHost: orders\r\n\r\n"[..],
        b"PROXY TCP4 192.0.2.7 10.0.0.9 4660 80\r\nGET /healthz HTTP/1.1\r\nHost: orders\r\n\r\n",
        &proxy_header(1, 0x11, &[1, 2, 3]),
        &proxy_header(1, 0x11, &[0; 5000]),
        &proxied([1, 2, 3, 4])[..20],
        b"",
    ] {
        let mut stream = connect(PROXY, service.http);
        stream.write_all(bytes).unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer); // closed, or reset
        assert!(answer.is_empty(), "{}", String::from_utf8_lossy(&answer));
    }
    let warned = "a trusted proxy's connection has no PROXY protocol header";
    until("warned", || service.log().contains(warned));
    // A look whether the port is open is no reason for a line.
    connect(PROXY, service.http)
        .shutdown(Shutdown::Both)
        .unwrap();

    let mut direct = client(STRANGER, service.http);
    assert_eq!(direct.ask(order("direct")).status, 201);
    let mut spoofs = client(STRANGER, service.http);
    spoofs.send([proxied([192, 0, 2, 7]), order("spoofed").into_bytes()].concat());
    spoofs.reply().problem(400);
    let lines = addresses(&service, 2);
    let stranger = (STRANGER.to_string(), None);
    assert_eq!(lines, [stranger.clone(), stranger]);
    assert_eq!(service.settled().orders(), (1, 1, 0));
}

/// A connection past the limit has its header, too, before it is refused.
#[test]
fn a_connection_too_many_is_refused_behind_its_header() {
    let service = service(&["--max-connections", "1"]);
    let mut first = client(PROXY, service.http);
    first.send(proxied([192, 0, 2, 7]));
    assert_eq!(first.ask(order("a")).status, 201);
    let mut second = client(PROXY, service.http);
    second.send(proxied([192, 0, 2, 8]));
    second.reply().problem(503);
}

#[test]
fn the_header_comes_before_tls() {
    let authority = Authority::new();
    let flags = authority.flags();
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let service = service(&flags);
    // s_client has no PROXY protocol, so it speaks through a pipe of our own.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let mut upstream = connect(PROXY, service.http);
    let relay = std::thread::spawn(move || {
        let (mut down, _) = listener.accept().unwrap();
        upstream.write_all(&proxied([192, 0, 2, 7])).unwrap();
        let (mut up, mut back) = (upstream.try_clone().unwrap(), down.try_clone().unwrap());
        let sends = std::thread::spawn(move || std::io::copy(&mut down, &mut up));
        let _ = std::io::copy(&mut upstream, &mut back);
        let _ = back.shutdown(Shutdown::Both);
        let _ = sends.join().unwrap();
    });
    let output = Command::new("curl")
        .args(["-sS", "-m", "60", "--cacert", &authority.ca()])
        .args(["-d", r#"{"id":"a","value":1}"#])
        .arg(format!("https://localhost:{}/submit", address.port()))
        .stdin(Stdio::null())
        .output()
        .expect("curl is there, see tests/run");
    assert!(text(&output).contains("processed"), "{}", text(&output));
    relay.join().unwrap();
    let want = (PROXY.to_string(), Some("192.0.2.7".to_owned()));
    assert_eq!(addresses(&service, 1), [want]);
}

/// Without the flag a header is no request, whoever sends it.
#[test]
fn without_the_flag_no_header_is_read() {
    let service = Service::start(&TRUSTED);
    let mut client = Client::of(connect(PROXY, service.http));
    client.send([proxied([192, 0, 2, 7]), order("a").into_bytes()].concat());
    client.reply().problem(400);
}
