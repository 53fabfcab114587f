//! Tables and windows that are full, by good will or bad: those who come too late are told, and the rest goes on.

use alloc::vec::Vec;
use core::time::Duration;

use ipcm_core::transport::{Progress, Transport};
use ipcm_core::{Config, SendError};

use crate::ground::Ground;
use crate::raw::Raw;
use crate::rogue::Rogue;
use crate::stage::{BOUNDED, Stage, try_send};

/// Clause B6.
pub fn links_beyond_the_limit_are_turned_away<G: Ground>() {
    let mut config = Config::default();
    config.links = 2;
    let mut stage = Stage::<G>::pair_with(Config::default(), config);
    let mut rogue = Rogue::new(Raw::join(&mut stage.ground, "rogue"));
    for _ in 0..5 {
        rogue.call("echo");
    }
    stage.until("four are turned away", |stage| {
        assert!(links(stage) <= 2, "{} links", links(stage));
        rogue.step();
        rogue.links().len() == 1
    });
    stage.call(0, b"the first is served");
    stage.settle();
    rogue.step();
    assert_eq!((rogue.links().len(), links(&stage)), (1, 2), "and the second is left as it is");
}

/// Clause B6: the limit holds for those whom one calls as well.
pub fn a_peer_beyond_the_limit_of_links_is_not_called<G: Ground>() {
    let mut config = Config::default();
    config.links = 1;
    let mut stage = Stage::<G>::pair_with(config, Config::default());
    let other = stage.add_service("other", Config::default());
    let full = SendError::TooManyLinks { limit: 1 };
    assert_eq!(try_send(stage.askers[0].client_mut(), "other", b""), Err(full.clone()));
    assert_eq!(stage.askers[0].send_request_bytes("other", b"", BOUNDED), Err(full));
    stage.call(0, b"the first goes on");
    // There is room again when that one has gone.
    stage.services.swap(0, other);
    stage.crash_service(other);
    stage.until("the end of the link is found", |stage| {
        stage.askers[0].client().endpoint().links().count() == 0
    });
    let id = stage.ask(0, "other", b"at last", None);
    assert_eq!(stage.end(0, id).as_deref(), Ok(&b"at last"[..]));
}

/// Fault X9: those that said hello and nothing else stay, and cost nothing.
pub fn one_who_does_not_say_hello_in_time_is_cut_off<G: Ground>() {
    let mut config = Config::default();
    config.greeting = Duration::from_millis(300);
    let mut stage = Stage::<G>::pair_with(Config::default(), config.clone());
    let mut idle = Rogue::new(Raw::join(&mut stage.ground, "idle"));
    for _ in 0..5 {
        idle.call("echo");
    }
    stage.until("hello is said", |stage| {
        idle.step();
        links(stage) == 6
    });
    let before = stage.now();
    let mut silent = Raw::join(&mut stage.ground, "silent");
    let theirs: Vec<_> = (0..20).map(|_| silent.connect("echo").0).collect();
    stage.until("the silent are cut off", |stage| violations(stage) == 20);
    assert!(stage.now() >= before + config.greeting, "they were cut off before their time");
    for link in theirs {
        assert_eq!(silent.hear_out(link), []);
    }
    idle.step();
    assert_eq!((idle.links().len(), links(&stage)), (5, 6), "the idle stay");
    stage.call(0, b"and the others are served");
}

/// Clause B6. Fault X8: one who takes no notice of its window is cut off, with the window's worth taken in.
pub fn a_flood_beyond_the_window_is_cut_off<G: Ground>() {
    let mut config = Config::default();
    (config.window, config.body_limit) = (1000, 1000);
    let mut stage = Stage::<G>::pair();
    let reader = stage.add_asker("reader", config);
    let mut rogue = Rogue::new(Raw::join(&mut stage.ground, "rogue"));
    let link = rogue.call("reader");
    stage.until("the link is open", |_| {
        rogue.step();
        rogue.endpoint.is_open(link)
    });
    rogue.endpoint.message(link, 0, false, &mut |_, _| Ok(())).expect("there is room for one");
    let frame = rogue.endpoint.pending_output(link, usize::MAX).to_vec();
    let mut sent = 0;
    stage.until("the flood is cut off", |stage| {
        while sent < 1000 && rogue.raw.transport().send(link, &frame) == Progress::Moved(frame.len()) {
            sent += 1;
        }
        stage.askers[reader].client().endpoint().counters().violations == 1
    });
    // 80 bytes each with their bookkeeping: two windows and the largest frame.
    let taken = stage.askers[reader].messages().len();
    assert!((12..=90).contains(&taken), "{taken} messages");
    stage.call(0, b"and the others are served");
}

/// Fault X11.
pub fn links_that_come_and_go_leave_nothing_behind<G: Ground>() {
    let mut stage = Stage::<G>::pair();
    let mut rogue = Rogue::new(Raw::join(&mut stage.ground, "rogue"));
    for round in 0..200 {
        let link = rogue.call("echo");
        stage.until("the link is open", |_| {
            rogue.step();
            rogue.endpoint.is_open(link)
        });
        rogue.hang_up();
        stage.until("the end of the link is found", |stage| links(stage) == 1);
        if round % 50 == 0 {
            stage.call(0, b"and the others are served");
        }
    }
    let endpoint = stage.services[0].service.client().endpoint();
    assert_eq!((endpoint.poll_timeout(), endpoint.counters().violations), (None, 0), "nothing is waited for");
}

fn links<G: Ground>(stage: &Stage<G>) -> usize {
    stage.services[0].service.client().endpoint().links().count()
}

fn violations<G: Ground>(stage: &Stage<G>) -> u64 {
    stage.services[0].service.client().endpoint().counters().violations
}
