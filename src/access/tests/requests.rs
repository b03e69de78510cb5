//! What a request may do with its token.

use crate::access::tests::{A, B, READ, SUBMIT, TokenFile, ask, bearer, nowhere, parse};
use crate::access::token::{BadName, TokenHash, new_token};
use crate::access::{Access, Caller, Denied, Need, Scope};
use crate::config::Config;
use crate::order::Client as ClientName;

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
    let client = tokens.find(&TokenHash::of(token.as_bytes())).unwrap();
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
