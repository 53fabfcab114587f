//! [`hand_on!`](crate::transport::hand_on): a transport that is made of others hands on the calls.

/// Writes every method of [`Transport`](crate::transport::Transport), each of which hands the call on.
///
/// It stands in the `impl` of a transport that is made of others, below the constants, and is given the name of a
/// macro, which gets each call as `self.method(arguments)` and says what it comes to. An arm for one method tells what
/// is different there. Methods that have a default are handed on like all others, so that a wrapper can whatever is
/// below it can.
///
/// The constants are the business of the `impl`: `PACKET` is the smallest of the transports below, `BUFFER` the
/// largest, and `LARGE` the smallest.
///
/// # Examples
///
/// One of two:
///
/// ```
/// use ipcm_core::transport::{Transport, hand_on};
///
/// enum Either<A, B> {
///     One(A),
///     Other(B),
/// }
///
/// macro_rules! either {
///     ($self:ident.$($call:tt)+) => {
///         match $self {
///             Either::One(transport) => transport.$($call)+,
///             Either::Other(transport) => transport.$($call)+,
///         }
///     };
/// }
///
/// const fn smaller(one: usize, other: usize) -> usize {
///     if one < other { one } else { other }
/// }
///
/// impl<A: Transport, B: Transport> Transport for Either<A, B> {
///     const PACKET: usize = smaller(A::PACKET, B::PACKET);
///     const BUFFER: usize = if A::BUFFER < B::BUFFER { B::BUFFER } else { A::BUFFER };
///     const LARGE: usize = smaller(A::LARGE, B::LARGE);
///
///     hand_on!(either);
/// }
/// ```
///
/// One that counts what is sent:
///
/// ```
/// use ipcm_core::memory::{Memory, Network};
/// use ipcm_core::transport::{Progress, Transport, hand_on};
/// use ipcm_core::{Client, Config, Endpoint, Handle};
/// use std::time::Duration;
///
/// struct Counted<T> {
///     below: T,
///     sent: usize,
/// }
///
/// macro_rules! counted {
///     ($self:ident.send($link:ident, $bytes:ident)) => {{
///         let progress = $self.below.send($link, $bytes);
///         if let Progress::Moved(n) = progress {
///             $self.sent += n;
///         }
///         progress
///     }};
///     ($self:ident.$($call:tt)+) => { $self.below.$($call)+ };
/// }
///
/// impl<T: Transport> Transport for Counted<T> {
///     const PACKET: usize = T::PACKET;
///     const BUFFER: usize = T::BUFFER;
///     // Large frames lie in memory of the transport, and are not sent by `send`.
///     const LARGE: usize = usize::MAX;
///
///     hand_on!(counted);
/// }
///
/// let network = Network::new();
/// let below = network.join("counts");
/// let (incarnation, config) = (below.incarnation(), Config::default());
/// let endpoint = Endpoint::new("counts", incarnation, config.clone());
/// let client = Client::new(endpoint, Counted { below, sent: 0 }, network.clock());
/// let mut handle = Handle::new(client, "hears");
///
/// let _other = network.client("hears", config);
/// let unanswered = handle.sync_request::<u32>("hears", &1, Duration::from_secs(1));
/// assert!(unanswered.is_err());
/// assert!(handle.client().transport().sent > 0);
/// ```
#[doc(hidden)]
#[macro_export]
macro_rules! hand_on_transport {
    ($each:ident) => {
        #[inline]
        fn capabilities(&self) -> $crate::transport::Capabilities {
            $each!(self.capabilities())
        }

        #[inline]
        fn connect(
            &mut self,
            link: $crate::LinkId,
            peer: &str,
        ) -> ::core::result::Result<$crate::transport::PeerStatus, $crate::transport::ConnectError> {
            $each!(self.connect(link, peer))
        }

        #[inline]
        fn accept(&mut self, link: $crate::LinkId) -> bool {
            $each!(self.accept(link))
        }

        #[inline]
        fn spent(&self, link: $crate::LinkId) -> u64 {
            $each!(self.spent(link))
        }

        #[inline]
        fn reject(&mut self) {
            $each!(self.reject())
        }

        #[inline]
        fn authenticate(
            &mut self,
            link: $crate::LinkId,
            name: &str,
            incarnation: $crate::Incarnation,
        ) -> bool {
            $each!(self.authenticate(link, name, incarnation))
        }

        #[inline]
        fn packet(&self, link: $crate::LinkId) -> usize {
            $each!(self.packet(link))
        }

        #[inline]
        fn send(&mut self, link: $crate::LinkId, bytes: &[u8]) -> $crate::transport::Progress {
            $each!(self.send(link, bytes))
        }

        #[inline]
        fn room(&mut self, link: $crate::LinkId, len: usize) -> ::core::option::Option<&mut [u8]> {
            $each!(self.room(link, len))
        }

        #[inline]
        fn send_room(&mut self, link: $crate::LinkId, len: usize) -> ::core::result::Result<(), &[u8]> {
            $each!(self.send_room(link, len))
        }

        #[inline]
        fn receive(&mut self, link: $crate::LinkId, buffer: &mut [u8]) -> $crate::transport::Progress {
            $each!(self.receive(link, buffer))
        }

        #[inline]
        fn take_area(&mut self, link: $crate::LinkId) -> ::core::option::Option<$crate::transport::Area> {
            $each!(self.take_area(link))
        }

        #[inline]
        fn receive_or_wait(
            &mut self,
            link: $crate::LinkId,
            buffer: &mut [u8],
            now: $crate::Instant,
            deadline: ::core::option::Option<$crate::Instant>,
        ) -> $crate::transport::Progress {
            $each!(self.receive_or_wait(link, buffer, now, deadline))
        }

        #[inline]
        fn set_receiving(&mut self, link: $crate::LinkId, receiving: bool) {
            $each!(self.set_receiving(link, receiving))
        }

        #[inline]
        fn close(&mut self, link: $crate::LinkId) {
            $each!(self.close(link))
        }

        #[inline]
        fn poll_event(&mut self) -> ::core::option::Option<$crate::transport::TransportEvent> {
            $each!(self.poll_event())
        }

        #[inline]
        fn wait(&mut self, deadline: ::core::option::Option<$crate::Instant>) {
            $each!(self.wait(deadline))
        }

        #[inline]
        fn next_deadline(&self) -> ::core::option::Option<$crate::Instant> {
            $each!(self.next_deadline())
        }

        #[inline]
        fn suspend(
            &mut self,
            until: $crate::Instant,
            links: $crate::transport::__alloc::Vec<$crate::transport::Parting>,
        ) -> ::core::result::Result<(), $crate::transport::SuspendError> {
            $each!(self.suspend(until, links))
        }

        #[inline]
        fn keep(&mut self, note: &[u8]) -> ::core::result::Result<(), $crate::transport::SuspendError> {
            $each!(self.keep(note))
        }

        #[inline]
        fn take_kept(
            &mut self,
        ) -> ::core::result::Result<
            $crate::transport::__alloc::Vec<$crate::transport::__alloc::Vec<u8>>,
            $crate::transport::SuspendError,
        > {
            $each!(self.take_kept())
        }

        #[inline]
        fn find(
            &mut self,
            peer: &str,
        ) -> ::core::result::Result<
            ::core::option::Option<$crate::transport::PeerStatus>,
            $crate::transport::ConnectError,
        > {
            $each!(self.find(peer))
        }

        #[inline]
        fn peers(
            &mut self,
        ) -> ::core::result::Result<
            $crate::transport::__alloc::Vec<$crate::transport::__alloc::String>,
            $crate::transport::ConnectError,
        > {
            $each!(self.peers())
        }

        #[inline]
        fn watch(&mut self) -> ::core::result::Result<(), $crate::transport::ConnectError> {
            $each!(self.watch())
        }
    };
}

#[cfg(test)]
mod tests;
