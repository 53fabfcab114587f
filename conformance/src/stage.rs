//! [`Stage`]: handles and services on one bus, stepped in turn.

use alloc::vec::Vec;
use core::time::Duration;

use ipcm_core::body::EncodeError;
use ipcm_core::transport::Transport;
use ipcm_core::{
    Client, Clock, Config, GoneReason, Handle, Instant, Message, RequestError, RequestId, SendError,
};

use crate::ground::{Ground, Member};
use crate::patience::{PATIENCE, PAUSE, Patience};
use crate::script::Served;

/// No time at all.
pub(crate) const NOW: Duration = Duration::ZERO;
/// A time that is meant to pass.
pub(crate) const SHORT: Duration = Duration::from_millis(30);
/// A time that is not meant to pass.
pub(crate) const MINUTE: Duration = Duration::from_secs(60);

/// A handle on a ground.
pub(crate) type Asker<G> = Handle<<G as Ground>::Transport, <G as Ground>::Clock>;

/// Handles and services on one bus. They are stepped in turn, and whoever is taken out stands still.
pub(crate) struct Stage<G: Ground> {
    // Dropped before their bus.
    pub(crate) askers: Vec<Asker<G>>,
    pub(crate) services: Vec<Served<G>>,
    pub(crate) ground: G,
}

impl<G: Ground> Stage<G> {
    /// An empty stage.
    pub(crate) fn new() -> Self {
        Self { askers: Vec::new(), services: Vec::new(), ground: G::new() }
    }

    /// The service "echo" and the handle "asker", which know each other.
    #[track_caller]
    pub(crate) fn pair() -> Self {
        Self::pair_with(Config::default(), Config::default())
    }

    /// [`pair`](Self::pair), with the bounds of the handle and of the service.
    #[track_caller]
    pub(crate) fn pair_with(asker: Config, service: Config) -> Self {
        let mut stage = Self::new();
        stage.add_service("echo", service);
        stage.add_asker("asker", asker);
        stage.meet(0, "echo");
        stage
    }

    /// Has a handle join. Returns its place.
    #[track_caller]
    pub(crate) fn add_asker(&mut self, name: &str, config: Config) -> usize {
        let member = self.join(name, config);
        self.askers.push(Handle::new(member, "echo"));
        self.askers.len() - 1
    }

    /// Has a service join. Returns its place.
    #[track_caller]
    pub(crate) fn add_service(&mut self, name: &str, config: Config) -> usize {
        let member = self.join(name, config);
        self.services.push(Served::new(member));
        self.services.len() - 1
    }

    #[track_caller]
    pub(crate) fn join(&mut self, name: &str, config: Config) -> Member<G> {
        self.ground.join(name, config).expect("the name is free")
    }

    /// Takes a service out, and ends it suddenly.
    pub(crate) fn crash_service(&mut self, at: usize) {
        let member = self.services.remove(at).service.into_client();
        self.ground.crash(member);
    }

    /// Takes a handle out, and ends it suddenly.
    pub(crate) fn crash_asker(&mut self, at: usize) {
        let member = self.askers.remove(at).into_client();
        self.ground.crash(member);
    }

    /// One step of everybody, without waiting; whether anything happened.
    pub(crate) fn step(&mut self) -> bool {
        let mut happened = false;
        for served in &mut self.services {
            happened |= served.step();
        }
        for asker in &mut self.askers {
            happened |= asker.client_mut().turn(Some(Instant::ZERO));
            // Callbacks run in a poll.
            asker.poll(NOW);
        }
        happened
    }

    /// Lets a moment pass.
    pub(crate) fn pause(&mut self) {
        let until = self.now() + PAUSE;
        match (self.askers.first_mut(), self.services.first_mut()) {
            (Some(asker), _) => asker.client_mut().turn(Some(until)),
            (None, Some(served)) => served.service.turn(Some(until), &mut served.script),
            (None, None) => unreachable!("somebody is on the stage"),
        };
    }

    /// Steps everybody until it is so.
    #[track_caller]
    pub(crate) fn until(&mut self, what: &str, mut is_so: impl FnMut(&mut Self) -> bool) {
        self.until_some(what, |stage| is_so(stage).then_some(()));
    }

    /// Steps everybody until there is something.
    #[track_caller]
    pub(crate) fn until_some<R>(&mut self, what: &str, mut get: impl FnMut(&mut Self) -> Option<R>) -> R {
        let mut patience = Patience::new(self.now(), what);
        loop {
            if let Some(got) = get(self) {
                return got;
            }
            if !self.step() {
                self.pause();
            }
            patience.spend(self.now());
        }
    }

    /// Steps everybody until nothing has happened for a while.
    #[track_caller]
    pub(crate) fn settle(&mut self) {
        let mut quiet = 0;
        self.until("everybody comes to rest", |stage| {
            quiet = if stage.step() { 0 } else { quiet + 1 };
            quiet > 10
        });
    }

    pub(crate) fn now(&self) -> Instant {
        let asker = self.askers.first().map(|asker| asker.client().now());
        asker
            .or(self.services.first().map(|served| served.service.client().now()))
            .expect("somebody is on stage")
    }

    /// Has a handle and a peer know each other.
    #[track_caller]
    pub(crate) fn meet(&mut self, asker: usize, peer: &str) {
        self.until("a peer says hello", |stage| {
            // A body that cannot be written: the peer is reached, and nothing is sent.
            let reached =
                stage.askers[asker].client_mut().try_send(peer, &mut |_, _| Err(EncodeError::Unserializable));
            match reached {
                Err(SendError::Encode(_)) => true,
                Err(SendError::WouldBlock { .. }) => false,
                other => panic!("{peer:?} is there and cannot be reached: {other:?}"),
            }
        });
    }

    /// Sends a request as soon as that is possible.
    #[track_caller]
    pub(crate) fn ask(
        &mut self,
        asker: usize,
        peer: &str,
        body: &[u8],
        timeout: impl Into<Option<Duration>>,
    ) -> RequestId {
        let timeout = timeout.into();
        self.until_some("a request can be sent", |stage| {
            let client = stage.askers[asker].client_mut();
            let deadline = timeout.map(|timeout| client.now() + timeout);
            match client.try_request(peer, deadline, &mut |out, limit| out.append(body, limit)) {
                Ok(id) => Some(id),
                Err(SendError::WouldBlock { .. }) => None,
                Err(error) => panic!("a request to {peer:?} cannot be sent: {error}"),
            }
        })
    }

    /// How a request ends, while everybody is stepped.
    #[track_caller]
    pub(crate) fn end(&mut self, asker: usize, id: RequestId) -> Result<Vec<u8>, RequestError> {
        self.until_some("a request ends", |stage| {
            let end = stage.askers[asker].take_response(id)?;
            Some(end.map(|response| response.bytes().to_vec()))
        })
    }

    /// Has a request answered by the echo.
    #[track_caller]
    pub(crate) fn call(&mut self, asker: usize, body: &[u8]) {
        let id = self.ask(asker, "echo", body, None);
        let end = self.end(asker, id);
        assert!(end.as_deref() == Ok(body), "a call came to {end:?}");
    }

    /// Sends a message as soon as that is possible.
    #[track_caller]
    pub(crate) fn send(&mut self, asker: usize, peer: &str, body: &[u8]) {
        self.until_some("a message can be sent", |stage| {
            match try_send(stage.askers[asker].client_mut(), peer, body) {
                Ok(()) => Some(()),
                Err(SendError::WouldBlock { .. }) => None,
                Err(error) => panic!("a message to {peer:?} cannot be sent: {error}"),
            }
        });
    }

    /// Awaits so many messages.
    #[track_caller]
    pub(crate) fn messages(&mut self, asker: usize, count: usize) -> Vec<Message> {
        let mut messages = Vec::new();
        self.until("messages come", |stage| {
            messages.extend(stage.askers[asker].messages());
            messages.len() >= count
        });
        assert_eq!(messages.len(), count, "more messages came than were sent");
        messages
    }

    /// Lets the time pass until then, while nobody takes anything in.
    #[track_caller]
    pub(crate) fn sleep_until(&mut self, until: Instant) {
        let mut sleeper = self.join("sleeper", Config::default());
        let mut patience = Patience::new(sleeper.now(), "time passes");
        while sleeper.now() < until {
            sleeper.transport_mut().wait(Some(until));
            while sleeper.transport_mut().poll_event().is_some() {}
            patience.spend(sleeper.now());
        }
    }
}

/// Sends a message if that needs no waiting.
pub(crate) fn try_send<T: Transport, C: Clock>(
    client: &mut Client<T, C>,
    peer: &str,
    body: &[u8],
) -> Result<(), SendError> {
    client.try_send(peer, &mut |out, limit| out.append(body, limit))
}

/// The error of a request that was not answered in time.
pub(crate) fn timed_out() -> RequestError {
    RequestError::TimedOut { peer: "echo".into() }
}

/// The error of a request whose peer is gone.
pub(crate) fn gone() -> RequestError {
    RequestError::PeerGone { peer: "echo".into(), reason: GoneReason::Closed }
}

/// A wait that is meant to end before its time, and fails the check if it does not.
pub(crate) const BOUNDED: Option<Duration> = Some(PATIENCE);
