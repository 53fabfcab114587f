//! Guests in WebAssembly are full peers, by a gateway and by message files, in each engine that there is.
//! `cargo xtask wasi` builds the guest and says where it and the engines are.

use std::ffi::OsString;
use std::process::{Command, ExitStatus};
use std::thread::JoinHandle;

use ipcm::{Bus, Gateway, GatewayError, Handle, Service};
use ipcm_tests::{AMPLE, Ask, Peer, obedient, within};
use ipcm_wasi_demo::Order;

/// The guest and what runs it.
#[derive(Clone, Debug)]
struct Engine {
    name: &'static str,
    words: Vec<String>,
    guest: OsString,
}

/// The engines; none if the guest was not built.
fn engines() -> Vec<Engine> {
    let guest = std::env::var_os("IPCM_GUEST");
    let engine = |(name, variable)| {
        let words = std::env::var(variable).ok()?.split(' ').map(str::to_owned).collect();
        Some(Engine { name, words, guest: guest.clone()? })
    };
    let engines = [("wasmtime", "IPCM_WASMTIME"), ("node", "IPCM_NODE")];
    let engines: Vec<_> = engines.into_iter().filter_map(engine).collect();
    if engines.is_empty() {
        println!("SKIPPED: the guest is not built, or no engine is there; `cargo xtask wasi` does that");
    }
    engines
}

impl Engine {
    /// The engine runs the guest with these arguments.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.words[0]);
        command.args(&self.words[1..]).arg(&self.guest).args(arguments);
        command
    }

    /// A gateway of the bus that runs a guest.
    fn by_gateway(&self, bus: &Bus, name: &str) -> JoinHandle<Result<ExitStatus, GatewayError>> {
        let command = self.command(&["--gateway", name]);
        let gateway = Gateway::new(bus.info()).greeting(AMPLE);
        std::thread::spawn(move || gateway.run_program(command))
    }
}

/// A handle called "native" that has found the guest, and the parrot.
fn native(bus: &Bus) -> Handle {
    Handle::new(bus.info(), "parrot").wait_ready(AMPLE).unwrap();
    let mut handle = Handle::builder(bus.info(), "guest").name("native").build();
    handle.wait_ready(AMPLE).unwrap();
    handle
}

fn told<A: serde::de::DeserializeOwned>(handle: &mut Handle, order: &Order) -> A {
    handle.sync_request("guest", order, AMPLE).unwrap()
}

/// What a full peer does. There are "echo", "service" and another guest, "parrot".
fn is_a_full_peer(bus: &Bus, handle: &mut Handle) {
    // It serves, whatever the size.
    for size in [0, 1, 1000, 100_000] {
        let bytes: Vec<u8> = (0..size).map(|at: u32| at as u8).collect();
        assert!(told::<Vec<u8>>(handle, &Order::Echo(bytes.clone())) == bytes, "{size}");
    }
    // It asks a native service and another guest; what goes wrong is told.
    assert_eq!(told::<String>(handle, &Order::Ask("echo".into(), "hello".into())), "hello");
    assert_eq!(told::<String>(handle, &Order::HaveSay("parrot".into(), "hello".into())), "parrot: hello");
    let absent = handle.sync_request::<String>("guest", &Order::Ask("nobody".into(), "x".into()), AMPLE);
    assert!(absent.unwrap_err().to_string().contains("nobody"));
    // Messages, both ways and in order.
    for number in 0..20 {
        handle.send_message("guest", &number, AMPLE).unwrap();
        told::<()>(handle, &Order::Tell("service".into(), number));
    }
    let expected: Vec<u64> = (0..20).collect();
    assert_eq!(told::<Vec<u64>>(handle, &Order::Messages), expected);
    assert_eq!(handle.sync_request::<Vec<u64>>("service", &Ask::Messages, AMPLE), Ok(expected));
    // Who is there, who comes and goes.
    let peers: Vec<String> = told(handle, &Order::Peers);
    assert_eq!(peers, ["echo", "native", "parrot", "service"]);
    let mut changes: Vec<(String, bool)> = Vec::new();
    let mut await_change = |handle: &mut Handle, is_there: bool| {
        while changes.last() != Some(&("visitor".to_owned(), is_there)) {
            changes.extend(told::<Vec<(String, bool)>>(handle, &Order::Changes));
        }
    };
    let mut visitor = Peer::start("join", bus.info(), "visitor");
    await_change(handle, true);
    visitor.kill();
    await_change(handle, false);
}

/// Clause H2.
#[test]
fn a_guest_by_a_gateway_is_a_full_peer() {
    for engine in engines() {
        let _watchdog = within(120);
        println!("{}", engine.name);
        let bus = Bus::spawn().unwrap();
        let _echo = Service::echo(bus.info(), "echo").spawn().unwrap();
        let _service = obedient::service(bus.info(), "service", || {}).spawn().unwrap();
        let parrot = engine.by_gateway(&bus, "parrot");
        let guest = engine.by_gateway(&bus, "guest");
        let mut handle = native(&bus);
        is_a_full_peer(&bus, &mut handle);
        drop(handle);
        std::fs::remove_dir_all(bus.info().route()).unwrap();
        for guest in [parrot, guest] {
            assert!(matches!(guest.join().unwrap(), Err(GatewayError::BusGone { .. })));
        }
    }
}
