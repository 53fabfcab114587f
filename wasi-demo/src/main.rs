//! A guest: `ipcm-guest INFO [NAME]` is a peer by message files in a preopened directory, `ipcm-guest --gateway
//! [NAME]` by a gateway on standard input and output. Built for Linux it is a process like any other.

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let (Some(way), name, None) = (arguments.next(), arguments.next(), arguments.next()) else {
        eprintln!("usage: ipcm-guest INFO|--gateway [NAME]");
        return ExitCode::from(2);
    };
    let name = name.as_deref().unwrap_or("guest");
    match ipcm_wasi_demo::join(&way, name) {
        Ok(client) => {
            ipcm_wasi_demo::serve(client, name);
            // A gateway ends its guest in good order; a bus does not end under one.
            if way == "--gateway" {
                return ExitCode::SUCCESS;
            }
            eprintln!("ipcm-guest: the bus is gone, or has no place for {name:?} any more");
            ExitCode::FAILURE
        }
        Err(why) => {
            eprintln!("ipcm-guest: {why}");
            ExitCode::FAILURE
        }
    }
}
