//! Bad usage, told in one line that names the flag or the variable and its value.

use std::{fmt, io};

use clap::error::{ContextKind, ContextValue, ErrorKind};

/// Why there is no [`Config`](crate::config::Config): the command line asks for a text, or is wrong.
#[derive(Debug, thiserror::Error)]
pub enum UsageError {
    /// `--help` or `--version`: not a failure, the text goes to standard output.
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
    /// A flag or value of the contract that this version does not have.
    #[error("{given} is not in this version yet: {instead}")]
    NotYet {
        /// The setting as it was given.
        given: Given,
        /// What to do instead.
        instead: &'static str,
    },
    /// The words of the command line can't be told apart into flags and values.
    #[error("{0}")]
    Words(String),
}

/// A setting as it was given. Shown on one line whatever is in it, cut to a readable length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Given {
    /// On the command line: the flag with its dashes, the value.
    Flag(String, String),
    /// In the environment: the variable, the value.
    Variable(String, String),
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

/// `text` without control characters, at most 200 characters of it.
pub(super) fn one_line(text: &str) -> String {
    const SHOWN_CHARS_MAX: usize = 200;
    let mut line = String::new();
    for (i, c) in text.chars().enumerate() {
        if i == SHOWN_CHARS_MAX {
            line.push_str("...");
            break;
        }
        // U+2028 and U+2029 end a line for some viewers, though they are no control characters.
        if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') {
            line.extend(c.escape_default());
        } else {
            line.push(c);
        }
    }
    line
}

impl UsageError {
    /// The exit code that goes with it: 0 after `--help` and `--version`, 2 for bad usage.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Shown(_) => 0,
            _ => 2,
        }
    }

    /// Prints it: what was asked for to standard output, bad usage as one line to standard error.
    ///
    /// # Errors
    /// Those of writing, such as a closed pipe; there is nothing to do about them but to exit.
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

    /// Condenses clap's error. `given` says how a flag (with its dashes) came by a value.
    pub(super) fn condense(error: clap::Error, given: impl Fn(&str, &str) -> Given) -> Self {
        if matches!(
            error.kind(),
            ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
        ) {
            return Self::Shown(error);
        }
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
        let known = flag.starts_with("--");
        match error.kind() {
            ErrorKind::InvalidValue if !known => Self::Words(format!(
                "{}: no such command: only {offered}, and journal as the first word",
                one_line(&value)
            )),
            ErrorKind::InvalidValue if value.is_empty() && offered.is_empty() => {
                Self::Words(format!("{flag}: needs a value"))
            }
            ErrorKind::InvalidValue => {
                let why = format!("must be one of {offered}");
                Self::Value {
                    given: given(flag, &value),
                    why,
                }
            }
            ErrorKind::ValueValidation => {
                let why = std::error::Error::source(&error).map(ToString::to_string);
                let why = why.unwrap_or_else(|| "is not valid".to_owned());
                Self::Value {
                    given: given(flag, &value),
                    why,
                }
            }
            ErrorKind::ArgumentConflict => Self::Words(format!("{flag}: given more than once")),
            ErrorKind::UnknownArgument => {
                let hint = match text(ContextKind::SuggestedArg) {
                    near if near.is_empty() => String::new(),
                    near => format!(" (is {near} meant?)"),
                };
                Self::Words(format!("{}: no such flag{hint}", one_line(&argument)))
            }
            // Whatever else clap may find: its first line, which says what is wrong.
            _ => {
                let whole = error.render().to_string();
                let first = whole.lines().next().unwrap_or_default();
                Self::Words(one_line(first.trim_start_matches("error: ")))
            }
        }
    }
}
