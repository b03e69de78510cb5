//! The same over gRPC.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpStream};

use order_processor::grpc::proto::order_service_client::OrderServiceClient;
use order_processor::grpc::proto::{Order, SubmitRequest};
use tonic::transport::Channel;
use tonic::{Code, Request};
use tonic_types::StatusExt;

use crate::harness::{Service, until};
use crate::{LOGGED, PROXY, STRANGER, TRUSTED, addresses, connect, proxied};

/// What HTTP/2 begins with: the preface, and SETTINGS.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

fn grpc(from: Ipv4Addr, service: &Service) -> TcpStream {
    connect(from, service.grpc.expect("started with gRPC"))
}

/// The head of the first frame, or nothing when the connection ends before it.
fn first_frame(stream: &mut TcpStream) -> Vec<u8> {
    let mut head = [0; 9];
    match stream.read_exact(&mut head) {
        Ok(()) => head.to_vec(),
        Err(error) => {
            let ends = [ErrorKind::UnexpectedEof, ErrorKind::ConnectionReset];
            assert!(ends.contains(&error.kind()), "{error}");
            Vec::new()
        }
    }
}

#[test]
fn a_proxys_connection_begins_with_its_header() {
    let flags = ["--proxy-protocol", "--head-timeout", "2s"];
    let service = Service::with_grpc(&[&TRUSTED[..], &flags].concat());
    let mut proxy = grpc(PROXY, &service);
    let header = proxied([192, 0, 2, 7]);
    proxy.write_all(&header[..13]).unwrap();
    proxy.write_all(&[&header[13..], PREFACE].concat()).unwrap();
    assert_eq!(first_frame(&mut proxy)[3], 4, "SETTINGS");
    for bytes in [PREFACE, &header[..20], b""] {
        let mut proxy = grpc(PROXY, &service);
        proxy.write_all(bytes).unwrap();
        assert_eq!(first_frame(&mut proxy), b"");
    }
    let warned = "a trusted proxy's gRPC connection has no PROXY protocol header";
    until("warned", || service.log().contains(warned));
    let mut direct = grpc(STRANGER, &service);
    direct.write_all(PREFACE).unwrap();
    assert_eq!(first_frame(&mut direct)[3], 4);
    let mut spoofs = grpc(STRANGER, &service);
    spoofs.write_all(&[&header, PREFACE].concat()).unwrap();
    let ended = spoofs.read_to_end(&mut Vec::new());
    let is_late = |error: std::io::Error| error.kind() == ErrorKind::WouldBlock;
    assert!(!ended.is_err_and(is_late), "it is no preface");
}

#[test]
fn clients_behind_one_proxy_have_a_quota_each() {
    let rate = ["--client-rate", "1/h", "--client-burst", "2"];
    let service = Service::with_grpc(&[&TRUSTED[..], &LOGGED, &rate].concat());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let address = service.grpc.unwrap();
        let endpoint = Channel::from_shared(format!("http://{address}")).unwrap();
        let mut client = OrderServiceClient::new(endpoint.connect().await.unwrap());
        let mut submit = async |name: &'static str, value: &'static str, id: u32| {
            let order = Order {
                id: format!("{value}-{id}").replace(|c: char| !c.is_ascii_digit(), "-"),
                value: "1".into(),
                ..Order::default()
            };
            let mut request = Request::new(SubmitRequest {
                order: Some(order),
                ..SubmitRequest::default()
            });
            request.metadata_mut().insert(name, value.parse().unwrap());
            client.submit(request).await
        };
        for (name, value) in [
            ("x-forwarded-for", "6.6.6.6, 192.0.2.1"),
            ("forwarded", "for=6.6.6.6, for=192.0.2.2"),
        ] {
            for id in 0..2 {
                submit(name, value, id).await.unwrap();
            }
            let status = submit(name, value, 2).await.unwrap_err();
            assert_eq!(status.code(), Code::ResourceExhausted);
            let details = status.get_error_details();
            assert_eq!(details.error_info().unwrap().reason, "RATE_LIMITED");
            assert!(details.retry_info().unwrap().retry_delay.is_some());
        }
    });
    let lines = addresses(&service, 6);
    for (lines, client) in [(&lines[..3], "192.0.2.1"), (&lines[3..], "192.0.2.2")] {
        for line in lines {
            assert_eq!(*line, (PROXY.to_string(), Some(client.to_owned())));
        }
    }
    let figures = service.settled();
    assert_eq!(figures.orders(), (4, 4, 0));
    assert_eq!(figures.rejected("rate_limited"), 2);
}
