//! A program that starts itself for an entry that it does not have, whatever it was started for.

use ipcm::ServiceProcess;

fn main() {
    ServiceProcess::entry("right", |service| service);
    let info = std::env::var("MISNAMED_BUS").expect("the test says which bus").parse().expect("it is one");
    match ServiceProcess::spawn(&info, "misnamed", "wrong") {
        Ok(_) => println!("it serves"),
        Err(error) => println!("{error}"),
    }
}
