//! `ipcm demo`: what this is about, shown on a bus of its own.

mod figures;
mod report;

use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use ipcm::{Bus, Handle, RequestError, ServiceProcess};
use signal_hook::consts::SIGKILL;

use crate::failure::{Failure, Kind};
use crate::output;
use crate::signals::EndSignals;
use report::{Report, span};

pub(crate) const ABOUT: &str = "\
Show a service called, killed in the middle of a call, and started again.

Makes a temporary bus, starts an echo service in a process of its own, makes some calls and prints
their round-trip times, kills the service with SIGKILL in the middle of a call, shows how and when
that call ends, starts the service again and goes on with the same handle, ends the bus, and checks
that nothing is left. Takes less than a second; the exit code is 0 only if all went as said.";

/// The entry of the service's process.
const ENTRY: &str = "ipcm-demo-echo";
/// The name under which it serves.
const NAME: &str = "echo";
/// The request that it leaves unanswered.
const UNANSWERED: &[u8] = b"leave this one unanswered";
/// How long that request waits before its service is killed.
const BEFORE_KILL: Duration = Duration::from_millis(100);
/// Longer than anything here takes.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Serves, in the process that [`run`] starts; elsewhere returns at once.
pub(crate) fn entry() {
    ServiceProcess::entry(ENTRY, |service| {
        let mut kept = Vec::new();
        service.on_call(move |call| match call.body() {
            UNANSWERED => kept.push(call.defer()),
            body => call.reply_bytes(body),
        })
    });
}

pub(crate) fn run() -> Result<(), Failure> {
    let is_interrupted = Arc::new(AtomicBool::new(false));
    let told = is_interrupted.clone();
    EndSignals::catch()?.on_first(move || told.store(true, Ordering::Release))?;
    let shown = show(Report::new(is_interrupted.clone()));
    // A Ctrl-C goes to the service's process as well, and whatever that breaks is not worth telling.
    if is_interrupted.load(Ordering::Acquire) { Err(report::interrupted()) } else { shown }
}

/// Shows it all. Where it ends early, what it has made is dropped, and so goes away.
fn show(mut report: Report) -> Result<(), Failure> {
    output::line("A service in a process of its own is called, killed in the middle of a call, and")?;
    output::line("started again under the same name, while one handle goes on talking to it.\n")?;
    let begin = Instant::now();
    let bus = Bus::spawn()?;
    let directory = bus.info().route().to_owned();
    report.step("bus", format!("made in {}", directory.display()))?;

    let service = ServiceProcess::spawn(bus.info(), NAME, ENTRY)?;
    report.step("service", format!("\"{NAME}\" is ready, process {}", service.pid()))?;

    let mut handle = Handle::new(bus.info(), NAME);
    check_echo(&mut handle)?;
    report.step("first call", "joined the bus, connected, was answered")?;
    report.table("calls", figures::measure(&mut handle)?)?;

    kill_in_the_middle_of_a_call(&mut report, &mut handle, service)?;

    let service = ServiceProcess::spawn(bus.info(), NAME, ENTRY)?;
    report.step("restart", format!("\"{NAME}\" is ready again, process {}", service.pid()))?;
    check_echo(&mut handle)?;
    report.step("next call", "the same handle was answered by the new process")?;

    drop(handle);
    shut_down(&mut report, bus, service, directory)?;
    output::line(format!("\nAll as it should be, in {}.", span(begin.elapsed())))
}

/// One call, whose reply must be its request.
fn check_echo(handle: &mut Handle) -> Result<(), Failure> {
    let reply = handle.sync_request_bytes(NAME, b"hello", TIMEOUT)?;
    if reply.bytes() == b"hello" { Ok(()) } else { Err(unexpected("the reply is not the request")) }
}

/// The await blocks here; the kill comes from another thread meanwhile.
fn kill_in_the_middle_of_a_call(
    report: &mut Report,
    handle: &mut Handle,
    service: ServiceProcess,
) -> Result<(), Failure> {
    let pid = service.pid();
    let id = handle.send_request_bytes(NAME, UNANSWERED, TIMEOUT)?;
    let killer = thread::spawn(move || {
        // Nothing tells that the other thread has begun to wait.
        thread::sleep(BEFORE_KILL);
        let killed_at = Instant::now();
        service.kill().map(|status| (killed_at, status))
    });
    let end = handle.await_response(id, None).map(|_| ());
    let ended_at = Instant::now();
    let killed = killer.join().map_err(|_| unexpected("the thread that kills panicked"))?;
    let (killed_at, status) =
        killed.map_err(|error| unexpected(format!("process {pid} could not be killed: {error}")))?;
    let Some(after) = ended_at.checked_duration_since(killed_at) else {
        return Err(unexpected(format!("the call ended before the kill: {end:?}")));
    };
    if status.signal() != Some(SIGKILL) {
        return Err(unexpected(format!("process {pid} was not killed, it ended with {status}")));
    }
    let into = span(BEFORE_KILL);
    report.note("kill", format!("SIGKILL to process {pid}, {into} into a call that it leaves unanswered"))?;
    match end {
        Err(RequestError::PeerGone { reason, .. }) => {
            report.timed("peer gone", format!("so the call ended, this long after the kill: {reason}"), after)
        }
        Err(error) => Err(unexpected(format!("the call did not end with peer gone, but: {error}"))),
        Ok(()) => Err(unexpected("the call was answered by a process that should not have")),
    }
}

fn shut_down(
    report: &mut Report,
    bus: Bus,
    service: ServiceProcess,
    directory: PathBuf,
) -> Result<(), Failure> {
    let ended = bus.shutdown(TIMEOUT)?;
    if !ended.stuck.is_empty() {
        return Err(unexpected(format!("services did not leave: {}", ended.stuck.join(", "))));
    }
    let status = service.stop().map_err(|error| unexpected(format!("the service's process: {error}")))?;
    if !status.success() {
        return Err(unexpected(format!("the service's process ended with {status}")));
    }
    if directory.exists() {
        return Err(unexpected(format!("{} was left behind", directory.display())));
    }
    report.step("shutdown", "the service left, the bus is removed, nothing is left behind")
}

fn unexpected(what: impl Into<String>) -> Failure {
    Failure::new(Kind::Other, what)
}
