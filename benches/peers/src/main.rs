//! The table of goals with other libraries beside this project: what `cargo xtask goals --peers` runs.
//!
//! Each peer is used the way its own documentation recommends; the header of its file says which documentation that
//! is, and what was chosen. Where that leaves a choice it is the one that is fastest here. So whatever is asynchronous
//! runs on tokio's current-thread runtime on both sides: with both on one CPU a second thread only costs switches.
//! Every client of a crowd has a connection and, if it needs one, a runtime of its own.

mod asynchronous;
mod capnp;
#[allow(clippy::all, clippy::undocumented_unsafe_blocks, unreachable_pub, reason = "it is generated")]
mod echo_capnp {
    include!(concat!(env!("OUT_DIR"), "/echo_capnp.rs"));
}
mod iceoryx2;
mod ipc_channel;
mod postcard_rpc;
mod synchronous;
mod tarpc;
mod tonic;
mod zbus;
mod zlink;
mod zmq;

use std::process::ExitCode;

use ipcm_benches::allocations::Counting;
use ipcm_benches::contender::Contender;
use ipcm_benches::goals::{self, Peers};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

static PEERS: &[&dyn Contender] = &[
    &ipc_channel::IpcBytes,
    &ipc_channel::IpcChannel,
    &iceoryx2::Iceoryx2,
    &postcard_rpc::PostcardRpc,
    &zlink::Zlink,
    &zbus::Zbus,
    &tarpc::Tarpc,
    &capnp::Capnp,
    &zmq::ZeroMq,
    &tonic::Tonic,
];

/// None today: all of them build and run.
static ABSENT: &[(&str, &str)] = &[];

fn main() -> ExitCode {
    goals::main(&Peers { contenders: PEERS, absent: ABSENT })
}
