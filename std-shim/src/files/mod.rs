//! Message files as a transport: a link is two rows of files, one in the mailbox of each member.
//!
//! ```text
//! transport   the `Transport` of one member
//! links       the links that a member holds, and which of them wait for what
//! incoming    those that were not accepted
//! connection  one link: what was sent and not read, what comes next, whether its peer lives
//! row         the files of one direction of a link, in order
//! opening     what one who connects says of itself
//! kept        what a suspended life leaves to the next
//! entry       what the name of a file in a mailbox says
//! alarm       wakes a member that waits: inotify and pidfds
//! ```
//!
//! ```text
//! MAILBOX.mail/                  the directory of one member, which alone reads and removes
//!   LINK.open                    someone connects: who, and where its own mailbox is
//!   LINK-to-NUMBER               one packet, from 0 on; `a` to the one who answers, `c` to the one who calls
//!   LINK-to-NUMBER.end           the last of its row: the other end has closed the link
//!   LINK-to-NUMBER.asleep        the life at the other end is suspended; the next one goes on behind this
//!   LINK-to.kept                 what a suspended life has left of a link for the next
//!   NUMBER.again                 a message that was put back for the next life
//!   hello                        what a member that is suspended says of itself to those who connect meanwhile
//!   .LINK-to                     a packet that is still being written
//!   .LINK-to.end                 the last of a row, made by the caller in its own mailbox before the link begins: the
//!                                end takes no more than a name then, where the disk is full and descriptors have run out
//! ```
//!
//! A file gets its name by rename once it is whole, and is removed by its reader: what is in the directory is
//! what was accepted and not taken in, whoever lives or dies.

mod alarm;
mod connection;
mod entry;
mod incoming;
mod kept;
mod links;
mod opening;
mod row;
mod transport;

pub use transport::FilesTransport;
