//! Calls that outlast a reload.

use crate::access::tests::{A, B, READ, SUBMIT, TokenFile, bearer, nowhere};
use crate::access::{Access, Caller, Denied, Grant, Need, Scope};
use crate::config::Config;
use crate::order::Client as ClientName;

fn grant(access: &Access, token: &str, need: Option<Need>) -> Option<Grant> {
    let mut caller = Caller::default();
    access
        .check(&mut caller, Some(&bearer(token)), need, nowhere)
        .unwrap();
    Grant::of(access, &caller, need?)
}

fn reload(access: &Access) {
    access.reload().unwrap().unwrap();
}

#[test]
fn a_grant_ends_with_its_token_or_its_scope() {
    let file = TokenFile::new(&format!("{A}\n{B}"));
    let access = file.access(&[]);
    let mut submits = grant(&access, A, SUBMIT).unwrap();
    let mut reads = grant(&access, A, READ).unwrap();
    assert!(submits.check(&access).unwrap().is_none());
    // Read again, it is as good as before.
    reload(&access);
    assert!(submits.check(&access).unwrap().is_some());
    assert!(submits.check(&access).unwrap().is_none());

    file.write(&format!("{A} scope=read\n{B}"));
    reload(&access);
    for _ in 0..2 {
        let denied = submits.check(&access).unwrap_err();
        assert_eq!(denied, Denied::Scope(Scope::Submit));
    }
    assert!(reads.check(&access).is_ok());

    file.write(B);
    reload(&access);
    for grant in [&mut submits, &mut reads] {
        assert_eq!(grant.check(&access).unwrap_err(), Denied::BadToken);
    }
    // A file that can't be used changes nothing.
    file.write(&format!("{A}\nshort"));
    access.reload().unwrap().unwrap_err();
    assert_eq!(reads.check(&access).unwrap_err(), Denied::BadToken);
    file.write(A);
    reload(&access);
    assert!(submits.check(&access).is_ok() && reads.check(&access).is_ok());
}

#[test]
fn a_grant_follows_the_name_and_the_quota_of_its_token() {
    let file = TokenFile::new(&format!("a:{A}"));
    let access = file.access(&[]);
    let mut grant = grant(&access, A, SUBMIT).unwrap();
    assert!(!format!("{grant:?}").contains(A));
    file.write(&format!("b:{A} rate=1/h"));
    reload(&access);
    let client = grant.check(&access).unwrap().unwrap();
    assert_eq!(client.name().map(ClientName::as_str), Some("b"));
    assert!(client.quota().begin(true).is_ok());
    assert!(client.quota().begin(true).is_err());
}

#[test]
fn what_needs_no_token_has_no_grant() {
    let file = TokenFile::new(A);
    let metrics = Some(Need::Metrics);
    assert!(grant(&file.access(&[]), A, metrics).is_none());
    let protected = file.access(&["--protect-metrics"]);
    assert!(grant(&protected, A, metrics).is_some());
    let config = Config::parse_from(["order-processor"], [("", ""); 0]).unwrap();
    let open = Access::new(&config).unwrap();
    assert!(grant(&open, A, SUBMIT).is_none());
}
