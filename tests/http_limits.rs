//! What the order port's own loop does to clients that take too long, take too much
//! or are too many.

mod harness;

use harness::{Client, Service, get, gives_up_on_who_never_reads, order, submit, until};

const HEALTH: &str = "GET /healthz HTTP/1.1\r\nHost: orders\r\n\r\n";
const LATE: &str = "300ms";

/// Connections open on the order port. The scrape's own is one more; so may those of earlier
/// scrapes be, for a moment.
fn connections(service: &Service) -> f64 {
    service.figures().get("http_connections") - 1.0
}

/// All connections of clients are gone.
fn until_alone(service: &Service) {
    until("no connection", || connections(service) == 0.0);
}

#[test]
fn a_head_that_does_not_come() {
    let service = Service::start(&["--head-timeout", LATE]);
    let mut silent = Client::to(service.http);
    silent.ends();
    let mut slow = Client::to(service.http);
    slow.send("GET / HTTP/1.1\r\nHo");
    let problem = slow.reply().problem(408);
    assert!(
        problem["detail"]
            .as_str()
            .unwrap()
            .contains("--head-timeout")
    );
    slow.ends();
    // Dripping does not help: the time counts from the first byte.
    let mut drip = Client::to(service.http);
    let mut sent = 0;
    until("refused while it drips", || {
        sent += 1;
        drip.try_send("X").is_err()
            || service
                .figures()
                .count("http_requests{route=\"other\",status=\"408\"}")
                == 2
    });
    assert_eq!(drip.reply().status, 408, "after {sent} bytes");
    until_alone(&service);
}

#[test]
fn a_body_that_does_not_come() {
    let service = Service::start(&["--body-timeout", LATE]);
    let whole = order("a");
    for framing in [
        whole[..whole.len() - 1].to_owned(),
        "POST /submit HTTP/1.1\r\nHost: o\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"id"
            .to_owned(),
    ] {
        let mut client = Client::to(service.http);
        let problem = client.ask(framing).problem(408);
        assert!(
            problem["detail"]
                .as_str()
                .unwrap()
                .contains("--body-timeout")
        );
        assert_eq!(problem["retry_safe"], true);
        client.ends();
    }
    let figures = service.settled();
    assert_eq!(
        (figures.orders(), figures.rejected("timeout")),
        ((0, 0, 0), 2)
    );
    until_alone(&service);
}

#[test]
fn a_connection_without_requests() {
    let service = Service::start(&["--idle-timeout", LATE]);
    let mut client = Client::to(service.http);
    assert_eq!(client.ask(HEALTH).status, 200);
    client.ends();
    until_alone(&service);
}

#[test]
fn replies_that_nobody_takes() {
    let service = Service::start(&["--write-timeout", LATE]);
    gives_up_on_who_never_reads(&service);
}

#[test]
fn more_connections_than_allowed() {
    let service = Service::start(&["--max-connections", "3"]);
    let mut seated: Vec<Client> = (0..3).map(|_| Client::to(service.http)).collect();
    for client in &mut seated {
        assert_eq!(client.ask(HEALTH).status, 200);
    }
    let mut one_more = Client::to(service.http);
    let reply = one_more.reply();
    assert_eq!(reply.problem(503)["retry_safe"], true);
    assert_eq!(reply.header("connection"), Some("close"));
    reply.retry_after();
    one_more.ends();
    assert_eq!(seated[0].ask(order("a")).status, 201, "those inside go on");
    assert_eq!(get(service.admin, "/healthz").status, 200);
    drop((seated.pop(), one_more));
    until("room again", || {
        let mut client = Client::to(service.http);
        let _ = client.try_send(HEALTH); // refused, it may be closed already
        client.try_reply().is_some_and(|reply| reply.status == 200)
    });
    assert_eq!(service.settled().orders(), (1, 1, 0));
}

#[test]
fn more_body_bytes_than_allowed() {
    let service = Service::start(&["--max-body", "1KiB", "--body-bytes", "2KiB"]);
    let body = format!(r#"{{"id":"a","value":1,"x":"{}"}}"#, "x".repeat(990));
    let whole = submit("", &body);
    let half = whole.len() - 500;
    let mut holders: Vec<Client> = (0..2).map(|_| Client::to(service.http)).collect();
    for holder in &mut holders {
        holder.send("POST /submit HTTP/1.1\r\nHost: o\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n");
        assert_eq!(holder.reply().status, 100, "it has its room");
    }
    let mut third = Client::to(service.http);
    let reply = third.ask(&whole[..half]);
    assert_eq!(reply.problem(503)["retry_safe"], true);
    reply.retry_after();
    third.ends();
    // A body that came with its head takes no room.
    assert_eq!(Client::to(service.http).ask(order("small")).status, 201);
    let chunked = format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    assert_eq!(holders[0].ask(chunked).status, 201);
    let mut again = Client::to(service.http);
    again.send(&whole[..half]);
    until("the head is read", || connections(&service) == 3.0);
    again.send(&whole[half..]);
    assert_eq!(again.reply().status, 200, "the room came back");
    let figures = service.settled();
    assert_eq!((figures.orders(), figures.rejected("full")), ((2, 2, 0), 1));
}
