//! Guests in WebAssembly are full peers, by a gateway and by message files, in each engine that there is.
//! `cargo xtask wasi` builds the guest and says where it and the engines are.

use std::ffi::OsString;
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use ipcm::{Bus, Gateway, GatewayError, GoneReason, Handle, Refusal, Service, TransportKind};
use ipcm_core::PROTOCOL_VERSION;
use ipcm_core::trunk::{Record, RelayConfig, TRUNK_VERSION, Trouble, pipe};
use ipcm_tests::raw::{Happened, RawLink};
use ipcm_tests::{AMPLE, Ask, Peer, obedient, proc, raw, within};
use ipcm_wasi_demo::Order;
use rustix::process::Signal;
use tempfile::TempDir;

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
    /// The engine runs the guest with these arguments; it has the directory of the bus, if it is of message files.
    fn command(&self, bus: &Bus, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.words[0]);
        command.args(&self.words[1..]);
        if bus.info().transport() == TransportKind::Files {
            command.arg("--dir").arg(format!("{0}::{0}", bus.info().route().display()));
        }
        command.arg(&self.guest).args(arguments);
        command
    }

    /// A process that runs a guest on a bus of message files.
    fn by_files(&self, bus: &Bus, name: &str) -> Peer {
        Peer::launch(self.command(bus, &[&bus.info().to_string(), name]))
    }

    /// A gateway that runs a guest, and how the process of the guest is known.
    fn by_gateway(&self, bus: &Bus, name: &str) -> ByGateway {
        self.by_gateway_of(bus, &["--gateway", name], RelayConfig::pipe())
    }

    fn by_gateway_of(&self, bus: &Bus, arguments: &[&str], config: RelayConfig) -> ByGateway {
        let folder = tempfile::tempdir().unwrap();
        let pid = folder.path().join("pid");
        let engine = self.command(bus, arguments);
        let mut command = Command::new("sh");
        command.args(["-c", r#"echo $$ > "$0"; exec "$@""#]).arg(&pid);
        command.arg(engine.get_program()).args(engine.get_args());
        let gateway = Gateway::new(bus.info()).config(config).greeting(AMPLE);
        let thread = std::thread::spawn(move || gateway.run_program(command));
        ByGateway { thread, pid, _folder: folder }
    }
}

/// A gateway that runs a guest.
struct ByGateway {
    thread: JoinHandle<Result<ExitStatus, GatewayError>>,
    pid: PathBuf,
    _folder: TempDir,
}

impl ByGateway {
    /// The process of the guest, which has joined.
    fn pid(&self) -> u32 {
        std::fs::read_to_string(&self.pid).unwrap().trim().parse().unwrap()
    }

    fn end(self) -> Result<ExitStatus, GatewayError> {
        self.thread.join().unwrap()
    }
}

/// A bus of message files that guests may join.
fn bus_for_guests() -> Bus {
    Bus::builder().transport(TransportKind::Files).guests(true).create().unwrap()
}

/// Removes a bus at once: its guard would wait for a dead guest as long as a beat may stay away.
fn remove(bus: &Bus) {
    std::fs::remove_dir_all(bus.info().route()).unwrap();
}

/// A handle called "native" that has found the guest.
fn native(bus: &Bus) -> Handle {
    let mut handle = Handle::builder(bus.info(), "guest").name("native").build();
    handle.wait_ready(AMPLE).unwrap();
    handle
}

fn told<A: serde::de::DeserializeOwned>(handle: &mut Handle, order: &Order) -> A {
    handle.sync_request("guest", order, AMPLE).unwrap()
}

/// What a full peer does. There is another guest, "parrot".
fn is_a_full_peer(bus: &Bus) {
    let _echo = Service::echo(bus.info(), "echo").spawn().unwrap();
    let _service = obedient::service(bus.info(), "service", || {}).spawn().unwrap();
    Handle::new(bus.info(), "parrot").wait_ready(AMPLE).unwrap();
    let handle = &mut native(bus);
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

/// Takes its leave of a guest in the middle of a call that has no deadline, which ends nevertheless.
fn ends_in_a_call(bus: &Bus, leave: impl FnOnce(&mut Handle)) {
    let mut handle = native(bus);
    let held = handle.send_request("guest", &Order::Hold, None).unwrap();
    // It has taken the request before this one.
    assert_eq!(told::<String>(&mut handle, &Order::Say("yes".into())), "guest: yes");
    leave(&mut handle);
    assert!(raw::is_gone(&handle.await_response(held, None)));
}

/// Sends an order that is not answered.
fn send(handle: &mut Handle, order: &Order) {
    handle.send_request("guest", order, None).unwrap();
}

/// Clause H2.
#[test]
fn a_guest_by_a_gateway_is_a_full_peer() {
    for engine in engines() {
        let _watchdog = within(120);
        let bus = Bus::spawn().unwrap();
        let guests = ["parrot", "guest"].map(|name| engine.by_gateway(&bus, name));
        is_a_full_peer(&bus);
        assert_eq!(told::<(bool, bool)>(&mut native(&bus), &Order::Capabilities), (true, false));
        remove(&bus);
        for guest in guests {
            assert!(matches!(guest.end(), Err(GatewayError::BusGone { .. })), "{}", engine.name);
        }
    }
}

/// Clause H2. Clause E1. Clause E4.
#[test]
fn the_sudden_end_of_a_guest_by_a_gateway_is_noticed_at_once() {
    for engine in engines() {
        let _watchdog = within(120);
        let bus = Bus::spawn().unwrap();
        for (order, code) in [(Order::Exit(3), 3), (Order::Trap, 134)] {
            let guest = engine.by_gateway(&bus, "guest");
            ends_in_a_call(&bus, |handle| send(handle, &order));
            assert_eq!(guest.end().unwrap().code(), Some(code), "{}", engine.name);
        }
        let guest = engine.by_gateway(&bus, "guest");
        ends_in_a_call(&bus, |_| proc::signal(guest.pid(), Signal::KILL));
        assert_eq!(guest.end().unwrap().signal(), Some(9), "{}", engine.name);
    }
}

/// Clause H2.
#[test]
fn a_guest_by_message_files_is_a_full_peer() {
    for engine in engines() {
        let _watchdog = within(120);
        let bus = bus_for_guests();
        let mut guests = ["parrot", "guest"].map(|name| engine.by_files(&bus, name));
        is_a_full_peer(&bus);
        // It finds out by looking that a peer has died, and does not say otherwise.
        assert_eq!(told::<(bool, bool)>(&mut native(&bus), &Order::Capabilities), (false, true));
        remove(&bus);
        for guest in &mut guests {
            assert_eq!(guest.wait().code(), Some(1), "{} says that the bus is gone", engine.name);
        }
    }
}

/// A beat that goes on though its member is dead: only the system tells of that end.
struct StandIn {
    _done: Sender<()>,
}

impl StandIn {
    fn of(bus: &Bus, name: &str) -> Self {
        let life = raw::record(bus, name).incarnation();
        let beat = bus.info().route().join(format!("{:032x}.beat", life.as_bits()));
        assert!(beat.is_file(), "{}", beat.display());
        let (done, wait) = channel();
        std::thread::spawn(move || {
            let mut count = u64::MAX;
            while wait.recv_timeout(Duration::from_secs(1)) == Err(RecvTimeoutError::Timeout) {
                count -= 1;
                let _ = std::fs::write(&beat, count.to_le_bytes());
            }
        });
        Self { _done: done }
    }
}

/// Clause H2. Clause E1: the host closes the record of its guest, which native peers hear of at once. The beat, whose pause
/// would tell of it seconds later, is kept going.
#[test]
fn the_sudden_end_of_a_guest_by_message_files_is_noticed_at_once() {
    for engine in engines() {
        let _watchdog = within(120);
        for (order, code) in [(Order::Exit(3), Some(3)), (Order::Trap, Some(134)), (Order::Hold, None)] {
            let bus = bus_for_guests();
            let mut guest = engine.by_files(&bus, "guest");
            let mut beat = None;
            ends_in_a_call(&bus, |handle| {
                beat = Some(StandIn::of(&bus, "guest"));
                match code {
                    Some(_) => send(handle, &order),
                    None => guest.kill(),
                }
            });
            assert_eq!(guest.wait().code(), code, "{}", engine.name);
            remove(&bus);
        }
    }
}

/// Clauses H1, H2: the core's member of a fixed size is a peer in WebAssembly as well, and its end is noticed.
#[test]
fn a_guest_without_an_allocator_is_a_peer() {
    for engine in engines() {
        let _watchdog = within(60);
        let small =
            std::env::var_os("IPCM_SMALL_GUEST").expect("whoever builds the guest builds this one as well");
        let engine = Engine { guest: small, ..engine };
        let bus = Bus::spawn().unwrap();
        let guest = engine.by_gateway_of(&bus, &[], RelayConfig::serial());
        Handle::new(bus.info(), "small").wait_ready(AMPLE).unwrap();
        for size in [0, 1, 100, 320] {
            let bytes = vec![size as u8; size];
            let mut handle = Handle::new(bus.info(), "small");
            assert_eq!(handle.sync_request_bytes("small", &bytes, AMPLE).unwrap().bytes(), bytes, "{size}");
        }
        let mut handle = Handle::new(bus.info(), "small");
        handle.sync_request_bytes("small", b"x", AMPLE).unwrap();
        proc::signal(guest.pid(), Signal::STOP);
        let asked = handle.send_request_bytes("small", b"x", None).unwrap();
        proc::signal(guest.pid(), Signal::KILL);
        assert!(raw::is_gone(&handle.await_response(asked, None)));
        assert_eq!(guest.end().unwrap().signal(), Some(9), "{}", engine.name);
    }
}

/// The line of the README that starts a guest without a gateway, as it is written there.
#[test]
fn the_guest_of_the_readme_is_a_peer() {
    let Some(engine) = engines().into_iter().find(|engine| engine.name == "wasmtime") else {
        println!("SKIPPED: there is no wasmtime");
        return;
    };
    let _watchdog = within(120);
    let readme = include_str!("../../README.md");
    let block = readme.split("```sh\n").find(|block| block.contains("wasmtime run --dir")).unwrap();
    let (script, _) = block.split_once("```").unwrap();
    let place = tempfile::tempdir().unwrap();
    let link = |from: &Path, to: &str| std::os::unix::fs::symlink(from, place.path().join(to)).unwrap();
    link(Path::new(&engine.guest), "ipcm-guest.wasm");
    link(&ipcm_tests::peer::program("ipcm"), "ipcm");
    let engine = Path::new(&engine.words[0]);
    if engine.is_absolute() {
        link(engine, "wasmtime");
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path =
        std::env::join_paths([place.path().to_owned()].into_iter().chain(std::env::split_paths(&path)));
    // A guest whose bus is gone ends by itself.
    let script = format!("{script}ipcm peers \"$IPCM_BUS\"\nrm -r bus\nwait");
    let mut shell = Command::new("sh");
    shell.args(["-e", "-c", &script]).current_dir(&place).env("PATH", path.unwrap()).stderr(Stdio::inherit());
    let output = shell.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("guest: hello"), "{said}");
}

/// A guest that has no such directory is told so: it is not there, or the engine was not told to give it.
#[test]
fn a_guest_without_its_directory_says_so() {
    for engine in engines() {
        let _watchdog = within(60);
        let bus = bus_for_guests();
        let absent = r#"["files","postcard","/no/such/bus"]"#;
        let mut without = Command::new(&engine.words[0]);
        without.args(&engine.words[1..]).arg(&engine.guest).arg(bus.info().to_string());
        for (mut command, path) in [
            (engine.command(&bus, &[absent]), "/no/such/bus"),
            (without, bus.info().route().to_str().unwrap()),
        ] {
            let output = command.output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(1), "{said}");
            assert!(said.starts_with("ipcm-guest: ") && said.contains(path), "{said}");
            assert!(said.contains("--dir"), "it does not say what to do: {said}");
        }
    }
}

/// Clause H4: a gateway that speaks a newer version says so, in either of the two ways it can, and the guest tells.
#[test]
fn a_guest_whose_gateway_is_newer_says_which_versions_are_spoken() {
    let newer = TRUNK_VERSION + 1;
    for engine in engines() {
        let _watchdog = within(60);
        let bus = Bus::spawn().unwrap();
        for answer in [
            Record::Refused { trouble: Trouble::Version, version: newer, detail: "" },
            Record::Joined { version: newer, window: 4096, limit: 4096, silence: 0 },
        ] {
            let mut command = engine.command(&bus, &["--gateway"]);
            let command = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
            let mut guest = command.spawn().unwrap();
            let mut bytes = [0; 64];
            let len = pipe::encode(&answer, &mut bytes).unwrap();
            guest.stdin.take().unwrap().write_all(&bytes[..len]).unwrap();
            let output = guest.wait_with_output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(1), "{said}");
            for version in [newer, TRUNK_VERSION] {
                assert!(said.contains(&format!("version {version}")), "{said}");
            }
        }
    }
}

/// Clause H4: a peer that speaks a newer version is refused by a guest with the version that the guest speaks, and the
/// guest serves on.
#[test]
fn a_newer_peer_is_told_by_a_guest_which_version_is_spoken() {
    for engine in engines() {
        let _watchdog = within(60);
        let bus = bus_for_guests();
        let _guest = engine.by_files(&bus, "guest");
        let mut handle = native(&bus);
        let mut newer = Handle::builder(bus.info(), "guest").name("newer").build();
        newer.wait_ready(AMPLE).unwrap();
        let [guest, me] = ["guest", "newer"].map(|name| raw::record(&bus, name));
        let mut raw = RawLink::call(bus.info(), &guest, me.name(), me.incarnation());
        let mut hello = raw.take_output();
        // The head of a hello: its size, the length of the head, its kind, the version.
        hello[6..8].copy_from_slice(&(PROTOCOL_VERSION + 1).to_le_bytes());
        raw.send(&hello).unwrap();
        let refusal = Refusal::Version { version: PROTOCOL_VERSION };
        let end = raw.next();
        assert!(matches!(&end, Happened::Closed(GoneReason::Refused(why)) if *why == refusal), "{end:?}");
        assert_eq!(told::<String>(&mut handle, &Order::Say("yes".into())), "guest: yes");
        remove(&bus);
    }
}
