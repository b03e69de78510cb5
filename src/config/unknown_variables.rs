//! Variables that look like a flag's and are none: mostly a slip of the pen,
//! with which a service would run without the setting.

use std::ffi::OsString;

use crate::config::nearest::hint;
use crate::config::usage::one_line;

const PREFIX: &str = "ORDERS_";
/// A line for each of the variables `given` that is not `known`.
pub(super) fn warnings<'a>(
    known: &[String],
    given: impl Iterator<Item = &'a OsString>,
) -> Vec<String> {
    let names = given.map(|name| name.to_string_lossy());
    let unknown = names.filter(|name| {
        let rest = name.strip_prefix(PREFIX);
        rest.is_some_and(|rest| !is_service_link(rest)) && !known.iter().any(|it| it == name)
    });
    let line = |name: std::borrow::Cow<'_, str>| {
        let known = known.iter().map(String::as_str);
        let hint = hint(&name, PREFIX.len(), known);
        format!("{}: no such variable{hint}", one_line(&name))
    };
    unknown.map(line).collect()
}

/// Whether Kubernetes sets it for a service named `orders` or `orders-…`.
fn is_service_link(rest: &str) -> bool {
    let is_port = rest == "PORT" || rest.ends_with("_PORT");
    is_port
        || ["SERVICE_HOST", "SERVICE_PORT"]
            .iter()
            .any(|it| rest.contains(it))
        || ["_TCP", "_UDP", "_SCTP"].iter().any(|it| rest.contains(it))
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    fn parsed(words: &[&str], variables: &[&str]) -> Result<Vec<String>, String> {
        let env = variables.iter().map(|name| (*name, "1"));
        let words = ["order-processor"].iter().chain(words);
        match Config::parse_from(words, env) {
            Ok(config) => Ok(config.warnings),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn the_nearest_name_is_offered() {
        for (name, near) in [
            ("ORDERS_WORKER", Some("ORDERS_WORKERS")),
            ("ORDERS_QUEUE_CAPACTIY", Some("ORDERS_QUEUE_CAPACITY")),
            ("ORDERS_MAX_ORDERS_A_MINUTE", None),
            ("ORDERS_PINN", Some("ORDERS_PIN")),
            ("ORDERS_FOO", None),
        ] {
            let hint = near.map_or(String::new(), |near| format!(" (did you mean {near}?)"));
            let line = format!("{name}: no such variable{hint}");
            assert_eq!(parsed(&[], &[name]), Ok(vec![line.clone()]));
            assert_eq!(parsed(&["--strict-env"], &[name]), Err(line));
        }
    }

    #[test]
    fn those_of_others_are_let_be() {
        let others = [
            "ORDER_PROCESSOR",
            "ORDERS_SERVICE_HOST",
            "ORDERS_SERVICE_PORT_HTTP",
            "ORDERS_PORT",
            "ORDERS_PORT_8080_TCP_ADDR",
            "ORDERS_PROCESSOR_PORT_8080_TCP",
        ];
        assert_eq!(parsed(&["--strict-env"], &others), Ok(Vec::new()));
    }

    #[test]
    fn what_has_no_effect_is_said() {
        let simulate = ["--simulate", "1ms..2ms"];
        let said = parsed(&simulate, &[]).unwrap();
        assert!(said[0].contains("--processor simulate"), "{said:?}");
        let both = [&simulate[..], &["--processor", "simulate"]].concat();
        assert_eq!(parsed(&both, &[]), Ok(Vec::new()));
    }
}
