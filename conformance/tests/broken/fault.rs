//! [`Fault`]: a way in which a transport breaks its contract.

use std::cell::Cell;

/// A way in which a transport breaks its contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// One packet in three is lost.
    Loses,
    /// One packet in three comes twice.
    Doubles,
    /// One packet in three comes behind the next.
    Reorders,
    /// A byte of one packet in three is another.
    Spoils,
    /// What is said before the connection is taken in is lost.
    LosesEarlyWords,
    /// The end of a link overtakes what was sent before it.
    LosesLastWords,
    /// One who finds a link closed when it sends hears nothing more.
    DeafAfterSend,
    /// A link is reported as readable once and never again.
    ReadableOnce,
    /// A link that was full is never reported as writable.
    NeverWritable,
    /// No link is ever full.
    NeverFull,
    /// A receive that finds nothing moves no bytes.
    MovesNothing,
    /// A link that has ended is broken.
    EndsBroken,
    /// The end of a link is not told.
    KeepsEndedLinks,
    /// A link that this end has closed takes bytes.
    SendsAfterClose,
    /// All links to a peer are the first.
    MixesLinks,
    /// A rejected connection is left as it is.
    RejectsNothing,
    /// A connection is taken in where there is none.
    AcceptsNothing,
    /// No connection is announced.
    AnnouncesNobody,
    /// Every name is genuine.
    Credulous,
    /// No name is genuine.
    Suspicious,
    /// There is another reason than that the peer is not there.
    WrongReason,
    /// Those who have left are still found.
    KeepsDead,
    /// Peers are listed in no order, and with oneself.
    ListsAnyhow,
    /// Names of more than 100 bytes are refused.
    ShortNames,
    /// A name may have two owners.
    TwoOwners,
    /// Every life of a name is the same.
    SameLife,
    /// One who watches is told nothing.
    NoNews,
    /// Everybody is told who comes and goes.
    UnaskedNews,
    /// A wait does not wait.
    Spins,
    /// A wait that could be long goes on over what comes.
    Oversleeps,
    /// A wait goes on over its deadline, by a minute.
    IgnoresDeadlines,
    /// A wait for one link ends it.
    ClosesAtDeadline,
    /// Receiving that was put off is not taken up again.
    ReceivesNoMore,
    /// A packet has 10 bytes.
    TinyPackets,
    /// Memory of the transport is too short.
    ShortRoom,
    /// What is in memory of the transport comes late.
    LateRoom,
    /// It could suspend, and says that it cannot.
    HidesSuspension,
    /// It says that it can suspend, and cannot.
    ClaimsSuspension,
    /// A suspended life leaves nothing to the next.
    LeavesNothing,
    /// Nobody is told that a peer is suspended.
    HidesSleep,
    /// A suspended member has left.
    LeavesForSleep,
    /// A member that dies goes on.
    Undead,
}

thread_local! {
    static FAULT: Cell<Option<Fault>> = const { Cell::new(None) };
}

impl Fault {
    /// What the transports of this thread suffer from.
    pub(crate) fn present() -> Option<Self> {
        FAULT.get()
    }

    /// What the transports of this thread suffer from, from now on.
    pub(crate) fn set(fault: Option<Self>) {
        FAULT.set(fault);
    }
}
