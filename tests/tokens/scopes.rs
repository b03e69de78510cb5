//! What a token is good for, and what needs none.

use crate::harness::{Client, Reply, Service, get, on_both_engines, post, submit, until};
use crate::{DOES_ALL, READS, SUBMITS, Tokens, bearer, get_with};

on_both_engines!(
    who_has_no_token_gets_nothing,
    a_token_is_good_for_its_scopes,
    metrics_can_be_closed,
    a_token_is_given_once,
);

#[track_caller]
fn challenged(reply: &Reply, status: u16, rest: &str) {
    let problem = reply.problem(status);
    let kind = match status {
        401 => "/problems/unauthorized",
        _ => "/problems/insufficient-scope",
    };
    assert_eq!(problem["type"], kind);
    assert_eq!(problem["retry_safe"], false);
    let challenge = format!("Bearer realm=\"orders\"{rest}");
    assert_eq!(reply.header("www-authenticate"), Some(&*challenge));
}

const INVALID: &str = ", error=\"invalid_token\"";

fn who_has_no_token_gets_nothing(engine: &str) {
    let tokens = Tokens::usual();
    let service = tokens.start(engine, &[]);
    let guess = bearer("token-that-is-guessed");
    let mut submissions = 0;
    for (lines, rest) in [
        ("", ""),
        ("Authorization: Basic c2hvcDpzaG9w\r\n", ""),
        ("Authorization: Bearer\r\n", INVALID),
        ("Authorization: Bearer token that submits\r\n", INVALID),
        (&*guess, INVALID),
        (&*bearer(&SUBMITS.to_uppercase()), INVALID),
        // Nowhere but in the header (RFC 6750 section 2 has two other places).
        ("X-Access-Token: token-that-submits\r\n", ""),
    ] {
        for path in ["/orders", "/orders?after=0", "/orders/a", "/stats"] {
            challenged(&get_with(service.http, path, lines), 401, rest);
        }
        challenged(&get_with(service.http, "/submit", lines), 401, rest);
        let path = format!("/stats?access_token={DOES_ALL}");
        challenged(&get_with(service.http, &path, lines), 401, rest);
        let reply = post(service.http, lines, r#"{"id":"a","value":1}"#);
        challenged(&reply, 401, rest);
        // The body never comes, and is not waited for.
        for kind in ["application/json", "application/x-ndjson"] {
            let mut client = Client::to(service.http);
            let reply = client.ask(format!(
                "POST /submit HTTP/1.1\r\nHost: orders\r\nExpect: 100-continue\r\n\
                 Content-Type: {kind}\r\nContent-Length: 9\r\n{lines}\r\n"
            ));
            challenged(&reply, 401, rest);
            client.ends();
        }
        submissions += 4;
        for path in ["/", "/openapi.json", "/healthz", "/readyz", "/metrics"] {
            assert_eq!(get_with(service.http, path, lines).status, 200, "{path}");
        }
        get_with(service.http, "/nothing", lines).problem(404);
        for path in ["/metrics", "/healthz", "/readyz", "/stats"] {
            assert_eq!(get_with(service.admin, path, lines).status, 200, "{path}");
        }
    }
    let figures = service.settled();
    assert_eq!(figures.orders(), (0, 0, 0));
    assert_eq!(figures.rejected("unauthorized"), submissions);
    // Of nine requests each.
    assert_eq!(figures.denied("no_token"), 3 * 9);
    assert_eq!(figures.denied("bad_token"), 4 * 9);
    assert_eq!(figures.denied("scope") + figures.denied("other_site"), 0);
    let stats = get(service.admin, "/stats");
    let ended = service.drain();
    for shown in [stats.text(), &*ended.log] {
        for token in [SUBMITS, READS, DOES_ALL, "token-that-is-guessed", "c2hvcD"] {
            assert!(!shown.contains(token), "{shown}");
        }
    }
}

fn a_token_is_good_for_its_scopes(engine: &str) {
    let tokens = Tokens::usual();
    let service = tokens.start(engine, &[]);
    let (submits, reads, all) = (bearer(SUBMITS), bearer(READS), bearer(DOES_ALL));
    let scope = |name| format!(", error=\"insufficient_scope\", scope=\"{name}\"");
    // Requests of several clients on one connection, as a proxy sends them.
    let mut client = Client::to(service.http);
    for (number, (lines, may_submit, may_read)) in [
        (&submits, true, false),
        (&reads, false, true),
        (&all, true, true),
        (&submits, true, false),
        (
            &all.replace("Authorization: Bearer", "authorization:  bEARER"),
            true,
            true,
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let reply = client.ask(submit(
            lines,
            &format!(r#"{{"id":"a-{number}","value":1}}"#),
        ));
        if may_submit {
            assert_eq!(reply.status, 201);
        } else {
            challenged(&reply, 403, &scope("submit"));
        }
        if engine != "native" {
            client = Client::to(service.http); // it may have ended
        }
        for path in ["/orders/a-0", "/stats"] {
            let reply = client.ask(format!(
                "GET {path} HTTP/1.1\r\nHost: orders\r\n{lines}\r\n"
            ));
            if may_read {
                assert_eq!(reply.status, 200);
            } else {
                challenged(&reply, 403, &scope("read"));
            }
            if engine != "native" {
                client = Client::to(service.http);
            }
        }
    }
    if engine == "native" {
        // A refused request whose body is there doesn't end the connection.
        let refused = submit("", r#"{"id":"b","value":1}"#);
        let served = submit(&all, r#"{"id":"c","value":1}"#);
        client.send([refused, served].concat());
        challenged(&client.reply(), 401, "");
        assert_eq!(client.reply().status, 201);
        assert_eq!(get_with(service.http, "/orders", &reads).status, 200);
        let batch = "Content-Type: application/x-ndjson\r\n";
        let body = "{\"id\":\"d\",\"value\":1}\n";
        let ask = |lines: &str| {
            let length = body.len();
            format!(
                "POST /submit HTTP/1.1\r\nHost: orders\r\n{batch}{lines}\
                 Content-Length: {length}\r\n\r\n{body}"
            )
        };
        challenged(&client.ask(ask(&reads)), 403, &scope("submit"));
        assert!(client.ask(ask(&submits)).text().contains("processed"));
    }
    let processed = if engine == "native" { 6 } else { 4 };
    assert_eq!(service.settled().orders(), (processed, processed, 0));
}

fn metrics_can_be_closed(engine: &str) {
    let tokens = Tokens::usual();
    let service = tokens.start(engine, &["--protect-metrics"]);
    for port in [service.http, service.admin] {
        for path in ["/metrics", "/stats"] {
            challenged(&get(port, path), 401, "");
            assert_eq!(get_with(port, path, &bearer(READS)).status, 200);
            assert_eq!(get_with(port, path, &bearer(SUBMITS)).status, 403);
        }
        for path in ["/healthz", "/readyz"] {
            assert_eq!(get(port, path).status, 200);
        }
    }
}

fn a_token_is_given_once(engine: &str) {
    let tokens = Tokens::usual();
    let service = tokens.start(engine, &[]);
    for lines in [
        [bearer(DOES_ALL), bearer(DOES_ALL)],
        [bearer(DOES_ALL), bearer("another-token-1234")],
        ["Authorization: Basic x\r\n".to_owned(), bearer(DOES_ALL)],
    ] {
        post(service.http, &lines.concat(), r#"{"id":"a","value":1}"#).problem(400);
        get_with(service.http, "/stats", &lines.concat()).problem(400);
    }
    assert_eq!(service.settled().orders(), (0, 0, 0));
}

/// A page of an allowed origin sends its token only after a preflight, which
/// has none.
#[test]
fn preflights_need_no_token() {
    let tokens = Tokens::usual();
    let service = tokens.start("native", &["--allowed-origins", "http://shop.test"]);
    let page = "Origin: http://shop.test\r\n";
    let reply = Client::to(service.http).ask(format!(
        "OPTIONS /submit HTTP/1.1\r\nHost: orders\r\n{page}\
         Access-Control-Request-Method: POST\r\n\r\n"
    ));
    assert_eq!(reply.status, 204);
    let allowed = reply.header("access-control-allow-headers").unwrap();
    assert!(allowed.contains("Authorization"), "{allowed}");
    let body = r#"{"id":"a","value":1}"#;
    let reply = post(service.http, page, body);
    challenged(&reply, 401, "");
    assert!(reply.header("access-control-allow-origin").is_some());
    let lines = format!("{page}{}", bearer(SUBMITS));
    assert_eq!(post(service.http, &lines, body).status, 201);
}

#[test]
fn an_open_address_without_tokens_is_warned_of() {
    const WARNING: &str = "may submit orders and read outcomes";
    let launch = |flags: &[&str]| {
        let mut command = Service::command();
        command.args(["--admin-listen", "127.0.0.1:0", "--ledger", "memory"]);
        command.args(flags);
        Service::launch_with(command, &["http", "admin", "grpc"])
    };
    let open = launch(&["--listen", "0.0.0.0:0", "--grpc-listen", "127.0.0.1:0"]);
    until("warned", || open.log().contains("--listen 0.0.0.0:0"));
    assert_eq!(open.drain().log.matches(WARNING).count(), 1);
    let closed = launch(&["--listen", "127.0.0.1:0", "--grpc-listen", "127.0.0.1:0"]);
    assert!(!closed.drain().log.contains(WARNING));
    let tokens = Tokens::usual();
    let path = tokens.path();
    let guarded = launch(&[
        "--listen",
        "0.0.0.0:0",
        "--grpc-listen",
        "0.0.0.0:0",
        "--token-file",
        path.to_str().unwrap(),
    ]);
    assert!(!guarded.drain().log.contains(WARNING));
}
