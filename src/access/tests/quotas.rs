//! The quotas of tokens.

use crate::access::Caller;
use crate::access::line::LineError;
use crate::access::quota::Exceeded;
use crate::access::tests::{A, B, SUBMIT, TokenFile, bearer, nowhere, parse};
use crate::metrics::ClientGauges;

fn at(lines: &str) -> Result<(), LineError> {
    parse(lines.as_bytes()).map(drop).map_err(|(_, why)| why)
}

#[test]
fn quotas_have_a_form_and_a_range() {
    for options in [
        "rate=1/s",
        "rate=1000000/s burst=1000000 inflight=1000000 scope=submit",
        "inflight=1",
        "burst=1 rate=10/h",
        "rate=60/m",
    ] {
        assert_eq!(at(&format!("a:{A} {options}")), Ok(()), "{options}");
    }
    for option in [
        "rate=",
        "rate=1",
        "rate=0/s",
        "rate=1000001/s",
        "rate=1/d",
        "rate=-1/s",
        "rate=+1/s",
        "rate=1.5/s",
        "rate=1/s/s",
        "burst=0 rate=1/s",
        "burst=x rate=1/s",
        "inflight=0",
        "inflight=1000001",
        "inflight=",
    ] {
        let found = at(&format!("a:{A} {option}")).unwrap_err();
        assert!(matches!(found, LineError::Value(..)), "{option}: {found}");
    }
    assert_eq!(at(&format!("a:{A} burst=5")), Err(LineError::BurstAlone));
    let twice = at(&format!("a:{A} rate=1/s rate=1/s"));
    assert_eq!(twice, Err(LineError::OptionTwice("rate")));
}

#[test]
fn a_client_that_has_used_its_quota_up_takes_nothing_from_another() {
    let file = TokenFile::new(&format!(
        "a:{A} rate=2/h burst=3\nb:{B} rate=2/h burst=3 inflight=1"
    ));
    let access = file.access(&[]);
    let (mut a, mut b) = (Caller::default(), Caller::default());
    let begin = |caller: &mut Caller, token: &str, charges: bool| {
        access
            .check(caller, Some(&bearer(token)), SUBMIT, nowhere)
            .unwrap();
        caller.begin_request(charges)
    };
    for _ in 0..3 {
        assert_eq!(begin(&mut a, A, true), Ok(()));
    }
    let over = begin(&mut a, A, true).unwrap_err();
    assert!((1795..=1800).contains(&over.retry_after()), "{over:?}");
    let fields = over.fields();
    assert_eq!(
        fields[0],
        ("RateLimit-Policy", r#""rate";q=3;w=5400"#.to_owned())
    );
    assert!(fields[1].1.starts_with(r#""rate";r=0;t=1"#), "{fields:?}");
    // What is charged elsewhere begins.
    assert_eq!(begin(&mut a, A, false), Ok(()));
    // A reload is no way to a new burst, nor is a new token under the old name.
    file.write(&format!(
        "a:token-a-is-another rate=2/h burst=3\nb:{B} rate=2/h burst=3 inflight=1"
    ));
    access.reload().unwrap().unwrap();
    assert!(begin(&mut a, "token-a-is-another", true).is_err());

    assert_eq!(begin(&mut b, B, true), Ok(()));
    let mut other = Caller::default();
    let over = begin(&mut other, B, true).unwrap_err();
    assert_eq!(
        (over.what, over.retry_after()),
        (Exceeded::InFlight { max: 1 }, 1)
    );
    let policy = r#""inflight";q=1;qu="concurrent-requests""#;
    assert_eq!(over.fields()[0].1, policy);
    b.replied();
    assert_eq!(begin(&mut other, B, true), Ok(()));
    // The next request on a connection ends the one before.
    assert_eq!(begin(&mut other, B, true), Ok(()));
    drop(other);
    assert!(begin(&mut b, B, true).is_err(), "the burst is used up");
    drop(b);
    let (gauges, _) = access.gauges();
    let counts = |at: usize| {
        let ClientGauges {
            name,
            requests,
            over_rate,
            over_in_flight,
            in_flight,
        } = &gauges[at];
        (&**name, *requests, *over_rate, *over_in_flight, *in_flight)
    };
    assert_eq!(counts(0), ("a", 3, 2, 0, 0));
    assert_eq!(counts(1), ("b", 3, 1, 1, 0));
}

#[test]
fn metrics_have_a_bounded_number_of_names() {
    let named = (0..70).map(|n| format!("n{n}:{A}-{n}\n"));
    let unnamed = (0..3).map(|n| format!("{B}-{n}\n"));
    let text: String = unnamed.chain(named).collect();
    let gauges = parse(text.as_bytes()).unwrap().gauges();
    assert_eq!(gauges.len(), 66);
    let last: Vec<_> = gauges[63..].iter().map(|gauge| &*gauge.name).collect();
    assert_eq!(last, ["n63", "unnamed", "other"]);
}
