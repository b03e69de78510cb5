//! Where a batch ends: lengths, chunks, bodies that break off.

use crate::harness::{Client, Service, order, until};
use crate::request::{batch, chunked, count, head, line, lines, results, slow};

#[test]
fn a_body_over_the_limit() {
    let service = Service::start(&["--max-batch-body", "64KiB"]);
    let fits = lines("a", 100) + &" ".repeat((64 << 10) - lines("a", 100).len());
    let found = results(&Client::to(service.http).ask(batch("", &fits)));
    assert_eq!((found.len(), count(&found, "processed")), (100, 100));
    let mut client = Client::to(service.http);
    let over = format!("{}Content-Length: {}\r\n\r\n", head(), (64 << 10) + 1);
    let reply = client.ask(over);
    assert_eq!(reply.problem(413)["type"], "/problems/body-too-large");
    client.ends();
    assert_eq!(service.settled().rejected("too_large"), 1);
}

#[test]
fn a_batch_needs_a_length() {
    let service = Service::start(&[]);
    let mut client = Client::to(service.http);
    let problem = client.ask(format!("{}\r\n", head())).problem(411);
    assert_eq!(problem["type"], "/problems/length-required");
    assert_eq!(service.settled().rejected("invalid"), 1);
    // Other methods and ports know no batches.
    let get = head().replace("POST", "GET");
    Client::to(service.http)
        .ask(format!("{get}\r\n"))
        .problem(405);
    Client::to(service.admin).ask(batch("", "")).problem(404);
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
    assert!(figures.orders().0 > 1000, "those that came before it stand");
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

#[test]
fn a_body_that_breaks_off() {
    let service = Service::start(&[]);
    let body = lines("a", 10);
    let cuts = [0, 1, body.len() / 2, body.len() - 1];
    for &cut in &cuts {
        let mut client = Client::to(service.http);
        let request = batch("", &body);
        client.send(&request.as_bytes()[..request.len() - body.len() + cut]);
        let whole = body[..cut].matches('\n').count() as u64;
        until("it has come", || service.figures().orders().0 >= whole);
        client.half_close();
        let problem = client.reply().problem(400);
        assert_eq!(problem["type"], "/problems/body-cut-short");
        assert_eq!(problem["retry_safe"], true);
        client.ends();
    }
    // What was admitted stands, and is a duplicate when sent again.
    let figures = service.settled();
    assert_eq!(figures.orders(), (9, 9, 0));
    assert_eq!(figures.rejected("invalid"), cuts.len() as u64);
    let found = results(&Client::to(service.http).ask(batch("", &body)));
    assert_eq!(
        (count(&found, "duplicate"), count(&found, "processed")),
        (9, 1)
    );
}

#[test]
fn a_client_that_vanishes_takes_nothing_along() {
    let service = slow("5ms", &["--queue-capacity", "4"]);
    for n in 0..5 {
        let mut client = Client::to(service.http);
        client.send(batch("", &lines(&format!("v{n}"), 10)));
    }
    let figures = crate::harness::eventually("all of it has run", || {
        let figures = service.figures();
        (figures.orders().1 == 50).then_some(figures)
    });
    assert_eq!(figures.orders(), (50, 50, 0));
    service.drain();
}
