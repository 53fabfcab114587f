//! Messages: their order, their bounds, and what happens when nobody reads.

mod common;

use common::*;
use ipcm_core::memory::{Faults, Network};
use ipcm_core::{Config, Delivery, Handle, Message, Overflow, SendError};
use std::time::Duration;

fn member(network: &Network, name: &str, change: impl FnOnce(&mut Config)) -> Asker {
    let mut config = Config::default();
    change(&mut config);
    Handle::new(network.client(name, config), "nobody")
}

/// A sender and a reader that takes in, but does not collect, while the sender waits.
fn sender_and_reader(
    change: impl FnOnce(&mut Config),
) -> (Network, Asker, std::rc::Rc<std::cell::RefCell<Asker>>) {
    let network = Network::new();
    let reader = std::rc::Rc::new(std::cell::RefCell::new(member(&network, "reader", change)));
    let sender = member(&network, "sender", |_| {});
    let (bus, idle) = (network.clone(), reader.clone());
    network.set_idle(move || {
        if let Ok(mut reader) = idle.try_borrow_mut() {
            while reader.client_mut().turn(Some(now(&bus))) {}
        }
    });
    (network, sender, reader)
}

fn contents(messages: &[Message]) -> Vec<Vec<u8>> {
    messages.iter().map(|message| message.content.clone()).collect()
}

/// Clause B1.
#[test]
fn a_message_says_who_sent_it_to_whom() {
    let (_network, mut sender, reader) = sender_and_reader(|_| {});
    sender.send_message_bytes("reader", b"hello", SECOND).unwrap();
    sender.poll(MS);
    let expected = Message {
        from: "sender".into(),
        incarnation: sender.client().endpoint().incarnation(),
        sequence: 1,
        to: "reader".into(),
        broadcast: false,
        stamp: 0,
        content: b"hello".to_vec(),
    };
    assert_eq!(reader.borrow_mut().messages(), [expected]);
    assert_eq!(reader.borrow_mut().messages(), []);
}

/// Clauses B2, B3, C11: some go at once, some are queued, all in order, cut into every size of chunk.
#[test]
fn messages_arrive_in_the_order_sent() {
    for chunk in (1..40).chain([usize::MAX]) {
        let (network, mut sender, reader) = sender_and_reader(|_| {});
        network.set_faults(Faults { delay: Duration::ZERO..MS, chunk, buffer: 50, room: 0 });
        for number in 0..20u8 {
            let body = vec![number; number as usize * 3];
            if number % 2 == 0 {
                sender.send_message_bytes("reader", &body, SECOND).unwrap();
            } else {
                sender
                    .client_mut()
                    .try_send("reader", &mut |out, _| {
                        out.extend_from_slice(&body);
                        Ok(())
                    })
                    .unwrap();
            }
        }
        let flushed = now(&network) + SECOND;
        assert!(sender.client_mut().flush_all(flushed));
        sender.poll(100 * MS);
        let expected: Vec<_> = (0..20u8).map(|number| vec![number; number as usize * 3]).collect();
        assert_eq!(contents(&reader.borrow_mut().messages()), expected, "in chunks of {chunk}");
    }
}

/// Clause B3.
#[test]
fn a_message_to_nobody_is_refused() {
    let (_network, mut sender, _reader) = sender_and_reader(|_| {});
    let nobody = SendError::NoSuchPeer { peer: "nobody".into() };
    assert_eq!(sender.send_message_bytes("nobody", b"", SECOND), Err(nobody.clone()));
    assert_eq!(sender.try_send("nobody", &()), Err(nobody));
}

/// Clause B3: every peer's outcome, in the order of their names.
#[test]
fn a_broadcast_tells_what_came_of_each_peer() {
    let (network, mut sender, reader) = sender_and_reader(|_| {});
    // Nobody takes its turns: it cannot say hello.
    let _stopped = member(&network, "stopped", |_| {});
    let outcomes = sender.broadcast(&5u8, 10 * MS).unwrap();
    let late = Err(SendError::TimedOut { peer: "stopped".into() });
    let expected = [("reader", Ok(())), ("stopped", late)];
    let expected = expected.map(|(peer, outcome)| Delivery { peer: peer.into(), outcome });
    assert_eq!(outcomes, expected);
    sender.poll(MS);
    let messages = reader.borrow_mut().messages();
    assert_eq!(
        messages.iter().map(|message| (message.broadcast, message.decode())).collect::<Vec<_>>(),
        [(true, Ok(5u8))]
    );
}

/// Clauses B4, C11, fault X10: a reader that does not collect closes its window, and nothing is lost.
#[test]
fn a_reader_that_does_not_collect_holds_the_sender_back() {
    let (network, mut sender, reader) = sender_and_reader(|config| config.window = 1000);
    sender.send_message_bytes("reader", &[0; 100], SECOND).unwrap();
    let mut accepted = 1;
    while sender.try_send("reader", &[0u8; 100][..]).is_ok() {
        accepted += 1;
    }
    // 16 bytes of head and 64 of bookkeeping each; the last may overdraw.
    assert_eq!(accepted, 6, "1000 bytes of window");
    let would_block = SendError::WouldBlock { peer: "reader".into() };
    assert_eq!(sender.try_send("reader", &[0u8; 100][..]), Err(would_block));
    let late = SendError::TimedOut { peer: "reader".into() };
    let before = now(&network);
    assert_eq!(sender.send_message_bytes("reader", b"late", 50 * MS), Err(late));
    assert_eq!(now(&network), before + 50 * MS);
    assert_eq!(reader.borrow_mut().messages().len(), 6);
    sender.poll(MS);
    assert_eq!(sender.send_message_bytes("reader", b"again", SECOND), Ok(()));
    sender.poll(MS);
    assert_eq!(contents(&reader.borrow_mut().messages()), [b"again"], "the late one was not sent");
}

/// Clause B4: a peer that is stopped takes one window of memory at the sender, and no more.
#[test]
fn a_stopped_reader_does_not_grow_the_sender() {
    let network = Network::new();
    let mut reader = member(&network, "reader", |config| config.window = 10_000);
    let mut sender = member(&network, "sender", |_| {});
    network.set_faults(Faults { buffer: 100, ..Faults::default() });
    sender.try_send("reader", &()).unwrap_err();
    while reader.client_mut().turn(Some(now(&network))) {}
    sender.poll(Duration::ZERO);
    while reader.client_mut().turn(Some(now(&network))) {}
    sender.poll(Duration::ZERO);
    let link = sender.client().endpoint().route("reader").unwrap();
    for _ in 0..10_000 {
        let _ = sender.try_send("reader", &[0u8; 50][..]);
        let _ = sender.client_mut().try_request("reader", None, &mut |_, _| Ok(()));
    }
    let unsent = sender.client().endpoint().pending_output(link, usize::MAX).len();
    assert!(unsent <= 10_000, "{unsent} bytes");
}

/// Clause C11.
#[test]
fn drop_oldest_keeps_the_newest_and_counts_the_others() {
    let overflow = Overflow::DropOldest { capacity: 3 };
    let (_network, mut sender, reader) = sender_and_reader(|config| {
        config.overflow = overflow;
        config.window = 300;
    });
    for number in 0..10u8 {
        sender.send_message_bytes("reader", &[number], SECOND).unwrap();
    }
    sender.poll(MS);
    assert_eq!(contents(&reader.borrow_mut().messages()), [[7], [8], [9]]);
    assert_eq!(reader.borrow().client().dropped_messages(), 7);
}

/// Clause B5, fault X4: the limit passes, one byte more is refused with the sender, and the link goes on.
#[test]
fn a_body_at_the_limit_passes_and_one_byte_more_does_not() {
    for limit in [0, 1, 4096, 1024 * 1024] {
        let (_network, mut sender, reader) = sender_and_reader(|config| config.body_limit = limit as u32);
        let sent = sender.send_message_bytes("reader", &vec![7; limit], SECOND);
        assert_eq!(sent, Ok(()));
        sender.poll(MS);
        assert_eq!(contents(&reader.borrow_mut().messages()), [vec![7; limit]]);
        sender.poll(MS);
        let too_large = SendError::TooLarge { peer: "reader".into(), limit };
        assert_eq!(sender.send_message_bytes("reader", &vec![7; limit + 1], SECOND), Err(too_large));
        assert_eq!(sender.send_message_bytes("reader", b"", SECOND), Ok(()), "the link goes on");
    }
}

/// Clause B5: a body of 16 MiB, through a window of 1 MiB and a buffer of 256 KiB.
#[test]
fn a_body_larger_than_the_window_passes_alone() {
    let (_network, mut sender, reader) = sender_and_reader(|_| {});
    let body = vec![42; 16 * 1024 * 1024];
    sender.send_message_bytes("reader", &body, SECOND).unwrap();
    sender.poll(MS);
    assert!(contents(&reader.borrow_mut().messages()) == [body]);
}
