//! A program that has two pipes and no bus: `guest NAME [framed]` serves on the trunk that its standard input and output
//! are, as firmware does if it is `framed`.

use ipcm::FdStream;
use ipcm_core::Incarnation;
use ipcm_core::trunk::TrunkConfig;
use ipcm_tests::guest;

fn main() {
    let name = std::env::args().nth(1).expect("guest NAME");
    let mut bytes = [0; 16];
    rustix::rand::getrandom(&mut bytes[..], rustix::rand::GetRandomFlags::empty())
        .expect("there is randomness");
    let is_framed = std::env::args().nth(2).is_some_and(|word| word == "framed");
    let config = if is_framed { TrunkConfig::serial() } else { TrunkConfig::pipe() };
    let stream = FdStream::stdio().expect("it has two pipes");
    match guest::join(stream, &name, Incarnation::from_random(bytes), config) {
        Ok(client) => guest::serve_on(client),
        Err(error) => {
            eprintln!("guest: {error}");
            std::process::exit(9);
        }
    }
}
