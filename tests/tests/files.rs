//! All that is promised of every transport, over message files: the tests of the other programs once more. And
//! what is promised of message files alone.

#[path = "bus.rs"]
mod bus;
#[path = "clock.rs"]
mod clock;
#[path = "files/crashes.rs"]
mod crashes;
#[path = "death.rs"]
mod death;
#[path = "files/guests.rs"]
mod guests;
#[path = "handle.rs"]
mod handle;
#[path = "interrupted.rs"]
mod interrupted;
#[path = "files/mailbox.rs"]
mod mailbox;
#[path = "messages.rs"]
mod messages;
#[path = "owner.rs"]
mod owner;
#[path = "processes.rs"]
mod processes;
#[path = "requests.rs"]
mod requests;
#[path = "service.rs"]
mod service;
#[path = "files/shortage.rs"]
mod shortage;
#[path = "stopped.rs"]
mod stopped;
#[path = "files/suspension.rs"]
mod suspension;
