//! Every way to prove who one is, against a server that asks for it: read from
//! files, refused with a clear line when wrong, never in the log.

use nkeys::KeyPair;

use crate::harness::{Directory, get, post, until};
use crate::jwt::{Operator, credentials_file};
use crate::servers::{NatsServer, instance};
use crate::starting::{reason, refused};

const SECRET: &str = "s3cr3t-of-the-test";

/// Files that hold secrets.
struct Files(Directory);

impl Files {
    fn new() -> Self {
        let directory = Directory::new();
        std::fs::create_dir(&directory.0).unwrap();
        Self(directory)
    }

    /// The path of a file with this text.
    fn write(&self, name: &str, text: &str) -> String {
        let path = self.0.0.join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

/// An instance with these flags takes an order, at the most talkative level of
/// the log, in which none of the secrets is found.
#[track_caller]
fn served(server: &NatsServer, flags: &[&str], secrets: &[&str]) {
    let service = server.instance(&[flags, &["--log-level", "trace"]].concat());
    let reply = post(service.http, "", r#"{"id":"a","value":1}"#);
    assert!([200, 201].contains(&reply.status), "{reply:?}");
    hides(&service.drain().log, secrets);
}

/// An instance with these flags ends with a line that says `why`, and nothing
/// secret.
#[track_caller]
fn turned_away(server: &NatsServer, flags: &[&str], why: &str, secrets: &[&str]) {
    let flags = [flags, &["--log-level", "trace"]].concat();
    let log = refused(instance(&server.address(), &flags));
    assert!(reason(&log).contains(why), "{log}");
    hides(&log, secrets);
}

#[track_caller]
fn hides(log: &str, secrets: &[&str]) {
    for secret in secrets {
        assert!(!log.contains(secret), "{secret} in {log}");
    }
}

const REFUSED: &str = "refuses the credentials";

#[test]
fn a_user_with_a_password() {
    let users = format!("authorization {{ users: [{{ user: orders, password: {SECRET} }}] }}\n");
    let server = NatsServer::start(&users);
    turned_away(&server, &[], REFUSED, &[SECRET]);
    let files = Files::new();
    let flags = |file: &str| {
        let flags = ["--nats-user", "orders", "--nats-password-file", file];
        flags.map(str::to_owned)
    };
    let missing = flags("/nowhere/password");
    turned_away(
        &server,
        &missing.each_ref().map(|flag| &**flag),
        "can't read /nowhere/password",
        &[SECRET],
    );
    for (text, right) in [
        (format!("{SECRET}\n"), true),
        (format!("{SECRET}\r\nand a remark\n"), true),
        (format!("not-{SECRET}"), false),
    ] {
        let flags = flags(&files.write("password", &text));
        let flags = flags.each_ref().map(|flag| &**flag);
        if right {
            served(&server, &flags, &[SECRET]);
        } else {
            turned_away(&server, &flags, REFUSED, &[SECRET]);
        }
    }
}

#[test]
fn a_token() {
    let server = NatsServer::start(&format!("authorization {{ token: {SECRET} }}\n"));
    let files = Files::new();
    let right = files.write("token", &format!("{SECRET}\n"));
    served(&server, &["--nats-token-file", &right], &[SECRET]);
    let wrong = files.write("wrong", &format!("{SECRET}-not"));
    turned_away(&server, &["--nats-token-file", &wrong], REFUSED, &[SECRET]);
}

#[test]
fn an_nkey() {
    let key = KeyPair::new_user();
    let users = format!(
        "authorization {{ users: [{{ nkey: {} }}] }}\n",
        key.public_key()
    );
    let server = NatsServer::start(&users);
    let files = Files::new();
    let seed = key.seed().unwrap();
    // As `nk -gen user -pubout` writes it: the public key follows.
    let right = files.write("seed", &format!("{seed}\n{}\n", key.public_key()));
    served(&server, &["--nats-nkey-file", &right], &[&seed]);

    let other = KeyPair::new_user().seed().unwrap();
    let wrong = files.write("wrong", &other);
    turned_away(&server, &["--nats-nkey-file", &wrong], REFUSED, &[&other]);

    let damaged = files.write("damaged", &seed[..seed.len() - 3]);
    let why = format!("can't use {damaged}: it holds no seed of an NKey");
    let flags = ["--nats-nkey-file", &*damaged];
    turned_away(&server, &flags, &why, &[&seed[..20]]);
}

#[test]
fn a_credentials_file() {
    let operator = Operator::new();
    let server = NatsServer::start(&operator.config());
    let files = Files::new();
    let (jwt, seed) = operator.user();
    let right = files.write("right.creds", &credentials_file(&jwt, &seed));
    let signature = jwt.rsplit('.').next().unwrap();
    served(
        &server,
        &["--nats-creds-file", &right],
        &[&jwt, signature, &seed],
    );
    turned_away(&server, &[], REFUSED, &[]);

    let (jwt, seed) = operator.stranger();
    let stranger = files.write("stranger.creds", &credentials_file(&jwt, &seed));
    let flags = ["--nats-creds-file", &*stranger];
    turned_away(&server, &flags, REFUSED, &[&jwt, &seed]);

    // A token without its seed.
    let half = credentials_file(&jwt, &seed);
    let (half, _) = half.split_once("-----BEGIN USER").unwrap();
    let half = files.write("half.creds", half);
    let flags = ["--nats-creds-file", &*half];
    turned_away(&server, &flags, &half, &[&jwt]);
}

/// What docs/nats.md says that the user needs.
#[test]
fn the_permissions_that_are_documented_are_enough() {
    let publish = [
        "orders.*",
        "$JS.API.STREAM.INFO.ORDERS",
        "$JS.API.STREAM.CREATE.ORDERS",
        "$JS.API.STREAM.MSG.GET.ORDERS",
        "$JS.API.DIRECT.GET.ORDERS",
    ];
    let user = |publish: &[&str]| {
        format!(
            "authorization {{ users: [{{ user: orders, password: {SECRET}, permissions: {{ \
             publish: {publish:?}, subscribe: [\"_INBOX.>\"] }} }}] }}\n"
        )
    };
    let documented = std::fs::read_to_string("docs/nats.md").unwrap();
    for subject in publish {
        let named = subject.replace("ORDERS", "<stream>");
        assert!(documented.contains(&format!("`{named}`")), "{named}");
    }
    let mut server = NatsServer::start(&user(&publish));
    let files = Files::new();
    let file = files.write("password", SECRET);
    let flags = ["--nats-user", "orders", "--nats-password-file", &file];
    let (one, two) = (server.instance(&flags), server.instance(&flags));
    let order = r#"{"id":"a","value":1}"#;
    assert_eq!(post(one.http, "", order).status, 201);
    assert_eq!(post(two.http, "", order).status, 200);
    assert_eq!(get(two.http, "/orders/a").status, 200);
    assert_eq!(get(two.http, "/orders?after=0").text().lines().count(), 1);
    for service in [one, two] {
        let log = service.drain().log;
        assert!(!log.contains("ermission"), "{log}");
    }
    // Once there is a stream, it need not be created.
    server.reconfigure("\"$JS.API.STREAM.CREATE.ORDERS\", ", "");
    let service = server.instance(&flags);
    assert_eq!(post(service.http, "", order).status, 200);
    service.drain();
}

/// A password or a token that is changed on the server: the log says why there
/// is no connection, and the changed file is enough to have one again.
#[test]
fn a_secret_that_changes_is_read_again() {
    const NEXT: &str = "n3xt-s3cr3t";
    let files = Files::new();
    for (config, user) in [
        ("token: ", None),
        ("user: orders, password: ", Some("orders")),
    ] {
        let mut server = NatsServer::start(&format!("authorization {{ {config}{SECRET} }}\n"));
        let file = files.write("secret", SECRET);
        let flags = match user {
            None => vec!["--nats-token-file", &file],
            Some(name) => vec!["--nats-user", name, "--nats-password-file", &file],
        };
        let service = server.instance(&[&flags[..], &["--log-level", "trace"]].concat());
        let order = r#"{"id":"a","value":1}"#;
        assert_eq!(post(service.http, "", order).status, 201);
        server.reconfigure(SECRET, NEXT);
        until("the log says that it is refused", || {
            let log = service.log();
            log.contains("NATS: nats: authorization violation")
        });
        until("not ready", || get(service.admin, "/readyz").status == 503);
        files.write("secret", NEXT);
        until("ready", || get(service.admin, "/readyz").status == 200);
        assert_eq!(post(service.http, "", order).status, 200);
        hides(&service.drain().log, &[SECRET, NEXT]);
    }
}
