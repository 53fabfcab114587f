//! A guest: `ipcm-guest INFO [NAME]` is a peer by message files in a preopened directory, `ipcm-guest --gateway
//! [NAME]` by a gateway on standard input and output. Built for Linux it is a process like any other.

#[cfg(not(target_os = "wasi"))]
use ipcm::FdStream;
#[cfg(target_os = "wasi")]
use ipcm::StdioStream;
use ipcm::{BusTransport, Config, Info, Monotonic, PeerKind};
use ipcm_core::trunk::{Identity, MemberKind, TrunkConfig, TrunkTransport};
use ipcm_core::{Client, Clock, Endpoint};
use std::process::ExitCode;
use std::time::Duration;

/// How long a gateway may take to let it in.
const PATIENCE: Duration = Duration::from_secs(10);

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let (Some(way), name, None) = (arguments.next(), arguments.next(), arguments.next()) else {
        eprintln!("usage: ipcm-guest INFO|--gateway [NAME]");
        return ExitCode::from(2);
    };
    let name = name.as_deref().unwrap_or("guest");
    let outcome = if way == "--gateway" { by_gateway(name) } else { by_files(&way, name) };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("ipcm-guest: {why}");
            ExitCode::FAILURE
        }
    }
}

fn by_files(info: &str, name: &str) -> Result<(), Box<dyn std::error::Error>> {
    let info: Info = info.parse()?;
    let client = BusTransport::join(&info, name, PeerKind::Service, Config::default())?;
    ipcm_wasi_demo::serve(client, name);
    Ok(())
}

fn by_gateway(name: &str) -> Result<(), Box<dyn std::error::Error>> {
    #[cfg(target_os = "wasi")]
    let stream = StdioStream::new();
    #[cfg(not(target_os = "wasi"))]
    let stream = FdStream::stdio()?;
    let incarnation = ipcm::random_incarnation();
    let identity = Identity { name, incarnation, kind: MemberKind::Service };
    let patience = Some(Monotonic.now() + PATIENCE);
    let transport = TrunkTransport::join(stream, Monotonic, identity, TrunkConfig::pipe(), patience)?;
    let endpoint = Endpoint::new(name, incarnation, Config::default());
    ipcm_wasi_demo::serve(Client::new(endpoint, transport, Monotonic), name);
    Ok(())
}
