//! Every route on every port: what it answers to whom, on both engines.

mod harness;

use harness::{Client, Service, get, on_both_engines, post};

on_both_engines!(
    every_route_answers,
    head_is_get_without_the_body,
    head_is_refused_without_a_body,
    the_server_says_what_it_takes,
    percent_encoding_changes_no_path,
    a_detail_repeats_little_of_a_path,
    other_methods_are_refused_with_those_allowed,
    the_admin_port_has_its_own_table,
    metrics_come_in_the_format_asked_for,
    a_ready_service_says_which_ledger_it_has,
    sizes_and_lengths,
);

const JSON: &str = "application/json";
const CLASSIC: &str = "text/plain; version=0.0.4; charset=utf-8";
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What a GET is answered with on the order port, once order `a` is there. The
/// feed is the last, which the other engine leaves out.
const ROUTES: [(&str, &str); 8] = [
    ("/", "text/html; charset=utf-8"),
    ("/openapi.json", JSON),
    ("/metrics", CLASSIC),
    ("/stats", JSON),
    ("/healthz", JSON),
    ("/readyz", JSON),
    ("/orders/a", JSON),
    ("/orders", "application/x-ndjson"),
];

fn with_an_order(engine: &str) -> Service {
    let service = Service::on(engine, &[]);
    assert_eq!(
        post(service.http, "", r#"{"id":"a","value":1}"#).status,
        201
    );
    service
}

/// The routes that this engine serves.
fn served(engine: &str) -> &'static [(&'static str, &'static str)] {
    match engine {
        "native" => &ROUTES,
        _ => &ROUTES[..7],
    }
}

fn every_route_answers(engine: &str) {
    let service = with_an_order(engine);
    for &(path, content_type) in served(engine) {
        let reply = get(service.http, path);
        assert_eq!(reply.status, 200, "{path}");
        assert_eq!(reply.header("content-type"), Some(content_type), "{path}");
        assert!(
            reply
                .header("date")
                .is_some_and(|date| date.ends_with(" GMT"))
        );
        assert!(!reply.body.is_empty(), "{path}");
        if content_type == JSON {
            assert!(reply.json().is_object(), "{path}");
        }
    }
    assert!(
        get(service.http, "/metrics?x=1")
            .text()
            .contains("\norders_processed 1\n")
    );
    let line = get(service.http, "/orders/a").json();
    for time in ["accepted_at", "committed_at"] {
        let time = line[time].as_str().unwrap();
        assert!(time.starts_with("20") && time.ends_with('Z'), "{time}");
    }
    assert!(get(service.http, "/").text().starts_with("<!"), "a page");
    if engine != "native" {
        get(service.http, "/orders").problem(501);
    }
    for path in [
        "/nothing",
        "/submit/",
        "/orders/",
        "/orders/a/b",
        "/orders/a%2F",
        "//",
    ] {
        get(service.http, path).problem(404);
    }
    if engine == "native" {
        let page = get(service.http, "/");
        let policy = page.header("content-security-policy").expect("a policy");
        assert!(policy.starts_with("default-src 'none'"), "{policy}");
        assert_eq!(page.header("x-content-type-options"), Some("nosniff"));
    }
}

fn head_is_get_without_the_body(engine: &str) {
    let service = with_an_order(engine);
    let mut client = Client::to(service.http);
    for &(path, content_type) in served(engine) {
        client.send(format!("HEAD {path} HTTP/1.1\r\nHost: orders\r\n\r\n"));
        let reply = client.reply_to_head();
        assert_eq!(reply.status, 200, "{path}");
        assert_eq!(reply.header("content-type"), Some(content_type), "{path}");
    }
    // Had a body come with any of them, this reply would begin with it.
    assert_eq!(
        client
            .ask("GET /healthz HTTP/1.1\r\nHost: orders\r\n\r\n")
            .status,
        200
    );
}

/// Each error with what was asked on a connection of its own, to its end.
fn head_is_refused_without_a_body(engine: &str) {
    let service = with_an_order(engine);
    let mut heads = vec![
        ("/nothing HTTP/1.1", "", 404),
        ("/submit HTTP/1.1", "", 405),
        ("/healthz HTTP/1.1", "Content-Length: 70000\r\n", 413),
        ("/healthz HTTP/1.1", "Content-Length: x\r\n", 400),
        (
            "/healthz HTTP/1.1",
            "Transfer-Encoding: chunked, gzip\r\n",
            400,
        ),
    ];
    if engine == "native" {
        heads.extend([
            ("x HTTP/1.1", "", 400),
            ("/ HTTP/3.0", "", 505),
            ("/healthz HTTP/1.1", "Expect: x\r\n", 417),
            ("/healthz HTTP/1.1", "Content-Length: 5\r\n", 400),
        ]);
    }
    for (line, lines, status) in heads {
        let mut client = Client::to(service.http);
        client.send(format!("HEAD {line}\r\nHost: orders\r\n{lines}\r\n"));
        // The other engine may drop a request that the end comes with.
        if engine == "native" {
            client.half_close();
        }
        let reply = client.reply_to_head();
        assert_eq!(reply.status, status, "{line} {lines}");
        let _ = client.stream.shutdown(std::net::Shutdown::Write); // it may be closed
        client.ends();
    }
}

fn the_server_says_what_it_takes(engine: &str) {
    let service = Service::on(engine, &[]);
    for (port, allow) in [
        (service.http, "GET, HEAD, POST, OPTIONS"),
        (service.admin, "GET, HEAD, OPTIONS"),
    ] {
        let reply = Client::to(port).ask("OPTIONS * HTTP/1.1\r\nHost: orders\r\n\r\n");
        assert_eq!((reply.status, reply.header("allow")), (204, Some(allow)));
    }
}

fn percent_encoding_changes_no_path(engine: &str) {
    let service = with_an_order(engine);
    let taken = Client::to(service.http).ask(
        "POST /%73ubmit HTTP/1.1\r\nHost: o\r\nContent-Length: 24\r\n\r\n{\"id\":\"ord-1\",\"value\":1}",
    );
    assert_eq!(taken.status, 201);
    let line = get(service.http, "/orders/ord%2D1").json();
    assert_eq!(line["id"], "ord-1");
    assert_eq!(get(service.admin, "/health%7a").status, 200);
    for other in ["/orders%2Ford-1", "/orders/ord%2", "/orders/ord%252D1"] {
        get(service.http, other).problem(404);
    }
    if engine == "native" {
        let page = get(service.http, "/orders?%61fter=%31");
        assert_eq!(page.text().lines().count(), 1);
    }
}

fn a_detail_repeats_little_of_a_path(engine: &str) {
    let service = Service::on(engine, &[]);
    let long = "x".repeat(5000);
    for path in [format!("/{long}"), format!("/orders/{long}")] {
        let reply = get(service.http, &path);
        reply.problem(404);
        assert!(reply.body.len() < 300, "{}", reply.text());
        let method = Client::to(service.http).ask(format!(
            "PUT {path} HTTP/1.1\r\nHost: o\r\nContent-Length: 0\r\n\r\n"
        ));
        assert!(method.body.len() < 300, "{}", method.text());
    }
    let reply = get(service.admin, &format!("/{long}"));
    assert!(reply.body.len() < 300, "{}", reply.text());
    if engine == "native" {
        let reply = get(service.http, &format!("/orders?{long}"));
        reply.problem(400);
        assert!(reply.body.len() < 400, "{}", reply.text());
    }
}

fn other_methods_are_refused_with_those_allowed(engine: &str) {
    let service = with_an_order(engine);
    for (path, _) in ROUTES {
        for method in [
            "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "QUERY",
        ] {
            let reply = Client::to(service.http).ask(format!(
                "{method} {path} HTTP/1.1\r\nHost: orders\r\nContent-Length: 0\r\n\r\n"
            ));
            reply.problem(405);
            assert_eq!(reply.header("allow"), Some("GET, HEAD"), "{method} {path}");
        }
    }
    for method in ["GET", "PUT", "DELETE", "OPTIONS"] {
        let reply = Client::to(service.http)
            .ask(format!("{method} /submit HTTP/1.1\r\nHost: orders\r\n\r\n"));
        reply.problem(405);
        assert_eq!(reply.header("allow"), Some("POST"));
    }
    Client::to(service.http)
        .ask("BREW / HTTP/1.1\r\nHost: orders\r\n\r\n")
        .problem(501);
}

fn the_admin_port_has_its_own_table(engine: &str) {
    let service = with_an_order(engine);
    let routes = ["/metrics", "/healthz", "/readyz", "/stats"];
    for path in routes {
        assert_eq!(get(service.admin, path).status, 200, "{path}");
    }
    // Who asks for anything else hears what there is, and nothing more.
    for path in ["/", "/orders/a", "/orders", "/openapi.json", "/submit"] {
        let problem = get(service.admin, path).problem(404);
        let detail = problem["detail"].as_str().unwrap();
        let detail = detail.strip_prefix(&*format!("nothing is served at {path}; "));
        let words = detail.expect("what was asked for").split([' ', ',']);
        let listed: Vec<_> = words.filter(|word| word.starts_with('/')).collect();
        assert_eq!(listed, routes);
    }
    let elsewhere = get(service.http, "/nothing").problem(404);
    let detail = elsewhere["detail"].as_str().unwrap();
    assert!(detail.contains("; GET /openapi.json "), "{detail}");
    post(service.admin, "", r#"{"id":"b","value":1}"#).problem(404);
    let figures = service.settled();
    assert_eq!(figures.orders(), (1, 1, 0), "no order comes in there");
}

/// Instances behind one name have to say the same.
fn a_ready_service_says_which_ledger_it_has(engine: &str) {
    let (one, two) = (with_an_order(engine), with_an_order(engine));
    let id = |service: &Service| {
        let ready = get(service.admin, "/readyz").json();
        let id = ready["ledger_id"].as_str().expect("it is open").to_owned();
        assert_eq!((ready["status"].as_str(), id.len()), (Some("ready"), 32));
        assert_eq!(get(service.admin, "/stats").json()["ledger_id"], id);
        let metric = format!("ledger_info{{id=\"{id}\",kind=\"memory\"}}");
        assert_eq!(service.figures().get(&metric), 1.0, "{metric}");
        let page = get(service.http, "/orders");
        if engine == "native" {
            assert_eq!(page.header("orders-ledger-id"), Some(&*id));
        }
        id
    };
    assert_eq!(id(&one), id(&one));
    assert_ne!(id(&one), id(&two));
}

fn metrics_come_in_the_format_asked_for(engine: &str) {
    let service = with_an_order(engine);
    let prometheus = "application/openmetrics-text;version=1.0.0;q=0.5,\
                      application/openmetrics-text;version=0.0.1;q=0.4,\
                      text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
    for (accept, content_type) in [
        (prometheus, OPENMETRICS),
        ("application/openmetrics-text", OPENMETRICS),
        ("*/*", CLASSIC),
        ("text/plain", CLASSIC),
        ("application/openmetrics-text;q=0", CLASSIC),
        // The list as a whole counts, over however many lines.
        (
            "text/plain\r\nAccept: x/y\r\nAccept: application/openmetrics-text;q=0.5",
            CLASSIC,
        ),
        (
            "text/plain;q=0.5\r\nAccept: x/y\r\nAccept: application/openmetrics-text",
            OPENMETRICS,
        ),
        (
            "text/plain; x=\"a, application/openmetrics-text, b\"",
            CLASSIC,
        ),
    ] {
        for port in [service.http, service.admin] {
            let reply = Client::to(port).ask(format!(
                "GET /metrics HTTP/1.1\r\nHost: orders\r\nAccept: {accept}\r\n\r\n"
            ));
            assert_eq!(reply.header("content-type"), Some(content_type), "{accept}");
            let open = content_type == OPENMETRICS;
            assert_eq!(reply.text().ends_with("\n# EOF\n"), open);
            assert_eq!(reply.text().contains("\norders_processed_total 1\n"), open);
            assert_eq!(reply.text().contains("\norders_processed 1\n"), !open);
        }
    }
}

fn sizes_and_lengths(engine: &str) {
    let service = Service::on(engine, &["--max-body", "100"]);
    let order = |bytes: usize| {
        let rest = bytes - r#"{"id":"a","value":1,"x":""}"#.len();
        format!(r#"{{"id":"a","value":1,"x":"{}"}}"#, "x".repeat(rest))
    };
    assert_eq!(post(service.http, "", &order(100)).status, 201);
    // The head alone says enough: no byte of the body has to come.
    let head = "POST /submit HTTP/1.1\r\nHost: orders\r\nContent-Length: 101\r\n\r\n";
    let mut client = Client::to(service.http);
    let problem = client.ask(head).problem(413);
    assert_eq!(problem["retry_safe"], false);
    client.ends();
    if engine == "native" {
        // The reply gets through while the body is still on its way.
        post(service.http, "", &order(101)).problem(413);
    }
    Client::to(service.http)
        .ask("POST /submit HTTP/1.1\r\nHost: orders\r\n\r\n")
        .problem(411);
    let figures = service.settled();
    assert_eq!(figures.orders(), (1, 1, 0));
    let too_large = if engine == "native" { 2 } else { 1 };
    assert_eq!(figures.rejected("too_large"), too_large);
    assert_eq!(figures.rejected("invalid"), 1, "the one without a length");
}
