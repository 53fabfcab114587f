//! A process of the tests: `peer PART INFO NAME`. It says `ready`, plays its part, and ends with its input.

use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use ipcm::{Bus, Gateway, Handle, Info, Service, ServiceProcess, SharedHandle};
use ipcm_tests::obedient::{self, Ask, say};
use ipcm_tests::shortage::Hoard;
use ipcm_tests::{AMPLE, mortal, no_vdso, proc, scarce};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Interrupts of a storm: one a millisecond.
const STORM: Duration = Duration::from_millis(1);

fn main() {
    ServiceProcess::entry("obey", |service| obedient::obey(service, || {}));
    ServiceProcess::entry("fails to start", |service| {
        service.on_start(|_| Err("the cellar is flooded".into()))
    });
    ServiceProcess::entry("dies in its start", |service| service.on_start(|_| std::process::exit(7)));
    ServiceProcess::entry("panics in its start", |service| service.on_start(|_| panic!("in its start")));
    ServiceProcess::entry("is never ready", |service| {
        service.on_start(|_| {
            say("starting");
            loop {
                std::thread::park();
            }
        })
    });
    if std::env::var_os("IPCM_CHILD_ENTRY").is_some() {
        // The entry that was asked for is none of those above.
        return;
    }

    let arguments: Vec<String> = std::env::args().collect();
    let [_, part, info, name] = &arguments[..] else { panic!("peer PART INFO NAME") };
    let info: Info = info.parse().expect("the second argument is a bus");
    let lines = lines();
    match part.as_str() {
        "obey" => serve(obedient::service(&info, name, move || drop(lines.recv()))),
        "echo" => serve(Service::echo(&info, name)),
        "echo in a storm" => {
            proc::raise_descriptor_limit();
            storm();
            serve(Service::echo(&info, name));
        }
        "join" => join(&info, name, &lines),
        "suspend" => {
            let mut handle = Handle::builder(&info, "nobody").name(name).build();
            handle.join().expect("the bus is there");
            say("ready");
            handle.suspend(Duration::from_secs(3600)).expect("the bus is one of files");
            say("suspended");
        }
        "fork" => fork(&info, name, &lines),
        "race for a name" => race_for_name(&info, name, &lines),
        "race for a bus" => race_for_bus(&info, &lines),
        "call in a storm" => call_in_storm(&info, name, &lines),
        "share in a storm" => share_in_storm(&info, name, &lines),
        "call" => call(&info, name, &lines),
        "call without descriptors" => call_without(Resource::Nofile, 3, &info, name, &lines),
        "call without long files" => call_without(Resource::Fsize, 4096, &info, name, &lines),
        "wait without a wall clock" => wait_without_wall_clock(&info, name, &lines),
        "start a process" => start_process(&info, name, &lines),
        "own a bus" => own_bus(&info, &lines),
        "gateway" => gateway(&info, name),
        "fill a disk" => scarce::fill_a_disk(name),
        "starve" => scarce::starve(&info, name, &lines),
        "reconnect while starving" => scarce::reconnect_while_starving(&info, name),
        "obey without notices" => {
            scarce::without_notices();
            serve(obedient::service(&info, name, || {}));
        }
        "call without notices" => {
            scarce::without_notices();
            call(&info, name, &lines);
        }
        "lose permission" => scarce::lose_permission(),
        other => assert!(mortal::play(other, &info, name, &lines), "there is no part {other:?}"),
    }
}

/// The lines that come; the process ends with them.
fn lines() -> Receiver<String> {
    let (send, lines) = channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lines().map_while(Result::ok) {
            let _ = send.send(line);
        }
        std::process::exit(0);
    });
    lines
}

fn serve(service: Service) {
    match service.run_with(|_| say("ready")) {
        Ok(()) => say("ended"),
        Err(error) => say(&format!("failed: {error}")),
    }
}

/// Joins, and takes in what comes only when it is told to.
fn join(info: &Info, name: &str, lines: &Receiver<String>) {
    let mut handle = Handle::builder(info, "nobody").name(name).build();
    handle.join().expect("the bus is there");
    say("ready");
    for line in lines {
        match line.as_str() {
            "poll" => {
                handle.poll(AMPLE).expect("the bus is there");
                let numbers = handle.messages().into_iter().map(|message| message.decode::<u64>());
                say(&format!("{:?}", numbers.collect::<Result<Vec<_>, _>>()));
            }
            other => panic!("cannot {other}"),
        }
    }
}

/// Joins, and forks a child that leaves the bus by the way of destructors.
fn fork(info: &Info, name: &str, lines: &Receiver<String>) {
    let mut handle = Handle::builder(info, "nobody").name(name).build();
    handle.join().expect("the bus is there");
    // SAFETY: the child has one thread, and frees what this one had allocated.
    match unsafe { libc::fork() } {
        0 => {
            drop(handle);
            // SAFETY: it ends the process.
            unsafe { libc::_exit(0) };
        }
        child => {
            let mut status = 0;
            // SAFETY: the pointer is to an integer that lives.
            let waited = unsafe { libc::waitpid(child, &raw mut status, 0) };
            assert_eq!((waited, status), (child, 0));
        }
    }
    say("ready");
    for line in lines {
        assert_eq!(line, "poll");
        handle.poll(AMPLE).expect("the bus is there");
        let numbers = handle.messages().into_iter().map(|message| message.decode::<u64>());
        say(&format!("{:?}", numbers.collect::<Result<Vec<_>, _>>()));
    }
}

/// Waits for the pipe to be opened for writing, which wakes all who wait at the same moment.
fn await_gate(gate: &str) {
    say("set");
    drop(std::fs::File::open(gate).expect("the gate is there"));
}

fn race_for_name(info: &Info, name: &str, lines: &Receiver<String>) {
    say("ready");
    let Ok(gate) = lines.recv() else { return };
    await_gate(&gate);
    let mut handle = Handle::builder(info, "nobody").name(name).build();
    match handle.join() {
        Ok(_) => say("won"),
        Err(ipcm::JoinError::NameTaken { .. }) => say("taken"),
        Err(error) => say(&format!("failed: {error}")),
    }
    // The winner stays until its input ends, which ends the process.
    while lines.recv().is_ok() {}
}

fn race_for_bus(info: &Info, lines: &Receiver<String>) {
    say("ready");
    let Ok(gate) = lines.recv() else { return };
    await_gate(&gate);
    let made = Bus::builder().transport(info.transport()).path(info.route()).create();
    match &made {
        Ok(_) => say("won"),
        Err(ipcm::BusError::Owned { .. }) => say("owned"),
        Err(error) => say(&format!("failed: {error}")),
    }
    if lines.recv().is_ok() {
        drop(made);
        say("ended");
        while lines.recv().is_ok() {}
    }
}

/// Interrupts every system call of this thread that waits, a thousand times a second.
fn storm() {
    extern "C" fn count(_: libc::c_int) {
        INTERRUPTS.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    }
    // SAFETY: all zeros is a `sigaction` without flags, so without SA_RESTART; the handler touches one
    // atomic. The timer's values are those of `STORM`.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = count as extern "C" fn(libc::c_int) as usize;
        assert_eq!(libc::sigaction(libc::SIGALRM, &raw const action, std::ptr::null_mut()), 0);
        let every = libc::timeval { tv_sec: 0, tv_usec: STORM.as_micros() as libc::suseconds_t };
        let timer = libc::itimerval { it_interval: every, it_value: every };
        assert_eq!(libc::setitimer(libc::ITIMER_REAL, &raw const timer, std::ptr::null_mut()), 0);
    }
}

static INTERRUPTS: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);

fn interrupts() -> u64 {
    INTERRUPTS.load(std::sync::atomic::Ordering::Relaxed)
}

/// A run of requests of both sizes, messages in between, and one wait that nothing ends but its time.
fn call_in_storm(info: &Info, service: &str, lines: &Receiver<String>) {
    storm();
    let mut handle = Handle::new(info, service);
    handle.wait_ready(AMPLE).expect("the service is there");
    say("ready");
    let _ = lines.recv();
    let large: Vec<u8> = (0..1 << 20).map(|at: u32| at as u8).collect();
    let mut rounds = 0u64;
    while interrupts() < 600 || rounds < 400 {
        let small = rounds.to_le_bytes();
        let answer = handle.sync_request_bytes(service, &small, AMPLE).expect("it answers");
        assert_eq!(answer.bytes(), small);
        if rounds.is_multiple_of(10) {
            let answer = handle.sync_request_bytes(service, &large, AMPLE).expect("it answers");
            assert!(answer.bytes() == large, "a large body came back changed");
            handle.send_message_bytes(service, &small, AMPLE).expect("it takes messages");
        }
        rounds += 1;
    }
    let started = std::time::Instant::now();
    let taken = handle.poll(Duration::from_millis(100)).expect("the bus is there");
    assert_eq!(taken, 0);
    assert!(started.elapsed() >= Duration::from_millis(100), "an interrupt ended a wait");
    say(&format!("done {rounds} {}", interrupts()));
}

fn share_in_storm(info: &Info, service: &str, lines: &Receiver<String>) {
    storm();
    let shared = SharedHandle::new(Handle::new(info, service)).expect("the bus is there");
    say("ready");
    let _ = lines.recv();
    std::thread::scope(|scope| {
        for thread in 0..4u64 {
            let shared = shared.clone();
            scope.spawn(move || {
                for number in 0..200 {
                    let sent = thread * 1000 + number;
                    let answer: u64 = shared.sync_request(service, &sent, AMPLE).expect("it answers");
                    assert_eq!(answer, sent);
                }
            });
        }
    });
    say(&format!("done 800 {}", interrupts()));
}

/// Does one thing a line, in a process of its own.
fn call(info: &Info, service: &str, lines: &Receiver<String>) {
    // A Rust program ignores SIGPIPE unless told otherwise; programs in other languages do not.
    // SAFETY: the default action is no function of this program.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
    let mut handle = Handle::builder(info, service).name(format!("caller of {service}")).build();
    handle.join().expect("the bus is there");
    say("ready");
    for line in lines {
        let (what, argument) = line.split_once(' ').unwrap_or((&line, "0"));
        let number = argument.parse().unwrap_or(0);
        match what {
            "number" => {
                say(&format!("{:?}", handle.sync_request::<u64>(service, &Ask::Number(number), AMPLE)))
            }
            // It is sent, and not awaited.
            "hold" => {
                handle.send_request(service, &Ask::Hold(number), None).expect("it can be sent");
                say("sent");
            }
            "message" => {
                handle.send_message(service, &number, AMPLE).expect("it takes messages");
                say("sent");
            }
            "await" => say(&format!("{:?}", handle.sync_request::<u64>(service, &Ask::Hold(number), None))),
            // So many messages; how many were accepted.
            "flood" => {
                let accepted = (0..number).filter(|at| handle.try_send(service, at).is_ok());
                say(&format!("{}", accepted.count()));
            }
            // Once on its connection and once for another, and then with descriptors.
            "starve" => {
                let mut other = Handle::new(info, service);
                other.join().expect("the bus is there");
                let hoard = Hoard::of_all();
                let short = obedient::SHORT;
                say(&format!("{:?}", handle.sync_request::<u64>(service, &Ask::Number(number), short)));
                say(&format!("{:?}", other.sync_request::<u64>(service, &Ask::Number(number), AMPLE)));
                drop(hoard);
                say(&format!("{:?}", handle.sync_request::<u64>(service, &Ask::Number(number), AMPLE)));
            }
            // The process waits in the kernel, as little as it can, until its time is up.
            "wait" => {
                handle.sync_request::<u64>(service, &Ask::Number(1), AMPLE).expect("it answers");
                let before = proc::own_waits();
                let ended = handle.sync_request::<u64>(service, &Ask::Hold(0), Duration::from_millis(number));
                assert!(ended.is_err(), "{ended:?}");
                say(&format!("{}", proc::own_waits() - before));
            }
            other => panic!("cannot {other}"),
        }
    }
}

/// Calls with large bodies while there is no more of something.
fn call_without(what: Resource, limit: u64, info: &Info, service: &str, lines: &Receiver<String>) {
    let mut handle = Handle::new(info, service);
    handle.sync_request_bytes(service, b"hello", AMPLE).expect("it answers");
    let before = getrlimit(what);
    setrlimit(what, Rlimit { current: Some(limit), ..before }).expect("less is allowed");
    let large: Vec<u8> = (0..1 << 20).map(|at: u32| (at >> 3) as u8).collect();
    for len in [100_000, 1 << 20, 20_000].into_iter().cycle().take(30) {
        let answer = handle.sync_request_bytes(service, &large[..len], AMPLE).expect("it answers");
        assert!(answer.bytes() == &large[..len], "{len} bytes came back changed");
    }
    setrlimit(what, before).expect("as it was");
    say("ready");
    say("all came back");
    while lines.recv().is_ok() {}
}

/// Waits in every way there is, under a filter that kills for a look at the wall clock.
fn wait_without_wall_clock(info: &Info, service: &str, lines: &Receiver<String>) {
    let mut handle = Handle::new(info, service);
    handle.join().expect("the bus is there");
    say("ready");
    let _ = lines.recv();
    no_vdso::forbid_the_wall_clock();
    let short = obedient::SHORT;
    handle.wait_ready(AMPLE).expect("the service is there");
    let number: u64 = handle.sync_request(service, &Ask::Number(3), AMPLE).expect("it answers");
    assert_eq!(number, 3);
    assert!(handle.sync_request::<u64>(service, &Ask::Hold(0), short).is_err());
    let id = handle.send_request(service, &Ask::Hold(1), None).expect("it can be sent");
    assert!(handle.await_any(&[id], short).is_none());
    assert!(handle.await_all_responses(short).is_err());
    assert!(handle.await_response(id, short).is_err());
    assert_eq!(handle.poll(short), Ok(0));
    let mut absent = Handle::new(info, "absent");
    assert!(absent.wait_ready(short).is_err());
    let shared = SharedHandle::new(handle).expect("it has joined");
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| assert!(shared.sync_request::<u64>(service, &Ask::Hold(0), short).is_err()));
        }
    });
    say("never looked");
    let _ = lines.recv();
    // A message carries a time of day: this one must be caught, or the filter is worth nothing.
    let sent = shared.send_message(service, &1u64, AMPLE);
    say(&format!("looked unseen: {sent:?}"));
}

/// Starts services in processes of their own and tells how that went.
fn start_process(info: &Info, name: &str, lines: &Receiver<String>) {
    say("ready");
    let mut processes = Vec::new();
    for entry in lines {
        if let Some(at) = entry.strip_prefix("stop ") {
            let at: usize = at.parse().expect("a number");
            let process: ServiceProcess = processes.remove(at);
            say(&format!("{:?}", process.stop()));
            continue;
        }
        match ServiceProcess::spawn(info, name, &entry) {
            Ok(process) => {
                let started = process.handle().child_pid().expect("its handle knows what was started");
                assert_eq!(started, process.pid());
                say(&format!("pid {started}"));
                processes.push(process);
            }
            Err(error) => say(&format!("failed: {error}")),
        }
    }
}

/// Runs a gateway for the program `name`, as the guest of that name.
fn gateway(info: &Info, name: &str) {
    let mut guest = std::process::Command::new(name);
    guest.arg("guest");
    say("ready");
    let ended = Gateway::new(info).run_program(guest);
    say(&format!("{ended:?}"));
}

/// Owns a bus until it is told to drop it or is killed.
fn own_bus(info: &Info, lines: &Receiver<String>) {
    let bus = Bus::builder().transport(info.transport()).create().expect("a bus can be made");
    say("ready");
    say(&bus.info().to_string());
    let _ = lines.recv();
    drop(bus);
    say("ended");
}
