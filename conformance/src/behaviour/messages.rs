//! Messages: their order, their bounds, and what happens when nobody reads.

use alloc::vec;
use alloc::vec::Vec;

use ipcm_core::{Config, Delivery, Message, Overflow, SendError};

use crate::ground::Ground;
use crate::pattern::{assert_same, pattern};
use crate::script::LARGE_ANSWER;
use crate::stage::{BOUNDED, SHORT, Stage, try_send};

/// Two handles, "sender" and "reader", of which the first knows the second.
fn sender_and_reader<G: Ground>(change: impl FnOnce(&mut Config)) -> Stage<G> {
    let mut config = Config::default();
    change(&mut config);
    let mut stage = Stage::new();
    stage.add_asker("sender", Config::default());
    stage.add_asker("reader", config);
    stage.meet(0, "reader");
    stage
}

const SENDER: usize = 0;
const READER: usize = 1;

/// Clause B1.
pub fn a_message_says_who_sent_it_to_whom<G: Ground>() {
    let mut stage = sender_and_reader::<G>(|_| {});
    stage.send(SENDER, "reader", b"hello");
    let message = stage.messages(READER, 1).remove(0);
    let incarnation = stage.askers[SENDER].client().endpoint().incarnation();
    let Message { from, to, sequence, broadcast, content, .. } = message;
    assert_eq!(
        (&*from, &*to, sequence, broadcast, &content[..]),
        ("sender", "reader", 1, false, &b"hello"[..])
    );
    assert_eq!(message.incarnation, incarnation);
    assert_eq!(stage.askers[READER].messages(), []);
}

/// Clauses B2, C11.
pub fn messages_come_in_the_order_sent_and_once<G: Ground>() {
    let mut stage = sender_and_reader::<G>(|_| {});
    let bodies: Vec<_> = (0..300).map(|number| pattern(number, number as usize * 7)).collect();
    for body in &bodies {
        stage.send(SENDER, "reader", body);
    }
    let messages = stage.messages(READER, bodies.len());
    for (number, (message, body)) in messages.iter().zip(&bodies).enumerate() {
        assert_eq!(message.sequence, number as u64 + 1);
        assert_same(&message.content, body, "a message");
    }
    stage.settle();
    assert_eq!(stage.askers[READER].messages(), []);
}

/// Some are sent at once, some wait for room; requests come in between.
///
/// Clause B2.
pub fn messages_that_wait_for_room_keep_their_order<G: Ground>() {
    let mut config = Config::default();
    // Room for one at a time.
    config.window = 100;
    let mut stage = Stage::<G>::pair_with(Config::default(), config);
    let mut refused = 0;
    for number in 0..300u16 {
        stage.until("there is room", |stage| {
            let sent = try_send(stage.askers[0].client_mut(), "echo", &number.to_le_bytes());
            assert!(matches!(sent, Ok(()) | Err(SendError::WouldBlock { .. })), "{sent:?}");
            refused += u32::from(sent.is_err());
            sent.is_ok()
        });
        if number % 100 == 99 {
            stage.call(0, b"between");
            assert_eq!(stage.services[0].script.messages.len(), usize::from(number) + 1);
        }
    }
    assert!(refused > 0, "the window was never full");
    let came = stage.services[0].script.messages.iter().map(|message| message.content.clone());
    let sent = (0..300u16).map(|number| number.to_le_bytes().to_vec());
    assert_eq!(came.collect::<Vec<_>>(), sent.collect::<Vec<_>>());
}

/// Clauses B2, B3: some are handed over at once, some are queued.
pub fn messages_that_are_sent_and_that_are_queued_keep_their_order<G: Ground>() {
    let mut stage = sender_and_reader::<G>(|_| {});
    let bodies: Vec<_> = (0..20).map(|number| pattern(number, number as usize * 3)).collect();
    for (number, body) in bodies.iter().enumerate() {
        let sender = &mut stage.askers[SENDER];
        let sent = match number % 2 {
            0 => sender.send_message_bytes("reader", body, BOUNDED),
            _ => try_send(sender.client_mut(), "reader", body),
        };
        assert_eq!(sent, Ok(()));
    }
    let until = stage.now() + BOUNDED.unwrap_or_default();
    assert!(stage.askers[SENDER].client_mut().flush_all(until), "all of that can leave");
    for (message, body) in stage.messages(READER, bodies.len()).iter().zip(&bodies) {
        assert_same(&message.content, body, "a message");
    }
}

/// Clause B3.
pub fn a_message_to_nobody_is_refused<G: Ground>() {
    let mut stage = sender_and_reader::<G>(|_| {});
    let nobody = Err(SendError::NoSuchPeer { peer: "nobody".into() });
    assert_eq!(stage.askers[SENDER].send_message_bytes("nobody", b"", BOUNDED), nobody);
    assert_eq!(try_send(stage.askers[SENDER].client_mut(), "nobody", b""), nobody);
}

/// Clause B3.
pub fn a_broadcast_tells_what_came_of_each_peer<G: Ground>() {
    let mut stage = sender_and_reader::<G>(|_| {});
    // It takes no turns: it cannot say hello.
    let stopped = stage.add_asker("stopped", Config::default());
    let _stopped = stage.askers.remove(stopped);
    let late = Err(SendError::TimedOut { peer: "stopped".into() });
    let expected = [("reader", Ok(())), ("stopped", late)];
    let expected = expected.map(|(peer, outcome)| Delivery { peer: peer.into(), outcome });
    assert_eq!(stage.askers[SENDER].broadcast(&5u8, SHORT), Ok(expected.to_vec()));
    let message = stage.messages(READER, 1).remove(0);
    assert_eq!((message.broadcast, message.decode()), (true, Ok(5u8)));
}

/// It is the first in the order of names, and the others are not kept from theirs.
///
/// Clause B3.
pub fn a_broadcast_reaches_all_but_the_one_that_takes_nothing_in<G: Ground>() {
    let mut stage = sender_and_reader::<G>(|_| {});
    let last = stage.add_asker("the last", Config::default());
    stage.meet(SENDER, "the last");
    let stopped = stage.add_asker("a stopped one", Config::default());
    let stopped = stage.askers.remove(stopped);
    for _ in 0..2 {
        let outcomes = stage.askers[SENDER].broadcast(&5u8, SHORT).expect("the bus is there");
        let late = Err(SendError::TimedOut { peer: "a stopped one".into() });
        let expected = [("a stopped one", late), ("reader", Ok(())), ("the last", Ok(()))];
        assert_eq!(outcomes, expected.map(|(peer, outcome)| Delivery { peer: peer.into(), outcome }));
    }
    stage.ground.crash(stopped.into_client());
    let outcomes = stage.askers[SENDER].broadcast(&5u8, SHORT).expect("the bus is there");
    let told: Vec<_> = outcomes.iter().map(|delivery| (&*delivery.peer, &delivery.outcome)).collect();
    assert_eq!(told, [("reader", &Ok(())), ("the last", &Ok(()))]);
    for reader in [READER, last] {
        assert_eq!(stage.messages(reader, 3)[2].decode(), Ok(5u8));
    }
}

/// Clauses B4, C11. Fault X10.
pub fn a_reader_that_does_not_collect_holds_the_sender_back_and_loses_nothing<G: Ground>() {
    let mut stage = sender_and_reader::<G>(|config| config.window = 2000);
    let mut sent = 0u64;
    let mut refused = 0;
    while refused < 20 {
        match try_send(stage.askers[SENDER].client_mut(), "reader", &pattern(sent, 100)) {
            Ok(()) => sent += 1,
            Err(SendError::WouldBlock { peer }) => {
                assert_eq!(&*peer, "reader");
                refused += 1;
                stage.step();
                stage.pause();
            }
            Err(error) => panic!("{error}"),
        }
        assert!(sent <= 2000 / 100, "{sent} messages of 100 bytes in a window of 2000");
    }
    // 32 bytes of head and 64 of bookkeeping each; the last may overdraw.
    assert_eq!(sent, 2000 / 196 + 1, "messages of 100 bytes in a window of 2000");
    let messages = stage.messages(READER, sent as usize);
    for (number, message) in messages.iter().enumerate() {
        assert_same(&message.content, &pattern(number as u64, 100), "a message");
    }
    stage.send(SENDER, "reader", b"there is room again");
    assert_eq!(stage.messages(READER, 1)[0].content, b"there is room again");
}

/// Clause B4. Fault X10: one who is stopped costs its senders one window, and their time alone.
pub fn a_stopped_reader_neither_blocks_nor_grows_its_sender<G: Ground>() {
    let mut stage = sender_and_reader::<G>(|config| config.window = 100_000);
    stage.add_service("echo", Config::default());
    stage.meet(SENDER, "echo");
    let stopped = stage.askers.remove(READER);
    let mut accepted = Vec::new();
    for number in 0..3000u64 {
        match try_send(stage.askers[SENDER].client_mut(), "reader", &pattern(number, 1000)) {
            Ok(()) => accepted.push(number),
            Err(SendError::WouldBlock { .. }) => {}
            Err(error) => panic!("{error}"),
        }
        let asked = stage.askers[SENDER].client_mut().try_request("reader", None, &mut |_, _| Ok(()));
        let may_be = matches!(asked, Ok(_) | Err(SendError::WouldBlock { .. }));
        assert!(may_be, "{asked:?}");
    }
    let endpoint = stage.askers[SENDER].client().endpoint();
    let backlog = endpoint.route("reader").map(|link| endpoint.backlog(link));
    assert!(
        backlog.is_some_and(|backlog| backlog <= 102_000),
        "{backlog:?} bytes wait for one who is stopped"
    );
    assert!((1..=100).contains(&accepted.len()), "{} messages in a window of 100 000", accepted.len());
    let late = Err(SendError::TimedOut { peer: "reader".into() });
    assert_eq!(stage.askers[SENDER].send_message_bytes("reader", &[0; 1000], SHORT), late);
    stage.call(SENDER, b"and another is not held up");
    stage.askers.push(stopped);
    let messages = stage.messages(READER, accepted.len());
    for (message, number) in messages.iter().zip(accepted) {
        assert_same(&message.content, &pattern(number, 1000), "a message");
    }
    stage.settle();
    assert_eq!(stage.askers[READER].messages(), [], "the late one was not sent");
}

/// Clause C11.
pub fn drop_oldest_keeps_the_newest_and_counts_the_others<G: Ground>() {
    let mut stage = sender_and_reader::<G>(|config| {
        config.overflow = Overflow::DropOldest { capacity: 3 };
        config.window = 400;
    });
    for number in 0..10u8 {
        stage.send(SENDER, "reader", &[number]);
    }
    stage.until("all have come", |stage| stage.askers[READER].client().dropped_messages() == 7);
    stage.settle();
    let contents: Vec<_> =
        stage.askers[READER].messages().into_iter().map(|message| message.content).collect();
    assert_eq!(contents, [[7], [8], [9]]);
}

/// Clause B4: each sends as much as it can, and takes in what the other has sent.
pub fn two_that_flood_each_other_both_get_through<G: Ground>() {
    let mut config = Config::default();
    config.window = 20_000;
    let mut stage = Stage::<G>::new();
    stage.add_asker("left", config.clone());
    stage.add_asker("right", config);
    stage.meet(0, "right");
    stage.meet(1, "left");
    const COUNT: usize = 400;
    let (mut sent, mut came) = ([0; 2], [0; 2]);
    let peers = ["right", "left"];
    stage.until("both floods get through", |stage| {
        for side in 0..2 {
            let client = stage.askers[side].client_mut();
            while sent[side] < COUNT {
                match try_send(client, peers[side], &pattern(sent[side] as u64, 3000)) {
                    Ok(()) => sent[side] += 1,
                    Err(SendError::WouldBlock { .. }) => break,
                    Err(error) => panic!("{error}"),
                }
            }
            for message in stage.askers[side].messages() {
                assert_same(&message.content, &pattern(came[side] as u64, 3000), "a message of a flood");
                came[side] += 1;
            }
        }
        came == [COUNT; 2]
    });
}

/// Clause B4. Fault X11: requests whose answers nobody reads are kept until they are.
pub fn a_caller_that_does_not_read_its_answers_does_not_grow_the_service<G: Ground>() {
    const WINDOW: usize = 32 * 1024;
    let mut config = Config::default();
    config.window = WINDOW as u32;
    let mut stage = Stage::<G>::pair_with(Config::default(), config);
    let other = stage.add_asker("other", Config::default());
    stage.meet(other, "echo");
    let mut asker = stage.askers.remove(0);
    let body = |number: usize| {
        let mut body = vec![number as u8; 1000];
        body[0] = crate::script::LARGE;
        body
    };
    let mut ids = Vec::new();
    let mut refused = 0;
    while refused < 50 && ids.len() < 900 {
        let body = body(ids.len());
        let sent = asker.client_mut().try_request("echo", None, &mut |out, limit| out.append(&body, limit));
        match sent {
            Ok(id) => {
                ids.push(id);
                refused = 0;
            }
            Err(SendError::WouldBlock { .. }) => refused += 1,
            Err(error) => panic!("{error}"),
        }
        stage.step();
        // One window, and the answers to the requests of one.
        let most = WINDOW + (WINDOW / 1000 + 2) * (LARGE_ANSWER + 64);
        let backlog = stage.services[0].backlog();
        assert!(backlog <= most, "{backlog} bytes wait for one who does not read");
    }
    let handled = stage.services[0].script.handled.len();
    assert!(handled < ids.len(), "all {handled} were answered: nothing is held back");
    stage.call(0, b"and the others are served");
    stage.askers.push(asker);
    let place = stage.askers.len() - 1;
    for (number, id) in ids.into_iter().enumerate() {
        let end = stage.end(place, id).expect("it is answered");
        assert_same(&end, &vec![number as u8; LARGE_ANSWER], "an answer that waited");
    }
    assert_eq!(stage.services[0].service.client().endpoint().serving(), 0);
}
