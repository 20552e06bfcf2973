//! A connection to a receiver: TCP, with TLS if wanted. Everything on it has a time limit, and it can tell whether the machine
//! at the other end has acknowledged all bytes. What is spoken on it is the business of others.

use crate::stream::tls::{certificates, private_key};
use futures::FutureExt;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use taffrail_base::limits::{OUTPUT_CONNECT_SECONDS, OUTPUT_REPLY_SECONDS};
use taffrail_base::{Error, ErrorKind, Result, Vfs};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// `[routes.output.tls]`: files in PEM form, read when the route starts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutputTls {
    /// Certificates of the authorities that may have signed the receiver's certificate.
    pub ca: PathBuf,
    /// Our certificate, for receivers that ask for one.
    #[serde(default)]
    pub certificate: Option<PathBuf>,
    /// Its private key.
    #[serde(default)]
    pub key: Option<PathBuf>,
    /// The name that the receiver's certificate has to be for; that of the address if not given.
    #[serde(default)]
    pub server_name: Option<String>,
}

/// Where and how to connect.
pub(super) struct Dialer {
    address: String,
    tls: Option<(TlsConnector, ServerName<'static>)>,
}

impl Dialer {
    pub fn new(address: &str, tls: Option<&OutputTls>, vfs: &dyn Vfs) -> Result<Self> {
        let host = checked(address)?;
        let tls = tls.map(|tls| connector(tls, host, vfs)).transpose()?;
        Ok(Self { address: address.to_owned(), tls })
    }

    /// Opens a connection.
    pub async fn dial(&self) -> Result<Connection> {
        let open = async {
            let tcp = TcpStream::connect(&self.address).await.map_err(|e| Error::io(format!("connecting to {}", self.address), e))?;
            // What is sent are whole messages; waiting for more of them is done before.
            let _ = tcp.set_nodelay(true);
            match &self.tls {
                None => Ok(Connection { address: self.address.clone(), stream: Stream::Plain(tcp) }),
                Some((connector, name)) => {
                    let tls = connector.connect(name.clone(), tcp).await;
                    let tls = tls.map_err(|e| Error::io(format!("TLS with {}", self.address), e))?;
                    Ok(Connection { address: self.address.clone(), stream: Stream::Tls(Box::new(tls)) })
                }
            }
        };
        limited(OUTPUT_CONNECT_SECONDS, &self.address, open).await
    }
}

/// The host of an address, which has to have a port as well.
pub(crate) fn checked(address: &str) -> Result<&str> {
    let wrong = || {
        Error::new(ErrorKind::Invalid, format!("{address:?} is not an address with a port")).with_hint("for example soc.example.com:6514")
    };
    let (host, port) = address.rsplit_once(':').ok_or_else(wrong)?;
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    if host.is_empty() || port.parse::<u16>().is_err() {
        return Err(wrong());
    }
    Ok(host)
}

fn connector(tls: &OutputTls, host: &str, vfs: &dyn Vfs) -> Result<(TlsConnector, ServerName<'static>)> {
    let config = client_config(tls, vfs)?;
    let name = tls.server_name.as_deref().unwrap_or(host).to_owned();
    let name = ServerName::try_from(name).map_err(|e| wrong(&e).with_hint("server_name is the name in the receiver's certificate"))?;
    Ok((TlsConnector::from(Arc::new(config)), name))
}

fn wrong(error: &dyn std::fmt::Display) -> Error {
    Error::new(ErrorKind::Invalid, format!("tls: {error}"))
}

/// Whom to trust and who we are.
pub(crate) fn client_config(tls: &OutputTls, vfs: &dyn Vfs) -> Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(&tls.ca, vfs)? {
        roots.add(certificate).map_err(|e| wrong(&e))?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().map_err(|e| wrong(&e))?;
    let builder = builder.with_root_certificates(roots);
    match (&tls.certificate, &tls.key) {
        (Some(certificate), Some(key)) => {
            builder.with_client_auth_cert(certificates(certificate, vfs)?, private_key(key, vfs)?).map_err(|e| wrong(&e))
        }
        (None, None) => Ok(builder.with_no_client_auth()),
        _ => Err(wrong(&"only one of certificate and key is set").with_hint("set both, or neither")),
    }
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// An open connection.
pub(super) struct Connection {
    address: String,
    stream: Stream,
}

impl Connection {
    /// Sends all of it.
    pub async fn send(&mut self, bytes: &[u8]) -> Result<()> {
        let address = self.address.clone();
        let sent = async {
            match &mut self.stream {
                Stream::Plain(stream) => stream.write_all(bytes).await,
                Stream::Tls(stream) => match stream.write_all(bytes).await {
                    Ok(()) => stream.flush().await,
                    failed => failed,
                },
            }
            .map_err(|e| Error::io(format!("sending to {address}"), e))
        };
        limited(OUTPUT_REPLY_SECONDS, &address, sent).await
    }

    /// Reads what comes next onto the end of `into`; an error when the connection ends.
    pub async fn receive(&mut self, into: &mut Vec<u8>) -> Result<()> {
        let address = self.address.clone();
        let mut buffer = [0u8; 4096];
        let read = async {
            let read = match &mut self.stream {
                Stream::Plain(stream) => stream.read(&mut buffer).await,
                Stream::Tls(stream) => stream.read(&mut buffer).await,
            };
            read.map_err(|e| Error::io(format!("reading the answer of {address}"), e))
        };
        match limited(OUTPUT_REPLY_SECONDS, &address, read).await? {
            0 => Err(closed(&address)),
            count => {
                into.extend_from_slice(&buffer[..count]);
                Ok(())
            }
        }
    }

    /// Bytes that the machine at the other end has yet to acknowledge, of what was sent; with TLS those of its records, which are more.
    /// An error if the connection has ended.
    pub fn waiting(&mut self) -> Result<usize> {
        let waiting = unacknowledged(self.tcp());
        // Looked at after the count: a reset empties the queue, and is told here.
        // Receivers of syslog say nothing; if one does, it is nothing that is waited for.
        let _ = self.alive()?;
        Ok(waiting)
    }

    /// Waits until the machine at the other end has acknowledged all bytes that were sent.
    pub async fn acknowledged(&mut self) -> Result<()> {
        let address = self.address.clone();
        let all = async {
            let mut wait = Duration::from_micros(200);
            loop {
                if self.waiting()? == 0 {
                    return Ok(());
                }
                tokio::time::sleep(wait).await;
                wait = (wait * 2).min(Duration::from_millis(20));
            }
        };
        limited(OUTPUT_REPLY_SECONDS, &address, all).await
    }

    /// Whether the other end has said something that nobody waits for; an error if it has closed the connection.
    pub fn alive(&mut self) -> Result<bool> {
        if let Ok(Some(error)) = self.tcp().take_error() {
            return Err(Error::io(format!("sending to {}", self.address), error));
        }
        let mut byte = [0u8; 1];
        let read = match &mut self.stream {
            Stream::Plain(stream) => stream.read(&mut byte).now_or_never(),
            Stream::Tls(stream) => stream.read(&mut byte).now_or_never(),
        };
        match read {
            None => Ok(false),
            Some(Ok(0)) => Err(closed(&self.address)),
            Some(Ok(_)) => Ok(true),
            Some(Err(error)) => Err(Error::io(format!("sending to {}", self.address), error)),
        }
    }

    fn tcp(&self) -> &TcpStream {
        match &self.stream {
            Stream::Plain(stream) => stream,
            Stream::Tls(stream) => stream.get_ref().0,
        }
    }
}

fn closed(address: &str) -> Error {
    Error::new(ErrorKind::Io, format!("{address} has closed the connection"))
}

async fn limited<T>(seconds: u64, address: &str, work: impl Future<Output = Result<T>>) -> Result<T> {
    let late = |_| Error::new(ErrorKind::Io, format!("{address} does not answer within {seconds} seconds"));
    tokio::time::timeout(Duration::from_secs(seconds), work).await.unwrap_or_else(|elapsed| Err(late(elapsed)))
}

/// Bytes that were sent and not acknowledged by the machine at the other end.
#[cfg(target_os = "linux")]
fn unacknowledged(stream: &TcpStream) -> usize {
    use std::os::fd::AsRawFd;
    let mut count: libc::c_int = 0;
    #[allow(unsafe_code)] // the kernel fills one integer
    let done = unsafe { libc::ioctl(stream.as_raw_fd(), libc::TIOCOUTQ, &mut count) };
    if done == 0 { usize::try_from(count).unwrap_or(0) } else { 0 }
}

/// Elsewhere it is not known.
#[cfg(not(target_os = "linux"))]
fn unacknowledged(_: &TcpStream) -> usize {
    0
}
