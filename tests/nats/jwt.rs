//! Tokens of a decentralised set-up: an operator trusts accounts, an account its
//! users. The format is that of NATS' own tools, version 2.

use std::fmt::Write;

use data_encoding::BASE64URL_NOPAD;
use nkeys::KeyPair;
use serde_json::{Value, json};

/// An operator with one account for the service and one for the system.
pub(crate) struct Operator {
    operator: KeyPair,
    account: KeyPair,
    system: KeyPair,
}

impl Operator {
    pub(crate) fn new() -> Self {
        Self {
            operator: KeyPair::new_operator(),
            account: KeyPair::new_account(),
            system: KeyPair::new_account(),
        }
    }

    /// Lines for a server's configuration.
    pub(crate) fn config(&self) -> String {
        let Self {
            operator,
            account,
            system,
        } = self;
        let of_operator = json!({ "type": "operator", "version": 2 });
        let disk = json!({ "disk_storage": -1, "streams": -1, "consumer": -1 });
        let mut text = format!(
            "operator: {}\nsystem_account: {}\nresolver: MEMORY\nresolver_preload {{\n",
            token(operator, operator, of_operator),
            system.public_key()
        );
        for (key, jetstream) in [(account, disk), (system, json!({}))] {
            let claims = json!({ "type": "account", "version": 2, "limits": limits(jetstream) });
            let jwt = token(operator, key, claims);
            writeln!(text, "  {}: {jwt}", key.public_key()).unwrap();
        }
        text.push_str("}\n");
        text
    }

    /// The credentials file of a user of the account: a token and a seed.
    pub(crate) fn user(&self) -> (String, String) {
        self.signed_by(&self.account)
    }

    /// One whose account nobody has heard of.
    pub(crate) fn stranger(&self) -> (String, String) {
        self.signed_by(&KeyPair::new_account())
    }

    fn signed_by(&self, account: &KeyPair) -> (String, String) {
        let user = KeyPair::new_user();
        let claims = json!({ "type": "user", "version": 2, "subs": -1, "data": -1, "payload": -1 });
        (token(account, &user, claims), user.seed().unwrap())
    }
}

/// A credentials file, as `nsc` writes it.
pub(crate) fn credentials_file(jwt: &str, seed: &str) -> String {
    format!(
        "-----BEGIN NATS USER JWT-----\n{jwt}\n------END NATS USER JWT------\n\n\
         -----BEGIN USER NKEY SEED-----\n{seed}\n------END USER NKEY SEED------\n"
    )
}

fn limits(jetstream: Value) -> Value {
    let mut limits = json!({
        "subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1, "wildcards": true,
        "conn": -1, "leaf": -1,
    });
    let more = jetstream.as_object().unwrap().clone();
    limits.as_object_mut().unwrap().extend(more);
    limits
}

/// A token about `subject`, signed by `issuer`; it never expires.
fn token(issuer: &KeyPair, subject: &KeyPair, claims: Value) -> String {
    let header = json!({ "typ": "JWT", "alg": "ed25519-nkey" });
    let body = json!({
        "jti": "of-a-test", "iat": 1_700_000_000, "name": "test", "iss": issuer.public_key(),
        "sub": subject.public_key(), "nats": claims,
    });
    let encode = |part: &Value| BASE64URL_NOPAD.encode(part.to_string().as_bytes());
    let signed = format!("{}.{}", encode(&header), encode(&body));
    let signature = issuer.sign(signed.as_bytes()).unwrap();
    format!("{signed}.{}", BASE64URL_NOPAD.encode(&signature))
}
