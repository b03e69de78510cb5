//! From words and variables to a checked [`Config`].
//!
//! The environment comes in as an argument instead of through clap, so that tests can hand one in
//! and an error can tell a variable from a flag: a variable whose flag is not on the command line
//! becomes that flag in front of it.

use std::collections::BTreeMap;
use std::ffi::OsString;

use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Args, Command, FromArgMatches};

use crate::config::not_yet::{NOT_YET, NotYet};
use crate::config::usage::{Given, UsageError, one_line};
use crate::config::{Config, relations};

impl Config {
    /// Parses and checks a command line (its first word is the program) with the variables of this
    /// process.
    ///
    /// # Errors
    /// [`UsageError`] for `--help`, `--version` and bad usage; print it and exit with its code.
    pub fn try_parse<A>(args: A) -> Result<Self, UsageError>
    where
        A: IntoIterator<Item: Into<OsString>>,
    {
        Self::parse_from(args, std::env::vars_os())
    }

    /// [`Config::try_parse`] with the variables given; those that are no flag's are ignored.
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
        let args = args.into_iter().map(Into::into).collect();
        let env = env
            .into_iter()
            .map(|(name, value)| (name.into(), value.into()))
            .collect();
        parse(args, &env, NOT_YET)
    }
}

impl Default for Config {
    fn default() -> Self {
        Self::parse_from(["order-processor"], [("", ""); 0])
            .expect("the defaults lie inside their limits: a test parses them")
    }
}

/// The variable of a flag (without dashes).
pub(super) fn variable(flag: &str) -> String {
    format!("ORDERS_{}", flag.to_uppercase().replace('-', "_"))
}

/// The command as clap sees it; `--help` marks what is in `not_yet`.
pub(super) fn command(not_yet: &[NotYet]) -> Command {
    let serve = Arg::new("command")
        .value_name("serve")
        .hide_possible_values(true)
        .value_parser(["serve"])
        .help("Run the service (the default)");
    let command = Command::new("order-processor")
        .bin_name("order-processor")
        .version(env!("CARGO_PKG_VERSION"))
        .after_help(
            "Times are written 250ms, 30s, 2m or 1h; sizes 4096 (bytes), 64KiB, 1GiB or 10MB.\n\
             A flag wins over its variable (env), the variable over the default.\n\
             order-processor journal verify and journal cat look at a journal: see\n\
             order-processor journal --help.\n\
             Exit codes: 0 drained clean, 1 could not start or run, 2 bad usage, 3 the drain\n\
             deadline passed, 4 the ledger failed for good.",
        )
        .max_term_width(100)
        .arg(serve);
    // After `augment_args`, which would put the type's own doc comment here.
    let command = Config::augment_args(command)
        .about("Takes orders, processes each, and answers when the outcome is committed")
        .long_about(None);
    command.mut_args(|arg| {
        let Some(flag) = arg.get_long().map(str::to_owned) else {
            return arg;
        };
        let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
        let note = not_yet.iter().find(|entry| entry.flag == flag);
        let note = note
            .map(|entry| format!(" ({})", entry.note))
            .unwrap_or_default();
        arg.help(format!("{help}{note} [env: {}]", variable(&flag)))
            .allow_negative_numbers(true)
    })
}

/// The whole of it; `not_yet` is given so that a test can look past it.
pub(super) fn parse(
    args: Vec<OsString>,
    env: &BTreeMap<OsString, OsString>,
    not_yet: &[NotYet],
) -> Result<Config, UsageError> {
    for arg in &args {
        if arg.to_str().is_none() {
            let shown = one_line(&arg.to_string_lossy());
            return Err(UsageError::Words(format!("{shown}: is not UTF-8")));
        }
    }
    let command = command(not_yet);
    let on_line = |flag: &str| {
        let flag = format!("--{flag}");
        // What follows a lone `--` is no flag.
        args.iter()
            .filter_map(|arg| arg.to_str())
            .take_while(|arg| *arg != "--")
            .any(|arg| {
                arg.strip_prefix(flag.as_str())
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('='))
            })
    };

    let mut from_env: Vec<OsString> = Vec::new();
    let mut variables = BTreeMap::new();
    let mut unusable = None;
    for flag in command
        .get_arguments()
        .filter_map(Arg::get_long)
        .filter(|flag| !on_line(flag))
    {
        let name = variable(flag);
        let Some(raw) = env.get(&OsString::from(&name)) else {
            continue;
        };
        let why = match raw.to_str() {
            Some(text) if !text.is_empty() => {
                from_env.push(format!("--{flag}={text}").into());
                variables.insert(format!("--{flag}"), name);
                continue;
            }
            // Neither "unset" nor a value: an empty token file's name must not switch tokens off.
            Some(_) => "is empty: unset it or give it a value",
            None => "is not UTF-8",
        };
        let given = Given::Variable(name, raw.to_string_lossy().into_owned());
        unusable.get_or_insert(UsageError::Value {
            given,
            why: why.to_owned(),
        });
    }
    // Behind the command line's own words, so that `--help` is met before any of them can fail.
    let mut words = args.clone();
    let end = words
        .iter()
        .position(|arg| arg == "--")
        .unwrap_or(words.len());
    words.splice(end..end, from_env);

    let given = |flag: &str, value: &str| match variables.get(flag) {
        Some(name) => Given::Variable(name.clone(), value.to_owned()),
        None => Given::Flag(flag.to_owned(), value.to_owned()),
    };
    let matches = command
        .try_get_matches_from(words)
        .map_err(|e| UsageError::condense(e, given))?;
    if let Some(error) = unusable {
        return Err(error);
    }
    for entry in not_yet {
        let Some(value) = explicit(&matches, entry.flag) else {
            continue;
        };
        if (entry.refused)(&value) {
            let given = given(&format!("--{}", entry.flag), &value);
            return Err(UsageError::NotYet {
                given,
                instead: entry.instead,
            });
        }
    }
    let config = Config::from_arg_matches(&matches).map_err(|e| UsageError::condense(e, given))?;
    relations::check(&config).map_err(|broken| {
        let [first, second] = broken.flags;
        let (flag, value, why) = match (explicit(&matches, first), explicit(&matches, second)) {
            (None, Some(value)) => (second, value, broken.why_second),
            (value, _) => (first, value.unwrap_or_default(), broken.why),
        };
        UsageError::Value {
            given: given(&format!("--{flag}"), &value),
            why,
        }
    })?;
    Ok(config)
}

/// The value of `flag` as it was written, unless it is the default.
fn explicit(matches: &ArgMatches, flag: &str) -> Option<String> {
    let id = flag.replace('-', "_");
    if matches.value_source(&id) != Some(ValueSource::CommandLine) {
        return None;
    }
    Some(matches.get_raw(&id)?.next()?.to_string_lossy().into_owned())
}
