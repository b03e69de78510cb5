//! The call of the user's processor.

use std::panic::{AssertUnwindSafe, catch_unwind};

use tracing::field::display;

use crate::order::Order;
use crate::pipeline::processor::{Processor, Verdict};
use crate::sync::log_limit::LogLimit;

/// Runs the processor; a panic in it is a failed order.
pub(crate) fn evaluate(processor: &dyn Processor, order: &Order) -> Verdict {
    // The processor's own state is its own business: it may be poisoned, and
    // panic again, and that fails the next order only.
    match catch_unwind(AssertUnwindSafe(|| processor.process(order))) {
        Ok(verdict) => verdict.bounded(),
        Err(panic) => {
            // Dropping the panic's payload may panic again; that is forgotten.
            if let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(panic))) {
                std::mem::forget(again);
            }
            static LIMIT: LogLimit = LogLimit::new();
            LIMIT.log(|suppressed| {
                let id = order.id();
                let trace_id = order.traceparent().map(|it| display(it.trace_id()));
                tracing::error!(suppressed, %id, trace_id, "the processor panicked; the order has failed");
            });
            Verdict::failed("the processor panicked")
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use crate::order::{HashKey, Submission, TraceParent, decode};

    use super::*;

    struct Panics;

    impl Processor for Panics {
        fn process(&self, _: &Order) -> Verdict {
            panic!("as the test asked for")
        }
    }

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn the_line_about_a_failed_order_has_its_trace() {
        let key = HashKey::from_bytes([1; 16]);
        let mut order = decode(br#"{"id":"a-1","value":1}"#, &key).unwrap();
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .finish();
        tracing::subscriber::with_default(subscriber, || {
            evaluate(&Panics, &order);
            let traceparent = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
            order.set_submission(Submission::traced(TraceParent::parse(traceparent)));
            evaluate(&Panics, &order);
        });
        let bytes = lines.0.lock().unwrap();
        let text = String::from_utf8_lossy(&bytes);
        let has_trace = |line: &str| line.contains("trace_id=4bf92f3577b34da6a3ce929d0e0e4736");
        let lines: Vec<_> = text.lines().collect();
        assert!(lines.iter().all(|line| line.contains("id=a-1")), "{text}");
        let traced: Vec<_> = lines.iter().map(|line| has_trace(line)).collect();
        assert_eq!(traced, [false, true], "{text}");
    }
}
