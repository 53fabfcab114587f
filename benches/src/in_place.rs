//! This project with bodies that are written and read where they are sent, for those who can rely on their peers.

use std::io;
use std::path::Path;
use std::time::Duration;

use ipcm::{Bus, Handle, Info, Service, Trust};

use crate::contender::{Client, Contender};

/// Long enough that no call of a measurement reaches it.
const TIMEOUT: Duration = Duration::from_secs(10);
const NAME: &str = "filler";

/// A service that is called by `sync_request_in` and answers by `reply_in`. Each side writes every byte once, looks at
/// the number in front and at the last byte, and copies nothing.
#[derive(Clone, Copy, Debug)]
pub struct InPlace;

impl Contender for InPlace {
    fn name(&self) -> &'static str {
        "ipcm, in place"
    }

    fn serve(&self, dir: &Path, ready: &mut dyn FnMut()) -> io::Result<()> {
        let bus = Bus::builder().path(dir.join("bus")).guard(false).create().map_err(io::Error::other)?;
        let service = Service::new(bus.info(), NAME).read_in_place(trust()).on_call(|call| {
            let body = call.body();
            match number(body) {
                Some(asked) => call.reply_in(body.len(), |place| fill(place, asked)),
                None => call.fail_with("the body is not as it was written"),
            }
        });
        service.run_with(|_| ready()).map_err(io::Error::other)
    }

    fn connect(&self, dir: &Path) -> io::Result<Box<dyn Client>> {
        let info = Info::unix(dir.join("bus")).map_err(io::Error::other)?;
        let mut handle = Handle::builder(&info, NAME).read_in_place(trust()).build();
        handle.wait_ready(TIMEOUT).map_err(io::Error::other)?;
        Ok(Box::new(Caller { handle, number: 0 }))
    }
}

struct Caller {
    handle: Handle,
    number: u64,
}

impl Client for Caller {
    fn round_trip(&mut self, len: usize) -> io::Result<()> {
        self.number += 1;
        let asked = self.number;
        let response = self.handle.sync_request_in(NAME, len, |place| fill(place, asked), TIMEOUT);
        let bytes = response.map_err(io::Error::other)?.bytes();
        if bytes.len() != len || number(bytes) != Some(asked) {
            return Err(io::Error::other("another request was answered"));
        }
        Ok(())
    }

    fn await_end(&mut self) -> io::Result<()> {
        Err(io::Error::other("its death is that of the typed call"))
    }
}

fn trust() -> Trust {
    // SAFETY: both programs are this one, which writes to no packet that it has sent.
    unsafe { Trust::new() }
}

/// Writes a body that begins with this number.
fn fill(place: &mut [u8], number: u64) {
    let (first, rest) = place.split_at_mut(8);
    first.copy_from_slice(&number.to_le_bytes());
    rest.fill(number as u8);
}

/// The number that a body begins with, if its end is as it must be.
fn number(body: &[u8]) -> Option<u64> {
    let number = u64::from_le_bytes(body.get(..8)?.try_into().ok()?);
    (body.len() == 8 || body.last() == Some(&(number as u8))).then_some(number)
}
