//! Compiles `proto/order.proto`, without `protoc`: messages, client and server
//! of the gRPC front end, and the descriptors that reflection hands out. And puts
//! the status page together.

use std::path::{Path, PathBuf};
use std::{env, error::Error, fs, io};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use prost::Message;
use sha2::{Digest, Sha256};

/// The status page's parts.
const PAGE: &str = "src/http/api/page";
/// Its scripts, in the order in which they are executed.
const SCRIPTS: [&str; 13] = [
    "elements",
    "format",
    "statistics",
    "requests",
    "latency",
    "history",
    "charts",
    "state",
    "cards",
    "ledger",
    "newest",
    "forms",
    "poll",
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=proto/order.proto");
    // The models of the wake protocol replace its atomics by those of `loom`.
    println!("cargo:rerun-if-env-changed=ORDERS_MODELS");
    if env::var_os("ORDERS_MODELS").is_some() {
        println!("cargo:rustc-cfg=orders_loom");
    }
    let out = PathBuf::from(env::var("OUT_DIR")?);
    page(&out)?;
    let files = protox::compile(["order.proto"], ["proto"])?;
    fs::write(out.join("orders.bin"), files.encode_to_vec())?;
    tonic_prost_build::configure()
        // Channels are the caller's: the service itself has no client.
        .build_transport(false)
        .compile_fds(files)?;
    Ok(())
}

/// Puts style and scripts into the page: one file, whose policy names their
/// hashes, so that nothing else is executed in it.
fn page(out: &Path) -> io::Result<()> {
    println!("cargo:rerun-if-changed={PAGE}");
    let read = |name: &str| fs::read_to_string(Path::new(PAGE).join(name));
    let style = read("vendor/uPlot.min.css")? + &read("style.css")?;
    let plot = read("vendor/uPlot.iife.min.js")?;
    let mut script = "\"use strict\";\n".to_owned();
    for name in SCRIPTS {
        script += &read(&format!("script/{name}.js"))?;
    }
    let page = read("index.html")?
        .replace("{style}", &style)
        .replace("{uPlot}", &plot)
        .replace("{script}", &script);
    fs::write(out.join("page.html"), page)?;
    let [style, plot, script] = [style, plot, script].map(|text| source(&text));
    println!(
        "cargo:rustc-env=PAGE_POLICY=default-src 'none'; style-src {style}; \
         script-src {plot} {script}; connect-src 'self'; frame-ancestors 'none'; \
         base-uri 'none'; form-action 'self'; require-trusted-types-for 'script'"
    );
    Ok(())
}

/// An inline style or script in a Content-Security-Policy.
fn source(text: &str) -> String {
    format!("'sha256-{}'", STANDARD.encode(Sha256::digest(text)))
}
