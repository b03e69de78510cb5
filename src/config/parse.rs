//! From words and variables to a checked [`Config`].
//!
//! The words are parsed twice: alone, and with a flag added for each variable
//! whose flag is not among them. Clap's own `env` reads only the process's
//! environment, which parallel tests can't set and [`Config::default`] must not
//! see, and its errors don't tell a variable from a flag. Here what the first
//! pass refuses was typed, and what the second refuses came from a variable.

use std::collections::BTreeMap;
use std::ffi::OsString;

use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Args, Command, FromArgMatches};

use crate::config::choice::{Ledger, Processor};
use crate::config::flags::Config;
use crate::config::help;
use crate::config::relations;
use crate::config::unknown_variables;
use crate::config::usage::{Given, UsageError, one_line};
use crate::peer::Networks;

/// The variables that are given, whether they are a flag's or not.
pub(super) type Variables = BTreeMap<OsString, OsString>;

impl Config {
    /// Parses and checks a command line (its first word is the program) with
    /// the variables of this process.
    ///
    /// # Errors
    /// [`UsageError`] for `--help`, `--version` and bad usage; print it and
    /// exit with its code.
    pub fn try_parse<A>(args: A) -> Result<Self, UsageError>
    where
        A: IntoIterator<Item: Into<OsString>>,
    {
        Self::parse_from(args, std::env::vars_os())
    }

    /// [`Config::try_parse`] with the variables given; those that begin with
    /// `ORDERS_` and are no flag's are named in [`Config::warnings`], or refused
    /// with `--strict-env`.
    ///
    /// # Errors
    /// As [`Config::try_parse`].
    ///
    /// ```
    /// use order_processor::config::Config;
    ///
    /// let args = ["order-processor", "serve", "--queue-capacity", "128"];
    /// let config = Config::parse_from(args, [("ORDERS_WORKERS", "4")])?;
    /// assert_eq!((config.queue_capacity, config.workers), (128, Some(4)));
    /// # Ok::<(), order_processor::config::UsageError>(())
    /// ```
    pub fn parse_from<A, E, K, V>(args: A, env: E) -> Result<Self, UsageError>
    where
        A: IntoIterator<Item: Into<OsString>>,
        E: IntoIterator<Item = (K, V)>,
        K: Into<OsString>,
        V: Into<OsString>,
    {
        let words = utf8(args.into_iter().skip(1).map(Into::into))?;
        let env = env
            .into_iter()
            .map(|(name, value)| (name.into(), value.into()))
            .collect();
        parse(&words, &env)
    }
}

impl Default for Config {
    fn default() -> Self {
        Self::parse_from(["order-processor"], [("", ""); 0])
            .expect("the defaults are inside their limits: a test parses them")
    }
}

/// The variable of a flag (without dashes).
pub(super) fn variable(flag: &str) -> String {
    format!("ORDERS_{}", flag.to_uppercase().replace('-', "_"))
}

/// The value of the variable `name`, if it is set.
///
/// # Errors
/// It is not UTF-8, or empty: neither "unset" nor a value. An empty path must
/// not fall back to the default in silence.
pub(super) fn variable_text<'a>(
    env: &'a Variables,
    name: &str,
) -> Result<Option<&'a str>, UsageError> {
    let Some(raw) = env.get(&OsString::from(name)) else {
        return Ok(None);
    };
    let why = match raw.to_str() {
        Some("") => "is empty: unset it or give it a value",
        Some(text) => return Ok(Some(text)),
        None => "is not UTF-8",
    };
    Err(UsageError::Value {
        given: Given::variable(name, &raw.to_string_lossy()),
        why: why.to_owned(),
    })
}

/// The words of a command line, which have to be UTF-8.
pub(super) fn utf8(words: impl Iterator<Item = OsString>) -> Result<Vec<String>, UsageError> {
    let word = |word: OsString| {
        word.into_string().map_err(|word| {
            let shown = one_line(&word.to_string_lossy());
            UsageError::Words(format!("{shown}: is not UTF-8"))
        })
    };
    words.map(word).collect()
}

/// The command as clap sees it, with the short `--help`.
pub(super) fn command() -> Command {
    let command = flags();
    let help = help::text(&command);
    command.override_help(help)
}

/// The command with the whole text of each flag, for the man page.
pub(super) fn flags() -> Command {
    let serve = Arg::new("command")
        .value_name("serve")
        .hide_possible_values(true)
        .value_parser(["serve"])
        .help("Run the service (the default)");
    let command = Command::new("order-processor")
        .bin_name("order-processor")
        .no_binary_name(true)
        .version(env!("CARGO_PKG_VERSION"))
        .arg(serve);
    // After `augment_args`, which would put the type's own doc comment here.
    let command = Config::augment_args(command)
        .about("Takes orders, processes each, and answers when the outcome is committed")
        .long_about(None);
    command.mut_args(|arg| {
        let Some(variable) = arg.get_long().map(variable) else {
            return arg;
        };
        let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
        arg.help(format!("{help} [env: {variable}]"))
            .allow_negative_numbers(true)
    })
}

fn parse(words: &[String], env: &Variables) -> Result<Config, UsageError> {
    matches(words, env).map(|parsed| parsed.config)
}

/// A command line with its variables, checked.
pub(super) struct Parsed {
    /// What the words give.
    pub(super) typed: ArgMatches,
    /// What words and variables give.
    pub(super) all: ArgMatches,
    pub(super) config: Config,
}

pub(super) fn matches(words: &[String], env: &Variables) -> Result<Parsed, UsageError> {
    let command = command();
    let typed = command
        .clone()
        .try_get_matches_from(words)
        .map_err(|error| UsageError::from_clap(error, Given::flag))?;
    let from_env = flags_of_variables(&command, &typed, env)?;
    let from_variable =
        |flag: &str, value: &str| Given::variable(&variable(flag.trim_start_matches('-')), value);
    let all = command
        .try_get_matches_from(from_env.iter().chain(words))
        .map_err(|error| UsageError::from_clap(error, from_variable))?;
    let mut config = Config::from_arg_matches(&all)
        .map_err(|error| UsageError::from_clap(error, Given::flag))?;
    config.warnings = warnings(&config, &all, env)?;
    relations::check(&config).map_err(|broken| {
        let given = |flag: &str| match value_of(&typed, flag) {
            Some(value) => Some(Given::flag(&format!("--{flag}"), &value)),
            None => value_of(&all, flag).map(|value| Given::variable(&variable(flag), &value)),
        };
        broken.into_usage_error(given)
    })?;
    Ok(Parsed { typed, all, config })
}

/// What is probably not meant.
///
/// # Errors
/// Unknown variables, with `--strict-env`.
fn warnings(config: &Config, all: &ArgMatches, env: &Variables) -> Result<Vec<String>, UsageError> {
    let command = flags();
    let names = command.get_arguments().filter_map(Arg::get_long);
    let known: Vec<String> = names.map(variable).collect();
    let mut warnings = unknown_variables::warnings(&known, env.keys());
    if config.strict_env && !warnings.is_empty() {
        return Err(UsageError::Words(warnings.swap_remove(0)));
    }
    if config.processor != Processor::Simulate && value_of(all, "simulate").is_some() {
        warnings.push("--simulate has no effect without --processor simulate".to_owned());
    }
    let retain = [
        ("--retain-bytes", config.retain_bytes.is_some()),
        ("--retain-age", config.retain_age.is_some()),
    ];
    for (flag, _) in retain.iter().filter(|&&(_, is_set)| is_set) {
        match config.ledger {
            Ledger::Journal => {}
            Ledger::Memory => warnings.push(format!(
                "{flag} has no effect with --ledger memory, which keeps what the dedupe window holds"
            )),
            Ledger::Nats(_) => warnings.push(format!(
                "{flag} has no effect with --ledger nats://…: the stream's own limits decide (max_age, max_bytes)"
            )),
        }
    }
    let trusted = config.peers.trusted_proxies.as_ref();
    if trusted.is_some_and(Networks::contain_all) {
        warnings
            .push("--trusted-proxies has all addresses: anyone may say to be anyone".to_owned());
    }
    Ok(warnings)
}

/// `--flag=value` for each variable whose flag was not typed.
fn flags_of_variables(
    command: &Command,
    typed: &ArgMatches,
    env: &Variables,
) -> Result<Vec<String>, UsageError> {
    let flags = command.get_arguments().filter_map(Arg::get_long);
    let mut words = Vec::new();
    for flag in flags.filter(|flag| value_of(typed, flag).is_none()) {
        if let Some(text) = variable_text(env, &variable(flag))? {
            words.push(format!("--{flag}={text}"));
        }
    }
    Ok(words)
}

/// The value of `flag` as it was written, unless it is the default.
fn value_of(matches: &ArgMatches, flag: &str) -> Option<String> {
    let id = flag.replace('-', "_");
    if matches.value_source(&id) != Some(ValueSource::CommandLine) {
        return None;
    }
    Some(matches.get_raw(&id)?.next()?.to_string_lossy().into_owned())
}
