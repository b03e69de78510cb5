//! The stream's configuration: what it is created with, and what of an existing
//! one would break a promise.
//!
//! An existing stream is never changed: others may rely on what it is. Limits
//! that only make it full (`max_bytes`, `max_msgs`) are the operator's.

use std::time::Duration;

use serde_json::{Value, json};

use crate::ledger::nats::api::{Api, ApiFailure};
use crate::ledger::nats::error::NatsError;
use crate::ledger::nats::message::SUBJECTS;
use crate::ledger::nats::options::Options;
use crate::ledger::nats::protocol::{StreamInfo, code};

/// The window of `Nats-Msg-Id`, which is not used here; it may not exceed
/// `max_age`.
const MESSAGE_ID_WINDOW: Duration = Duration::from_secs(120);

/// Why there is no usable stream.
pub(super) enum Unusable {
    /// Trying again doesn't help.
    Final(NatsError),
    /// It may.
    Passing(ApiFailure),
}

/// Finds the stream, or creates it.
pub(super) async fn open(api: &Api, options: &Options) -> Result<StreamInfo, Unusable> {
    let info = match api.stream_info().await {
        Err(failure) if failure.code() == code::STREAM_NOT_FOUND => create(api, options).await?,
        info => info.map_err(passing_or_final)?,
    };
    let differences = differences(&info.config, options);
    if differences.is_empty() {
        return Ok(info);
    }
    Err(Unusable::Final(NatsError::Stream {
        stream: options.stream.clone(),
        differences,
    }))
}

async fn create(api: &Api, options: &Options) -> Result<StreamInfo, Unusable> {
    match api.request("STREAM.CREATE", &config(options)).await {
        // Another instance was faster.
        Err(failure) if failure.code() == code::STREAM_NAME_IN_USE => {
            api.stream_info().await.map_err(passing_or_final)
        }
        Err(failure) if is_passing(&failure) => Err(Unusable::Passing(failure)),
        Err(failure) => Err(Unusable::Final(NatsError::Create {
            stream: options.stream.clone(),
            why: failure.to_string(),
        })),
        Ok(info) => {
            tracing::info!(
                stream = options.stream,
                replicas = options.replicas,
                dedupe_window = ?options.once_window,
                "created the stream"
            );
            Ok(info)
        }
    }
}

fn passing_or_final(failure: ApiFailure) -> Unusable {
    match failure.code() {
        code::NOT_ENABLED | code::NOT_ENABLED_FOR_ACCOUNT => {
            Unusable::Final(NatsError::NoJetStream(failure.to_string()))
        }
        _ => Unusable::Passing(failure),
    }
}

fn is_passing(failure: &ApiFailure) -> bool {
    let passing = [
        code::CLUSTER_NOT_AVAILABLE,
        code::INSUFFICIENT_RESOURCES,
        code::NO_PEERS,
    ];
    match failure {
        ApiFailure::Refused(error) => passing.contains(&error.err_code),
        _ => true,
    }
}

/// What the stream is created with.
fn config(options: &Options) -> Value {
    let nanos = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    json!({
        "name": options.stream,
        "description": "Outcomes of orders, one message an id; written by order-processor",
        "subjects": [SUBJECTS],
        "storage": "file",
        "num_replicas": options.replicas,
        "retention": "limits",
        "discard": "new",
        "max_msgs_per_subject": 1,
        "discard_new_per_subject": true,
        "deny_delete": true,
        "deny_purge": true,
        "allow_direct": true,
        "allow_atomic": true,
        "max_age": nanos(options.once_window),
        "duplicate_window": nanos(options.once_window.min(MESSAGE_ID_WINDOW)),
    })
}

/// What of a stream's configuration would break a promise.
pub(super) fn differences(config: &Value, options: &Options) -> Vec<String> {
    let is = |name: &str| config[name].as_bool().unwrap_or(false);
    let number = |name: &str| config[name].as_i64().unwrap_or(0);
    let mut found = Vec::new();
    let mut check = |holds: bool, why: String| {
        if !holds {
            found.push(why);
        }
    };
    let subjects = &config["subjects"];
    check(
        *subjects == json!([SUBJECTS]),
        format!("its subjects are {subjects} and have to be [\"{SUBJECTS}\"]"),
    );
    for (name, wanted, why) in [
        (
            "storage",
            "file",
            "outcomes in memory do not survive a restart",
        ),
        (
            "retention",
            "limits",
            "outcomes would end with their consumers",
        ),
        (
            "discard",
            "new",
            "a full stream would drop the oldest outcomes",
        ),
    ] {
        let value = config[name].as_str().unwrap_or_default();
        check(
            value == wanted,
            format!("{name} is {value} and has to be {wanted}: {why}"),
        );
    }
    for (name, why) in [
        (
            "discard_new_per_subject",
            "a second outcome of an id would replace the first",
        ),
        ("deny_delete", "outcomes could be deleted"),
        ("deny_purge", "outcomes could be purged"),
        ("allow_direct", "the feed is read that way"),
    ] {
        check(is(name), format!("{name} is off: {why}"));
    }
    for (name, why) in [
        ("allow_rollup_hdrs", "a message could replace all others"),
        ("no_ack", "nothing would be acknowledged"),
        ("sealed", "nothing can be stored"),
    ] {
        check(!is(name), format!("{name} is on: {why}"));
    }
    for (name, why) in [
        ("mirror", "it is a copy of another stream"),
        ("sources", "it takes messages from other streams"),
        ("subject_transform", "it changes subjects"),
    ] {
        check(config[name].is_null(), format!("{name} is set: {why}"));
    }
    check(
        config["persist_mode"].as_str() != Some("async"),
        "persist_mode is async: it acknowledges what it has not stored".to_owned(),
    );
    let per_subject = number("max_msgs_per_subject");
    check(
        per_subject == 1,
        format!("max_msgs_per_subject is {per_subject} and has to be 1: an id has one outcome"),
    );
    let (replicas, wanted) = (number("num_replicas"), options.replicas);
    check(
        usize::try_from(replicas).is_ok_and(|replicas| replicas >= wanted),
        format!("num_replicas is {replicas}, and --nats-replicas asks for {wanted}"),
    );
    let age = Duration::from_nanos(number("max_age").unsigned_abs());
    check(
        age.is_zero() || age >= options.once_window,
        format!(
            "max_age is {age:?}, and --nats-dedupe-window asks for {:?}: a later retry would be \
             taken as new",
            options.once_window
        ),
    );
    let (size, order) = (number("max_msg_size"), options.order_bytes_max);
    check(
        usize::try_from(size).map_or(true, |size| size == 0 || size >= order),
        format!("max_msg_size is {size}, and --max-body allows orders of {order}"),
    );
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::nats::protocol::ApiError;

    fn options() -> Options {
        Options {
            servers: vec!["127.0.0.1:4222".to_owned()],
            stream: "ORDERS".to_owned(),
            replicas: 3,
            once_window: Duration::from_secs(3600),
            ack_timeout: Duration::from_secs(30),
            order_bytes_max: 65536,
            credentials: None,
            tls_ca: None,
            tls_identity: None,
        }
    }

    #[test]
    fn what_it_is_created_with_breaks_no_promise() {
        let created = config(&options());
        assert_eq!(differences(&created, &options()), [""; 0]);
        let mut longer = created;
        longer["max_age"] = json!(0);
        longer["num_replicas"] = json!(5);
        longer["max_bytes"] = json!(1 << 20);
        longer["max_msg_size"] = json!(-1);
        assert_eq!(differences(&longer, &options()), [""; 0]);
    }

    /// A cluster that is being started has too few servers, or no leader yet.
    #[test]
    fn what_may_pass_is_waited_for() {
        let refused = |err_code| {
            is_passing(&ApiFailure::Refused(ApiError {
                err_code,
                ..ApiError::default()
            }))
        };
        let waits = [code::NO_PEERS, code::CLUSTER_NOT_AVAILABLE];
        assert!(waits.into_iter().all(refused));
        assert!(!refused(code::STREAM_NAME_IN_USE));
    }

    #[test]
    fn each_difference_that_breaks_a_promise_is_named() {
        for (name, value) in [
            ("subjects", json!(["orders.>"])),
            ("storage", json!("memory")),
            ("retention", json!("interest")),
            ("discard", json!("old")),
            ("discard_new_per_subject", json!(false)),
            ("deny_delete", json!(false)),
            ("deny_purge", Value::Null),
            ("allow_direct", json!(false)),
            ("allow_rollup_hdrs", json!(true)),
            ("no_ack", json!(true)),
            ("sealed", json!(true)),
            ("mirror", json!({"name": "OTHER"})),
            ("sources", json!([{"name": "OTHER"}])),
            (
                "subject_transform",
                json!({"src": "orders.*", "dest": "x.{{wildcard(1)}}"}),
            ),
            ("persist_mode", json!("async")),
            ("max_msgs_per_subject", json!(-1)),
            ("num_replicas", json!(1)),
            ("max_age", json!(1_000_000_000)),
            ("max_msg_size", json!(1024)),
        ] {
            let mut config = config(&options());
            config[name] = value;
            let found = differences(&config, &options());
            assert_eq!(found.len(), 1, "{name}: {found:?}");
            assert!(found[0].contains(name), "{found:?}");
        }
    }
}
