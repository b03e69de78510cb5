//! Token files: made, refused at the start, read again.

use std::fs;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use rustix::process::Signal;

use crate::harness::{BASE_FLAGS, Client, Service, submit, until};
use crate::{DOES_ALL, READS, Tokens, bearer, get_with};

#[test]
fn a_file_that_cannot_be_used_ends_the_start() {
    let end = |path: &str| {
        let mut command = Service::command();
        command.args(BASE_FLAGS).args(["--token-file", path]);
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
