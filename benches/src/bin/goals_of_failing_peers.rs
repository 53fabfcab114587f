//! The goals program beside peers that fail at run time, for its tests: this project by other names.

use std::fs;
use std::io;
use std::path::Path;
use std::process::ExitCode;
use std::thread;

use ipcm_benches::allocations::Counting;
use ipcm_benches::contender::{Client, Contender};
use ipcm_benches::directory::shared_prefix;
use ipcm_benches::goals::{self, Peers};
use ipcm_benches::ipcm::Ipcm;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

static PEERS: &[&dyn Contender] = &[
    &Peer { name: "sound", fault: None },
    &Peer { name: "fails to serve", fault: Some(Fault::Serve) },
    &Peer { name: "fails to connect", fault: Some(Fault::Connect) },
    &Peer { name: "fails to call", fault: Some(Fault::Call) },
    &Peer { name: "hangs", fault: Some(Fault::Hang) },
    &Peer { name: "panics", fault: Some(Fault::Panic) },
    &Peer { name: "aborts", fault: Some(Fault::Abort) },
];

fn main() -> ExitCode {
    goals::main(&Peers { contenders: PEERS, absent: &[("not there", "it cannot be built")] })
}

struct Peer {
    name: &'static str,
    fault: Option<Fault>,
}

/// Where a peer fails, or how.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fault {
    Serve,
    Connect,
    Call,
    Hang,
    Panic,
    Abort,
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
        leave_shared_memory()?;
        Ipcm.serve(dir, ready)
    }

    fn connect(&self, dir: &Path) -> io::Result<Box<dyn Client>> {
        self.fail_at(Fault::Connect)?;
        let client = Ipcm.connect(dir)?;
        Ok(match self.fault {
            Some(fault) => Box::new(Failing { client, fault }),
            None => client,
        })
    }
}

/// Makes what nobody but its name tells the owner of, as a server leaves that is killed.
fn leave_shared_memory() -> io::Result<()> {
    let name = format!("{}left-by-{}", shared_prefix(&std::env::temp_dir()), std::process::id());
    fs::write(Path::new("/dev/shm").join(name), "x")
}

/// Makes a round trip and fails then.
struct Failing {
    client: Box<dyn Client>,
    fault: Fault,
}

impl Client for Failing {
    fn round_trip(&mut self, len: usize) -> io::Result<()> {
        self.client.round_trip(len)?;
        match self.fault {
            Fault::Hang => loop {
                thread::park();
            },
            Fault::Panic => panic!("as it is meant to"),
            Fault::Abort => std::process::abort(),
            Fault::Serve | Fault::Connect | Fault::Call => Err(io::Error::other("as it is meant to")),
        }
    }

    fn together(&mut self, len: usize, _: usize) -> io::Result<()> {
        self.round_trip(len)
    }

    fn await_end(&mut self) -> io::Result<()> {
        self.client.await_end()
    }
}
