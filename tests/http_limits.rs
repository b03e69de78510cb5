//! What the order port's own loop does to clients that take too long, take too
//! much or are too many.

mod harness;

use std::thread;
use std::time::Duration;

use rustix::process::Signal;

use harness::{
    Client, Service, eventually, get, gives_up_on_who_never_reads, on_both_engines, order, submit,
    until,
};

on_both_engines!(a_request_in_time_is_served_however_late);

const HEALTH: &str = "GET /healthz HTTP/1.1\r\nHost: orders\r\n\r\n";
const LATE: &str = "300ms";
/// The same where a client has to send something in time.
const LATER: &str = "2s";

/// Connections open on the order port. The scrape's own is one more; so may
/// those of earlier scrapes be, for a moment.
fn connections(service: &Service) -> f64 {
    service.figures().get("http_connections") - 1.0
}

/// All connections of clients are gone.
fn until_alone(service: &Service) {
    until("no connection", || connections(service) == 0.0);
}

#[test]
fn a_head_that_does_not_come() {
    let service = Service::start(&["--head-timeout", LATER]);
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

/// Requests that have come within `--idle-timeout` to a process that was busy
/// elsewhere until it was over.
fn a_request_in_time_is_served_however_late(engine: &str) {
    let service = Service::on(engine, &["--idle-timeout", "2500ms"]);
    let mut clients: Vec<Client> = (0..40)
        .map(|_| {
            let mut client = Client::to(service.http);
            client.send(HEALTH);
            client
        })
        .collect();
    for client in &mut clients {
        assert_eq!(client.reply().status, 200);
    }
    service.signal(Signal::STOP);
    for client in &mut clients {
        client.send(HEALTH);
    }
    thread::sleep(Duration::from_millis(2700)); // the time out, and more
    service.signal(Signal::CONT);
    for client in &mut clients {
        assert_eq!(client.reply().status, 200);
    }
}

#[test]
fn empty_lines_alone_draw_no_reply() {
    let service = Service::start(&["--idle-timeout", LATER, "--head-timeout", LATER]);
    for lines in ["\r\n", "\r", "\r\n\r\n"] {
        let mut client = Client::to(service.http);
        client.send(format!("{}{lines}", order("a")));
        assert!(matches!(client.reply().status, 200 | 201));
        client.ends();
        let mut client = Client::to(service.http);
        client.send(lines);
        client.ends();
    }
    // They don't renew the time either, and a request may follow them.
    let service = Service::start(&[]);
    let mut client = Client::to(service.http);
    client.send(order("a") + "\r\n");
    assert_eq!(client.reply().status, 201);
    assert_eq!(client.ask(HEALTH).status, 200);
}

/// Clients like `http.client` and `curl` without `Expect` read nothing before
/// they have sent all.
#[test]
fn a_refusal_reaches_a_client_that_sends_on() {
    let service = Service::start(&["--max-batches", "1", "--body-timeout", "10m"]);
    let head = |content_type: &str, bytes: usize| {
        format!(
            "POST /submit HTTP/1.1\r\nHost: o\r\nContent-Type: {content_type}\r\n\
             Content-Length: {bytes}\r\n\r\n"
        )
    };
    let mut holder = Client::to(service.http);
    holder.send(head("application/x-ndjson", 100));
    until("one batch is being read", || {
        let mut next = Client::to(service.http);
        next.send(head("application/x-ndjson", 1));
        next.send("\n");
        next.reply().status == 503
    });
    let piece = vec![b'x'; 1 << 20];
    for (content_type, megabytes, status) in [
        ("application/json", 60, 413),
        ("application/x-ndjson", 60, 503),
        ("application/x-ndjson", 100, 413),
    ] {
        let mut client = Client::to(service.http);
        client.send(head(content_type, megabytes << 20));
        for _ in 0..megabytes {
            client.send(&piece);
        }
        client.reply().problem(status);
        client.ends();
    }
}

#[test]
fn replies_that_nobody_takes() {
    let service = Service::start(&["--write-timeout", LATE]);
    gives_up_on_who_never_reads(&service);
}

#[test]
fn more_connections_than_allowed() {
    let service = Service::start(&["--max-connections", "3"]);
    assert_eq!(service.figures().get("http_connections_max"), 3.0);
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

/// An order whose body has so many bytes.
fn large(id: &str, bytes: usize) -> String {
    let frame = format!(r#"{{"id":"{id}","value":1,"x":""}}"#).len();
    let padding = "x".repeat(bytes - frame);
    submit("", &format!(r#"{{"id":"{id}","value":1,"x":"{padding}"}}"#))
}

#[test]
fn more_body_bytes_than_allowed() {
    let service = Service::start(&["--max-body", "64KiB", "--body-bytes", "128KiB"]);
    // An announced body takes no room.
    let mut idle: Vec<Client> = (0..50).map(|_| Client::to(service.http)).collect();
    for (n, client) in idle.iter_mut().enumerate() {
        let framing = ["Content-Length: 65536", "Transfer-Encoding: chunked"][n % 2];
        client.send(format!(
            "POST /submit HTTP/1.1\r\nHost: o\r\nExpect: 100-continue\r\n{framing}\r\n\r\n"
        ));
        assert_eq!(client.reply().status, 100);
    }
    // One that comes does, until all of it is here.
    let body = large("chunked", 60_000)
        .split_once("\r\n\r\n")
        .unwrap()
        .1
        .to_owned();
    let whole = large("plain", 60_000);
    let chunked = format!(
        "POST /submit HTTP/1.1\r\nHost: o\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{}",
        body.len(),
        &body[..50_000]
    );
    let begun = [chunked.as_str(), &whole[..50_000]];
    let hold = |begun: &str| {
        let mut holder = Client::to(service.http);
        holder.send(begun);
        holder
    };
    let mut holders = begun.map(hold);
    let probe = large("probe", 60_000);
    let refused = eventually("no room for a third", || {
        // One that came behind the third was itself refused.
        for (holder, begun) in holders.iter_mut().zip(begun) {
            if holder.has_reply() {
                *holder = hold(begun);
            }
        }
        let mut third = Client::to(service.http);
        let _ = third.try_send(&probe); // it may be refused before its end
        let reply = third.reply();
        (!matches!(reply.status, 200 | 201)).then_some(reply)
    });
    let problem = refused.problem(503);
    assert_eq!(problem["type"], "/problems/body-memory");
    assert_eq!(problem["retry_safe"], true);
    refused.retry_after();
    // A small one fits the buffer that every connection has, however it comes.
    let small = submit("Expect: 100-continue\r\n", r#"{"id":"small","value":1}"#);
    let mut client = Client::to(service.http);
    let (first, rest) = small.split_at(small.find('{').expect("its body"));
    client.send(first);
    assert_eq!(client.reply().status, 100, "the head was read");
    client.send(rest);
    assert_eq!(client.reply().status, 201);
    // Those who have their room come to their end, and give it back.
    holders[0].send(format!("{}\r\n0\r\n\r\n", &body[50_000..]));
    holders[1].send(&whole[50_000..]);
    for holder in &mut holders {
        assert_eq!(holder.reply().status, 201);
    }
    // They have it back a moment after their reply.
    until("there is room again", || {
        let mut again = Client::to(service.http);
        let _ = again.try_send(large("again", 60_000)); // refused before its end
        matches!(again.reply().status, 200 | 201)
    });
    assert!(service.settled().rejected("full") >= 1);
}
