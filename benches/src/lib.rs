//! Benchmarks against the raw floors of the same run.
//!
//! Only ratios carry over from one run or machine to the next, so every figure is taken beside a floor:
//!
//! ```text
//! contender             what is measured: a server side, a way to connect, one round trip
//!   ipcm, in_place      this project; with bodies written and read where they are sent
//!   raw                 the floors: bare AF_UNIX sockets; the first of them is *the* floor
//!                       (other libraries: the workspace in `peers/`)
//! agent                 a process that measures one contender, and is killed if it hangs
//!   child, placement    a server in a child process, pinned to a CPU, that cannot outlive its parent
//!   directory, watchdog what they leave is removed, also if the whole is killed
//!   usage, allocations  what a process has used, read from outside it
//! latency               rounds of all contenders, interleaved
//! death, notice         SIGKILL of the server until the client notices; until the kernel does
//! syscalls, tracer      system calls per round trip, counted with ptrace
//! pipeline, crowd       many requests outstanding; many clients
//! growth, idle, size    beside much that is kept; while nothing happens; of a small program
//! failures              contenders that failed, without which the others go on
//! statistics            medians and quantiles of the above
//! goals                 the program that measures all of this, with other libraries or without
//! guest                 round trips of a guest in WebAssembly, beside bare pipes
//! goal, plot            the table of what was to be reached; charts
//! ```
//!
//! Unsafe code is in [`allocations`] (a global allocator cannot be written without), in [`tracer`], and where
//! [`in_place`] says that it trusts its peer.

mod agent;
pub mod allocations;
pub mod child;
pub mod contender;
pub mod crowd;
pub mod death;
pub mod directory;
pub mod failures;
pub mod goal;
pub mod goals;
pub mod growth;
pub mod guest;
pub mod idle;
pub mod in_place;
pub mod ipcm;
pub mod latency;
pub mod notice;
pub mod pipeline;
pub mod placement;
pub mod plot;
pub mod raw;
pub mod size;
pub mod statistics;
pub mod syscalls;
pub mod tracer;
pub mod usage;
pub mod watchdog;
