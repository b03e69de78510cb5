//! `--retain-age` and `--retain-bytes` on the real service: an idle one forgets
//! what is too old, its readers hear so, and what a flag can't do is said.

mod harness;

use std::fs;

use harness::{Client, Directory, Service, get, submit, until};

#[test]
fn an_idle_service_forgets_what_is_too_old() {
    let directory = Directory::with_segments_of(16 << 10);
    let flags = ["--dedupe-window", "10", "--retain-age"];
    let service = directory.start(&[&flags[..], &["1h"]].concat());
    let mut client = Client::to(service.http);
    let filler = "x".repeat(200);
    for number in 1..=300 {
        let body = format!(r#"{{"id":"o-{number}","value":1,"filler":"{filler}"}}"#);
        assert_eq!(client.ask(submit("", &body)).status, 201);
    }
    let first = directory.0.join("journal-0000000001.seg");
    assert_eq!(get(service.http, "/orders?after=0&limit=1").status, 200);
    assert!(first.exists(), "an hour has not passed");
    service.drain();

    // Nobody sends an order any more.
    let service = directory.start(&[&flags[..], &["1s"]].concat());
    until("the oldest are gone", || {
        get(service.http, "/orders?after=0&limit=1").status == 410
    });
    // All that is old goes, but for the segment that is written to.
    let segments = || {
        let names = fs::read_dir(&directory.0).unwrap();
        let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.ends_with(".seg")).count()
    };
    until("one is left, and the next one", || segments() <= 2);
    let gone = get(service.http, "/orders?after=0&limit=1").json();
    let oldest = gone["oldest_seq"].as_u64().unwrap();
    assert!(oldest > 200 && oldest <= 291, "{oldest}");
    let page = get(
        service.http,
        &format!("/orders?after={}&limit=1000", oldest - 1),
    );
    assert_eq!(page.text().lines().count() as u64, 301 - oldest);
    service.drain();
}

#[test]
fn a_window_that_needs_more_than_is_retained_is_said() {
    let directory = Directory::with_segments_of(256 << 10);
    let service = directory.start(&["--retain-bytes", "1MiB"]);
    let mut client = Client::to(service.http);
    let filler = "x".repeat(40_000);
    for number in 1..=40 {
        let body = format!(r#"{{"id":"o-{number}","value":1,"filler":"{filler}"}}"#);
        assert_eq!(client.ask(submit("", &body)).status, 201);
    }
    let warning = "the dedupe window needs more than --retain-bytes";
    until("it is said", || service.log().contains(warning));
    assert_eq!(get(service.http, "/orders?after=0&limit=1").status, 200);
    let log = service.drain().log;
    assert_eq!(log.matches(warning).count(), 1, "once: {log}");

    // A window that is smaller lets them go, and is not complained about.
    let service = directory.start(&["--retain-bytes", "1MiB", "--dedupe-window", "2"]);
    until("the oldest are gone", || {
        get(service.http, "/orders?after=0&limit=1").status == 410
    });
    let log = service.drain().log;
    assert!(!log.contains(warning), "{log}");
}

#[test]
fn where_it_has_no_effect_the_log_says_so() {
    let service = Service::start(&["--retain-age", "1h", "--retain-bytes", "1GiB"]);
    let log = service.drain().log;
    for flag in ["--retain-age", "--retain-bytes"] {
        let warning = format!("{flag} has no effect with --ledger memory");
        assert!(log.contains(&warning), "{log}");
    }
}
