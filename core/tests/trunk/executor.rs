//! A member of a fixed size under an executor that drops and begins its futures anew as it likes.

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use ipcm_core::fixed::{Concurrent, LineError, Sleep};
use ipcm_core::memory::Clock;
use ipcm_core::transport::Progress;
use ipcm_core::trunk::{Framing, MemberKind, Record, RelayConfig, TRUNK_VERSION, TrunkConfig, serial};
use ipcm_core::{Clock as _, Instant};

use crate::firmware::{Seen, copy, member, native};
use crate::line::{Line, To};
use crate::world::World;

const SECOND: Duration = Duration::from_secs(1);
const MS: Duration = Duration::from_millis(1);

/// One way of the line; it counts what moves.
struct Half(Line, Rc<Cell<usize>>);

impl Half {
    fn poll(&self, progress: Progress) -> Poll<Result<usize, Infallible>> {
        match progress {
            Progress::Moved(n) => {
                self.1.set(self.1.get() + n);
                Poll::Ready(Ok(n))
            }
            Progress::Blocked => Poll::Pending,
            Progress::Closed | Progress::Broken => Poll::Ready(Ok(0)),
        }
    }
}

impl embedded_io_async::ErrorType for Half {
    type Error = Infallible;
}

impl embedded_io_async::Read for Half {
    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Infallible> {
        poll_fn(|_| self.poll(self.0.read(To::Member, buffer))).await
    }
}

impl embedded_io_async::Write for Half {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
        poll_fn(|_| self.poll(self.0.write(To::Gateway, bytes))).await
    }

    async fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

/// The network's clock; the executor polls all the time, so that nobody need be woken.
#[derive(Debug)]
struct Timer(Clock);

impl ipcm_core::Clock for Timer {
    fn now(&self) -> Instant {
        self.0.now()
    }
}

impl Sleep for Timer {
    async fn sleep_until(&self, deadline: Instant) {
        poll_fn(|_| if self.now() >= deadline { Poll::Ready(()) } else { Poll::Pending }).await;
    }
}

type Device = &'static Concurrent<'static, Timer>;
type Run = Pin<Box<dyn Future<Output = Result<Infallible, LineError<Infallible, Infallible>>>>>;

/// A device whose run is dropped and begun anew after every `patience` polls.
fn start(world: &World, patience: usize) -> (Device, Rc<RefCell<Seen>>) {
    let timer = Timer(world.network.clock());
    let device: Device = Box::leak(Box::new(Concurrent::new(member(1, MemberKind::Service), timer)));
    let seen = Rc::new(RefCell::new(Seen::default()));
    let moved = Rc::new(Cell::new(0));
    let (line, clock, noted) = (world.line.clone(), world.network.clock(), seen.clone());
    let mut run: Option<Run> = None;
    let mut polls = 0;
    world.add(move || {
        let before = moved.get();
        let begin = || -> Run {
            let [reader, writer] = [(); 2].map(|()| Half(line.clone(), moved.clone()));
            let (clock, seen) = (clock.clone(), noted.clone());
            Box::pin(device.run(reader, writer, move |event, endpoint| {
                seen.borrow_mut().take(clock.now(), event, endpoint);
            }))
        };
        let polled = run.get_or_insert_with(begin).as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert!(polled.is_pending(), "{polled:?}");
        polls += 1;
        if polls % patience == 0 {
            run = None;
        }
        moved.get() != before
    });
    (device, seen)
}

/// Clause H3: nothing of a frame lies in a future: it may be dropped at any of its awaits.
#[test]
fn a_run_that_is_dropped_and_begun_anew_at_any_time_loses_nothing() {
    for patience in 1..20 {
        let line = Line::new(7, 50);
        let world = World::with(RelayConfig::serial(), TrunkConfig::serial(), line);
        let _echo = world.serve_natively("echo");
        let (device, seen) = start(&world, patience);
        let mut handle = native(&world);
        handle.wait_ready(SECOND).unwrap();
        for number in 0..30u8 {
            let body = vec![number | 0x80; 10 * usize::from(number)];
            assert_eq!(handle.sync_request_bytes("device", &body, SECOND).unwrap().bytes(), body);
        }
        let link = device.with(|member| member.open("echo")).unwrap();
        world.pass(100 * MS);
        assert_eq!(seen.borrow().opened, [link]);
        let deadline = Some(world.now() + SECOND);
        let id = device.with(|member| {
            let write = &mut |out: &mut [u8]| copy(b"a task asks", out);
            member.endpoint().request(world.now(), link, deadline, write).unwrap()
        });
        world.pass(100 * MS);
        assert_eq!(seen.borrow().ended, [(id, Some(b"a task asks".to_vec()))], "every {patience} polls");
    }
}

/// The test plays the gateway of the first session of the first life: it takes the member in, tells of more connections
/// than that has links, and of life behind them.
fn say_as_gateway(line: &Line) {
    let joined = Record::Joined { version: TRUNK_VERSION, window: 1000, limit: 100, silence: 0 };
    let incoming = (0..6).map(|at| Record::Incoming { link: 2 * at + 1 });
    for (number, record) in [joined].into_iter().chain(incoming).chain([Record::Pulse; 6]).enumerate() {
        let mut frame = [0; 64];
        let len = serial::encode(2, number as u16, &record, &mut frame).unwrap();
        line.inject(To::Member, &frame[..len]);
    }
}

/// Nobody is woken by what was read and waits: it is taken in as soon as it can be.
#[test]
fn one_poll_takes_in_all_that_has_come() {
    let world = World::new(Framing::Serial);
    let device = Concurrent::new(member(1, MemberKind::Service), Timer(world.network.clock()));
    let [reader, writer] = [(); 2].map(|()| Half(world.line.clone(), Rc::default()));
    let mut run = Box::pin(device.run(reader, writer, |_, _| {}));
    let mut poll = || assert!(run.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    poll();
    say_as_gateway(&world.line);
    poll();
    assert!(!world.line.has_bytes(To::Member));
    assert!(device.with(|member| member.is_joined()));
}

/// Clause H3: what has come behind a connection for which there is no link, and waits until that is turned away, is not
/// in a future either.
#[test]
fn what_waits_behind_a_connection_that_is_turned_away_is_not_lost() {
    for (chunk, capacity, patience) in
        [(64, 4096, 1), (64, 1, 1), (64, 1, 2), (50, 1, 3), (30, 4096, 1), (30, 1, 1)]
    {
        let world = World::with(RelayConfig::serial(), TrunkConfig::serial(), Line::new(chunk, capacity));
        world.is_stopped.set(true);
        let (device, seen) = start(&world, patience);
        // What the device says is taken from the line.
        let line = world.line.clone();
        world.add(move || matches!(line.read(To::Gateway, &mut [0; 64]), Progress::Moved(_)));
        world.pass(100 * MS);
        say_as_gateway(&world.line);
        world.pass(200 * MS);
        let what = format!("{chunk} bytes at once, room for {capacity}, every {patience} polls");
        assert_eq!((seen.borrow().joined, &seen.borrow().left[..]), (1, &[][..]), "{what}");
        assert!(!world.line.has_bytes(To::Member), "{what}");
        assert!(device.with(|member| member.is_joined()), "{what}");
    }
}

/// Clause D1: a deadline is waited for though nothing comes.
#[test]
fn a_deadline_ends_a_request_though_nothing_comes() {
    let world = World::new(Framing::Serial);
    let _echo = world.serve_natively("echo");
    let (device, seen) = start(&world, usize::MAX);
    world.pass(50 * MS);
    let link = device.with(|member| member.open("echo")).unwrap();
    world.pass(50 * MS);
    let deadline = Some(world.now() + 50 * MS);
    let write = &mut |out: &mut [u8]| copy(b"d", out);
    let id = device.with(|member| member.endpoint().request(world.now(), link, deadline, write).unwrap());
    world.pass(100 * MS);
    assert_eq!(seen.borrow().ended, [(id, None)]);
}

/// What a task does with the member wakes the one that runs it.
#[test]
fn using_the_member_wakes_the_runner() {
    struct Flag(std::sync::atomic::AtomicBool);
    impl std::task::Wake for Flag {
        fn wake(self: std::sync::Arc<Self>) {
            self.0.store(true, std::sync::atomic::Ordering::Relaxed);
        }
    }
    let world = World::new(Framing::Serial);
    let timer = Timer(world.network.clock());
    let device = Concurrent::new(member(1, MemberKind::Handle), timer);
    let [reader, writer] = [(); 2].map(|()| Half(world.line.clone(), Rc::default()));
    let mut run = Box::pin(device.run(reader, writer, |_, _| {}));
    let flag = std::sync::Arc::new(Flag(false.into()));
    assert!(run.as_mut().poll(&mut Context::from_waker(&flag.clone().into())).is_pending());
    assert!(!flag.0.load(std::sync::atomic::Ordering::Relaxed));
    device.with(|member| assert!(!member.is_joined()));
    assert!(flag.0.load(std::sync::atomic::Ordering::Relaxed));
}
