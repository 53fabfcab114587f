//! Requests that have ended and were not collected yet.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

use hashbrown::HashMap;

use super::Stored;
use crate::error::RequestError;
use crate::id::{LinkId, RequestId};

/// How a request has ended.
#[derive(Debug)]
pub(super) struct Ended {
    /// Counts ends, so that the first of several can be told.
    pub(super) order: u64,
    /// Who was asked, on this link.
    pub(super) link: LinkId,
    /// The same by name, once the link is over.
    pub(super) peer: Option<Arc<str>>,
    pub(super) result: Result<Stored, Box<RequestError>>,
}

impl Ended {
    /// Whether the request had not left when its peer was gone.
    pub(super) fn was_not_sent(&self) -> bool {
        self.result.as_ref().is_err_and(|error| matches!(**error, RequestError::NotSent { .. }))
    }
}

/// Requests that have ended and were not collected yet.
///
/// The last of them is mostly collected at once, and kept apart: it never meets the map.
#[derive(Debug, Default)]
pub(super) struct Finished {
    last: Option<(RequestId, Ended)>,
    others: HashMap<RequestId, Ended>,
}

impl Finished {
    #[inline]
    pub(super) fn insert(&mut self, id: RequestId, ended: Ended) {
        if let Some((id, ended)) = self.last.take() {
            self.others.insert(id, ended);
        }
        self.last = Some((id, ended));
    }

    #[inline]
    pub(super) fn get(&self, id: RequestId) -> Option<&Ended> {
        match &self.last {
            Some((last, ended)) if *last == id => Some(ended),
            _ => self.others.get(&id),
        }
    }

    pub(super) fn get_mut(&mut self, id: RequestId) -> Option<&mut Ended> {
        match &mut self.last {
            Some((last, ended)) if *last == id => Some(ended),
            _ => self.others.get_mut(&id),
        }
    }

    #[inline]
    pub(super) fn remove(&mut self, id: RequestId) -> Option<Ended> {
        match self.last.take_if(|(last, _)| *last == id) {
            Some((_, ended)) => Some(ended),
            None => self.others.remove(&id),
        }
    }

    pub(super) fn len(&self) -> usize {
        usize::from(self.last.is_some()) + self.others.len()
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = RequestId> + '_ {
        self.last.iter().map(|(id, _)| *id).chain(self.others.keys().copied())
    }

    /// A link is over: whose it was is kept where it is still of interest.
    pub(super) fn keep_name(&mut self, link: LinkId, peer: &Arc<str>) {
        let ended = self.last.iter_mut().map(|(_, ended)| ended).chain(self.others.values_mut());
        ended.filter(|ended| ended.link == link).for_each(|ended| ended.peer = Some(peer.clone()));
    }

    /// Takes those that failed, in no order.
    pub(super) fn remove_failed(&mut self) -> Vec<(RequestId, Ended)> {
        let last = self.last.take_if(|(_, ended)| ended.result.is_err());
        last.into_iter().chain(self.others.extract_if(|_, ended| ended.result.is_err())).collect()
    }
}
