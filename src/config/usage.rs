//! Bad usage in one line, which names the flag or the variable and its value.

use std::{fmt, io};

use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::config::nearest::hint;

/// The words that may come first, for a hint.
pub(super) const COMMANDS: [&str; 9] = [
    "serve",
    "config",
    "limits",
    "health",
    "journal",
    "token",
    "man",
    "completions",
    "help",
];

/// Why there is no [`Config`](crate::config::Config): the command line asks for
/// a text, or is wrong.
#[derive(Debug, thiserror::Error)]
pub enum UsageError {
    /// `--help` or `--version`: not a failure, the text goes to standard
    /// output.
    #[error("{0}")]
    Shown(clap::Error),
    /// A flag or variable has a value that can't be used.
    #[error("{given}: {why}")]
    Value {
        /// The setting as it was given.
        given: Given,
        /// What is wrong with it and what would be right.
        why: String,
    },
    /// The words of the command line are no flags and values of this program.
    #[error("{0}")]
    Words(String),
}

/// A setting as it was given. Displayed on one line whatever its value is, cut
/// to a readable length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Given {
    /// On the command line: the flag with its dashes, the value.
    Flag(String, String),
    /// In the environment: the variable, the value.
    Variable(String, String),
}

impl Given {
    pub(super) fn flag(flag: &str, value: &str) -> Self {
        Self::Flag(flag.to_owned(), value.to_owned())
    }

    pub(super) fn variable(name: &str, value: &str) -> Self {
        Self::Variable(name.to_owned(), value.to_owned())
    }
}

impl fmt::Display for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(flag, value) if value.is_empty() => write!(f, "{flag} ''"),
            Self::Flag(flag, value) => write!(f, "{flag} {}", one_line(value)),
            Self::Variable(name, value) => write!(f, "{name}={}", one_line(value)),
        }
    }
}

impl UsageError {
    /// The exit code that goes with it: 0 after `--help` and `--version`, 2 for
    /// bad usage.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Shown(_) => 0,
            _ => 2,
        }
    }

    /// Prints it: the text asked for to standard output, bad usage as one line
    /// to standard error.
    ///
    /// # Errors
    /// Those of writing, such as a closed pipe; the caller can only exit.
    pub fn print(&self) -> io::Result<()> {
        match self {
            Self::Shown(text) => text.print(),
            _ => io::Write::write_all(&mut io::stderr(), format!("{}\n", self.line()).as_bytes()),
        }
    }

    /// The line for standard error.
    pub fn line(&self) -> String {
        format!("order-processor: {self}")
    }

    /// Condenses clap's error. `given` builds the setting from a flag (with its
    /// dashes) and its value.
    pub(super) fn from_clap(error: clap::Error, given: impl Fn(&str, &str) -> Given) -> Self {
        let text = |kind| match error.get(kind) {
            Some(ContextValue::String(text)) => text.clone(),
            Some(ContextValue::Strings(texts)) => texts.join(", "),
            _ => String::new(),
        };
        let argument = text(ContextKind::InvalidArg);
        // clap names a flag with its value's name behind it: `--listen <ADDR>`.
        let flag = argument.split(' ').next().unwrap_or_default();
        let value = text(ContextKind::InvalidValue);
        let offered = text(ContextKind::ValidValue);
        match error.kind() {
            ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Self::Shown(error),
            ErrorKind::InvalidValue if !flag.starts_with("--") => {
                let value = one_line(&value);
                let hint = hint(&value, 0, COMMANDS.into_iter());
                Self::Words(format!("{value}: no such command{hint}; --help lists them"))
            }
            ErrorKind::InvalidValue if value.is_empty() && offered.is_empty() => {
                Self::Words(format!("{flag}: needs a value"))
            }
            ErrorKind::InvalidValue => Self::Value {
                given: given(flag, &value),
                why: format!("must be one of {offered}"),
            },
            ErrorKind::ValueValidation => Self::Value {
                given: given(flag, &value),
                why: std::error::Error::source(&error)
                    .map_or_else(|| "is not valid".to_owned(), ToString::to_string),
            },
            ErrorKind::MissingRequiredArgument => Self::Words(format!("{argument}: is needed")),
            ErrorKind::ArgumentConflict => Self::Words(format!("{flag}: given more than once")),
            ErrorKind::UnknownArgument => {
                let hint = match text(ContextKind::SuggestedArg) {
                    near if near.is_empty() => String::new(),
                    near => format!(" (did you mean {near}?)"),
                };
                if !argument.starts_with('-') {
                    let what = "unexpected: a flag begins with --, and a command is the first word";
                    return Self::Words(format!("{}: {what}", one_line(&argument)));
                }
                Self::Words(format!("{}: no such flag{hint}", one_line(&argument)))
            }
            // Of any other error the first line, which says what is wrong.
            _ => {
                let whole = error.render().to_string();
                let first = whole.lines().next().unwrap_or_default();
                Self::Words(one_line(first.trim_start_matches("error: ")))
            }
        }
    }
}

/// `text` without control characters, at most 200 characters of it.
pub(super) fn one_line(text: &str) -> String {
    const SHOWN_CHARS_MAX: usize = 200;
    let mut line = String::new();
    for (i, c) in text.chars().enumerate() {
        if i == SHOWN_CHARS_MAX {
            line.push_str("...");
            break;
        }
        // Some viewers also end a line at U+2028 and U+2029, which are no
        // control characters.
        if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') {
            line.extend(c.escape_default());
        } else {
            line.push(c);
        }
    }
    line
}
