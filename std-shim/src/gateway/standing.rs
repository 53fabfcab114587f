//! How a firmware stands with the bus, as it is logged: when it changes, not whenever it is looked at.

use ipcm_core::trunk::JoinRequest;

use super::GatewayError;
use crate::bus::news::with_sources;
use crate::log;

/// What was said last.
#[derive(Debug, Default)]
pub(super) struct Standing {
    member: Option<JoinRequest>,
    /// Why nobody could join, since somebody last did.
    refusal: Option<String>,
}

impl Standing {
    /// Says who has joined or left since the last call. Returns whether anybody is a member.
    pub(super) fn look(&mut self, member: Option<&JoinRequest>) -> bool {
        if self.member.as_ref() != member {
            if let Some(gone) = self.member.take() {
                log::warn!("{:?} has left: it fell silent, began anew, or its line went away", gone.name);
            }
            if let Some(member) = member {
                log::info!("{:?} has joined", member.name);
                self.refusal = None;
            }
            self.member = member.cloned();
        }
        member.is_some()
    }

    /// Says why somebody could not join, or was cut off: he tries again and again.
    pub(super) fn refused(&mut self, why: &GatewayError) {
        let why = with_sources(why);
        if self.refusal.as_ref() != Some(&why) {
            log::warn!("a firmware was refused: {why}");
            self.refusal = Some(why);
        }
    }
}
