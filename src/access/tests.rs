//! The token file, line by line, and what a request may do with its tokens.

use std::fs;
use std::net::IpAddr;
use std::path::PathBuf;

use crate::access::file;
use crate::access::file::{TOKENS_MAX, TokenFileError};
use crate::access::line::LineError;
use crate::access::quota::Exceeded;
use crate::access::token::{BadName, new_token};
use crate::access::tokens::TokenSet;
use crate::access::{Access, Caller, Denied, Need, Scope};
use crate::config::Config;
use crate::metrics::ClientGauges;
use crate::order::Client as ClientName;

const A: &str = "token-a-0123456789";
const B: &str = "token-b-0123456789";
const SUBMIT: Option<Need> = Some(Need::Scope(Scope::Submit));
const READ: Option<Need> = Some(Need::Scope(Scope::Read));

/// A file that is removed with this.
struct TokenFile(PathBuf);

impl TokenFile {
    fn new(text: &str) -> Self {
        let mut random = [0; 8];
        getrandom::fill(&mut random).unwrap();
        let name = format!("tokens-{:x}", u64::from_ne_bytes(random));
        let file = Self(std::env::temp_dir().join(name));
        file.write(text);
        file
    }

    fn write(&self, text: &str) {
        fs::write(&self.0, text).unwrap();
    }

    fn access(&self, flags: &[&str]) -> Access {
        let path = self.0.to_str().unwrap();
        let words = ["order-processor", "--token-file", path];
        let config = Config::parse_from(words.iter().chain(flags), [("", ""); 0]).unwrap();
        Access::new(&config).unwrap()
    }
}

impl Drop for TokenFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn bearer(token: &str) -> Vec<u8> {
    format!("Bearer {token}").into_bytes()
}

fn parse(text: &[u8]) -> Result<TokenSet, (usize, LineError)> {
    file::parse(text, &TokenSet::default())
}

/// No address is asked for.
fn nowhere() -> IpAddr {
    unreachable!("with tokens addresses have no quota")
}

/// What comes of a request on a connection of its own.
fn ask(access: &Access, authorization: Option<&[u8]>, need: Option<Need>) -> Result<(), Denied> {
    access.check(&mut Caller::default(), authorization, need, nowhere)
}

#[test]
fn lines_have_three_forms_and_options() {
    let hash = "sha256:057076abf044d57dc395614bf1a96fabe36ce57f846a83fe9d169cb6192b6e38";
    let text = format!(
        "# comment\n\n  \t\r\n{A}\n  shop:{B} scope=submit  \r\nhashed:{hash} scope=read,submit\n"
    );
    let tokens = parse(text.as_bytes()).unwrap();
    assert_eq!(tokens.len(), 3);
    assert!(tokens.find(A.as_bytes()).unwrap().name().is_none());
    let shop = tokens.find(B.as_bytes()).unwrap();
    assert_eq!(shop.name().map(ClientName::as_str), Some("shop"));
    assert!(shop.scopes().has(Scope::Submit) && !shop.scopes().has(Scope::Read));
    // As sha256sum(1) says of it.
    assert!(tokens.find(b"token-c-0123456789").is_some());
    assert!(tokens.find(&B.as_bytes()[1..]).is_none());
    assert!(tokens.find(b"").is_none());
    assert!(parse(b"# nothing\n").unwrap().is_empty());
}

#[test]
fn bad_lines_are_named_and_show_no_token() {
    use LineError as E;
    let long = "x".repeat(600);
    for (text, line, why) in [
        (format!("{A}\nshort"), 2, E::TokenShort),
        (format!("\n\n{}", &A[..15]), 3, E::TokenShort),
        (long.clone(), 1, E::TokenLong),
        (format!("a:{long}"), 1, E::TokenLong),
        ("spéciale-0123456789".to_owned(), 1, E::TokenForm),
        ("a:=token-0123456789".to_owned(), 1, E::TokenForm),
        ("a:b:token-0123456789".to_owned(), 1, E::TokenForm),
        (format!(":{A}"), 1, E::Name(BadName)),
        (format!("a/b:{A}"), 1, E::Name(BadName)),
        (format!("{}:{A}", &long[..65]), 1, E::Name(BadName)),
        (format!("other:{A}"), 1, E::Name(BadName)),
        // The name was left out: not a token that looks like a hash.
        (format!("sha256:{}", "ab".repeat(32)), 1, E::Name(BadName)),
        ("a:sha256:abcd".to_owned(), 1, E::Hash),
        (format!("a:sha256:{}", "xy".repeat(32)), 1, E::Hash),
        (format!("a:sha256:{}", "é".repeat(32)), 1, E::Hash),
        (format!("a:{A} {B}"), 1, E::Option),
        (format!("a:{A} colour=red"), 1, E::Option),
        (format!("a:{A} Scope=read"), 1, E::Option),
        (format!("a:{A} # of the shop"), 1, E::Option),
        (
            format!("a:{A} scope=read scope=read"),
            1,
            E::OptionTwice("scope"),
        ),
        (
            format!("a:{A} scope="),
            1,
            E::Value("scope", "submit, read or submit,read"),
        ),
        (
            format!("a:{A} scope=submit,admin"),
            1,
            E::Value("scope", "submit, read or submit,read"),
        ),
        (format!("a:{A}\n\na:{B}"), 3, E::NameTwice(1)),
        (format!("{A}\nb:{A}"), 2, E::TokenTwice(1)),
    ] {
        let (at, found) = parse(text.as_bytes()).unwrap_err();
        assert_eq!((at, &found), (line, &why), "{text}");
        let said = found.to_string();
        assert!(!said.contains("0123") && !said.contains("xxx"), "{said}");
    }
    assert_eq!(parse(b"a\xffb").unwrap_err(), (1, E::NotText));
    let many: String = (0..=TOKENS_MAX).map(|n| format!("{A}-{n}\n")).collect();
    let too_many = (TOKENS_MAX + 1, E::TooMany(TOKENS_MAX));
    assert_eq!(parse(many.as_bytes()).unwrap_err(), too_many);
}

#[test]
fn files_that_cannot_be_used_are_refused_with_the_reason() {
    let refused = |path: &str| file::read(path.as_ref(), &TokenSet::default()).unwrap_err();
    assert!(matches!(
        refused("/nonexistent/tokens"),
        TokenFileError::Read { .. }
    ));
    assert!(matches!(
        refused("/dev/null"),
        TokenFileError::NotRegular { .. }
    ));
    assert!(matches!(refused("/tmp"), TokenFileError::NotRegular { .. }));
    let file = TokenFile::new("# none\n");
    let path = file.0.to_str().unwrap();
    assert!(matches!(refused(path), TokenFileError::Empty { .. }));
    file.write(&"#".repeat((1 << 20) + 1));
    assert!(matches!(refused(path), TokenFileError::TooLarge { .. }));
    file.write("\nshort\n");
    assert!(
        refused(path)
            .to_string()
            .ends_with(", line 2: the token has under 16 characters")
    );
}

#[test]
fn a_token_is_good_for_its_scopes() {
    let file = TokenFile::new(&format!("{A} scope=submit\n{B}"));
    let access = file.access(&[]);
    assert_eq!(access.tokens(), Some(2));
    let (a, b, unknown) = (bearer(A), bearer(B), bearer("token-c-0123456789"));
    assert_eq!(ask(&access, Some(&a), SUBMIT), Ok(()));
    assert_eq!(
        ask(&access, Some(&a), READ),
        Err(Denied::Scope(Scope::Read))
    );
    assert_eq!(ask(&access, Some(&b), READ), Ok(()));
    for (authorization, why) in [
        (None, Denied::NoToken),
        (Some(&b"Basic abc"[..]), Denied::NoToken),
        (Some(b"Bearer"), Denied::BadToken),
        (Some(&unknown), Denied::BadToken),
        (Some(&a[..a.len() - 1]), Denied::BadToken),
    ] {
        assert_eq!(ask(&access, authorization, SUBMIT), Err(why));
        assert_eq!(ask(&access, authorization, None), Ok(()));
        assert_eq!(ask(&access, authorization, Some(Need::Metrics)), Ok(()));
    }
    let protected = file.access(&["--protect-metrics"]);
    let metrics = |authorization: &[u8]| ask(&protected, Some(authorization), Some(Need::Metrics));
    assert_eq!(metrics(&b), Ok(()));
    assert_eq!(metrics(&a), Err(Denied::Scope(Scope::Read)));
    assert_eq!(
        ask(&protected, None, Some(Need::Metrics)),
        Err(Denied::NoToken)
    );
}

#[test]
fn without_a_file_nobody_is_asked() {
    let access = Access::new(&Config::default()).unwrap();
    assert!(access.reload().is_none() && access.tokens().is_none());
    assert_eq!(ask(&access, None, SUBMIT), Ok(()));
    assert_eq!(ask(&access, Some(b"Bearer !"), READ), Ok(()));
}

/// One connection, whose requests a proxy has gathered.
#[test]
fn a_connection_is_nobodys_for_longer_than_a_request() {
    let file = TokenFile::new(&format!("a:{A}\nb:{B} scope=read"));
    let access = file.access(&[]);
    let mut caller = Caller::default();
    let name = |caller: &Caller| caller.client()?.name().map(ClientName::as_str);
    for _ in 0..2 {
        for _ in 0..2 {
            assert_eq!(
                access.check(&mut caller, Some(&bearer(A)), SUBMIT, nowhere),
                Ok(())
            );
            assert_eq!(name(&caller), Some("a"));
        }
        let denied = access.check(&mut caller, None, SUBMIT, nowhere);
        assert_eq!((denied, name(&caller)), (Err(Denied::NoToken), None));
        let wrong = bearer("token-a-012345678X");
        let denied = access.check(&mut caller, Some(&wrong), SUBMIT, nowhere);
        assert_eq!((denied, name(&caller)), (Err(Denied::BadToken), None));
        assert_eq!(access.check(&mut caller, None, None, nowhere), Ok(()));
        assert_eq!(name(&caller), None);
        assert_eq!(
            access.check(&mut caller, Some(&bearer(B)), READ, nowhere),
            Ok(())
        );
        assert_eq!(name(&caller), Some("b"));
    }
}

#[test]
fn a_reload_holds_for_open_connections_at_once() {
    let file = TokenFile::new(A);
    let access = file.access(&[]);
    let (mut a, mut b) = (Caller::default(), Caller::default());
    let ask_a = |caller: &mut Caller| access.check(caller, Some(&bearer(A)), SUBMIT, nowhere);
    let ask_b = |caller: &mut Caller| access.check(caller, Some(&bearer(B)), SUBMIT, nowhere);
    assert_eq!(
        (ask_a(&mut a), ask_b(&mut b)),
        (Ok(()), Err(Denied::BadToken))
    );
    file.write(&format!("{A}\n{B}"));
    assert_eq!(access.reload().unwrap().unwrap(), 2);
    assert_eq!((ask_a(&mut a), ask_b(&mut b)), (Ok(()), Ok(())));
    file.write(&format!("{A} scope=read\nshort"));
    let error = access.reload().unwrap().unwrap_err();
    assert!(error.to_string().contains("line 2"), "{error}");
    assert_eq!((ask_a(&mut a), ask_b(&mut b)), (Ok(()), Ok(())));
    file.write(&format!("{A} scope=read"));
    assert_eq!(access.reload().unwrap().unwrap(), 1);
    assert_eq!(ask_a(&mut a), Err(Denied::Scope(Scope::Submit)));
    assert_eq!(ask_b(&mut b), Err(Denied::BadToken));
}

#[test]
fn a_new_token_is_good_under_its_line() {
    let [token, line] = new_token("shop").unwrap();
    let [other, _] = new_token("shop").unwrap();
    assert_ne!(token, other);
    assert!(token.len() == 48 && !line.contains(&token), "{line}");
    let tokens = parse(line.as_bytes()).unwrap();
    let client = tokens.find(token.as_bytes()).unwrap();
    assert_eq!(client.name().map(ClientName::as_str), Some("shop"));
    for name in ["", "a b", "a:b", "sha256", "é"] {
        assert_eq!(new_token(name), Err(BadName), "{name}");
    }
}

#[test]
fn a_token_goes_before_the_certificate_of_the_connection() {
    let file = TokenFile::new(&format!("a:{A}\n"));
    let name = |caller: &Caller| caller.client()?.name().map(ClientName::as_str);
    let mut caller = Caller::certified("desk");
    let open = Access::new(&Config::default()).unwrap();
    assert_eq!(open.check(&mut caller, None, SUBMIT, nowhere), Ok(()));
    assert_eq!(name(&caller), Some("desk"));
    let access = file.access(&[]);
    assert_eq!(
        access.check(&mut caller, Some(&bearer(A)), SUBMIT, nowhere),
        Ok(())
    );
    assert_eq!(name(&caller), Some("a"));
    // A certificate is no token.
    let denied = access.check(&mut caller, None, SUBMIT, nowhere);
    assert_eq!(denied, Err(Denied::NoToken));
}

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
