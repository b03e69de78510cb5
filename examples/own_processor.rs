//! A service with a processor of its own: a desk with a limit for each account.
//!
//! ```text
//! cargo run --release --example own_processor
//! curl -d '{"id":"a-1","value":600,"account":"alice"}' localhost:8080/submit   # 201
//! curl -d '{"id":"a-2","value":600,"account":"alice"}' localhost:8080/submit   # 422: over the limit
//! ```
//!
//! It takes the same flags as the service itself.

use std::collections::HashMap;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError, mpsc};

use order_processor::{Config, Order, Processor, Server, Verdict};
use rust_decimal::Decimal;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// What each account has spent, by order id: an order may be processed more than
/// once, and must count once.
struct Desk {
    limit: Decimal,
    accounts: Mutex<HashMap<String, HashMap<String, Decimal>>>,
}

#[derive(serde::Deserialize)]
struct Fields {
    account: Option<String>,
}

impl Processor for Desk {
    fn process(&self, order: &Order) -> Verdict {
        let account = match serde_json::from_str(order.json()) {
            Ok(Fields {
                account: Some(account),
            }) => account,
            Ok(Fields { account: None }) => return Verdict::failed("no account is named"),
            Err(error) => return Verdict::failed(&format!("account: {error}")),
        };
        // A processor may block: each worker has its own thread.
        let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        let spent = accounts.entry(account).or_default();
        spent.insert(order.id().to_string(), order.value());
        if spent.values().sum::<Decimal>() > self.limit {
            spent.remove(order.id().as_str());
            return Verdict::failed("over the account's limit");
        }
        Verdict::Processed
    }
}

fn main() -> ExitCode {
    let config = match Config::try_parse(std::env::args_os()) {
        Ok(config) => config,
        Err(usage) => {
            let _ = usage.print();
            return usage.exit_code().into();
        }
    };
    let desk = Desk {
        limit: 1000.into(),
        accounts: Mutex::default(),
    };
    let (end, ended) = mpsc::channel();
    let fault = end.clone();
    let mut server = match Server::start_with(&config, Arc::new(desk), move |why| {
        eprintln!("stopped by a fault: {why}");
        let _ = fault.send(()); // fails only once main has ended
    }) {
        Ok(server) => server,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    println!("listening http {}", server.http());
    if let Err(error) = server.open() {
        eprintln!("{error}");
        return ExitCode::FAILURE;
    }

    let mut signals = Signals::new([SIGTERM, SIGINT]).expect("both signals can be handled");
    std::thread::spawn(move || {
        signals.forever().next();
        let _ = end.send(());
    });
    ended.recv().expect("the signal thread holds a sender");
    println!("{:?}", server.drain(config.drain_timeout));
    ExitCode::SUCCESS
}
