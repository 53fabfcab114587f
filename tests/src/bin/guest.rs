//! A program that has two pipes and no bus: `guest NAME` serves on the trunk that its standard input and output are.

use ipcm::FdStream;
use ipcm_core::Incarnation;
use ipcm_core::trunk::TrunkConfig;
use ipcm_tests::guest;

fn main() {
    let name = std::env::args().nth(1).expect("guest NAME");
    let mut bytes = [0; 16];
    rustix::rand::getrandom(&mut bytes[..], rustix::rand::GetRandomFlags::empty())
        .expect("there is randomness");
    let stream = FdStream::stdio().expect("it has two pipes");
    match guest::join(stream, &name, Incarnation::from_random(bytes), TrunkConfig::pipe()) {
        Ok(client) => guest::serve_on(client),
        Err(error) => {
            eprintln!("guest: {error}");
            std::process::exit(9);
        }
    }
}
