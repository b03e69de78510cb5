//! Who may ask: what a browser marks as another site's page is refused before
//! anything runs, and a port on loopback answers to its own names only.

mod harness;

use harness::{Client, Reply, Service, get, on_both_engines, order, post, submit};

on_both_engines!(
    another_sites_page_is_refused_unread,
    who_is_no_other_site_goes_on,
    a_port_on_loopback_answers_to_its_names,
    a_host_is_a_host,
    an_allowed_origin_may_ask_and_read,
    replies_say_how_they_may_be_used,
);

/// Header lines that browsers send with another site's requests.
const FOREIGN: [&str; 7] = [
    "Sec-Fetch-Site: cross-site\r\n",
    "Sec-Fetch-Site: same-site\r\n",
    "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: no-cors\r\nOrigin: http://evil.test\r\n",
    "Origin: http://evil.test\r\n",
    "Origin: null\r\n",
    "Origin: http://orders:1\r\n",
    "Origin: https://orders.evil.test\r\nSec-Fetch-Site: none\r\n",
];

fn get_with(address: std::net::SocketAddr, path: &str, lines: &str) -> Reply {
    Client::to(address).ask(format!(
        "GET {path} HTTP/1.1\r\nHost: orders\r\n{lines}\r\n"
    ))
}

fn another_sites_page_is_refused_unread(engine: &str) {
    let service = Service::on(engine, &[]);
    for lines in FOREIGN {
        // The body never comes, and is not waited for.
        let mut client = Client::to(service.http);
        let head = format!("POST /submit HTTP/1.1\r\nHost: orders\r\nContent-Length: 9\r\n{lines}");
        let problem = client
            .ask(format!("{head}Content-Type: text/plain\r\n\r\n"))
            .problem(403);
        assert_eq!(problem["type"], "/problems/other-site", "{lines}");
        client.ends();
        let mut client = Client::to(service.http);
        client
            .ask(format!("{head}Content-Type: application/x-ndjson\r\n\r\n"))
            .problem(403);
        client.ends();
        // What follows is not executed either. The other engine may lose the
        // reply then.
        let mut client = Client::to(service.http);
        let foreign = submit(lines, r#"{"id":"foreign","value":1}"#);
        client.send([foreign, order("behind")].concat());
        let statuses: Vec<u16> = client.rest().iter().map(|reply| reply.status).collect();
        match engine {
            "native" => assert_eq!(statuses, [403]),
            _ => assert!(statuses.iter().all(|status| [403, 400].contains(status))),
        }
        for path in ["/stats", "/metrics", "/orders/foreign", "/", "/nothing"] {
            get_with(service.http, path, lines).problem(403);
        }
        for path in ["/stats", "/metrics", "/healthz"] {
            get_with(service.admin, path, lines).problem(403);
        }
    }
    // A form makes a page of the reply: a navigation, but not a person's.
    let form = "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\n";
    post(service.http, form, r#"{"id":"form","value":1}"#).problem(403);
    let figures = service.settled();
    assert_eq!(figures.orders(), (0, 0, 0));
    let submissions = 3 * FOREIGN.len() as u64 + 1;
    assert_eq!(figures.rejected("unauthorized"), submissions);
    let others = 8 * FOREIGN.len() as u64;
    assert_eq!(figures.denied("other_site"), submissions + others);
    assert_eq!(figures.denied("no_token"), 0);
    let counted = figures.get(r#"http_requests{route="submit",status="403"}"#);
    assert_eq!(counted, submissions as f64);
}

fn who_is_no_other_site_goes_on(engine: &str) {
    let service = Service::on(engine, &[]);
    for (number, lines) in [
        "",
        "Sec-Fetch-Site: same-origin\r\nOrigin: http://orders\r\n",
        "Sec-Fetch-Site: none\r\n",
        "Sec-Fetch-Site: something-new\r\n",
        "Origin: https://ORDERS:443\r\n",
    ]
    .into_iter()
    .enumerate()
    {
        let body = format!(r#"{{"id":"own-{number}","value":1}}"#);
        assert_eq!(post(service.http, lines, &body).status, 201, "{lines}");
        assert_eq!(get_with(service.admin, "/stats", lines).status, 200);
    }
    // A person follows a link from elsewhere.
    let link = "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\n";
    assert_eq!(get_with(service.http, "/", link).status, 200);
    assert_eq!(get_with(service.admin, "/stats", link).status, 200);
    assert_eq!(service.settled().orders(), (5, 5, 0));
}

fn a_port_on_loopback_answers_to_its_names(engine: &str) {
    let ask = |address, host: &str| {
        Client::to(address).ask(format!("GET /stats HTTP/1.1\r\nHost: {host}\r\n\r\n"))
    };
    let service = Service::on(engine, &["--allowed-hosts", "orders,Other.test"]);
    for port in [service.http, service.admin] {
        for host in [
            "localhost:1",
            "127.0.0.1",
            "127.1.2.3:99",
            "[::1]:8080",
            "OTHER.test:80",
        ] {
            assert_eq!(ask(port, host).status, 200, "{host}");
        }
        for host in ["evil.test", "o", "localhost.evil.test", "10.0.0.1", "[::2]"] {
            let problem = ask(port, host).problem(403);
            assert_eq!(problem["type"], "/problems/other-host", "{host}");
        }
        // No browser leaves it out.
        assert_eq!(
            Client::to(port).ask("GET /stats HTTP/1.0\r\n\r\n").status,
            200
        );
    }
    let rebound = "POST /submit HTTP/1.1\r\nHost: evil.test\r\nContent-Length: 23\r\n\r\n\
                   {\"id\":\"evil\",\"value\":1}";
    Client::to(service.http).ask(rebound).problem(403);
    if engine == "native" {
        // The target's own host is the one that is asked.
        let mut client = Client::to(service.http);
        let asked = "GET http://evil.test/stats HTTP/1.1\r\nHost: localhost\r\n\r\n";
        client.ask(asked).problem(403);
    }
    assert_eq!(service.settled().orders(), (0, 0, 0));

    let mut command = Service::command();
    command.args(["--listen", "0.0.0.0:0", "--admin-listen", "0.0.0.0:0"]);
    command.args(["--grpc-listen", "off", "--ledger", "memory"]);
    command.args(["--http-engine", engine]);
    let elsewhere = Service::launch(command);
    for port in [elsewhere.http, elsewhere.admin] {
        assert_eq!(ask(port, "evil.test").status, 200);
    }
}

fn a_host_is_a_host(engine: &str) {
    let service = Service::on(engine, &[]);
    for port in [service.http, service.admin] {
        for host in [
            "", "a:b", "[::1", "%zz", "a:99999", "a b", "u@orders", "orders/",
        ] {
            let mut client = Client::to(port);
            client
                .ask(format!("GET /stats HTTP/1.1\r\nHost: {host}\r\n\r\n"))
                .problem(400);
            client.ends();
        }
        for lines in ["", "Host: orders\r\nHost: orders\r\n"] {
            let mut client = Client::to(port);
            let asked = format!("GET /stats HTTP/1.1\r\n{lines}\r\n");
            client.ask(asked).problem(400);
            client.ends();
        }
        let twice = "Origin: http://orders\r\nOrigin: http://orders\r\n";
        get_with(port, "/stats", twice).problem(400);
    }
}

fn an_allowed_origin_may_ask_and_read(engine: &str) {
    let origin = "https://shop.example";
    let service = Service::on(engine, &["--allowed-origins", origin, "--max-body", "1KiB"]);
    let lines = format!("Origin: {origin}\r\nSec-Fetch-Site: cross-site\r\n");
    let readable = |reply: &Reply| {
        assert_eq!(
            reply.header("access-control-allow-origin"),
            Some(origin),
            "{reply:?}"
        );
        assert_eq!(
            reply.header("access-control-expose-headers"),
            Some("Idempotent-Replayed, Location, Orders-Ledger-Id, Retry-After")
        );
        let mut vary = reply.headers.iter().filter(|(name, _)| name == "Vary");
        assert!(vary.any(|(_, value)| value == "Origin"), "{reply:?}");
    };
    let preflight = |path: &str, lines: &str| {
        Client::to(service.http).ask(format!(
            "OPTIONS {path} HTTP/1.1\r\nHost: orders\r\n{lines}\
             Access-Control-Request-Method: POST\r\n\
             Access-Control-Request-Headers: content-type\r\n\r\n"
        ))
    };
    let reply = preflight("/submit", &lines);
    assert_eq!(reply.status, 204);
    readable(&reply);
    for (name, value) in [
        ("access-control-allow-methods", "POST"),
        (
            "access-control-allow-headers",
            "Accept, Authorization, Content-Encoding, Content-Type, Idempotency-Key, Prefer",
        ),
        ("access-control-max-age", "600"),
    ] {
        assert_eq!(reply.header(name), Some(value));
    }
    let reply = preflight("/orders/a", &lines);
    let methods = reply.header("access-control-allow-methods");
    assert_eq!((reply.status, methods), (204, Some("GET, HEAD")));
    for foreign in ["Origin: https://evil.test\r\n", "Origin: null\r\n"] {
        let reply = preflight("/submit", foreign);
        reply.problem(403);
        assert_eq!(reply.header("access-control-allow-origin"), None);
    }

    let body = r#"{"id":"a","value":1}"#;
    let mut replies = vec![
        post(service.http, &lines, body),
        post(service.http, &lines, body),
        get_with(service.http, "/metrics", &lines),
        get_with(service.http, "/nothing", &lines),
        get_with(service.admin, "/stats", &lines),
        post(service.http, &lines, "no order"),
    ];
    let head = "POST /submit HTTP/1.1\r\nHost: orders\r\nContent-Length: 1025\r\n";
    replies.push(Client::to(service.http).ask(format!("{head}{lines}\r\n")));
    if engine == "native" {
        let batch = submit(&lines, body).replace("application/json", "application/x-ndjson");
        replies.push(Client::to(service.http).ask(batch));
    }
    replies.iter().for_each(readable);
    let statuses: Vec<u16> = replies.iter().map(|reply| reply.status).collect();
    assert_eq!(statuses[..7], [201, 200, 200, 404, 200, 400, 413]);
    // Nobody else gets these fields.
    for reply in [
        get(service.http, "/stats"),
        get_with(service.http, "/stats", "Origin: http://orders\r\n"),
        get_with(service.http, "/stats", "Origin: https://evil.test\r\n"),
    ] {
        assert_eq!(reply.header("access-control-allow-origin"), None);
    }
}

fn replies_say_how_they_may_be_used(engine: &str) {
    let service = Service::on(engine, &[]);
    let http = service.http;
    for (reply, cache, vary) in [
        (post(http, "", r#"{"id":"a","value":1}"#), true, None),
        (post(http, "", r#"{"id":"a","value":1}"#), true, None),
        (post(http, "", r#"{"id":"b","value":-1}"#), true, None),
        (post(http, "", "x"), true, None),
        (get(http, "/orders/a"), true, None),
        (get(http, "/orders"), true, None),
        (get(http, "/nothing"), true, None),
        (get(http, "/stats"), true, None),
        (get(http, "/readyz"), true, None),
        (get(http, "/metrics"), false, Some("Accept")),
        (get(service.admin, "/metrics"), false, Some("Accept")),
        (get(http, "/"), false, None),
        (get(http, "/openapi.json"), false, None),
        (
            Client::to(http).ask("BREW / HTTP/1.1\r\nHost: o\r\n\r\n"),
            true,
            None,
        ),
    ] {
        assert_eq!(reply.header("x-content-type-options"), Some("nosniff"));
        let no_store = cache.then_some("no-store");
        assert_eq!(reply.header("cache-control"), no_store, "{reply:?}");
        assert_eq!(reply.header("vary"), vary, "{reply:?}");
    }
    let page = get(http, "/");
    let policy = page.header("content-security-policy").expect("a policy");
    for part in [
        "default-src 'none'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
        "form-action 'self'",
    ] {
        assert!(policy.split("; ").any(|has| has == part), "{policy}");
    }
}
