//! The token file, read whole.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::access::client::Client;
use crate::access::line::{Line, LineError};
use crate::access::quota::Quota;
use crate::access::tokens::TokenSet;
use crate::order::Client as ClientName;

/// Tokens in a file: all of them are compared with that of a new connection.
pub(super) const TOKENS_MAX: usize = 1024;
/// Bytes of a file.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Why a token file can't be used.
#[derive(Debug, thiserror::Error)]
pub enum TokenFileError {
    /// It can't be read.
    #[error("can't read the token file {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// It is a pipe, a directory or the like, and can't be read again.
    #[error("the token file {} is not a regular file", path.display())]
    NotRegular {
        /// The file.
        path: PathBuf,
    },
    /// It is too large.
    #[error("the token file {} is over {FILE_BYTES_MAX} bytes", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// It has no token, so that nobody could ask for anything.
    #[error("the token file {} has no token", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// A line can't be used.
    #[error("the token file {}, line {line}: {why}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        why: LineError,
    },
}

/// Reads the tokens in a file. Clients that were in force keep what they have
/// used: a reload is no way to a new burst.
pub(super) fn read(path: &Path, in_force: &TokenSet) -> Result<TokenSet, TokenFileError> {
    let path_buf = || path.to_owned();
    let failed = |source| TokenFileError::Read {
        path: path_buf(),
        source,
    };
    // Asked first: opening a pipe waits for somebody to write to it.
    if !path.metadata().map_err(failed)?.is_file() {
        return Err(TokenFileError::NotRegular { path: path_buf() });
    }
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(failed)?;
    file.take(FILE_BYTES_MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(TokenFileError::TooLarge { path: path_buf() });
    }
    match parse(&bytes, in_force) {
        Ok(tokens) if tokens.is_empty() => Err(TokenFileError::Empty { path: path_buf() }),
        Ok(tokens) => Ok(tokens),
        Err((line, why)) => Err(TokenFileError::Line {
            path: path_buf(),
            line,
            why,
        }),
    }
}

/// The tokens in the text of a file, or the number of the first line that can't
/// be used and what is wrong with it.
pub(super) fn parse(bytes: &[u8], in_force: &TokenSet) -> Result<TokenSet, (usize, LineError)> {
    let mut tokens = TokenSet::default();
    let (mut names, mut hashes) = (HashMap::new(), HashMap::new());
    for (index, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
        let number = index + 1;
        let at = |why| (number, why);
        let line = str::from_utf8(line).map_err(|_| at(LineError::NotText))?;
        let Some(line) = Line::parse(line).map_err(at)? else {
            continue;
        };
        let Line {
            name,
            hash,
            scopes,
            quotas,
        } = line;
        if let Some(name) = &name
            && let Some(first) = names.insert(name.clone(), number)
        {
            return Err(at(LineError::NameTwice(first)));
        }
        if let Some(first) = hashes.insert(hash, number) {
            return Err(at(LineError::TokenTwice(first)));
        }
        if tokens.len() == TOKENS_MAX {
            return Err(at(LineError::TooMany(TOKENS_MAX)));
        }
        let usage = in_force.usage(name.as_deref(), &hash).unwrap_or_default();
        let name = name.as_deref().map(ClientName::named).transpose();
        let name = name.map_err(|_| at(LineError::Names))?;
        let client = Client::new(name, scopes, Quota::new(quotas, usage));
        tokens.push(hash, Arc::new(client));
    }
    Ok(tokens)
}
