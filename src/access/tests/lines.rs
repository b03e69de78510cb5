//! The token file, line by line.

use crate::access::file::{TOKENS_MAX, TokenFileError};
use crate::access::line::LineError;
use crate::access::tests::{A, B, TokenFile, parse};
use crate::access::token::{BadName, TokenHash};
use crate::access::tokens::TokenSet;
use crate::access::{Scope, file};
use crate::order::Client as ClientName;

#[test]
fn lines_have_three_forms_and_options() {
    let hash = "sha256:057076abf044d57dc395614bf1a96fabe36ce57f846a83fe9d169cb6192b6e38";
    let text = format!(
        "# comment\n\n  \t\r\n{A}\n  shop:{B} scope=submit  \r\nhashed:{hash} scope=read,submit\n"
    );
    let tokens = parse(text.as_bytes()).unwrap();
    assert_eq!(tokens.len(), 3);
    let find = |token: &[u8]| tokens.find(&TokenHash::of(token));
    assert!(find(A.as_bytes()).unwrap().name().is_none());
    let shop = find(B.as_bytes()).unwrap();
    assert_eq!(shop.name().map(ClientName::as_str), Some("shop"));
    assert!(shop.scopes().has(Scope::Submit) && !shop.scopes().has(Scope::Read));
    // As sha256sum(1) says of it.
    assert!(find(b"token-c-0123456789").is_some());
    assert!(find(&B.as_bytes()[1..]).is_none());
    assert!(find(b"").is_none());
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
