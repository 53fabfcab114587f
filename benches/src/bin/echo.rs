//! A small client and service in one program: what such a program weighs is measured with it.
//!
//! It starts itself as the service, calls it a number of times (1000 by default), and prints what the service then
//! has resident in memory.

use std::error::Error;
use std::fs;
use std::time::Duration;

use ipcm::{Bus, ServiceProcess};

fn main() -> Result<(), Box<dyn Error>> {
    ServiceProcess::entry("echo", |service| service.on_request(|text: String| Ok(text)));

    let calls: u32 = std::env::args().nth(1).map_or(Ok(1000), |word| word.parse())?;
    let bus = Bus::spawn()?;
    let service = ServiceProcess::spawn(bus.info(), "echo", "echo")?;
    let mut handle = service.handle();
    for _ in 0..calls {
        let answer: String = handle.sync_request("echo", "hello", Duration::from_secs(10))?;
        assert_eq!(answer, "hello");
    }
    let status = fs::read_to_string(format!("/proc/{}/status", service.pid()))?;
    let resident = status.lines().find(|line| line.starts_with("VmRSS:"));
    println!("{}", resident.ok_or("the kernel does not tell")?);
    Ok(())
}
