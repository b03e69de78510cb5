//! Compiles `proto/order.proto`, without `protoc`: messages, client and server
//! of the gRPC front end, and the descriptors that reflection hands out.

use std::{env, error::Error, fs, path::PathBuf};

use prost::Message;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=proto/order.proto");
    // The models of the wake protocol replace its atomics by those of `loom`.
    println!("cargo:rerun-if-env-changed=ORDERS_MODELS");
    if env::var_os("ORDERS_MODELS").is_some() {
        println!("cargo:rustc-cfg=orders_loom");
    }
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let files = protox::compile(["order.proto"], ["proto"])?;
    fs::write(out.join("orders.bin"), files.encode_to_vec())?;
    tonic_prost_build::configure()
        // Channels are the caller's: the service itself has no client.
        .build_transport(false)
        .compile_fds(files)?;
    Ok(())
}
