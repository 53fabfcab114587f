//! postcard-rpc's traits for a transport, of both sides, for a Unix stream: a `u32` length before each frame.

use std::convert::Infallible;
use std::fmt::Arguments;
use std::future::Future;
use std::io;
use std::sync::Arc;

use postcard_rpc::header::{VarHeader, VarKeyKind};
use postcard_rpc::host_client;
use postcard_rpc::server::{self, WireRxErrorKind, WireTxErrorKind};
use serde::Serialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::Mutex;

const PREFIX: usize = 4;

/// The half that receives frames.
pub(super) struct Receiver(BufReader<OwnedReadHalf>);

/// The half that sends frames. A server has clones of it.
#[derive(Clone)]
pub struct Sender(Arc<Mutex<OwnedWriteHalf>>);

/// Starts tasks on tokio.
#[derive(Clone)]
pub struct Spawner;

/// Both halves of a connection.
pub(super) fn halves(stream: UnixStream) -> (Receiver, Sender) {
    let (receiving, sending) = stream.into_split();
    (Receiver(BufReader::new(receiving)), Sender(Arc::new(Mutex::new(sending))))
}

impl Receiver {
    async fn len(&mut self) -> io::Result<usize> {
        Ok(self.0.read_u32_le().await? as usize)
    }
}

impl Sender {
    /// Sends a frame that has room for its length in front.
    async fn send_prefixed(&self, mut frame: Vec<u8>) -> io::Result<()> {
        let len = (frame.len() - PREFIX) as u32;
        frame[..PREFIX].copy_from_slice(&len.to_le_bytes());
        self.0.lock().await.write_all(&frame).await
    }
}

impl host_client::WireRx for Receiver {
    type Error = io::Error;

    async fn receive(&mut self) -> io::Result<Vec<u8>> {
        let mut frame = vec![0; self.len().await?];
        self.0.read_exact(&mut frame).await?;
        Ok(frame)
    }
}

impl host_client::WireTx for Sender {
    type Error = io::Error;

    async fn send(&mut self, frame: Vec<u8>) -> io::Result<()> {
        self.send_prefixed([&[0; PREFIX], &frame[..]].concat()).await
    }
}

impl host_client::WireSpawn for Spawner {
    fn spawn(&mut self, task: impl Future<Output = ()> + Send + 'static) {
        tokio::spawn(task);
    }
}

impl server::WireRx for Receiver {
    type Error = WireRxErrorKind;

    async fn receive<'a>(&mut self, buffer: &'a mut [u8]) -> Result<&'a mut [u8], WireRxErrorKind> {
        let len = self.len().await.map_err(|_| WireRxErrorKind::ConnectionClosed)?;
        let frame = buffer.get_mut(..len).ok_or(WireRxErrorKind::ReceivedMessageTooLarge)?;
        self.0.read_exact(frame).await.map_err(|_| WireRxErrorKind::ConnectionClosed)?;
        Ok(frame)
    }
}

impl server::WireTx for Sender {
    type Error = WireTxErrorKind;

    async fn send<T: Serialize + ?Sized>(
        &self,
        header: VarHeader,
        message: &T,
    ) -> Result<(), WireTxErrorKind> {
        let mut frame = vec![0; PREFIX];
        frame.extend(header.write_to_vec());
        let frame = postcard_rpc::postcard::to_extend(message, frame).map_err(|_| WireTxErrorKind::Other)?;
        self.send_prefixed(frame).await.map_err(|_| WireTxErrorKind::ConnectionClosed)
    }

    async fn send_raw(&self, frame: &[u8]) -> Result<(), WireTxErrorKind> {
        let sent = self.send_prefixed([&[0; PREFIX], frame].concat()).await;
        sent.map_err(|_| WireTxErrorKind::ConnectionClosed)
    }

    /// Nothing is logged to the client here.
    async fn send_log_str(&self, _: VarKeyKind, _: &str) -> Result<(), WireTxErrorKind> {
        Ok(())
    }

    /// Nothing is logged to the client here.
    async fn send_log_fmt<'a>(&self, _: VarKeyKind, _: Arguments<'a>) -> Result<(), WireTxErrorKind> {
        Ok(())
    }
}

impl server::WireSpawn for Spawner {
    type Error = Infallible;
    type Info = ();

    fn info(&self) -> &() {
        &()
    }
}
