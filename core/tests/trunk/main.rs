//! Trunks: a member at the end of a line is a full peer of a bus in memory, whatever the line does.

mod bounds;
mod executor;
mod firmware;
mod full_peer;
mod line;
mod lines;
mod versions;
mod world;
