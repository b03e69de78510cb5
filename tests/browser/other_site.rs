//! A page on another name that means ill: what it sends to a service on loopback
//! is refused, while the service's own page works.
//!
//! The page's server is this test. It serves the page, takes its report, and
//! passes what it doesn't know on to the service, byte by byte: to the browser
//! and to the service that is DNS rebinding, where a name that was the
//! attacker's address means loopback from some moment on. The report goes to a
//! port of its own: the browser may keep a connection open that already leads to
//! the service, and use it again.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use serde_json::{Value, json};

use crate::chromium::Browser;
use crate::harness::{PATIENCE, Service, get, on_both_engines, until};

on_both_engines!(a_page_of_another_site_gets_nothing);

/// Orders by each way in which a page may send one without being asked, and
/// what it can read; `TARGET` is the service, `ADMIN` its admin port.
const ATTACK: &str = r#"<!doctype html><meta charset="utf-8"><body><script>
const order = (id) => JSON.stringify({ id, value: 1 });
const outcome = (promise) => promise.then(async (r) => r.type === "opaque" ? "sent" : `${r.status}`, () => "blocked");
const seen = {};
function form(target) {
  // As text/plain: {"id":"form","value":1,"x":"="}
  document.body.innerHTML = `<iframe name="f"></iframe><form method="post" enctype="text/plain" target="f"
    action="${target}/submit"><input name='{"id":"form","value":1,"x":"' value='"}'></form>`;
  return new Promise((done) => {
    document.querySelector("iframe").onload = done;
    document.querySelector("form").submit();
  });
}
function image(url) {
  return new Promise((done) => {
    const image = new Image();
    image.onload = image.onerror = done;
    image.src = url;
  });
}
async function attack() {
  const simple = { method: "POST", headers: { "Content-Type": "text/plain" } };
  seen.fetch = await outcome(fetch("TARGET/submit", { ...simple, mode: "no-cors", body: order("fetch") }));
  seen.beacon = navigator.sendBeacon("TARGET/submit", new Blob([order("beacon")], { type: "text/plain" })) ? "sent" : "blocked";
  await form("TARGET");
  await image("TARGET/metrics");
  seen.json = await outcome(fetch("TARGET/submit", { method: "POST", headers: { "Content-Type": "application/json" }, body: order("json") }));
  seen.read = await outcome(fetch("TARGET/stats"));
  seen.admin = await outcome(fetch("ADMIN/stats"));
  // From now on this page's name means the service's address.
  seen.rebound = await outcome(fetch("/stats"));
  seen.reboundFeed = await outcome(fetch("/orders/fetch"));
  seen.reboundOrder = await outcome(fetch("/submit", { ...simple, body: order("rebound") }));
  // One that lets this page in, with a preflight.
  const friendly = () => fetch("FRIEND/submit", { method: "POST", headers: { "Content-Type": "application/json", "Idempotency-Key": "\"friend\"" }, body: JSON.stringify({ value: 1 }) });
  const twice = async () => {
    const first = await friendly(), again = await friendly();
    return [first.status, again.status, again.headers.get("Idempotent-Replayed"), (await again.json()).id];
  };
  seen.friend = await twice().catch(() => "blocked");
}
attack().catch((e) => { seen.error = `${e}`; }).then(() => fetch("REPORTS/report", { mode: "no-cors", method: "POST", body: JSON.stringify(seen) }))
  // A person follows a link to the service's own page.
  .then(() => { const a = document.createElement("a"); a.href = "TARGET/"; document.body.append(a); a.click(); });
</script>"#;

/// What the page's server gives and forwards.
#[derive(Clone)]
struct Evil {
    page: String,
    service: SocketAddr,
    reports: Sender<Value>,
}

impl Evil {
    fn serve(&self, listener: &TcpListener) {
        for client in listener.incoming().map_while(Result::ok) {
            let evil = self.clone();
            // Some are opened ahead of use.
            thread::spawn(move || evil.answer(client));
        }
    }

    fn answer(&self, mut client: TcpStream) {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            match client.read(&mut byte) {
                Ok(1) => head.push(byte[0]),
                _ => return,
            }
        }
        let text = String::from_utf8_lossy(&head).into_owned();
        let target = text.split(' ').nth(1).unwrap_or_default();
        let reply = |kind: &str, body: &str| {
            let length = body.len();
            format!(
                "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\
                 Connection: close\r\n\r\n{body}"
            )
        };
        let bytes = match target {
            "/attack" => reply("text/html", &self.page),
            "/report" => {
                let report = body(&text, &mut client);
                let _ = self.reports.send(report); // the test may be over
                reply("text/plain", "")
            }
            _ => return self.forward(client, &head),
        };
        let _ = client.write_all(bytes.as_bytes()); // the browser may have gone
    }

    fn forward(&self, mut client: TcpStream, head: &[u8]) {
        let Ok(mut service) = TcpStream::connect(self.service) else {
            return; // the test is over
        };
        service.write_all(head).expect("it reads");
        let mut requests = client.try_clone().expect("a descriptor");
        let mut to_service = service.try_clone().expect("a descriptor");
        thread::spawn(move || {
            let _ = std::io::copy(&mut requests, &mut to_service);
        });
        thread::spawn(move || {
            let _ = std::io::copy(&mut service, &mut client);
            let _ = client.shutdown(Shutdown::Both);
        });
    }
}

/// The JSON behind a head that states its length.
fn body(head: &str, client: &mut TcpStream) -> Value {
    let head = head.to_ascii_lowercase();
    let length = head.split("content-length: ").nth(1).expect("a length");
    let length = length.split('\r').next().unwrap_or_default();
    let mut bytes = vec![0; length.parse().expect("a number")];
    client.read_exact(&mut bytes).expect("all of it");
    serde_json::from_slice(&bytes).expect("JSON")
}

fn evil(service: &Service, friend: SocketAddr, listener: TcpListener) -> Receiver<Value> {
    let (reports, received) = channel();
    let reports_to = TcpListener::bind("127.0.0.1:0").expect("a port");
    let reports_port = reports_to.local_addr().expect("bound").port();
    let page = ATTACK
        .replace("REPORTS", &format!("http://127.0.0.1:{reports_port}"))
        .replace(
            "TARGET",
            &format!("http://localhost:{}", service.http.port()),
        )
        .replace(
            "ADMIN",
            &format!("http://127.0.0.1:{}", service.admin.port()),
        )
        .replace("FRIEND", &format!("http://localhost:{}", friend.port()));
    let evil = Evil {
        page,
        service: service.http,
        reports,
    };
    for listener in [listener, reports_to] {
        let evil = evil.clone();
        thread::spawn(move || evil.serve(&listener));
    }
    received
}

fn a_page_of_another_site_gets_nothing(engine: &str) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("bound").port();
    let service = Service::on(engine, &[]);
    let origin = format!("http://evil.test:{port}");
    let friend = Service::on(engine, &["--allowed-origins", &origin]);
    let reports = evil(&service, friend.http, listener);

    let browser = Browser::start();
    browser.tab().open(&format!("{origin}/attack"));
    let seen = reports.recv_timeout(PATIENCE * 2).expect("a report");
    // The other engine ends connections on which a request has more than 16
    // header lines, as some of a browser have.
    let native = engine == "native";
    let friend = if native {
        json!([201, 200, "true", "friend"])
    } else {
        json!("blocked")
    };
    assert_eq!(
        seen,
        json!({
            "fetch": "sent", "beacon": "sent", "json": "blocked",
            "read": "blocked", "admin": "blocked",
            "rebound": "403", "reboundFeed": "403", "reboundOrder": "403",
            "friend": friend,
        })
    );
    // All arrived, the preflight included, and none was executed.
    let requests = |route: &str, status: u16| {
        let name = format!(r#"http_requests{{route="{route}",status="{status}"}}"#);
        service.figures().get(&name)
    };
    let all = if native { 5.0 } else { 1.0 };
    until("all are refused", || requests("submit", 403) >= all);
    assert!(requests("order", 403) >= 1.0 && requests("stats", 403) >= 1.0);
    // Then the link was followed, and the page shows its figures.
    until("the page asks for figures", || {
        requests("stats", 200) >= 1.0
    });
    assert_eq!(requests("page", 200), 1.0);
    drop(browser);
    assert_eq!(service.settled().orders(), (0, 0, 0));
    for id in ["fetch", "beacon", "form", "json", "rebound"] {
        get(service.http, &format!("/orders/{id}")).problem(404);
    }
}
