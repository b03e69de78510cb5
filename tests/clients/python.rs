//! Python's requests, httpx and aiohttp.

use crate::program::{Program, python, source};

fn client(name: &str, without: &'static [&'static str]) -> Program {
    // -B: no byte code beside the sources.
    let words = [python("python"), "-B".into(), source(name)];
    Program::new(words, without)
}

mod requests {
    use super::client;
    use crate::kinds::tests_of;

    tests_of!(client("with_requests.py", &["expect"]));
}

mod httpx {
    use super::client;
    use crate::kinds::tests_of;

    tests_of!(client("with_httpx.py", &["expect"]));
}

mod aiohttp {
    use super::client;
    use crate::kinds::tests_of;

    tests_of!(client("with_aiohttp.py", &[]));
}
