//! A peer that needs nothing but a directory: `guest INFO NAME PEER`. Built for wasm32-wasip1 it is a guest in a
//! sandbox, built for Linux a process like any other.
//!
//! It asks `PEER` once, and then echoes what it is asked under `NAME` until it is told to end.
//!
//! ```text
//! cargo build --target wasm32-wasip1 -p ipcm --no-default-features --example guest
//! wasmtime run --dir /run/bus guest.wasm '["files","postcard","/run/bus"]' parrot echo
//! ```

use std::time::Duration;

use ipcm::{Handle, Info, Service};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, info, name, peer] = &arguments[..] else { return Err("guest INFO NAME PEER".into()) };
    let info: Info = info.parse()?;

    let mut handle = Handle::builder(&info, peer).name(format!("{name}, asking")).build();
    handle.wait_ready(Duration::from_secs(10))?;
    let answer: String = handle.sync_request(peer, &"hello", Duration::from_secs(10))?;
    println!("{peer} answers {answer}");
    println!("there are {}", handle.peers()?.join(", "));
    drop(handle);

    Service::echo(&info, name).run_with(|_| println!("ready"))?;
    println!("ended");
    Ok(())
}
