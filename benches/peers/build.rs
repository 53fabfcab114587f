//! Generates the clients and servers of `src/tonic.rs` and `src/capnp.rs`, neither of which needs a compiler for that.

use std::path::PathBuf;
use std::{env, fs};

use tonic_build::manual::{Builder, Method, Service};

/// What `capnp compile -o- echo.capnp > echo.capnp.request` makes of `echo.capnp`: the schema, parsed.
const REQUEST: &str = "echo.capnp.request";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let echo = Method::builder()
        .name("echo")
        .route_name("Echo")
        .input_type("crate::tonic::Envelope")
        .output_type("crate::tonic::Envelope")
        .codec_path("tonic_prost::ProstCodec")
        .build();
    let service = Service::builder().name("Echo").package("example").method(echo).build();
    Builder::new().compile(&[service]);

    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?);
    capnpc::codegen::CodeGenerationCommand::new().output_directory(out).run(&*fs::read(REQUEST)?)?;

    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed={REQUEST}");
    Ok(())
}
