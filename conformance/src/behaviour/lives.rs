//! Messages over the lives of a member: what is kept, what is put back, and what a window is worth. Transports that
//! cannot suspend have said so.

use alloc::vec;
use alloc::vec::Vec;

use ipcm_core::transport::{SuspendError, Transport};
use ipcm_core::{Config, Handle, Message};

use crate::ground::{Ground, Member};
use crate::stage::{MINUTE, Stage, try_send};

const SENDER: usize = 0;
const READER: usize = 1;

/// Two handles, "sender" and "reader", which know each other.
fn sender_and_reader<G: Ground>(reader: Config) -> Stage<G> {
    let mut stage = Stage::new();
    stage.add_asker("sender", Config::default());
    stage.add_asker("reader", reader);
    stage.meet(SENDER, "reader");
    stage
}

/// Clauses A6, B2: before, during and after each sleep.
pub fn messages_to_a_member_that_sleeps_now_and_then_come_in_order<G: Ground>() {
    let mut stage = sender_and_reader::<G>(Config::default());
    let mut came = Vec::new();
    for number in 0..9u8 {
        if number % 3 == 1 {
            came.extend(stage.askers[READER].messages());
            let Some(()) = put_to_sleep(&mut stage, READER) else { return };
            stage.send(SENDER, "reader", &[number]);
            wake(&mut stage, "reader", Config::default());
        } else {
            stage.send(SENDER, "reader", &[number]);
        }
    }
    let left = 9 - came.len();
    came.extend(stage.messages(READER, left));
    assert_eq!(contents(&came), (0..9u8).map(|number| vec![number]).collect::<Vec<_>>());
}

/// Clause A6: what was put back comes first, in the order in which it was, and what was not collected behind it.
pub fn messages_that_are_put_back_come_to_the_next_life_before_all_others<G: Ground>() {
    let mut stage = sender_and_reader::<G>(Config::default());
    (0..3u8).for_each(|number| stage.send(SENDER, "reader", &[number]));
    let messages = stage.messages(READER, 3);
    let can = stage.askers[READER].client().transport().capabilities().suspend;
    for message in [&messages[2], &messages[0]] {
        let put_back = stage.askers[READER].requeue_message(message);
        assert_eq!(put_back, if can { Ok(()) } else { Err(SuspendError::Unsupported) });
    }
    // It has come, and is not collected.
    let before = stage.askers[READER].client().received();
    stage.send(SENDER, "reader", &[3]);
    stage.until("a message comes", |stage| stage.askers[READER].client().received() > before);
    stage.settle();
    let Some(()) = put_to_sleep(&mut stage, READER) else { return };
    stage.send(SENDER, "reader", &[4]);
    wake(&mut stage, "reader", Config::default());
    let again = stage.messages(READER, 4);
    assert_eq!(again[..2], [messages[2].clone(), messages[0].clone()]);
    assert_eq!(contents(&again[2..]), [[3], [4]]);
    put_to_sleep(&mut stage, READER);
    wake(&mut stage, "reader", Config::default());
    stage.settle();
    assert_eq!(stage.askers[READER].messages(), [], "it is put back once");
}

/// Clauses A6, B4: each life of a sender would else have a window of its own.
pub fn the_lives_of_a_sender_share_the_window_of_one_who_does_not_read<G: Ground>() {
    let mut small = Config::default();
    (small.window, small.body_limit) = (2000, 100);
    // The reader is never first: who wakes is put behind it.
    let mut stage = sender_and_reader::<G>(small);
    stage.askers.swap(0, 1);
    let mut accepted = 0u32;
    for _ in 0..5 {
        stage.until("the link is taken up", |stage| {
            stage.askers[1].client().endpoint().route("reader").is_some()
        });
        stage.settle();
        while try_send(stage.askers[1].client_mut(), "reader", &accepted.to_le_bytes()).is_ok() {
            accepted += 1;
            assert!(accepted < 60, "the window of 2000 bytes is used more than once");
        }
        let Some(()) = put_to_sleep(&mut stage, 1) else { return };
        wake(&mut stage, "sender", Config::default());
    }
    assert!(accepted >= 10, "{accepted} messages in a window of 2000 bytes");
    let numbers = contents(&stage.messages(0, accepted as usize));
    assert_eq!(numbers, (0..accepted).map(|number| number.to_le_bytes().to_vec()).collect::<Vec<_>>());
    assert_eq!(stage.askers[0].client().endpoint().counters().violations, 0);
    // The window opens again for the life that is there.
    stage.send(1, "reader", b"there is room again");
    assert_eq!(contents(&stage.messages(0, 1)), [b"there is room again"]);
}

fn contents(messages: &[Message]) -> Vec<Vec<u8>> {
    messages.iter().map(|message| message.content.clone()).collect()
}

/// Takes a handle out and suspends it for a minute; `None` if it cannot be, and said so.
#[track_caller]
fn put_to_sleep<G: Ground>(stage: &mut Stage<G>, at: usize) -> Option<()> {
    let member = stage.askers.remove(at).into_client();
    let can = member.transport().capabilities().suspend;
    let until = member.now() + MINUTE;
    let suspended = member.suspend(until);
    assert_eq!(suspended, if can { Ok(()) } else { Err(SuspendError::Unsupported) });
    can.then_some(())
}

/// Brings a suspended handle back, behind the others.
#[track_caller]
fn wake<G: Ground>(stage: &mut Stage<G>, name: &str, config: Config) {
    let member: Member<G> = stage.ground.resume(name, config).expect("it is suspended");
    stage.askers.push(Handle::new(member, "echo"));
}
