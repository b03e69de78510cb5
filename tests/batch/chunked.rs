//! Chunked bodies, and `100-continue`.

use crate::harness::{Client, Service, order};
use crate::{batch, count, head, line, lines, results};

fn chunked(body: &str, size: usize) -> String {
    let mut request = format!("{}Transfer-Encoding: chunked\r\n\r\n", head());
    for chunk in body.as_bytes().chunks(size) {
        let chunk = std::str::from_utf8(chunk).unwrap();
        request.push_str(&format!("{:x}\r\n{chunk}\r\n", chunk.len()));
    }
    request + "0\r\n\r\n"
}

#[test]
fn chunked_batches() {
    let service = Service::start(&["--max-batch-body", "64KiB"]);
    let mut client = Client::to(service.http);
    for size in [1, 7, 26, 1000, 1 << 20] {
        let body = lines(&format!("s{size}"), 40);
        // The next request comes along.
        let request = chunked(&body, size) + &order(&format!("next-{size}"));
        let found = results(&client.ask(request));
        assert_eq!(count(&found, "processed"), 40, "{size}");
        assert_eq!(client.reply().status, 201);
    }
    // The limit counts content, and holds when it is crossed.
    let body = lines("long", (64 << 10) / lines("long", 1).len());
    let over = chunked(&(body + &" ".repeat(1 << 16)), 1000);
    let mut client = Client::to(service.http);
    client.send(&over);
    assert_eq!(
        client.reply().problem(413)["type"],
        "/problems/body-too-large"
    );
    let figures = service.settled();
    assert!(
        figures.orders().0 > 1000,
        "those that came before it were taken"
    );
    assert_eq!(figures.rejected("too_large"), 1);
}

#[test]
fn a_chunked_batch_cut_or_broken() {
    let service = Service::start(&[]);
    let request = chunked(&lines("a", 3), 20);
    for cut in head().len() + 40..request.len() {
        let mut client = Client::to(service.http);
        client.send(&request.as_bytes()[..cut]);
        client.half_close();
        assert_eq!(
            client.reply().problem(400)["type"],
            "/problems/body-cut-short"
        );
        client.ends();
    }
    let mut client = Client::to(service.http);
    client.send(request.replace("\r\n0\r\n", "\r\nnonsense\r\n"));
    client.reply().problem(400);
    client.ends();
    assert_eq!(service.settled().orders(), (3, 3, 0));
}

#[test]
fn the_client_waits_for_100_continue() {
    let service = Service::start(&[]);
    let mut client = Client::to(service.http);
    let body = line("a");
    let (request, _) = batch("Expect: 100-continue\r\n", &body)
        .rsplit_once("{\"id\"")
        .map(|(head, _)| (head.to_owned(), ()))
        .unwrap();
    client.send(request);
    let interim = client.reply();
    assert_eq!(interim.status, 100);
    assert_eq!(count(&results(&client.ask(body)), "processed"), 1);
}
