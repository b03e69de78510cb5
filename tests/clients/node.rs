//! Node's fetch, and node:http for what that has not.

use crate::kinds::tests_of;
use crate::program::{Program, source};

fn client() -> Program {
    let program = source("client.mjs");
    Program::new(["node".as_ref(), program.as_os_str()], &["zstd"])
}

tests_of!(client());
