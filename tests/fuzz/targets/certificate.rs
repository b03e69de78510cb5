#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| order_processor::internals::fuzzing::certificate(bytes));
