//! Replies that are given later, from any thread.

use std::collections::HashMap;
use std::fmt::Display;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ipcm_core::body::{EncodeError, encode_into};
use ipcm_core::{Client, Clock, Instant, RemoteErrorKind, ReplyToken};
use serde::Serialize;

use crate::Waker;
use crate::clock::Monotonic;
use crate::log;
use crate::transport::BusTransport;

/// The right to answer one request, later and from any thread. Dropped unused, it answers with a failure.
#[must_use = "dropping a reply answers with a failure"]
pub struct Reply {
    token: Option<ReplyToken>,
    deadline: Option<Instant>,
    withdrawn: Arc<AtomicBool>,
    queue: Arc<Queue>,
    expose_error_details: bool,
}

/// Where replies from other threads meet the service's loop.
#[derive(Debug)]
struct Queue {
    answers: Mutex<Vec<(ReplyToken, Answer)>>,
    waker: Waker,
}

#[derive(Debug)]
enum Answer {
    Response(Vec<u8>),
    Failure(RemoteErrorKind, String),
}

/// The deferred replies of one service.
pub(super) struct Answers {
    queue: Arc<Queue>,
    /// By the key of the token: set when the caller no longer waits.
    outstanding: Mutex<HashMap<u64, Arc<AtomicBool>>>,
}

impl Reply {
    /// Answers.
    ///
    /// # Errors
    ///
    /// When the answer cannot be encoded; the caller is told that the service failed.
    pub fn send(mut self, answer: &(impl Serialize + ?Sized)) -> Result<(), EncodeError> {
        let mut bytes = Vec::new();
        match encode_into(answer, &mut bytes, usize::MAX) {
            Ok(()) => {
                self.answer(Answer::Response(bytes));
                Ok(())
            }
            Err(error) => {
                self.answer(Answer::Failure(RemoteErrorKind::Internal, String::new()));
                Err(error)
            }
        }
    }

    /// Answers with plain bytes.
    pub fn send_bytes(mut self, answer: Vec<u8>) {
        self.answer(Answer::Response(answer));
    }

    /// Answers with a failure whose kind and words are for the caller.
    pub fn fail(mut self, kind: RemoteErrorKind, detail: impl Into<String>) {
        self.answer(Answer::Failure(kind, detail.into()));
    }

    /// Answers with a failure, whose words are for the caller only where error details are exposed.
    pub fn fail_with(self, error: &(impl Display + ?Sized)) {
        log::error!(%error, "a request failed");
        if self.expose_error_details {
            self.fail(RemoteErrorKind::Failed, error.to_string());
        } else {
            self.fail(RemoteErrorKind::Internal, "");
        }
    }

    /// Whether the caller still waits: it has neither cancelled nor gone, and its time is not over.
    pub fn is_wanted(&self) -> bool {
        let in_time = self.deadline.is_none_or(|deadline| deadline > Monotonic.now());
        in_time && !self.withdrawn.load(Ordering::Relaxed)
    }

    fn answer(&mut self, answer: Answer) {
        if let Some(token) = self.token.take() {
            lock(&self.queue.answers).push((token, answer));
            self.queue.waker.wake();
        }
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        let kind =
            if std::thread::panicking() { RemoteErrorKind::Internal } else { RemoteErrorKind::Unanswered };
        self.answer(Answer::Failure(kind, String::new()));
    }
}

impl Answers {
    pub(super) fn new(waker: Waker) -> Self {
        let queue = Arc::new(Queue { answers: Mutex::new(Vec::new()), waker });
        Self { queue, outstanding: Mutex::new(HashMap::new()) }
    }

    pub(super) fn defer(
        &self,
        token: ReplyToken,
        deadline: Option<Instant>,
        expose_error_details: bool,
    ) -> Reply {
        let withdrawn = Arc::new(AtomicBool::new(false));
        lock(&self.outstanding).insert(token.key(), withdrawn.clone());
        Reply { token: Some(token), deadline, withdrawn, queue: self.queue.clone(), expose_error_details }
    }

    /// The caller of this request no longer waits.
    pub(super) fn withdraw(&self, key: u64) {
        if let Some(withdrawn) = lock(&self.outstanding).remove(&key) {
            withdrawn.store(true, Ordering::Relaxed);
        }
    }

    /// Hands the replies that were given to the client.
    pub(super) fn deliver(&self, client: &mut Client<BusTransport, Monotonic>) {
        let answers = std::mem::take(&mut *lock(&self.queue.answers));
        for (token, answer) in answers {
            lock(&self.outstanding).remove(&token.key());
            match answer {
                Answer::Response(bytes) => {
                    if let Err(error) = client.respond_bytes(token, &bytes) {
                        log::error!(%error, "an answer could not be sent");
                    }
                }
                Answer::Failure(kind, detail) => {
                    client.fail(token, kind, &detail);
                }
            }
        }
    }
}

/// A lock whose holder panicked protects nothing that a panic could have left half done.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
