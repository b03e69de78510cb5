//! The command line and the environment, parsed and checked whole before
//! anything binds.
//!
//! [`Config`] is what the rest of the program sees: typed values, each inside
//! its limits, and the limits consistent with one another. A field is a flag:
//! its doc comment is the text of `--help`, its type and parser say what is
//! accepted. A flag wins over its variable `ORDERS_<NAME>`, the variable over
//! the default. An unknown `ORDERS_` variable is a warning, but for those that
//! Kubernetes sets (`ORDERS_SERVICE_HOST`) for a service named `orders`.
//!
//! | file | holds |
//! |---|---|
//! | `flags` | [`Config`]: a field for each flag |
//! | `nats` | [`Nats`]: those of the NATS ledger |
//! | `tls` | [`Tls`]: those of TLS |
//! | `peers` | [`Peers`]: those of proxies in front, and of client addresses |
//! | `choice` | the types of flags that offer a choice |
//! | `quantity`, `value`, `rate` | text to a single value |
//! | `relations` | what must hold between two values |
//! | `help` | the text of `--help` |
//! | `parse` | words and variables to a [`Config`] |
//! | `nearest` | the nearest name to a mistyped one |
//! | `unknown_variables` | variables that are no flag's, and the nearest name |
//! | `limits` | what `limits` is asked: the flags, and a format |
//! | `settings` | what `config` is asked: every setting and where it comes from |
//! | `health` | what `health` is asked: an address, and which question |
//! | `manual` | the man page and completions |
//! | `command` | [`Command`]: the service, or a tool for the journal |
//! | `usage` | [`UsageError`]: bad usage in one line |

mod bad_value;
mod choice;
mod command;
mod flags;
mod health;
mod help;
mod journal_flags;
mod limits;
mod manual;
mod nats;
mod nearest;
mod parse;
mod peers;
mod quantity;
mod rate;
mod relations;
mod settings;
#[cfg(test)]
mod tests;
mod tls;
mod unknown_variables;
mod usage;
mod value;

pub use self::choice::{
    AccessLog, Ack, AllowedHosts, AllowedOrigins, HttpEngine, Ledger, LogFormat, LogLevel,
    OverloadStatus, Pin, Processor, Simulate,
};
pub use self::command::Command;
pub use self::flags::Config;
pub(crate) use self::flags::MAX_BODY_MAX;
pub use self::health::Health;
pub use self::journal_flags::{Cat, Salvage};
pub use self::limits::TableFormat;
pub use self::nats::Nats;
pub use self::peers::Peers;
pub use self::rate::RequestRate;
pub use self::settings::Setting;
pub use self::tls::Tls;
pub use self::usage::{Given, UsageError};
pub(crate) use self::value::{CORE_ID_END, core_list};
pub use crate::peer::Networks;
