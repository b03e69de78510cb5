//! Bearer tokens: who may ask for what, files that can't be used, and files
//! that are read again.

mod harness;

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use harness::{Client, Directory, Reply, Service, get, on_both_engines, post, submit, until};
use rustix::process::Signal;

on_both_engines!(
    who_has_no_token_gets_nothing,
    a_token_is_good_for_its_scopes,
    metrics_can_be_closed,
    a_token_is_given_once,
);

const SUBMITS: &str = "token-that-submits";
const READS: &str = "token-that-reads";
const DOES_ALL: &str = "token-that-does-all";

/// A token file in a directory of its own.
struct Tokens(Directory);

impl Tokens {
    fn new(text: &str) -> Self {
        let directory = Directory::new();
        fs::create_dir(&directory.0).unwrap();
        let tokens = Self(directory);
        tokens.write(text);
        tokens
    }

    fn usual() -> Self {
        Self::new(&format!(
            "# who may ask\nshop:{SUBMITS} scope=submit\nreporting:{READS} scope=read\n{DOES_ALL}\n"
        ))
    }

    fn path(&self) -> PathBuf {
        self.0.0.join("tokens")
    }

    /// Replaces the file as a whole, as an operator should.
    fn write(&self, text: &str) {
        let new = self.0.0.join("new");
        fs::write(&new, text).unwrap();
        fs::rename(new, self.path()).unwrap();
    }

    fn start(&self, engine: &str, flags: &[&str]) -> Service {
        let path = self.path();
        let file = ["--token-file", path.to_str().unwrap()];
        Service::on(engine, &[&file[..], flags].concat())
    }
}

fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}\r\n")
}

fn get_with(address: SocketAddr, path: &str, lines: &str) -> Reply {
    Client::to(address).ask(format!(
        "GET {path} HTTP/1.1\r\nHost: orders\r\n{lines}\r\n"
    ))
}

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
fn a_file_that_cannot_be_used_ends_the_start() {
    let end = |path: &str| {
        let mut command = Service::command();
        command
            .args(harness::BASE_FLAGS)
            .args(["--token-file", path]);
        let output = command.output().unwrap();
        let log = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{log}");
        assert!(output.stdout.is_empty(), "it must not listen");
        log
    };
    let tokens = Tokens::new("");
    let path = tokens.path();
    let path = path.to_str().unwrap();
    for (text, why) in [
        ("# none\n".to_owned(), "has no token".to_owned()),
        (
            format!("{DOES_ALL}\n\nshop:short\n"),
            format!("{path}, line 3: the token has under 16 characters"),
        ),
        (
            format!("a:{DOES_ALL}\na:{READS}\n"),
            "line 2: the name is that of line 1, too".to_owned(),
        ),
    ] {
        tokens.write(&text);
        let log = end(path);
        assert!(log.contains(&why), "{log}");
        assert!(!log.contains(DOES_ALL) && !log.contains(READS), "{log}");
    }
    assert!(end("/nonexistent/tokens").contains("can't read the token file"));
    assert!(end("/dev/null").contains("not a regular file"));
}

/// Adds a token, and takes one away, while requests with another go on over
/// connections that stay open.
#[test]
fn a_file_is_read_again_without_a_failed_request() {
    let tokens = Tokens::new(&format!("load:{DOES_ALL}\nold:{READS}"));
    let service = tokens.start("native", &[]);
    let stop = AtomicBool::new(false);
    let mut third = Client::to(service.http);
    let ask = |client: &mut Client, token: &str| {
        let lines = bearer(token);
        client
            .ask(format!(
                "GET /stats HTTP/1.1\r\nHost: orders\r\n{lines}\r\n"
            ))
            .status
    };
    assert_eq!(ask(&mut third, "a-third-token-123"), 401);
    thread::scope(|scope| {
        for connection in 0..4 {
            let (service, stop) = (&service, &stop);
            scope.spawn(move || {
                let mut client = Client::to(service.http);
                for number in 0.. {
                    let body = format!(r#"{{"id":"l-{connection}-{number}","value":1}}"#);
                    let reply = client.ask(submit(&bearer(DOES_ALL), &body));
                    assert_eq!(reply.status, 201, "{reply:?}");
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                }
            });
        }
        let guard = StopOnDrop(&stop);
        let mut old = Client::to(service.http);
        assert_eq!(ask(&mut old, READS), 200);
        for round in 0..20 {
            tokens.write(&format!("load:{DOES_ALL}\nthird-{round}:a-third-token-123"));
            service.signal(Signal::HUP);
            until("the third is served", || {
                ask(&mut third, "a-third-token-123") == 200
            });
            assert_eq!(
                ask(&mut old, READS),
                401,
                "over a connection that it had before"
            );
            tokens.write(&format!("load:{DOES_ALL}\nold:{READS}"));
            service.signal(Signal::HUP);
            until("the old is served again", || ask(&mut old, READS) == 200);
            assert_eq!(ask(&mut third, "a-third-token-123"), 401);
        }
        // What can't be used changes nothing.
        tokens.write(&format!("load:{DOES_ALL}\nthird:short"));
        service.signal(Signal::HUP);
        let line = format!("{}, line 2: the token has under", tokens.path().display());
        until("logged", || service.log().contains(&line));
        fs::remove_file(tokens.path()).unwrap();
        service.signal(Signal::HUP);
        until("logged", || {
            service.log().contains("can't read the token file")
        });
        assert_eq!(ask(&mut old, READS), 200);
        drop(guard);
    });
    let log = service.drain().log;
    assert!(
        log.contains("ERROR") && log.contains("remain in force"),
        "{log}"
    );
    assert!(
        !log.contains("token-that") && !log.contains("third-token"),
        "{log}"
    );
}

struct StopOnDrop<'a>(&'a AtomicBool);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
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
    assert!(open.log().contains("--listen 0.0.0.0:0"), "{}", open.log());
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

#[test]
fn a_new_token_works_with_its_line() {
    let run = |args: &[&str]| Service::command().args(args).output().unwrap();
    let output = run(&["token", "new", "shop"]);
    assert!(output.status.success() && output.stderr.is_empty());
    let text = String::from_utf8(output.stdout).unwrap();
    let [token, line] = text.lines().collect::<Vec<_>>()[..] else {
        panic!("{text}");
    };
    // As sha256sum(1) has it.
    let sum = format!("printf %s {token} | sha256sum");
    let sum = Command::new("sh").args(["-c", &sum]).output().unwrap();
    let sum = String::from_utf8(sum.stdout).unwrap();
    assert_eq!(line, format!("shop:sha256:{}", &sum[..64]));
    let tokens = Tokens::new(line);
    let service = tokens.start("native", &[]);
    assert_eq!(get_with(service.http, "/stats", &bearer(token)).status, 200);
    get_with(service.http, "/stats", &bearer(&sum[..64])).problem(401);

    for args in [&["token"][..], &["token", "new"], &["token", "new", "a b"]] {
        assert_eq!(run(args).status.code(), Some(2), "{args:?}");
    }
    let both = run(&["--protect-metrics"]);
    let text = String::from_utf8(both.stderr).unwrap();
    assert!(
        both.status.code() == Some(2) && text.contains("needs --token-file"),
        "{text}"
    );
}
