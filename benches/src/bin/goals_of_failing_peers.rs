//! The goals program beside peers that fail at run time, for its tests: this project by other names.

use std::io;
use std::path::Path;
use std::process::ExitCode;

use ipcm_benches::allocations::Counting;
use ipcm_benches::contender::{Client, Contender};
use ipcm_benches::goals::{self, Peers};
use ipcm_benches::ipcm::Ipcm;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

static PEERS: &[&dyn Contender] = &[
    &Peer { name: "sound", fault: None },
    &Peer { name: "fails to serve", fault: Some(Fault::Serve) },
    &Peer { name: "fails to connect", fault: Some(Fault::Connect) },
    &Peer { name: "fails to call", fault: Some(Fault::Call) },
];

fn main() -> ExitCode {
    goals::main(&Peers { contenders: PEERS, absent: &[("not there", "it cannot be built")] })
}

struct Peer {
    name: &'static str,
    fault: Option<Fault>,
}

/// Where a peer fails.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fault {
    Serve,
    Connect,
    Call,
}

impl Peer {
    fn fail_at(&self, fault: Fault) -> io::Result<()> {
        if self.fault == Some(fault) { Err(io::Error::other("as it is meant to")) } else { Ok(()) }
    }
}

impl Contender for Peer {
    fn name(&self) -> &'static str {
        self.name
    }

    fn serve(&self, dir: &Path, ready: &mut dyn FnMut()) -> io::Result<()> {
        self.fail_at(Fault::Serve)?;
        Ipcm.serve(dir, ready)
    }

    fn connect(&self, dir: &Path) -> io::Result<Box<dyn Client>> {
        self.fail_at(Fault::Connect)?;
        let client = Ipcm.connect(dir)?;
        Ok(if self.fault.is_some() { Box::new(Failing(client)) } else { client })
    }
}

/// Makes a round trip and fails then.
struct Failing(Box<dyn Client>);

impl Client for Failing {
    fn round_trip(&mut self, len: usize) -> io::Result<()> {
        self.0.round_trip(len)?;
        Err(io::Error::other("as it is meant to"))
    }

    fn await_end(&mut self) -> io::Result<()> {
        self.0.await_end()
    }
}
