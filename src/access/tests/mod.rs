//! The token file, what a request may do with its tokens, and their quotas.

mod grants;
mod lines;
mod quotas;
mod requests;

use std::fs;
use std::net::IpAddr;
use std::path::PathBuf;

use crate::access::line::LineError;
use crate::access::tokens::TokenSet;
use crate::access::{Access, Caller, Denied, Need, Scope, file};
use crate::config::Config;

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
