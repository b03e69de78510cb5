//! One line of the token file.

use crate::access::client::{Scope, Scopes};
use crate::access::quota::{Holder, Quotas};
use crate::access::token::{
    BadName, TOKEN_LEN_MAX, TOKEN_LEN_MIN, TokenHash, check_name, is_b64token,
};
use crate::config::RequestRate;

/// What stands between a name and a hash.
const HASH_MARK: &str = "sha256:";

/// A line with a token.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) name: Option<String>,
    pub(super) hash: TokenHash,
    pub(super) scopes: Scopes,
    pub(super) quotas: Quotas,
}

/// What is wrong with a line. None of it shows a token: a line that was cut may
/// have one anywhere.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// It isn't text.
    #[error("is not UTF-8")]
    NotText,
    /// The name has a character or a length that a name can't have.
    #[error(transparent)]
    Name(#[from] BadName),
    /// The token could be guessed.
    #[error("the token has under {TOKEN_LEN_MIN} characters")]
    TokenShort,
    /// The token is longer than any request's head should be.
    #[error("the token has over {TOKEN_LEN_MAX} characters")]
    TokenLong,
    /// The token can't be sent.
    #[error("the token has a character that a bearer token can't have (RFC 6750, b64token)")]
    TokenForm,
    /// The hash isn't one.
    #[error("a hash is 64 hexadecimal digits: NAME:sha256:HEX")]
    Hash,
    /// An option that isn't known, or not of the form `name=value`.
    #[error("unknown option; there are: rate= burst= inflight= scope=")]
    Option,
    /// An option given twice.
    #[error("{0}= is given more than once")]
    OptionTwice(&'static str),
    /// A value that can't be used.
    #[error("{0}= must be {1}")]
    Value(&'static str, &'static str),
    /// A burst of what has no rate.
    #[error("burst= needs rate=")]
    BurstAlone,
    /// Names are kept for the life of the process.
    #[error("there have been too many names since the start: restart the service")]
    Names,
    /// Two lines have one name, so that it isn't known whose orders are whose.
    #[error("the name is that of line {0}, too")]
    NameTwice(usize),
    /// Two lines have one token.
    #[error("the token is that of line {0}, too")]
    TokenTwice(usize),
    /// The file has more tokens than are searched for each new connection.
    #[error("there are more than {0} tokens")]
    TooMany(usize),
}

impl Line {
    /// Reads a line; `None` for a blank one and a comment.
    pub(super) fn parse(line: &str) -> Result<Option<Self>, LineError> {
        let line = line.trim_ascii();
        if line.is_empty() || line.starts_with('#') {
            return Ok(None);
        }
        let mut words = line.split_ascii_whitespace();
        let (name, hash) = credentials(words.next().unwrap_or_default())?;
        let Options {
            scopes,
            rate,
            burst,
            in_flight,
        } = Options::parse(words)?;
        if burst.is_some() && rate.is_none() {
            return Err(LineError::BurstAlone);
        }
        Ok(Some(Self {
            name,
            hash,
            scopes: scopes.unwrap_or_else(Scopes::all),
            quotas: Quotas::new(Holder::Token, rate, burst, in_flight),
        }))
    }
}

/// What stands behind a token.
#[derive(Default)]
struct Options {
    scopes: Option<Scopes>,
    rate: Option<RequestRate>,
    burst: Option<u32>,
    in_flight: Option<u32>,
}

impl Options {
    fn parse<'a>(words: impl Iterator<Item = &'a str>) -> Result<Self, LineError> {
        let mut options = Self::default();
        for word in words {
            match word.split_once('=').ok_or(LineError::Option)? {
                ("scope", value) => {
                    set_once(&mut options.scopes, "scope", parse_scopes(value)?)?;
                }
                ("rate", value) => set_once(&mut options.rate, "rate", parse_rate(value)?)?,
                ("burst", value) => {
                    set_once(&mut options.burst, "burst", parse_count("burst", value)?)?;
                }
                ("inflight", value) => {
                    let count = parse_count("inflight", value)?;
                    set_once(&mut options.in_flight, "inflight", count)?;
                }
                _ => return Err(LineError::Option),
            }
        }
        Ok(options)
    }
}

/// `TOKEN`, `NAME:TOKEN` or `NAME:sha256:HEX`. No token has a colon.
fn credentials(word: &str) -> Result<(Option<String>, TokenHash), LineError> {
    let Some((name, secret)) = word.split_once(':') else {
        return Ok((None, hash_of(word)?));
    };
    check_name(name)?;
    let hash = match secret.strip_prefix(HASH_MARK) {
        Some(hex) => TokenHash::from_hex(hex).ok_or(LineError::Hash)?,
        None => hash_of(secret)?,
    };
    Ok((Some(name.to_owned()), hash))
}

fn hash_of(token: &str) -> Result<TokenHash, LineError> {
    if token.len() < TOKEN_LEN_MIN {
        return Err(LineError::TokenShort);
    }
    if token.len() > TOKEN_LEN_MAX {
        return Err(LineError::TokenLong);
    }
    if !is_b64token(token.as_bytes()) {
        return Err(LineError::TokenForm);
    }
    Ok(TokenHash::of(token.as_bytes()))
}

fn parse_scopes(text: &str) -> Result<Scopes, LineError> {
    let scope = |name: &str| Scope::ALL.into_iter().find(|scope| scope.as_str() == name);
    let mut scopes = Scopes::default();
    for name in text.split(',') {
        let scope = scope(name).ok_or(LineError::Value("scope", "submit, read or submit,read"))?;
        scopes = scopes.with(scope);
    }
    Ok(scopes)
}

fn parse_rate(text: &str) -> Result<RequestRate, LineError> {
    RequestRate::parse(text).ok_or(LineError::Value("rate", RequestRate::FORM))
}

fn parse_count(name: &'static str, text: &str) -> Result<u32, LineError> {
    RequestRate::parse_count(text).ok_or(LineError::Value(name, RequestRate::COUNT_FORM))
}

fn set_once<T>(option: &mut Option<T>, name: &'static str, value: T) -> Result<(), LineError> {
    match option.replace(value) {
        None => Ok(()),
        Some(_) => Err(LineError::OptionTwice(name)),
    }
}
