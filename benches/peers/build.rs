//! Generates the client and server of `src/tonic.rs`, which is described here so that `protoc` is not needed.

use tonic_build::manual::{Builder, Method, Service};

fn main() {
    let echo = Method::builder()
        .name("echo")
        .route_name("Echo")
        .input_type("crate::tonic::Envelope")
        .output_type("crate::tonic::Envelope")
        .codec_path("tonic_prost::ProstCodec")
        .build();
    let service = Service::builder().name("Echo").package("example").method(echo).build();
    Builder::new().compile(&[service]);
    println!("cargo::rerun-if-changed=build.rs");
}
