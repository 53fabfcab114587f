//! A bus made for guests, who show by a beat that they live. Real guests are in `wasi.rs`; these are their remains.

use std::fs::{self, File};
use std::io::Write;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use ipcm::{Bus, Handle, Service, ServiceError, TransportKind};
use ipcm_core::{CallError, SendError};
use ipcm_tests::{AMPLE, Ask, Peer, raw, within};

/// The life of the guest whose files [`Remains`] are.
const LIFE: u128 = 0x0011_2233_4455_4677_8899_aabb_ccdd_eeff;

/// What a guest leaves whose host was killed.
struct Remains {
    bus: Bus,
    beat: PathBuf,
    _model: Peer,
}

impl Remains {
    /// Those of a guest of this name whose last beat came then.
    fn new(name: &str, beaten: SystemTime) -> Self {
        let bus = Bus::builder().transport(TransportKind::Files).guests(true).create().unwrap();
        let route = bus.info().route();
        let model = Peer::obedient(bus.info(), "model");
        let life = |life: u128| format!("{life:032x}");
        let record = fs::read_to_string(route.join("model.peer")).unwrap();
        let record =
            record.replace("name model", &format!("name {name}")).replace("guest false", "guest true");
        let record = record.replace(&life(raw::record(&bus, "model").incarnation().as_bits()), &life(LIFE));
        fs::write(route.join(format!("{name}.peer")), record).unwrap();
        fs::create_dir(route.join(format!("{}.mail", life(LIFE)))).unwrap();
        let beat = route.join(format!("{}.beat", life(LIFE)));
        fs::write(&beat, [1]).unwrap();
        File::options().write(true).open(&beat).unwrap().set_modified(beaten).unwrap();
        Self { bus, beat, _model: model }
    }
}

fn long_ago() -> SystemTime {
    SystemTime::now() - Duration::from_secs(6)
}

/// Nobody has seen the guest live, as a command that runs for a moment.
///
/// Clause A5. Clause C3. Fault X6.
#[test]
fn one_who_has_just_come_does_not_take_a_guest_for_alive_whose_beat_came_long_ago() {
    let _watchdog = within(30);
    let remains = Remains::new("guest", long_ago());
    let info = remains.bus.info();
    let names: Vec<_> =
        Bus::open(info).unwrap().peers().unwrap().iter().map(|p| p.name().to_owned()).collect();
    assert_eq!(names, ["model"]);
    let mut handle = Handle::new(info, "guest");
    assert_eq!(handle.ready(), Ok(false));
    let nobody = SendError::NoSuchPeer { peer: "guest".into() };
    assert_eq!(handle.sync_request::<u64>("guest", &1u64, AMPLE), Err(CallError::Send(nobody)));
    // A beat that comes after all is believed.
    fs::write(&remains.beat, [2]).unwrap();
    assert_eq!(handle.ready(), Ok(true));
}

/// By the clock alone a guest is not dead: it may have been set. One who wants its name waits for a beat.
///
/// Clause A4. Clause D4.
#[test]
fn a_name_is_not_taken_from_a_guest_that_beats_though_the_clock_says_that_it_is_dead() {
    let _watchdog = within(60);
    let remains = Remains::new("guest", long_ago());
    let beat = remains.beat.clone();
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut count = 1u64;
            while !is_over.load(Ordering::Relaxed) {
                count += 1;
                // The time of the file stays what it was, as where the clock is wrong.
                let mut file = File::options().write(true).open(&beat).unwrap();
                file.write_all(&count.to_le_bytes()).unwrap();
                file.set_modified(long_ago()).unwrap();
            }
        });
        let taken = Service::echo(remains.bus.info(), "guest").spawn().map(drop);
        is_over.store(true, Ordering::Relaxed);
        let error = taken.unwrap_err().to_string();
        assert!(error.contains("is taken by"), "{error}");
    });
}

/// Another one has taken this member for dead, and has removed what it left.
///
/// Clause A4. Clause D1.
#[test]
fn one_whose_mailbox_is_taken_away_learns_that_it_is_no_member_any_more() {
    let _watchdog = within(30);
    let bus = Bus::builder().transport(TransportKind::Files).guests(true).create().unwrap();
    let ousted = |name: &str| {
        let life = raw::record(&bus, name).incarnation().as_bits();
        fs::remove_dir_all(bus.info().route().join(format!("{life:032x}.mail"))).unwrap();
    };
    let _peer = Peer::obedient(bus.info(), "peer");
    let mut handle = Handle::builder(bus.info(), "peer").name("me").build();
    let id = handle.send_request("peer", &Ask::Hold(1), None).unwrap();
    ousted("me");
    assert!(raw::is_gone(&handle.await_response(id, None)));
    assert!(handle.is_bus_gone());
    let error = handle.sync_request::<u64>("peer", &Ask::Number(1), AMPLE).unwrap_err();
    assert!(error.to_string().contains("no more"), "{error}");
    let info = bus.info().clone();
    let service = std::thread::spawn(move || Service::echo(&info, "echo").run());
    Handle::new(bus.info(), "echo").wait_ready(None).unwrap();
    ousted("echo");
    let ended = service.join().unwrap();
    assert!(matches!(ended, Err(ServiceError::BusGone { .. })), "{ended:?}");
}
