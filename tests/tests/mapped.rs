//! Large packets in mapped memory: they are whole, and nobody can harm another by them. Over sockets alone: no
//! descriptor passes through a message file.

use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ipcm::{Bus, Handle, Service, Trust};
use ipcm_core::RequestError;
use ipcm_tests::memory::{self, SLOT, SLOTS, note};
use ipcm_tests::raw::{self, Happened};
use ipcm_tests::{AMPLE, Ask, Peer, RawLink, proc, within};

/// Bytes that tell where they are.
fn body(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at ^ (at >> 8) ^ (at >> 16)) as u8).collect()
}

/// How many maps of such memory a process has.
fn maps(process: u32) -> usize {
    let maps = std::fs::read_to_string(format!("/proc/{process}/maps")).expect("the process lives");
    maps.lines().filter(|line| line.contains("/memfd:ipcm")).count()
}

/// A bus with an echo service, a handle named `me`, and a connection that passes for one of that handle.
fn with_raw(part: &str) -> (Bus, Peer, Handle, RawLink) {
    let bus = Bus::spawn().unwrap();
    let service = Peer::start(part, bus.info(), "service");
    let mut me = Handle::builder(bus.info(), "service").name("me").build();
    me.join().unwrap();
    let raw = RawLink::call_as(bus.info(), &raw::record(&bus, "service"), &raw::record(&bus, "me"));
    (bus, service, me, raw)
}

/// Clause B5. Fault X4: around every threshold, before there is a pool and with it, in both directions.
#[test]
fn bodies_of_every_size_come_back_whole() {
    let _watchdog = within(60);
    let bus = Bus::spawn().unwrap();
    let service = Peer::start("echo", bus.info(), "echo");
    let mut handle = Handle::new(bus.info(), "echo");
    let body = body(2 * SLOT + 100);
    for _ in 0..3 {
        let sizes = [16 << 10, 64 << 10, 1 << 20, SLOT, 2 * SLOT];
        for size in
            sizes.into_iter().flat_map(|size| [size - 33, size - 17, size - 16, size - 15, size, size + 1])
        {
            let answer = handle.sync_request_bytes("echo", &body[..size], AMPLE).unwrap();
            assert!(answer.bytes() == &body[..size], "{size} bytes came back changed");
        }
    }
    // Data and control, in both directions.
    assert_eq!((maps(service.pid()), maps(std::process::id()) >= 4), (4, true));
    // The files are closed once they are mapped.
    let files = std::fs::read_dir(format!("/proc/{}/fd", service.pid())).unwrap().flatten();
    let targets = files.filter_map(|file| std::fs::read_link(file.path()).ok());
    assert!(!targets.into_iter().any(|target| target.to_string_lossy().contains("memfd")));
}

/// Clause B2: what goes through memory and what goes through the socket keep their order.
#[test]
fn large_and_small_messages_keep_their_order() {
    let _watchdog = within(60);
    let bus = Bus::spawn().unwrap();
    let service = Peer::obedient(bus.info(), "service");
    let mut handle = Handle::new(bus.info(), "service");
    for number in 0..300u64 {
        let pad = [0, 20_000, 10, 100_000, 3][number as usize % 5];
        let mut message = Vec::new();
        ipcm_core::body::encode_into(&number, &mut message, 10).unwrap();
        if pad == 0 {
            handle.send_message_bytes("service", &message, AMPLE).unwrap();
        } else {
            // An `Ask` that is answered behind the messages before it.
            let echoed: Vec<u8> = handle.sync_request("service", &Ask::Echo(vec![7; pad]), AMPLE).unwrap();
            assert_eq!(echoed.len(), pad);
            handle.send_message_bytes("service", &message, AMPLE).unwrap();
        }
    }
    let messages: Vec<u64> = handle.sync_request("service", &Ask::Messages, AMPLE).unwrap();
    assert!(messages.into_iter().eq(0..300));
    drop(service);
}

/// The whole conversation, and what it leaves in the memory.
#[test]
fn a_packet_in_a_slot_is_taken_in_and_the_slot_is_freed() {
    let _watchdog = within(30);
    let (_bus, _service, _me, mut raw) = with_raw("echo");
    raw.send(&note(memory::OFFER, 0, 0)).unwrap();
    assert!(raw.await_note(memory::ACCEPT).is_empty());
    let id = raw.request(&body(1000));
    let request = raw.take_output();
    let files = memory::files(3, &request);
    memory::send_files(raw.socket(), &note(memory::MEMORY, 0, 0), &files);
    raw.await_note(memory::MAPPED);
    raw.send(&note(memory::PACKET, 3, request.len())).unwrap();
    assert!(
        matches!(raw.next(), Happened::Response(answered, answer) if answered == id && answer == body(1000))
    );
    assert_eq!(memory::used(&files[1]), 0xff & !(1 << 3));
}

/// What a peer of this name does wrong, once it has been accepted.
type Deed = (&'static str, fn(&mut RawLink));

/// Says what it has, with these files.
fn give(raw: &mut RawLink, files: &[OwnedFd]) {
    raw.send(&note(memory::OFFER, 0, 0)).unwrap();
    raw.await_note(memory::ACCEPT);
    memory::send_files(raw.socket(), &note(memory::MEMORY, 0, 0), files);
}

/// Gives memory that is as it must be, and waits until it is mapped.
fn share(raw: &mut RawLink) {
    give(raw, &memory::files(0, &[0; 16]));
    raw.await_note(memory::MAPPED);
}

/// Each is cut off for what it did.
///
/// Clause B6. Fault X8.
#[test]
fn a_note_without_sense_and_memory_without_seals_close_the_connection() {
    let _watchdog = within(60);
    let deeds: [Deed; 23] = [
        ("an unknown kind", |raw| raw.send(&note(7, 0, 0)).unwrap()),
        ("a short note", |raw| raw.send(&[memory::OFFER]).unwrap()),
        ("a long note", |raw| raw.send(&[memory::OFFER, 0, 0, 0, 0, 0, 0, 0, 0]).unwrap()),
        ("an offer with a slot", |raw| raw.send(&note(memory::OFFER, 1, 0)).unwrap()),
        ("accept without an offer", |raw| raw.send(&note(memory::ACCEPT, 0, 0)).unwrap()),
        ("mapped without memory", |raw| raw.send(&note(memory::MAPPED, 0, 0)).unwrap()),
        ("declined without memory", |raw| raw.send(&note(memory::DECLINED, 0, 0)).unwrap()),
        ("memory without an offer", |raw| raw.send(&note(memory::MEMORY, 0, 0)).unwrap()),
        ("a packet without memory", |raw| raw.send(&note(memory::PACKET, 0, 100)).unwrap()),
        ("a flood of offers", |raw| {
            raw.send(&note(memory::OFFER, 0, 0)).unwrap();
            raw.send(&note(memory::OFFER, 0, 0)).unwrap();
        }),
        ("memory without files", |raw| give_note(raw)),
        ("memory with one file", |raw| give(raw, &memory::files(0, &[])[..1])),
        ("the files in the wrong order", |raw| {
            let [data, used] = memory::files(0, &[]);
            give(raw, &[used, data]);
        }),
        ("data that is not sealed", |raw| {
            let [_, used] = memory::files(0, &[]);
            give(raw, &[memory::file(SLOTS * SLOT), used]);
        }),
        ("data that can shrink", |raw| {
            let [_, used] = memory::files(0, &[]);
            let seals = memory::READ_ONLY.difference(rustix::fs::SealFlags::SHRINK);
            give(raw, &[memory::seal(memory::file(SLOTS * SLOT), seals), used]);
        }),
        ("data that others can write to", |raw| {
            let [_, used] = memory::files(0, &[]);
            give(raw, &[memory::seal(memory::file(SLOTS * SLOT), memory::FIXED), used]);
        }),
        ("data that is too short", |raw| {
            let [_, used] = memory::files(0, &[]);
            give(raw, &[memory::seal(memory::file(SLOTS * SLOT - 4096), memory::READ_ONLY), used]);
        }),
        ("a word that can shrink", |raw| {
            let [data, _] = memory::files(0, &[]);
            give(raw, &[data, memory::file(memory::WORD)]);
        }),
        ("pipes for files", |raw| {
            let (one, other) = std::io::pipe().unwrap();
            give(raw, &[one.into(), other.into()]);
        }),
        ("two memories", |raw| {
            share(raw);
            memory::send_files(raw.socket(), &note(memory::MEMORY, 0, 0), &memory::files(0, &[]));
        }),
        ("a slot out of range", |raw| {
            share(raw);
            raw.send(&note(memory::PACKET, SLOTS as u8, 100)).unwrap();
        }),
        ("a packet of no length", |raw| {
            share(raw);
            raw.send(&note(memory::PACKET, 0, 0)).unwrap();
        }),
        ("a packet that is longer than its slot", |raw| {
            share(raw);
            raw.send(&note(memory::PACKET, 0, SLOT + 1)).unwrap();
        }),
    ];
    let bus = Bus::spawn().unwrap();
    let mut service = Handle::builder(bus.info(), "nobody").name("service").build();
    service.join().unwrap();
    let mut me = Handle::builder(bus.info(), "service").name("me").build();
    me.join().unwrap();
    let (record, my_record) = (raw::record(&bus, "service"), raw::record(&bus, "me"));
    for (at, (what, deed)) in deeds.into_iter().enumerate() {
        let (info, record, my_record) = (bus.info().clone(), record.clone(), my_record.clone());
        let closed = std::thread::spawn(move || {
            // It has said hello: nothing but the deed can end it.
            let mut raw = RawLink::call_as(&info, &record, &my_record);
            deed(&mut raw);
            raw.await_closed();
        });
        while !closed.is_finished() {
            service.poll(Duration::from_millis(1)).unwrap();
        }
        closed.join().unwrap_or_else(|_| panic!("{what} closed nothing"));
        let violations = service.join().unwrap().client().endpoint().counters().violations;
        assert_eq!(violations, at as u64 + 1, "{what}");
    }
}

fn give_note(raw: &mut RawLink) {
    raw.send(&note(memory::OFFER, 0, 0)).unwrap();
    raw.await_note(memory::ACCEPT);
    raw.send(&note(memory::MEMORY, 0, 0)).unwrap();
}

/// Files that nobody asked for: before an offer, and between an offer and the memory.
///
/// Clause B6. Fault X20.
#[test]
fn files_that_come_unasked_are_not_kept() {
    let _watchdog = within(30);
    let (_bus, service, _me, mut raw) = with_raw("echo");
    let descriptors = || std::fs::read_dir(format!("/proc/{}/fd", service.pid())).unwrap().count();
    let before = descriptors();
    for round in 0..2 {
        for _ in 0..50 {
            raw.request(b"with files");
            let packet = raw.take_output();
            memory::send_files(raw.socket(), &packet, &memory::files(0, &[]));
            assert!(matches!(raw.next(), Happened::Response(..)));
        }
        assert_eq!(descriptors(), before);
        if round == 0 {
            raw.send(&note(memory::OFFER, 0, 0)).unwrap();
            raw.await_note(memory::ACCEPT);
        }
    }
}

/// The peer writes to a packet all the time while it is read: the size, the head, the body.
///
/// Clause B6.
#[test]
fn a_peer_that_scribbles_on_what_is_read_harms_itself_alone() {
    let _watchdog = within(60);
    let (bus, _service, mut me, _) = with_raw("obey");
    let (record, my_record) = (raw::record(&bus, "service"), raw::record(&bus, "me"));
    let mut ended = 0;
    for round in 0..20 {
        let mut raw = RawLink::call_as(bus.info(), &record, &my_record);
        let mut ask = Vec::new();
        ipcm_core::body::encode_into(&Ask::Echo(vec![1; 2000]), &mut ask, 4000).unwrap();
        raw.request(&ask);
        let request = raw.take_output();
        let data = memory::file(SLOTS * SLOT);
        let scribbled = Scribbled::map(&data);
        scribbled.write(0, &request);
        let [_, used] = memory::files(0, &[]);
        give(&mut raw, &[memory::seal(data, memory::READ_ONLY), used]);
        raw.await_note(memory::MAPPED);
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                // The size, the units, the kind, the length within the body: each in its turn.
                let at = [0, 1, 4, 5, 6, 16, 17, 18][round % 8];
                while !stop.load(Ordering::Relaxed) {
                    scribbled.write(at, &[0xff]);
                    scribbled.write(at, &request[at..=at]);
                }
            });
            for _ in 0..200 {
                let sent = raw.try_send(&note(memory::PACKET, 0, request.len()));
                if sent.is_err() {
                    ended += 1;
                    break;
                }
            }
            stop.store(true, Ordering::Relaxed);
        });
    }
    println!("{ended} connections of 20 were cut");
    let echoed: Vec<u8> = me.sync_request("service", &Ask::Echo(body(100_000)), AMPLE).unwrap();
    assert_eq!(echoed, body(100_000));
}

/// A file that is mapped for writing before it is sealed.
struct Scribbled(*mut u8);

// SAFETY: it is a map of its own, and written to by atomic stores only.
unsafe impl Sync for Scribbled {}

impl Scribbled {
    fn map(file: &OwnedFd) -> Self {
        use std::os::fd::AsRawFd;
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: the kernel chooses a place where nothing is.
        let start = unsafe {
            libc::mmap(std::ptr::null_mut(), SLOT, protection, libc::MAP_SHARED, file.as_raw_fd(), 0)
        };
        assert_ne!(start, libc::MAP_FAILED);
        Self(start.cast())
    }

    fn write(&self, at: usize, bytes: &[u8]) {
        assert!(at + bytes.len() <= SLOT);
        for (offset, &byte) in bytes.iter().enumerate() {
            // SAFETY: within the map, as just checked; all bytes are values of an atomic.
            let place = unsafe { std::sync::atomic::AtomicU8::from_ptr(self.0.add(at + offset)) };
            place.store(byte, Ordering::Relaxed);
        }
    }
}

impl Drop for Scribbled {
    fn drop(&mut self) {
        // SAFETY: the map is this one's own.
        unsafe { libc::munmap(self.0.cast(), SLOT) };
    }
}

/// A receiver that frees no slot has what comes behind the last slot through the socket, and may find everything.
///
/// Clause B4. Fault X11.
#[test]
fn a_receiver_that_never_frees_a_slot_is_served_through_the_socket() {
    let _watchdog = within(60);
    let (_bus, service, _me, mut raw) = with_raw("echo");
    let large = body(40_000);
    let before = proc::resident(service.pid());
    raw.request(&large);
    raw.flush();
    raw.await_note(memory::OFFER);
    assert!(matches!(raw.next(), Happened::Response(_, answer) if answer == large));
    raw.send(&note(memory::ACCEPT, 0, 0)).unwrap();
    raw.request(&large);
    raw.flush();
    let files = raw.await_note(memory::MEMORY);
    let [data, used] = <[OwnedFd; 2]>::try_from(files).expect("data and control");
    assert!(matches!(raw.next(), Happened::Response(_, answer) if answer == large));
    // It says so, and does not even map it.
    raw.send(&note(memory::MAPPED, 0, 0)).unwrap();
    let ask = |raw: &mut RawLink| {
        raw.request(&large);
        raw.flush();
        let packet = raw.receive().expect("the connection lives");
        let slot = (packet.len() == 8).then(|| {
            let len = u32::from_le_bytes(packet[4..].try_into().unwrap()) as usize;
            assert_eq!(packet, note(memory::PACKET, packet[1], len));
            raw.take_in(&memory::read(&data, usize::from(packet[1]) * SLOT, len));
            packet[1]
        });
        assert!(matches!(raw.next(), Happened::Response(_, answer) if answer == large));
        slot
    };
    for slot in 0..SLOTS as u8 {
        assert_eq!(ask(&mut raw), Some(slot));
    }
    for _ in 0..20 {
        assert_eq!(ask(&mut raw), None);
    }
    // The lowest that is free is used first; what is not a slot is not looked at.
    memory::write(&used, 0, &0xffff_ff97u32.to_ne_bytes());
    assert_eq!([ask(&mut raw), ask(&mut raw), ask(&mut raw)], [Some(3), Some(5), Some(6)]);
    assert_eq!(ask(&mut raw), None);
    // Nobody but its sender writes to the data.
    assert!(rustix::io::pwrite(&data, b"x", 0).is_err());
    assert!(rustix::fs::ftruncate(&data, 0).is_err() && rustix::fs::ftruncate(&used, 0).is_err());
    let grown = proc::resident(service.pid()).saturating_sub(before);
    assert!(grown < (SLOTS * SLOT) as u64, "{grown} bytes");
}

/// Neither memory can be made nor descriptors be received, and no word is said about it.
///
/// Fault X20.
#[test]
fn without_descriptors_large_bodies_go_through_the_socket() {
    let _watchdog = within(60);
    let bus = Bus::spawn().unwrap();
    let service = Peer::start("echo", bus.info(), "echo");
    let mut caller = Peer::start("call without descriptors", bus.info(), "echo");
    caller.expect("all came back");
    assert_eq!((maps(service.pid()), maps(caller.pid())), (0, 0));
}

/// A file of memory that is longer than the process may have files would be a signal that ends it.
///
/// Fault X20.
#[test]
fn a_process_that_may_have_no_long_files_sends_through_the_socket() {
    let _watchdog = within(60);
    let bus = Bus::spawn().unwrap();
    let service = Peer::start("echo", bus.info(), "echo");
    let mut caller = Peer::start("call without long files", bus.info(), "echo");
    caller.expect("all came back");
    // The service's memory alone.
    assert_eq!((maps(service.pid()), maps(caller.pid())), (2, 2));
}

/// Clause B6.
#[test]
fn the_memory_goes_with_the_connection() {
    let _watchdog = within(60);
    let bus = Bus::spawn().unwrap();
    let service = Peer::start("echo", bus.info(), "echo");
    for _ in 0..3 {
        let mut handle = Handle::new(bus.info(), "echo");
        for _ in 0..4 {
            handle.sync_request_bytes("echo", &body(50_000), AMPLE).unwrap();
        }
        assert_eq!(maps(service.pid()), 4);
        drop(handle);
        // The service has seen it go once it has answered another one.
        let mut other = Handle::new(bus.info(), "echo");
        while maps(service.pid()) > 0 {
            other.sync_request_bytes("echo", b"small", AMPLE).unwrap();
        }
    }
}

/// The answer is in the memory of a process that is dead, and the word of it in a socket.
///
/// Clause E2. Fault X15.
#[test]
fn a_large_answer_survives_the_death_of_its_sender() {
    let _watchdog = within(30);
    let bus = Bus::spawn().unwrap();
    let mut service = Peer::obedient(bus.info(), "service");
    let mut handle = Handle::new(bus.info(), "service");
    for _ in 0..3 {
        let id = handle.send_request("service", &Ask::Swell(1 << 20), AMPLE).unwrap();
        handle.await_response(id, None).unwrap();
    }
    assert_eq!(maps(service.pid()), 2, "there is no pool");
    let id = handle.send_request("service", &Ask::Swell(1 << 20), AMPLE).unwrap();
    let [readiness] = handle.select_handles().unwrap();
    proc::await_readable(&readiness);
    service.kill();
    proc::await_end(service.pid());
    let answer = handle.await_response(id, None).unwrap();
    assert!(answer.bytes().len() == 1 << 20 && answer.bytes().iter().all(|&byte| byte == 7));
    match handle.sync_request::<u64>("service", &Ask::Number(1), AMPLE) {
        Err(error) => println!("{error}"),
        Ok(_) => panic!("it is dead"),
    }
    assert!(matches!(handle.await_response(id, None), Err(RequestError::UnknownId { .. })));
}

/// Fault X17.
#[test]
fn a_forked_child_has_none_of_the_memory() {
    let _watchdog = within(30);
    let bus = Bus::spawn().unwrap();
    let service = Peer::obedient(bus.info(), "service");
    let mut handle = Handle::new(bus.info(), "service");
    for _ in 0..4 {
        let _: Vec<u8> = handle.sync_request("service", &Ask::Echo(vec![3; 50_000]), AMPLE).unwrap();
    }
    assert_eq!(maps(service.pid()), 4);
    let child: u64 = handle.sync_request("service", &Ask::Fork, AMPLE).unwrap();
    assert_eq!(maps(child as u32), 0);
    let _: Vec<u8> = handle.sync_request("service", &Ask::Echo(vec![3; 50_000]), AMPLE).unwrap();
}

/// A promise that the tests of reading in place keep: both ends are this process.
fn trust() -> Trust {
    // SAFETY: nothing here writes to a packet that was sent.
    unsafe { Trust::new() }
}

/// Whether these bytes lie in memory that is shared with a peer.
fn is_mapped(bytes: &[u8]) -> bool {
    let at = bytes.as_ptr().addr();
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    maps.lines().filter(|line| line.contains("/memfd:ipcm")).any(|line| {
        let (range, _) = line.split_once(' ').unwrap();
        let (from, to) = range.split_once('-').unwrap();
        let number = |text| usize::from_str_radix(text, 16).unwrap();
        (number(from)..number(to)).contains(&at)
    })
}

/// Requests and responses are read where they were written, every one of them: no slot is kept.
///
/// Clause B5.
#[test]
fn with_trust_bodies_are_read_where_they_were_written() {
    let _watchdog = within(60);
    let bus = Bus::spawn().unwrap();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let notes = seen.clone();
    let service = Service::new(bus.info(), "echo").read_in_place(trust()).on_call(move |call| {
        let body = call.body();
        notes.lock().unwrap().push(is_mapped(body));
        call.reply_in(body.len(), |place| place.copy_from_slice(body));
    });
    let service = service.spawn().unwrap();
    let mut handle = Handle::builder(bus.info(), "echo").read_in_place(trust()).build();
    let body = body(SLOT);
    let mut in_place = 0;
    for round in 0..60 {
        let len = [20_000, 100_000, 1 << 20, 5][round % 4];
        let write = |place: &mut [u8]| place.copy_from_slice(&body[..len]);
        let response = handle.sync_request_in("echo", len, write, AMPLE).unwrap();
        assert!(response.bytes() == &body[..len], "{len} bytes came back changed");
        in_place += usize::from(is_mapped(response.bytes()));
    }
    // Two before there is a pool, each way.
    let seen: usize = seen.lock().unwrap().iter().map(|&mapped| usize::from(mapped)).sum();
    assert!(in_place >= 42 && seen >= 42, "{in_place} responses and {seen} requests of 45");
    drop(service);
}

/// A response that is not collected before the next packet comes is moved, and its slot given back.
///
/// Clause C8.
#[test]
fn bodies_read_in_place_outlast_the_packets_behind_them() {
    let _watchdog = within(60);
    let bus = Bus::spawn().unwrap();
    let _service = Service::echo(bus.info(), "echo").read_in_place(trust()).spawn().unwrap();
    let mut handle = Handle::builder(bus.info(), "echo").read_in_place(trust()).build();
    let body = body(200_000);
    for round in 0..5 {
        let lens: Vec<usize> = (0..12).map(|at| 30_000 + 1000 * at + round).collect();
        let ids: Vec<_> =
            lens.iter().map(|&len| handle.send_request_bytes("echo", &body[..len], AMPLE).unwrap()).collect();
        handle.await_all_responses(AMPLE).unwrap();
        for (id, &len) in ids.into_iter().zip(&lens) {
            let response = handle.await_response(id, None).unwrap();
            assert!(response.bytes() == &body[..len]);
        }
    }
}

/// Clause B5: without a pool it is written to the outbox, in a length that may be too much for the peer.
#[test]
fn a_body_that_is_written_in_place_needs_no_pool_and_keeps_to_the_limit() {
    let _watchdog = within(30);
    let bus = Bus::spawn().unwrap();
    let _service = Peer::start("echo", bus.info(), "echo");
    let mut handle = Handle::new(bus.info(), "echo");
    let limit = 16 << 20;
    for len in [0, 1, 5000, 3 << 20, limit] {
        let write =
            |place: &mut [u8]| place.iter_mut().enumerate().for_each(|(at, byte)| *byte = (at >> 4) as u8);
        let response = handle.sync_request_in("echo", len, write, AMPLE).unwrap();
        assert_eq!(response.bytes().len(), len);
        assert!(response.bytes().iter().enumerate().all(|(at, &byte)| byte == (at >> 4) as u8));
    }
    let too_large = ipcm::SendError::TooLarge { peer: "echo".into(), limit };
    let refused = handle.send_request_in("echo", limit + 1, |_| panic!("nothing is written"), AMPLE);
    assert_eq!(refused, Err(too_large));
}
