//! A service in another thread of this process.

use std::thread::{Builder, JoinHandle};

use super::*;
use crate::log;

/// A service that runs in another thread. Dropping it stops the service and waits for its end.
#[derive(Debug)]
pub struct ServiceThread {
    info: Info,
    name: String,
    stop: Stopper,
    thread: Option<JoinHandle<Result<(), ServiceError>>>,
}

impl Service {
    /// Serves in another thread. The service is ready when this returns.
    ///
    /// # Errors
    ///
    /// See [`ServiceError`].
    pub fn spawn(self) -> Result<ServiceThread, ServiceError> {
        let (info, name) = (self.info.clone(), self.name.clone());
        let running = self.start()?;
        let stop = running.stopper();
        let thread = Builder::new().name(name.clone()).spawn(|| running.serve());
        let failed = |source| ServiceError::System { name: name.clone(), doing: "start a thread", source };
        let thread = Some(thread.map_err(failed)?);
        Ok(ServiceThread { info, name, stop, thread })
    }
}

impl ServiceThread {
    /// A handle of the service.
    pub fn handle(&self) -> crate::Handle {
        crate::Handle::new(&self.info, &self.name)
    }

    /// Stops the service from elsewhere.
    pub fn stopper(&self) -> Stopper {
        self.stop.clone()
    }

    /// Stops the service and waits for its end.
    ///
    /// # Errors
    ///
    /// What ended it, if that was not this call or a peer's wish.
    pub fn stop(mut self) -> Result<(), ServiceError> {
        self.end()
    }

    /// Suspends the service for `expiry` and waits for the end of this life of it; see [`Stopper::suspend`].
    ///
    /// # Errors
    ///
    /// [`ServiceError::Suspend`], or what else ended it.
    pub fn suspend(mut self, expiry: std::time::Duration) -> Result<(), ServiceError> {
        if let Err(source) = self.stop.suspend(expiry) {
            return Err(ServiceError::Suspend { name: self.name.clone(), source });
        }
        self.end()
    }

    fn end(&mut self) -> Result<(), ServiceError> {
        self.stop.stop();
        match self.thread.take().map(JoinHandle::join) {
            None => Ok(()),
            Some(Ok(ended)) => ended,
            Some(Err(_)) => {
                Err(ServiceError::Process { name: self.name.clone(), what: "panicked".to_owned() })
            }
        }
    }
}

impl Drop for ServiceThread {
    fn drop(&mut self) {
        if let Err(error) = self.end() {
            log::warn!(%error, "a service ended badly");
        }
    }
}
