//! Batches whose content is compressed.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::harness::{Client, Service, order, until};
use crate::{count, head, line, lines, results};

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

fn zstd(content: &[u8]) -> Vec<u8> {
    zstd::encode_all(content, 3).unwrap()
}

type Encode = fn(&[u8]) -> Vec<u8>;

const BOTH: [(&str, Encode); 2] = [("gzip", gzip), ("zstd", zstd)];

fn batch(coding: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!(
        "{}Content-Encoding: {coding}\r\nContent-Length: {length}\r\n\r\n",
        head()
    );
    [head.as_bytes(), body].concat()
}

#[test]
fn compressed_batches_are_taken() {
    let service = Service::start(&[]);
    let mut client = Client::to(service.http);
    for (coding, encode) in BOTH {
        let body = lines(coding, 5000);
        let request = batch(coding, &encode(body.as_bytes()));
        assert!(request.len() < body.len() / 2);
        // The next request comes along.
        let next = order(&format!("next-{coding}"));
        client.send([&request[..], next.as_bytes()].concat());
        let found = results(&client.reply());
        assert_eq!(count(&found, "processed"), 5000);
        assert_eq!(client.reply().status, 201);
    }
    let plain = batch("identity", line("plain").as_bytes());
    assert_eq!(count(&results(&client.ask(plain)), "processed"), 1);
    assert_eq!(service.settled().orders(), (10_003, 10_003, 0));
}

#[test]
fn an_unknown_coding_is_refused_with_those_known() {
    let service = Service::start(&[]);
    for coding in [
        "br",
        "deflate",
        "gzip, gzip",
        "gzip\r\nContent-Encoding: br",
    ] {
        let reply = Client::to(service.http).ask(batch(coding, b"{}"));
        let problem = reply.problem(415);
        assert_eq!(problem["type"], "/problems/unsupported-encoding");
        assert_eq!(reply.header("accept-encoding"), Some("gzip, zstd"));
    }
    assert_eq!(service.settled().rejected("invalid"), 4);
}

#[test]
fn damaged_content_ends_the_batch() {
    let service = Service::start(&[]);
    for (coding, encode) in BOTH {
        let whole = encode(lines(coding, 100).as_bytes());
        let cut = &whole[..whole.len() - 1];
        for bad in [cut, b"{\"id\":\"a\",\"value\":1}\n"] {
            let mut client = Client::to(service.http);
            client.ask(batch(coding, bad)).problem(400);
            client.ends();
        }
    }
}

/// The limit counts decoded bytes, and memory doesn't follow what they could
/// become.
#[test]
fn a_bomb_is_over_the_limit() {
    let service = Service::start(&["--max-batch-body", "1MiB"]);
    let resident = || service.figures().get("process_resident_memory_bytes");
    let before = resident();
    let content = vec![b'\n'; 64 << 20];
    for (coding, encode) in BOTH {
        let bomb = encode(&content);
        assert!(bomb.len() < 512 << 10, "{coding}: {}", bomb.len());
        let mut client = Client::to(service.http);
        client.send(batch(coding, &bomb));
        let problem = client.reply().problem(413);
        assert_eq!(problem["type"], "/problems/body-too-large");
        client.ends();
    }
    let grown = resident() - before;
    assert!(grown < 32e6, "{grown} bytes more");
    // Within the limit when encoded, and when decoded.
    let fits = zstd(&content[..1 << 20]);
    let found = results(&Client::to(service.http).ask(batch("zstd", &fits)));
    assert!(found.is_empty());
}

#[test]
fn a_decoder_counts_as_memory_of_bodies() {
    let flags = ["--body-bytes", "20MiB", "--max-batch-body", "1MiB"];
    let service = Service::start(&flags);
    let start = |coding: &str| {
        let mut client = Client::to(service.http);
        let expects = format!(
            "{}Content-Encoding: {coding}\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n",
            head()
        );
        let reply = client.ask(expects);
        (client, reply)
    };
    let (first, second) = (start("zstd"), start("zstd"));
    assert_eq!((first.1.status, second.1.status), (100, 100));
    let (_, third) = start("zstd");
    assert_eq!(third.problem(503)["type"], "/problems/body-memory");
    assert_eq!(start("gzip").1.status, 100);
    drop(first);
    until("one decoder is free", || start("zstd").1.status == 100);
}
