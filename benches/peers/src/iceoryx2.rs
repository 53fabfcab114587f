//! iceoryx2: shared memory, with a notification for each request and each answer.
//!
//! As in its examples: `request_response_with_events`, with slices of bytes as in `request_response_dynamic_data`. An
//! event service notifies the server; by another one it notifies the client whose listener the request names. Who
//! waits is not notified when the other side is killed, so a client `notices_end` not: dead nodes are looked for when
//! a node is made. The servers here are killed, so the names of all that they share begin as
//! [`shared_prefix`] says, by which it is removed.
//!
//! What a service can need is resident from the start, so it is made for the clients that there will be: a single one
//! may have [`WINDOW`] requests at once, each of a crowd has one. Whoever joins looks at all nodes for dead ones, so that
//! the crowd of 64 is the largest: 128 clients take 15 s to connect.

use std::error::Error;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use iceoryx2::pending_response::PendingResponse;
use iceoryx2::port::client;
use iceoryx2::port::listener::Listener;
use iceoryx2::port::notifier::Notifier;
use iceoryx2::prelude::*;
use iceoryx2::service::builder;
use iceoryx2::service::port_factory::{event, request_response};
use ipcm_benches::contender::{Client, Contender};
use ipcm_benches::directory::shared_prefix;
use ipcm_benches::pipeline::WINDOW;

type Result<T> = std::result::Result<T, Box<dyn Error>>;
/// The id of the listener that is to be notified of the answer.
type Header = u128;

/// See the module.
pub(crate) struct Iceoryx2;

impl Contender for Iceoryx2 {
    fn name(&self) -> &'static str {
        "iceoryx2"
    }

    fn most_clients(&self) -> usize {
        64
    }

    fn notices_end(&self) -> bool {
        false
    }

    fn serve(&self, dir: &Path, ready: &mut dyn FnMut()) -> io::Result<()> {
        self.serve_many(dir, 1, ready)
    }

    fn serve_many(&self, dir: &Path, clients: usize, ready: &mut dyn FnMut()) -> io::Result<()> {
        serve(dir, clients, ready).map_err(|error| io::Error::other(error.to_string()))
    }

    fn connect(&self, dir: &Path) -> io::Result<Box<dyn Client>> {
        let connected = Connection::new(dir).map_err(|error| io::Error::other(error.to_string()))?;
        Ok(Box::new(connected))
    }
}

fn serve(dir: &Path, clients: usize, ready: &mut dyn FnMut()) -> Result<()> {
    let services = Services::create(dir, clients)?;
    let listener = services.to_server.listener_builder().create()?;
    let notifier = services.to_client.notifier_builder().create()?;
    let server =
        services.echo.server_builder().allocation_strategy(AllocationStrategy::PowerOfTwo).create()?;
    ready();
    loop {
        listener.blocking_wait(|_| {})?;
        while let Some(request) = server.receive()? {
            let response = request.loan_slice_uninit(request.payload().len())?;
            response.write_from_slice(request.payload()).send()?;
            let asker = *request.user_header();
            notifier.for_each_listener(|notifier, listener| {
                if listener.listener_id.value() != asker {
                    return CallbackProgression::Continue;
                }
                let _ = notifier.notify(); // it may have gone
                CallbackProgression::Stop
            });
        }
    }
}

/// What both sides use.
struct Services {
    echo: request_response::PortFactory<ipc::Service, [u8], Header, [u8], ()>,
    to_server: event::PortFactory<ipc::Service>,
    to_client: event::PortFactory<ipc::Service>,
    _node: Node<ipc::Service>,
}

impl Services {
    fn create(dir: &Path, clients: usize) -> Result<Self> {
        let node = node()?;
        let nodes = clients + 1;
        let requests = if clients == 1 { WINDOW } else { 1 };
        let echo = echo(&node, dir)?.max_servers(1).max_clients(clients).max_nodes(nodes);
        let events = |part| {
            Result::Ok(event(&node, dir, part)?.max_nodes(nodes).max_listeners(nodes).max_notifiers(nodes))
        };
        Ok(Self {
            echo: echo.max_active_requests_per_client(requests).create()?,
            to_server: events("server")?.create()?,
            to_client: events("client")?.create()?,
            _node: node,
        })
    }

    fn open(dir: &Path) -> Result<Self> {
        let node = node()?;
        Ok(Self {
            echo: echo(&node, dir)?.open()?,
            to_server: event(&node, dir, "server")?.open()?,
            to_client: event(&node, dir, "client")?.open()?,
            _node: node,
        })
    }
}

fn echo(
    node: &Node<ipc::Service>,
    dir: &Path,
) -> Result<builder::request_response::Builder<[u8], Header, [u8], (), ipc::Service>> {
    let service = node.service_builder(&name(dir, "echo")?);
    Ok(service.request_response::<[u8], [u8]>().request_user_header::<Header>())
}

fn event(node: &Node<ipc::Service>, dir: &Path, part: &str) -> Result<builder::event::Builder<ipc::Service>> {
    Ok(node.service_builder(&name(dir, part)?).event())
}

fn name(dir: &Path, part: &str) -> Result<ServiceName> {
    Ok(format!("{}/{part}", dir.display()).as_str().try_into()?)
}

fn node() -> Result<Node<ipc::Service>> {
    set_log_level(LogLevel::Error);
    let directory = std::env::temp_dir();
    let mut config = Config::global_config().clone();
    config.global.prefix = FileName::new(shared_prefix(&directory).as_bytes())?;
    config.global.set_root_path(&iceoryx2::prelude::Path::new(directory.as_os_str().as_bytes())?);
    let builder = NodeBuilder::new().config(&config).signal_handling_mode(SignalHandlingMode::Disabled);
    Ok(builder.create()?)
}

/// A client.
struct Connection {
    client: client::Client<ipc::Service, [u8], Header, [u8], ()>,
    listener: Listener<ipc::Service>,
    notifier: Notifier<ipc::Service>,
    number: u64,
    body: Vec<u8>,
    _services: Services,
}

type Pending = PendingResponse<ipc::Service, [u8], Header, [u8], ()>;

impl Connection {
    fn new(dir: &Path) -> Result<Self> {
        let services = Services::open(dir)?;
        Ok(Self {
            client: services
                .echo
                .client_builder()
                .allocation_strategy(AllocationStrategy::PowerOfTwo)
                .create()?,
            listener: services.to_client.listener_builder().create()?,
            notifier: services.to_server.notifier_builder().create()?,
            number: 0,
            body: Vec::new(),
            _services: services,
        })
    }

    fn send(&mut self, len: usize) -> Result<(u64, Pending)> {
        self.number += 1;
        self.body.resize(len, 1);
        self.body[..8].copy_from_slice(&self.number.to_ne_bytes());
        let mut request = self.client.loan_slice_uninit(len)?;
        *request.user_header_mut() = self.listener.id().value();
        Ok((self.number, request.write_from_slice(&self.body).send()?))
    }

    fn receive(&self, number: u64, pending: &Pending, len: usize) -> Result<()> {
        loop {
            if let Some(answer) = pending.receive()? {
                let answer = answer.payload();
                let is_ours = answer.len() == len && answer[..8] == number.to_ne_bytes();
                return if is_ours { Ok(()) } else { Err("the answer to another request".into()) };
            }
            self.listener.blocking_wait(|_| {})?;
        }
    }

    fn call(&mut self, len: usize, count: usize) -> Result<()> {
        let sent = (0..count).map(|_| self.send(len)).collect::<Result<Vec<_>>>()?;
        self.notifier.notify()?;
        sent.iter().try_for_each(|(number, pending)| self.receive(*number, pending, len))
    }
}

impl Client for Connection {
    fn round_trip(&mut self, len: usize) -> io::Result<()> {
        self.together(len, 1)
    }

    fn together(&mut self, len: usize, count: usize) -> io::Result<()> {
        self.call(len, count).map_err(|error| io::Error::other(error.to_string()))
    }

    fn await_end(&mut self) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}
