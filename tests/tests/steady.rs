//! What a call costs once everything has grown: system calls and allocations, counted exactly. Over sockets alone: each
//! packet of a message file is made and removed, and that costs what it costs.
//!
//! Times differ from run to run; these do not. The processes stop at every system call, time stands still for them
//! (see [`ipcm_tests::standstill`]), and everyone sleeps before and after what is counted. A test that may not trace
//! its children says so and counts as skipped.

use std::io;
use std::process::Command;

use ipcm::{Bus, Info};
use ipcm_benches::tracer::is_forbidden;
use ipcm_tests::standstill::{Calls, Process, Traced, Work};
use ipcm_tests::within;

const TRIPS: u64 = 100;

/// A service and some clients that have called it.
struct Cast {
    /// Dropped before the bus, which would wait for the service.
    traced: Traced,
    clients: Vec<Process>,
    _bus: Bus,
}

impl Cast {
    /// `None`, and a loud word, where tracing is forbidden.
    fn new(clients: usize, test: &str) -> Option<Self> {
        let bus = Bus::spawn().unwrap();
        let mut traced = Traced::default();
        let started = traced.start(steady("serve", bus.info())).and_then(|_| {
            (0..clients).map(|_| traced.start(steady("call", bus.info()))).collect::<io::Result<_>>()
        });
        match started {
            Ok(clients) => Some(Self { traced, clients, _bus: bus }),
            Err(error) if is_forbidden(&error) => {
                eprintln!("SKIPPED: {test} must be allowed to trace its own children: {error}");
                None
            }
            Err(error) => panic!("{error}"),
        }
    }

    /// What the service and the first client do for a line, after they have done the same some times.
    fn steady(&mut self, line: &str) -> [Work; 2] {
        self.traced.stop_time();
        // Until what they know of the time before it stood still is forgotten.
        for _ in 0..4 {
            self.traced.run(self.clients[0], line);
        }
        let mut work = self.traced.run(self.clients[0], line);
        for idle in work.drain(2..) {
            assert_eq!(idle, Work { calls: Calls::new(), allocations: 0 }, "a client that does nothing");
        }
        work.try_into().unwrap()
    }
}

fn steady(part: &str, info: &Info) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_steady"));
    command.arg(part).arg(info.to_string()).arg("service");
    command
}

fn work<const N: usize>(calls: [(&str, u64); N]) -> Work {
    let calls = calls.into_iter().map(|(name, count)| (name.to_owned(), count)).collect();
    Work { calls, allocations: 0 }
}

#[test]
fn a_round_trip_is_four_system_calls_and_no_allocation() {
    let _watchdog = within(60);
    let Some(mut cast) = Cast::new(1, "a_round_trip_is_four_system_calls_and_no_allocation") else { return };
    let [service, client] = cast.steady(&format!("trips {TRIPS}"));
    assert_eq!(service, work([("recvfrom", TRIPS), ("sendto", TRIPS), ("(clock)", TRIPS)]));
    assert_eq!(client, work([("sendto", TRIPS), ("recvfrom", TRIPS), ("(clock)", TRIPS)]));
}

#[test]
fn a_round_trip_beside_other_clients_is_five_system_calls_and_no_allocation() {
    let _watchdog = within(60);
    let test = "a_round_trip_beside_other_clients_is_five_system_calls_and_no_allocation";
    let Some(mut cast) = Cast::new(3, test) else { return };
    let [service, client] = cast.steady(&format!("trips {TRIPS}"));
    let calls = [("epoll_pwait2", TRIPS), ("recvfrom", TRIPS), ("sendto", TRIPS), ("(clock)", 2 * TRIPS)];
    assert_eq!(service, work(calls));
    assert_eq!(client, work([("sendto", TRIPS), ("recvfrom", TRIPS), ("(clock)", TRIPS)]));
}

#[test]
fn a_batch_of_64_requests_is_as_many_system_calls_as_one_request() {
    let _watchdog = within(60);
    let test = "a_batch_of_64_requests_is_as_many_system_calls_as_one_request";
    let Some(mut cast) = Cast::new(1, test) else { return };
    // Tables that have held more do not grow for fewer.
    cast.traced.run(cast.clients[0], "batch 256");
    let [service, client] = cast.steady("batch 64");
    assert_eq!(service, work([("recvfrom", 1), ("sendto", 1), ("(clock)", 1)]));
    assert_eq!(client, work([("sendto", 1), ("recvfrom", 1), ("(clock)", 2)]));
}

/// Clause E1. Nobody sleeps with a time limit, so nobody wakes until something happens.
#[test]
fn an_idle_service_and_a_client_that_waits_for_ever_do_nothing() {
    let _watchdog = within(60);
    for clients in [1, 3] {
        let test = "an_idle_service_and_a_client_that_waits_for_ever_do_nothing";
        let Some(mut cast) = Cast::new(clients, test) else { return };
        cast.traced.run(cast.clients[0], &format!("trips {TRIPS}"));
        cast.traced.sleep_for_ever();
        cast.traced.tell(cast.clients[0], &format!("wait {}", u32::MAX));
        cast.traced.sleep_for_ever();
    }
}
