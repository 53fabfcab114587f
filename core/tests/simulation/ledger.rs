//! What was asked, answered and sent, against which every end is checked.

use alloc::borrow::ToOwned;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;

use ipcm_core::{GoneReason, Instant, Message, RemoteErrorKind, RequestError, RequestId, SendError};

use crate::fates::{Fates, Moment};
use crate::payload::{Answer, Note, Wish, pad, refusal};
use crate::totals::Totals;

/// A request that was accepted.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) id: RequestId,
    pub(crate) asker: String,
    pub(crate) peer: String,
    pub(crate) wish: Wish,
    pub(crate) deadline: Option<Instant>,
    /// What had happened when its link began.
    pub(crate) since: Moment,
    pub(crate) cancelled: bool,
    /// The caller gave up waiting.
    pub(crate) given_up: bool,
}

/// What a service did with a request.
#[derive(Clone, Debug, Default)]
struct Service {
    lives: Vec<u128>,
    /// The life that answered, and whether anyone wanted it.
    answer: Option<(u128, bool)>,
    /// The answer had left the service before that died.
    left: bool,
}

/// A message that was sent, or may have been.
#[derive(Clone, Debug)]
struct Sent {
    from: String,
    to: String,
    since: Moment,
    accepted: Accepted,
}

/// Whether a message was accepted for sending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Accepted {
    /// The sender was told that it failed on the way.
    Perhaps,
    /// It lies with the sender's client.
    Queued,
    /// The transport has it.
    HandedOver,
}

/// A message's number and its receiver.
type Number = (u64, String);

#[derive(Default)]
pub(crate) struct Ledger {
    pub(crate) fates: Fates,
    pub(crate) pending: BTreeMap<u64, Asked>,
    services: BTreeMap<u64, Service>,
    sent: BTreeMap<Number, Sent>,
    delivered: BTreeSet<Number>,
    /// The last message of each life of a sender to each receiver.
    order: BTreeMap<(u128, String), u64>,
    pub(crate) totals: Totals,
}

impl Ledger {
    pub(crate) fn asked(&mut self, token: u64, asked: Asked) {
        self.totals.asked += 1;
        assert!(self.pending.insert(token, asked).is_none());
    }

    pub(crate) fn handled(&mut self, token: u64, life: u128, from: &str, deadline: Option<Instant>) {
        let service = self.services.entry(token).or_default();
        service.lives.push(life);
        assert_eq!(service.lives.len(), 1, "request {token} is handled once");
        if let Some(asked) = self.pending.get(&token) {
            assert_eq!((&*asked.asker, asked.deadline.is_some()), (from, deadline.is_some()));
        }
    }

    pub(crate) fn answered(&mut self, token: u64, life: u128, wanted: bool) {
        let service = self.services.entry(token).or_default();
        assert_eq!(service.answer.replace((life, wanted)), None, "request {token} is answered once");
    }

    /// Everything that a life has answered has left it.
    pub(crate) fn left(&mut self, life: u128) {
        for service in self.services.values_mut() {
            service.left |= service.answer == Some((life, true));
        }
    }

    /// The asker's life is over: nobody waits for its requests.
    pub(crate) fn orphan(&mut self, asker: &str) {
        let before = self.pending.len();
        self.pending.retain(|_, asked| asked.asker != asker);
        self.totals.orphans += (before - self.pending.len()) as u64;
    }

    pub(crate) fn response(&mut self, token: u64, peer: &str, answer: &Answer) {
        let asked = self.end(token);
        self.totals.responses += 1;
        let service = self.services.get(&token).cloned().unwrap_or_default();
        assert_eq!((answer.token, peer), (token, &*asked.peer), "a response answers its own request");
        assert_eq!(
            Some((answer.life, true)),
            service.answer,
            "{token} was answered by the life that took it"
        );
        assert_eq!(service.lives, [answer.life], "{token} {asked:?}");
        assert_eq!(answer.pad, pad(token + 1, answer.pad.len()));
    }

    pub(crate) fn failed(&mut self, now: Instant, token: u64, error: &RequestError) {
        let asked = self.end(token);
        let service = self.services.get(&token).cloned().unwrap_or_default();
        let why = format!("{error:?} of {token} {asked:?} {service:?}");
        let peer = match error {
            RequestError::TimedOut { peer } => {
                self.totals.timeouts += 1;
                assert!(asked.given_up || asked.deadline.is_some_and(|deadline| deadline <= now), "{why}");
                peer
            }
            RequestError::PeerGone { peer, reason } => {
                self.totals.gone += 1;
                self.check_gone(&asked, reason, now, &why);
                // Clause E2.
                assert!(!service.left || self.fates.cut_since(&asked.asker, peer, &asked.since), "{why}");
                peer
            }
            RequestError::NotSent { peer, reason } => {
                self.totals.not_sent += 1;
                self.check_gone(&asked, reason, now, &why);
                assert_eq!(service.lives, [0; 0], "{why}");
                peer
            }
            RequestError::Cancelled { peer } => {
                self.totals.cancelled += 1;
                assert!(asked.cancelled, "{why}");
                peer
            }
            RequestError::Remote { peer, error } => {
                let answered = service.answer.is_some_and(|(_, wanted)| wanted);
                if self.fates.is_hostile(peer) {
                    return;
                }
                match error.kind {
                    RemoteErrorKind::Failed => {
                        assert!(answered && asked.wish == Wish::Failure, "{why}");
                        assert_eq!(error.detail, refusal(token));
                    }
                    RemoteErrorKind::ResponseTooLarge => {
                        assert!(answered && asked.wish == Wish::TooLarge, "{why}");
                    }
                    RemoteErrorKind::Overloaded => self.totals.overloads += 1,
                    RemoteErrorKind::NotAService => assert!(asked.peer.starts_with('h'), "{why}"),
                    // The life that took it was suspended before it answered.
                    RemoteErrorKind::Unanswered => {
                        assert!(self.fates.slept_since(peer, &asked.since), "{why}");
                        self.totals.unanswered += 1;
                    }
                    _ => panic!("{why}"),
                }
                self.totals.failures += 1;
                peer
            }
            _ => panic!("{why}"),
        };
        assert_eq!(**peer, *asked.peer);
    }

    fn check_gone(&self, asked: &Asked, reason: &GoneReason, now: Instant, why: &str) {
        match reason {
            GoneReason::SuspensionExpired => assert!(self.fates.overslept(&asked.peer, now), "{why}"),
            GoneReason::Closed => {
                assert!(self.fates.parted_since(&asked.asker, &asked.peer, &asked.since), "{why}");
            }
            _ => assert!(self.fates.is_hostile(&asked.peer), "{why}"),
        }
    }

    fn end(&mut self, token: u64) -> Asked {
        self.pending.remove(&token).unwrap_or_else(|| panic!("{token} ended twice, or was not asked"))
    }

    pub(crate) fn cancelled(&mut self, token: u64) {
        self.pending.get_mut(&token).expect("it is pending").cancelled = true;
    }

    /// A request whose end does not matter has ended.
    pub(crate) fn forgotten(&mut self, token: u64) {
        self.end(token);
    }

    /// A member gives up waiting for all its requests.
    pub(crate) fn give_up(&mut self, asker: &str, given_up: bool) {
        self.pending
            .values_mut()
            .filter(|asked| asked.asker == asker)
            .for_each(|asked| asked.given_up = given_up);
    }

    /// A message is about to be sent.
    pub(crate) fn send(&mut self, number: u64, from: &str, to: &str) {
        let since = self.fates.moment();
        let sent = Sent { from: from.into(), to: to.into(), since, accepted: Accepted::Perhaps };
        self.sent.insert((number, to.into()), sent);
    }

    /// What came of it.
    pub(crate) fn sent(
        &mut self,
        number: u64,
        to: &str,
        outcome: &Result<(), SendError>,
        accepted: Accepted,
    ) {
        let key = (number, to.to_owned());
        match outcome {
            Ok(()) => {
                self.totals.messages += 1;
                self.sent.get_mut(&key).expect("it was about to be sent").accepted = accepted;
            }
            Err(SendError::TimedOut { .. } | SendError::PeerGone { .. })
                if accepted == Accepted::HandedOver => {}
            Err(error) => {
                self.totals.would_block += u64::from(matches!(error, SendError::WouldBlock { .. }));
                assert!(!self.delivered.contains(&key), "{number} was delivered in spite of {error:?}");
                self.sent.remove(&key);
            }
        }
    }

    /// It lies with the client, for a link that began then and may be over without notice.
    pub(crate) fn queued_since(&mut self, number: u64, to: &str, since: Moment) {
        if let Some(sent) = self.sent.get_mut(&(number, to.to_owned())) {
            sent.since = since;
        }
    }

    pub(crate) fn read(&mut self, reader: &str, message: &Message) {
        if self.fates.is_hostile(&message.from) {
            return;
        }
        let note: Note = message.decode().expect("a message is a Note");
        let number = (note.number, reader.to_owned());
        let sent = self.sent.get(&number).unwrap_or_else(|| panic!("{message:?} was not sent"));
        assert_eq!((&*sent.from, &*sent.to, reader), (&*message.from, &*message.to, &*sent.to));
        assert_eq!(note.pad, pad(note.number, note.pad.len()));
        assert!(self.delivered.insert(number), "{} comes twice", note.number);
        self.totals.delivered += 1;
        let key = (message.incarnation.as_bits(), reader.to_owned());
        let last = self.order.insert(key, message.sequence).unwrap_or(0);
        assert!(last < message.sequence, "{} of {} overtook {last}", message.sequence, message.from);
    }

    /// Every message that was accepted was read, unless its receiver or its link came to an end.
    pub(crate) fn check_messages(&self) {
        let mut missing: Vec<_> = self
            .sent
            .iter()
            .filter(|(number, _)| !self.delivered.contains(number))
            .filter(|(_, sent)| {
                let Sent { from, to, since, accepted } = sent;
                let may_be_lost = match accepted {
                    Accepted::Perhaps => true,
                    Accepted::Queued => self.fates.lost_since(from, since),
                    Accepted::HandedOver => false,
                };
                !may_be_lost && !self.fates.parted_since(from, to, since)
            })
            .collect();
        missing.sort_by_key(|(number, _)| *number);
        assert!(missing.len() as u64 <= self.totals.dropped, "lost: {missing:?}");
    }
}
