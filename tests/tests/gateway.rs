//! Guests of a gateway: a program on two pipes, and firmware at the end of a serial line, are full peers. The bus is
//! one of sockets alone: a gateway is a member like others, and a guest that has the files of a bus needs none.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use ipcm::{
    Bus, CallError, Gateway, GatewayError, GatewayStopper, Handle, Incarnation, RequestError, RequestId,
    SendError,
};
use ipcm_core::trunk::{RelayConfig, TrunkConfig, TrunkError};
use ipcm_tests::line::Line;
use ipcm_tests::{AMPLE, Ask, Order, Peer, guest, obedient, proc, raw, within};
use rustix::process::Signal;
use rustix::termios::{ControlModes, InputModes, LocalModes, OutputModes};

/// The program `guest`.
const GUEST: &str = env!("CARGO_BIN_EXE_guest");

/// A gateway that runs in a thread of this process.
struct Running<R> {
    thread: JoinHandle<Result<R, GatewayError>>,
    stopper: GatewayStopper,
}

impl<R: Send + 'static> Running<R> {
    fn start(
        mut gateway: Gateway,
        run: impl FnOnce(Gateway) -> Result<R, GatewayError> + Send + 'static,
    ) -> Self {
        let stopper = gateway.stopper().unwrap();
        Self { thread: std::thread::spawn(move || run(gateway)), stopper }
    }

    fn end(self) -> Result<R, GatewayError> {
        self.thread.join().unwrap()
    }

    fn stop(self) -> Result<R, GatewayError> {
        self.stopper.stop();
        self.end()
    }
}

fn program(bus: &Bus, name: &str) -> Running<std::process::ExitStatus> {
    let mut command = Command::new(GUEST);
    command.arg(name);
    Running::start(Gateway::new(bus.info()), move |gateway| gateway.run_program(command))
}

/// A bus, a program that is a guest on it, and a handle that has found it.
fn with_guest() -> (Bus, Running<std::process::ExitStatus>, Handle) {
    let bus = Bus::spawn().unwrap();
    let gateway = program(&bus, "guest");
    let mut handle = Handle::new(bus.info(), "guest");
    handle.wait_ready(AMPLE).unwrap();
    (bus, gateway, handle)
}

/// A request without a deadline, which the guest has taken and does not answer.
fn hold(handle: &mut Handle) -> RequestId {
    let held = handle.send_request("guest", &Order::Hold, None).unwrap();
    // It has taken the request before this one.
    assert_eq!(handle.sync_request("guest", &Order::Number(1), AMPLE), Ok(1u64));
    held
}

/// Clause H2. Clause A5. Clause A10. Clause B1.
#[test]
fn a_program_on_two_pipes_is_a_full_peer() {
    let _watchdog = within(60);
    let bus = Bus::spawn().unwrap();
    let _service = obedient::service(bus.info(), "service", || {}).spawn().unwrap();
    let gateway = program(&bus, "guest");
    let mut handle = Handle::builder(bus.info(), "guest").name("native").build();
    handle.wait_ready(AMPLE).unwrap();

    // It serves, whatever the size.
    for size in [0, 1, 1000, 100_000, 1_000_000] {
        let bytes: Vec<u8> = (0..size).map(|at: u32| at as u8).collect();
        let answer: Vec<u8> = handle.sync_request("guest", &Order::Echo(bytes.clone()), AMPLE).unwrap();
        assert!(answer == bytes, "{size}");
    }
    // It asks; and what goes wrong is told by type.
    let ask = |handle: &mut Handle, peer: &str| -> String {
        handle.sync_request("guest", &Order::Ask(peer.into(), 7), AMPLE).unwrap()
    };
    assert_eq!(ask(&mut handle, "service"), "Ok(7)");
    assert_eq!(ask(&mut handle, "nobody"), r#"Err(Send(NoSuchPeer { peer: "nobody" }))"#);
    assert!(ask(&mut handle, "native").contains("NotAService"));
    // It is the one who asks, by its own name.
    let pid: u64 = handle.sync_request("guest", &Order::Pid, AMPLE).unwrap();
    assert_ne!(pid, u64::from(std::process::id()));
    assert_eq!(bus.peer_pid("guest").unwrap(), Some(std::process::id()), "the gateway's process");

    // Messages, both ways and in order.
    for number in 0..50u64 {
        handle.send_message("guest", &number, AMPLE).unwrap();
        let told: String =
            handle.sync_request("guest", &Order::Tell("service".into(), number), AMPLE).unwrap();
        assert_eq!(told, "Ok(())");
    }
    let expected: Vec<u64> = (0..50).collect();
    assert_eq!(handle.sync_request::<Vec<u64>>("guest", &Order::Messages, AMPLE), Ok(expected.clone()));
    assert_eq!(handle.sync_request::<Vec<u64>>("service", &Ask::Messages, AMPLE), Ok(expected));

    // Who is there, who comes and goes.
    let peers: Vec<String> = handle.sync_request("guest", &Order::Peers, AMPLE).unwrap();
    assert_eq!(peers, ["native", "service"]);
    let mut told: Vec<(String, bool)> = Vec::new();
    let mut await_told = |handle: &mut Handle, name: &str, is_there: bool| {
        while told.last() != Some(&(name.to_owned(), is_there)) {
            let more: Vec<(String, bool)> = handle.sync_request("guest", &Order::Changes, AMPLE).unwrap();
            told.extend(more);
        }
    };
    let mut visitor = Peer::start("join", bus.info(), "visitor");
    await_told(&mut handle, "visitor", true);
    visitor.kill();
    await_told(&mut handle, "visitor", false);

    // Its end is the peer's.
    let held = handle.send_request("guest", &Order::Exit(3), None).unwrap();
    assert!(raw::is_gone(&handle.await_response(held, None)));
    assert_eq!(gateway.end().unwrap().code(), Some(3));
    assert!(!handle.ready().unwrap());
}

/// Clause H2. Clause E1. Clause E4: nobody has a timeout.
#[test]
fn the_sudden_end_of_a_guest_is_noticed_by_its_callers_at_once() {
    let _watchdog = within(60);
    let (_bus, gateway, mut handle) = with_guest();
    let pid: u64 = handle.sync_request("guest", &Order::Pid, AMPLE).unwrap();
    let held = hold(&mut handle);
    proc::signal(pid as u32, Signal::KILL);
    assert!(raw::is_gone(&handle.await_response(held, None)));
    let status = gateway.end().unwrap();
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(9));
    let absent = handle.sync_request::<u64>("guest", &Order::Number(1), None).unwrap_err();
    assert_eq!(absent, CallError::Send(SendError::NoSuchPeer { peer: "guest".into() }));
}

/// Clause H2. Clause E1. Clause G5: the kernel closes what the gateway had, and the guest ends with its input.
#[test]
fn the_sudden_end_of_a_gateway_ends_its_guest_and_is_noticed_at_once() {
    let _watchdog = within(60);
    let bus = Bus::spawn().unwrap();
    let mut gateway = Peer::start("gateway", bus.info(), GUEST);
    let mut handle = Handle::new(bus.info(), "guest");
    handle.wait_ready(AMPLE).unwrap();
    let pid: u64 = handle.sync_request("guest", &Order::Pid, AMPLE).unwrap();
    let held = hold(&mut handle);
    gateway.kill();
    assert!(raw::is_gone(&handle.await_response(held, None)));
    proc::await_end(pid as u32);
}

/// Clause G1. Clause G5: whatever ended the gateway, and whatever its program minds.
#[test]
fn a_program_that_minds_nothing_ends_with_its_gateway() {
    let _watchdog = within(60);
    let bus = Bus::spawn().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let fifo = directory.path().join("pid");
    rustix::fs::mkfifoat(rustix::fs::CWD, &fifo, rustix::fs::Mode::RWXU).unwrap();
    let script = directory.path().join("stubborn");
    let text = format!(
        "#!/bin/sh\ntrap '' TERM PIPE HUP INT\necho $$ > {}\nwhile :; do sleep 1; done\n",
        fifo.display()
    );
    std::fs::write(&script, text).unwrap();
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&script, executable).unwrap();
    let mut gateway = Peer::start("gateway", bus.info(), script.to_str().unwrap());
    let pid: u32 = std::fs::read_to_string(&fifo).unwrap().trim().parse().unwrap();
    let _program = ipcm_tests::peer::Orphan::new(pid);
    gateway.kill();
    proc::await_end(pid);
}

/// The greeting bounds the first join; a session that is lost later is begun anew.
#[test]
fn a_program_that_loses_its_session_after_its_greeting_joins_anew() {
    let _watchdog = within(60);
    let bus = Bus::spawn().unwrap();
    let greeting = Duration::from_secs(4);
    let mut command = Command::new(GUEST);
    command.args(["firmware", "framed"]);
    let gateway = Gateway::new(bus.info()).config(RelayConfig::serial()).greeting(greeting);
    let begun = Instant::now();
    let gateway = Running::start(gateway, move |gateway| gateway.run_program(command));
    let mut handle = Handle::new(bus.info(), "firmware");
    handle.wait_ready(AMPLE).unwrap();
    let pid: u64 = handle.sync_request("firmware", &Order::Pid, AMPLE).unwrap();
    let mut is_later = false;
    while !is_later {
        is_later = greeting < begun.elapsed();
        proc::signal(pid as u32, Signal::STOP);
        // A second of silence ends its membership.
        while handle.ready().unwrap() {
            std::thread::yield_now();
        }
        proc::signal(pid as u32, Signal::CONT);
        await_recovery(&mut handle);
    }
    assert!(gateway.stop().unwrap().success());
}

/// The guest is told that the bus is gone, and ends by itself.
#[test]
fn a_stopped_gateway_lets_its_guest_end() {
    let _watchdog = within(60);
    let (_bus, gateway, mut handle) = with_guest();
    assert_eq!(handle.sync_request("guest", &Order::Number(1), AMPLE), Ok(1u64));
    assert!(gateway.stop().unwrap().success());
    assert!(!handle.ready().unwrap());
}

/// Clause A9.
#[test]
fn the_end_of_the_bus_ends_gateway_and_guest() {
    let _watchdog = within(60);
    let (bus, gateway, mut handle) = with_guest();
    let pid: u64 = handle.sync_request("guest", &Order::Pid, AMPLE).unwrap();
    drop(handle);
    std::fs::remove_dir_all(bus.info().route()).unwrap();
    assert!(matches!(gateway.end(), Err(GatewayError::BusGone { .. })));
    proc::await_end(pid as u32);
}

/// Clause A4.
#[test]
fn a_guest_whose_name_is_taken_is_told_so() {
    let _watchdog = within(60);
    let bus = Bus::spawn().unwrap();
    let _service = obedient::service(bus.info(), "taken", || {}).spawn().unwrap();
    let error = program(&bus, "taken").end().unwrap_err();
    assert!(matches!(error, GatewayError::Join(ipcm::JoinError::NameTaken { .. })), "{error}");
}

/// Fault X8. Clause H4.
#[test]
fn a_program_that_is_no_guest_is_told_apart() {
    let _watchdog = within(60);
    let bus = Bus::spawn().unwrap();
    let run = |script: &str| {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        Gateway::new(bus.info()).greeting(Duration::from_millis(200)).run_program(command)
    };
    let junk = run("echo Hello, world!; exec sleep 1000").unwrap_err();
    assert!(matches!(junk, GatewayError::Broken(TrunkError::TooLong(_))), "{junk}");
    // A join of version 9.
    let newer = run(r"printf '\003\000\001\011\000'; exec cat").unwrap_err();
    assert!(matches!(newer, GatewayError::Broken(TrunkError::Version { theirs: 9, .. })), "{newer}");
    let cut = run(r"printf '\003\000\001'").unwrap_err();
    assert!(matches!(cut, GatewayError::Broken(TrunkError::CutShort)), "{cut}");
    let silent = run("exec sleep 1000").unwrap_err();
    assert!(matches!(silent, GatewayError::NotJoined { .. }), "{silent}");
    let done = run("exit 0").unwrap_err();
    assert!(matches!(done, GatewayError::NeverJoined { .. }), "{done}");
    let missing = Gateway::new(bus.info()).run_program(Command::new("/no/such/program")).unwrap_err();
    assert!(matches!(missing, GatewayError::Start { .. }), "{missing}");
    assert_eq!(bus.peers().unwrap().len(), 0);
}

/// Clause F6. Fault X11: a guest that stands still costs its gateway no more than is stated, and others nothing.
#[test]
fn a_guest_that_stands_still_makes_its_gateway_not_grow() {
    let _watchdog = within(120);
    let bus = Bus::spawn().unwrap();
    let mut gateway = Peer::start("gateway", bus.info(), GUEST);
    let mut handle = Handle::new(bus.info(), "guest");
    handle.wait_ready(AMPLE).unwrap();
    let pid: u64 = handle.sync_request("guest", &Order::Pid, AMPLE).unwrap();
    let _guest = ipcm_tests::peer::Orphan::new(pid as u32);
    let mut senders: Vec<Handle> = (0..8).map(|_| Handle::new(bus.info(), "guest")).collect();
    for sender in &mut senders {
        assert_eq!(sender.sync_request("guest", &Order::Number(1), AMPLE), Ok(1u64));
    }
    proc::signal(pid as u32, Signal::STOP);
    let before = proc::resident(gateway.pid());
    let body = vec![7u8; 60_000];
    let mut held_up = 0;
    for sender in &mut senders {
        for _ in 0..100 {
            match sender.try_send("guest", &body) {
                Ok(()) => {}
                Err(SendError::WouldBlock { .. }) => held_up += 1,
                Err(error) => panic!("{error}"),
            }
        }
    }
    assert!(held_up >= 8 * 70, "only {held_up} of 800 messages were held up");
    let grown = proc::resident(gateway.pid()).saturating_sub(before);
    assert!(grown < 8 << 20, "the gateway grew by {grown} bytes");
    proc::signal(pid as u32, Signal::CONT);
    let number: u64 = handle.sync_request("guest", &Order::Number(5), AMPLE).unwrap();
    assert_eq!(number, 5);
    gateway.kill();
}

/// Firmware in a thread: it joins, serves, and joins anew when it has to.
struct Firmware {
    is_on: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Firmware {
    fn start(end: std::os::fd::OwnedFd, life: u128) -> Self {
        let is_on = Arc::new(AtomicBool::new(true));
        let on = is_on.clone();
        let thread = std::thread::spawn(move || {
            let life = Incarnation::from_bits(life);
            let Ok(client) = guest::join(guest::stream(end), "firmware", life, TrunkConfig::serial()) else {
                return;
            };
            guest::serve(client, || on.load(Ordering::Relaxed));
        });
        Self { is_on, thread: Some(thread) }
    }

    fn reset(&mut self) {
        self.is_on.store(false, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

impl Drop for Firmware {
    fn drop(&mut self) {
        self.is_on.store(false, Ordering::Relaxed);
    }
}

fn serial(bus: &Bus, line: &Line) -> Running<()> {
    let path = line.path().to_owned();
    Running::start(Gateway::new(bus.info()), move |gateway| gateway.run_serial(path, Some(115_200)))
}

/// Calls until one is answered.
fn await_recovery(handle: &mut Handle) {
    let until = Instant::now() + AMPLE;
    loop {
        let _ = handle.wait_ready(AMPLE);
        match handle.sync_request::<u64>("firmware", &Order::Number(1), Duration::from_secs(2)) {
            Ok(1) => return,
            outcome => assert!(Instant::now() < until, "{outcome:?}"),
        }
    }
}

/// Clause H3.
#[test]
fn firmware_at_the_end_of_a_line_is_a_full_peer() {
    let _watchdog = within(60);
    let bus = Bus::spawn().unwrap();
    let _service = obedient::service(bus.info(), "service", || {}).spawn().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let (line, end) = Line::new(directory.path());
    let gateway = serial(&bus, &line);
    let _firmware = Firmware::start(end, 1);
    let mut handle = Handle::new(bus.info(), "firmware");
    handle.wait_ready(AMPLE).unwrap();
    for size in [0, 1, 300, 20_000] {
        let bytes: Vec<u8> = (0..size).map(|at: u32| at as u8).collect();
        let answer: Vec<u8> = handle.sync_request("firmware", &Order::Echo(bytes.clone()), AMPLE).unwrap();
        assert!(answer == bytes, "{size}");
    }
    let asked: String = handle.sync_request("firmware", &Order::Ask("service".into(), 7), AMPLE).unwrap();
    assert_eq!(asked, "Ok(7)");
    gateway.stop().unwrap();
    assert!(!handle.ready().unwrap());
}

/// Clause H3: whoever had the terminal before, its bytes are not touched, and nobody waits for a carrier.
#[test]
fn a_terminal_is_made_raw_at_the_speed_that_is_asked_for() {
    let _watchdog = within(60);
    let bus = Bus::spawn().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let (mut line, end) = Line::new(directory.path());
    let gateway = serial(&bus, &line);
    let _firmware = Firmware::start(end, 1);
    let mut handle = Handle::new(bus.info(), "firmware");
    for _ in 0..2 {
        await_recovery(&mut handle);
        let settings = line.settings();
        assert_eq!((settings.input_speed(), settings.output_speed()), (115_200, 115_200));
        let modes = settings.control_modes;
        assert!(modes.contains(ControlModes::CS8 | ControlModes::CREAD | ControlModes::CLOCAL), "{modes:?}");
        assert!(
            !modes.intersects(ControlModes::CRTSCTS | ControlModes::CSTOPB | ControlModes::PARENB),
            "{modes:?}"
        );
        let (input, output, local) = (settings.input_modes, settings.output_modes, settings.local_modes);
        assert!(!input.intersects(InputModes::IXON | InputModes::ICRNL | InputModes::ISTRIP), "{input:?}");
        assert!(!output.contains(OutputModes::OPOST), "{output:?}");
        assert!(!local.intersects(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG), "{local:?}");
        // The same once it is back.
        line.pull_out();
        line.plug_in();
    }
    gateway.stop().unwrap();
}

/// Clause H3: it has one gateway at a time, and can have another afterwards.
#[test]
fn a_line_that_has_a_gateway_is_in_use() {
    let _watchdog = within(60);
    let bus = Bus::spawn().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let (line, end) = Line::new(directory.path());
    let mut handle = Handle::new(bus.info(), "firmware");
    for life in 1..3 {
        let gateway = serial(&bus, &line);
        let _firmware = Firmware::start(end.try_clone().unwrap(), life);
        await_recovery(&mut handle);
        let refused = Gateway::new(bus.info()).run_serial(line.path(), None).unwrap_err();
        assert!(matches!(refused, GatewayError::LineInUse { .. }), "{refused}");
        assert!(refused.to_string().contains(line.path().to_str().unwrap()), "{refused}");
        gateway.stop().unwrap();
    }
}

/// Clause H3. Clause D1.
#[test]
fn noise_on_a_line_ends_calls_by_type_and_the_links_recover() {
    let _watchdog = within(120);
    let bus = Bus::spawn().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let (line, end) = Line::new(directory.path());
    let gateway = serial(&bus, &line);
    let _firmware = Firmware::start(end, 1);
    let mut handle = Handle::new(bus.info(), "firmware");
    handle.wait_ready(AMPLE).unwrap();
    let (mut answered, mut failed) = (0, 0);
    for round in 0..5 {
        line.set_noise(800);
        for number in 0..40u64 {
            // Between two lives of the membership, a call would fail in no time.
            let _ = handle.wait_ready(Duration::from_secs(2));
            match handle.sync_request::<u64>("firmware", &Order::Number(number), Duration::from_secs(2)) {
                Ok(answer) => {
                    assert_eq!(answer, number);
                    answered += 1;
                }
                Err(
                    CallError::Send(
                        SendError::NoSuchPeer { .. }
                        | SendError::PeerGone { .. }
                        | SendError::TimedOut { .. },
                    )
                    | CallError::Request(
                        RequestError::PeerGone { .. }
                        | RequestError::NotSent { .. }
                        | RequestError::TimedOut { .. },
                    ),
                ) => failed += 1,
                Err(error) => panic!("round {round}: {error}"),
            }
        }
        line.set_noise(0);
        await_recovery(&mut handle);
    }
    assert!(answered > 20 && failed > 3 && line.touched() > 3, "{answered} {failed} {}", line.touched());
    gateway.stop().unwrap();
}

/// Clause H3. Clause D7. Clause E4.
#[test]
fn a_reset_of_the_firmware_in_the_middle_of_a_call_is_told_and_its_next_life_is_reached() {
    let _watchdog = within(60);
    let bus = Bus::spawn().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let (line, end) = Line::new(directory.path());
    let gateway = serial(&bus, &line);
    let mut handle = Handle::new(bus.info(), "firmware");
    for life in 1..5 {
        let mut firmware = Firmware::start(end.try_clone().unwrap(), life << 64);
        handle.wait_ready(AMPLE).unwrap();
        let held = handle.send_request("firmware", &Order::Hold, None).unwrap();
        await_recovery(&mut handle);
        firmware.reset();
        let next = Firmware::start(end.try_clone().unwrap(), life << 64 | 1);
        assert!(raw::is_gone(&handle.await_response(held, None)));
        await_recovery(&mut handle);
        let mut next = next;
        next.reset();
    }
    gateway.stop().unwrap();
}

/// Clause H3. Clause E1.
#[test]
fn silent_firmware_is_dead_after_a_second() {
    let _watchdog = within(60);
    let bus = Bus::spawn().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let (line, end) = Line::new(directory.path());
    let gateway = serial(&bus, &line);
    let _firmware = Firmware::start(end, 1);
    let mut handle = Handle::new(bus.info(), "firmware");
    handle.wait_ready(AMPLE).unwrap();
    let held = handle.send_request("firmware", &Order::Hold, None).unwrap();
    await_recovery(&mut handle);
    line.set_silent(true);
    assert!(raw::is_gone(&handle.await_response(held, None)));
    line.set_silent(false);
    await_recovery(&mut handle);
    gateway.stop().unwrap();
}

/// Clause H3: the line is pulled out and put in again.
#[test]
fn a_line_that_comes_back_is_opened_again() {
    let _watchdog = within(60);
    let bus = Bus::spawn().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let (mut line, end) = Line::new(directory.path());
    let gateway = serial(&bus, &line);
    let _firmware = Firmware::start(end, 1);
    let mut handle = Handle::new(bus.info(), "firmware");
    for _ in 0..3 {
        handle.wait_ready(AMPLE).unwrap();
        let held = handle.send_request("firmware", &Order::Hold, None).unwrap();
        await_recovery(&mut handle);
        line.pull_out();
        assert!(raw::is_gone(&handle.await_response(held, None)));
        line.plug_in();
        await_recovery(&mut handle);
    }
    gateway.stop().unwrap();
}

#[test]
fn a_line_that_cannot_be_opened_or_does_not_come_back_is_named() {
    let _watchdog = within(60);
    let bus = Bus::spawn().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let (mut line, _end) = Line::new(directory.path());
    let path = line.path().to_owned();
    let missing = Gateway::new(bus.info()).run_serial(directory.path().join("none"), None).unwrap_err();
    assert!(matches!(missing, GatewayError::Line { .. }), "{missing}");
    let gateway = Gateway::new(bus.info()).absence(Duration::from_millis(200));
    let (opened, is_opened) = std::sync::mpsc::channel();
    let running = Running::start(gateway, move |gateway| {
        opened.send(()).unwrap();
        gateway.run_serial(path, None)
    });
    is_opened.recv().unwrap();
    // It is open once the gateway has answered a firmware.
    let firmware = Firmware::start(_end, 1);
    Handle::new(bus.info(), "firmware").wait_ready(AMPLE).unwrap();
    line.pull_out();
    let gone = running.end().unwrap_err();
    assert!(matches!(gone, GatewayError::LineGone { .. }), "{gone}");
    drop(firmware);
}
