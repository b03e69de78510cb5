//! Compiles the service's own `proto/order.proto`, so that both sides of a
//! measurement speak the same messages.

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=../../../proto/order.proto");
    let files = protox::compile(["order.proto"], ["../../../proto"])?;
    tonic_prost_build::configure()
        // Channels are made by whoever has one.
        .build_transport(false)
        // The peer takes orders and nothing else.
        .generate_default_stubs(true)
        .compile_fds(files)?;
    Ok(())
}
