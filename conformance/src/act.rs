//! [`Act`]: what one member does while another waits.

use alloc::boxed::Box;
use core::time::Duration;

use ipcm_core::transport::Transport;

use crate::ground::{Ground, Member};

/// How long it is held back, so that the other one is likely to wait by then. Nothing depends on that.
const HEAD_START: Duration = Duration::from_millis(20);

/// What one member does while another waits. The member lives as long as this.
pub struct Act<G: Ground> {
    member: Option<Member<G>>,
    deed: Option<Deed<G>>,
}

/// What is done with the member, which is given back unless that is its end.
type Deed<G> = Box<dyn FnOnce(Member<G>) -> Option<Member<G>> + Send>;

impl<G: Ground> Act<G> {
    pub(crate) fn new(
        member: Member<G>,
        deed: impl FnOnce(Member<G>) -> Option<Member<G>> + Send + 'static,
    ) -> Self {
        Self { member: Some(member), deed: Some(Box::new(deed)) }
    }

    /// Does it, once; further calls do nothing. The calls that the member makes do not wait, but for a moment at the
    /// beginning.
    pub fn run(&mut self) {
        let Some((mut member, deed)) = self.member.take_if(|_| self.deed.is_some()).zip(self.deed.take())
        else {
            return;
        };
        let until = member.now() + HEAD_START;
        member.transport_mut().wait(Some(until));
        self.member = deed(member);
    }
}
