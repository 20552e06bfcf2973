//! The other machine: a connection of SSH to one whose key is known, and its files as a file system that can only be read.

use super::SftpSettings;
use parking_lot::Mutex;
use russh::client::{self, AuthResult, Config, Handler};
use russh::keys::{HashAlg, PrivateKey, PrivateKeyWithHashAlg, PublicKeyOrCertificate};
use russh_sftp::client::RawSftpSession;
use russh_sftp::client::error::Error as SftpError;
use russh_sftp::protocol::{FileAttributes, OpenFlags, StatusCode};
use rustc_hash::FxHashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use taffrail_base::limits::{OUTPUT_CONNECT_SECONDS, OUTPUT_REPLY_SECONDS};
use taffrail_base::{Error, ErrorKind, FileIdentity, Metadata, Result, Vfs, VfsFile};
use tokio::runtime::Handle;

/// Bytes asked for at once: what every server gives, and few round trips.
const READ_BYTES: usize = 128 * 1024;

/// Entries of one folder that are looked at. More are a sign that the wrong folder was named, and are said.
const ENTRIES_MAX: usize = 100_000;

/// Where, as whom, and how to know the machine.
pub(super) struct Access {
    place: (String, u16),
    user: String,
    host_keys: Vec<String>,
    proof: Proof,
}

enum Proof {
    Key(Arc<PrivateKey>),
    Password(String),
}

impl Access {
    /// Reads the files that the settings name.
    pub fn new(settings: &SftpSettings, place: (String, u16), vfs: &dyn Vfs) -> Result<Self> {
        let read = |path: &Path| {
            let bytes = vfs.read(path).map_err(|error| Error::io(path.display(), error))?;
            String::from_utf8(bytes).map_err(|_| Error::new(ErrorKind::Invalid, format!("{} is not text", path.display())))
        };
        let proof = match (&settings.key, &settings.password_file) {
            (Some(path), _) => {
                let password = settings.key_password.as_ref().map(|password| password.reveal());
                let key = russh::keys::decode_secret_key(&read(path)?, password).map_err(|error| {
                    Error::new(ErrorKind::Invalid, format!("{} is no private key that can be used: {error}", path.display()))
                        .with_hint("key names a file as ssh-keygen makes it; key_password opens one that is encrypted")
                })?;
                Proof::Key(Arc::new(key))
            }
            (None, Some(path)) => Proof::Password(read(path)?.lines().next().unwrap_or_default().to_owned()),
            (None, None) => return Err(Error::new(ErrorKind::Bug, "settings without a key and a password")),
        };
        let host_keys = settings.host_keys.iter().map(|key| key.trim_end_matches('=').to_owned()).collect();
        Ok(Self { place, user: settings.user.clone(), host_keys, proof })
    }

    /// Connects, or says why not.
    pub async fn connect(&self, runtime: &Handle) -> std::result::Result<Remote, String> {
        let (host, port) = &self.place;
        let limit = Duration::from_secs(OUTPUT_CONNECT_SECONDS + OUTPUT_REPLY_SECONDS);
        let late = |_| Err(format!("{host}:{port} does not answer in time"));
        tokio::time::timeout(limit, self.open(runtime)).await.unwrap_or_else(late)
    }

    async fn open(&self, runtime: &Handle) -> std::result::Result<Remote, String> {
        let (host, port) = (self.place.0.as_str(), self.place.1);
        let shown = Arc::new(Mutex::new(None));
        let check = Check { known: self.host_keys.clone(), shown: Arc::clone(&shown) };
        let config = Config { inactivity_timeout: Some(Duration::from_secs(2 * OUTPUT_REPLY_SECONDS)), nodelay: true, ..Config::default() };
        let mut session = match client::connect(Arc::new(config), (host, port), check).await {
            Ok(session) => session,
            Err(error) => {
                return Err(match shown.lock().take() {
                    Some(key) if self.host_keys.is_empty() => {
                        format!("{host}:{port} shows the key {key}, and no key is known: if it is the right one, say so by host_keys")
                    }
                    Some(key) => format!("{host}:{port} shows the key {key}, which is none of host_keys: it is refused"),
                    None => format!("{host}:{port}: {error}"),
                });
            }
        };
        let failed = |error: russh::Error| format!("{host}:{port}: {error}");
        let answer = match &self.proof {
            Proof::Password(password) => session.authenticate_password(self.user.as_str(), password.as_str()).await,
            Proof::Key(key) => {
                let hash = session.best_supported_rsa_hash().await.map_err(failed)?.flatten();
                // Old servers say nothing of what they take; those that take SHA-1 only are not given it.
                let key = PrivateKeyWithHashAlg::new(Arc::clone(key), hash.or(Some(HashAlg::Sha256)));
                session.authenticate_publickey(self.user.as_str(), key).await
            }
        };
        if !matches!(answer.map_err(failed)?, AuthResult::Success) {
            return Err(format!("{host}:{port} does not let {:?} in", self.user));
        }
        let channel = session.channel_open_session().await.map_err(failed)?;
        channel.request_subsystem(true, "sftp").await.map_err(failed)?;
        let config = russh_sftp::client::Config { request_timeout_secs: OUTPUT_REPLY_SECONDS, ..russh_sftp::client::Config::default() };
        let sftp = RawSftpSession::new_with_config(channel.into_stream(), config);
        sftp.init().await.map_err(|error| format!("{host}:{port} does not speak SFTP: {error}"))?;
        let inner = Inner { sftp, runtime: runtime.clone(), broken: Mutex::new(None), _session: session };
        Ok(Remote { inner: Arc::new(inner), seen: Mutex::default(), hidden: Mutex::default() })
    }
}

/// Lets in a machine whose key is known, and keeps what another one showed.
struct Check {
    known: Vec<String>,
    shown: Arc<Mutex<Option<String>>>,
}

impl Handler for Check {
    type Error = russh::Error;

    async fn check_server_key(&mut self, key: &PublicKeyOrCertificate) -> std::result::Result<bool, Self::Error> {
        let PublicKeyOrCertificate::PublicKey { key, .. } = key else {
            *self.shown.lock() = Some("of a certificate".to_owned());
            return Ok(false);
        };
        let fingerprint = key.fingerprint(HashAlg::Sha256).to_string();
        let is_known = self.known.contains(&fingerprint);
        if !is_known {
            *self.shown.lock() = Some(format!("{} {fingerprint}", key.algorithm()));
        }
        Ok(is_known)
    }
}

struct Inner {
    sftp: RawSftpSession,
    runtime: Handle,
    /// Why the connection is no more.
    broken: Mutex<Option<String>>,
    /// The connection lives as long as this.
    _session: client::Handle<Check>,
}

impl Inner {
    /// Waits for an answer. Whatever is not the server's own word means that the connection is no more.
    fn wait<T>(&self, work: impl Future<Output = std::result::Result<T, SftpError>>) -> io::Result<T> {
        if let Some(why) = &*self.broken.lock() {
            return Err(io::Error::new(io::ErrorKind::NotConnected, why.clone()));
        }
        self.runtime.block_on(work).map_err(|error| match error {
            SftpError::Status(status) => {
                let kind = match status.status_code {
                    StatusCode::NoSuchFile => io::ErrorKind::NotFound,
                    StatusCode::PermissionDenied => io::ErrorKind::PermissionDenied,
                    StatusCode::Eof => io::ErrorKind::UnexpectedEof,
                    StatusCode::NoConnection | StatusCode::ConnectionLost => io::ErrorKind::NotConnected,
                    _ => io::ErrorKind::Other,
                };
                io::Error::new(kind, format!("{}: {}", status.status_code, status.error_message))
            }
            error => {
                *self.broken.lock() = Some(error.to_string());
                io::Error::new(io::ErrorKind::NotConnected, error.to_string())
            }
        })
    }
}

/// The files of the machine.
pub(super) struct Remote {
    inner: Arc<Inner>,
    /// What folders said of what is in them.
    seen: Mutex<FxHashMap<PathBuf, Metadata>>,
    /// What could not be looked at, the last of it.
    hidden: Mutex<Option<String>>,
}

impl Remote {
    /// Why the connection is no more, if that is so.
    pub fn broken(&self) -> Option<String> {
        self.inner.broken.lock().clone()
    }

    /// What could not be looked at, so that there may be more than was found.
    pub fn hidden(&self) -> Option<String> {
        self.hidden.lock().clone()
    }

    fn hide(&self, path: &Path, error: &io::Error) {
        // Links that lead nowhere, and what has just gone.
        if error.kind() != io::ErrorKind::NotFound {
            *self.hidden.lock() = Some(format!("{}: {error}", path.display()));
        }
    }

    fn list(&self, path: &Path) -> io::Result<Vec<PathBuf>> {
        let sftp = &self.inner.sftp;
        let handle = self.inner.wait(sftp.opendir(text(path)))?.handle;
        let mut found = Vec::new();
        let read = loop {
            match self.inner.wait(sftp.readdir(handle.as_str())) {
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => break Ok(()),
                Err(error) => break Err(error),
                Ok(names) => {
                    for file in names.files {
                        // A name that is a path leads out of the folder.
                        if matches!(&*file.filename, "" | "." | "..") || file.filename.contains('/') {
                            continue;
                        }
                        let path = path.join(&file.filename);
                        // Of a link it says what the link is, not what it leads to.
                        if file.attrs.is_dir() || file.attrs.is_regular() {
                            self.seen.lock().insert(path.clone(), metadata(&path, &file.attrs));
                        }
                        found.push(path);
                    }
                }
            }
            if found.len() > ENTRIES_MAX {
                break Err(io::Error::other(format!("more than {ENTRIES_MAX} entries")));
            }
        };
        // It is closed with the connection at the latest.
        let _ = self.inner.wait(sftp.close(handle));
        read?;
        found.sort();
        Ok(found)
    }
}

impl std::fmt::Debug for Remote {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Remote")
    }
}

fn metadata(path: &Path, attributes: &FileAttributes) -> Metadata {
    let hash = blake3::hash(path.as_os_str().as_encoded_bytes());
    let inode = hash.as_bytes().first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
    Metadata {
        len: attributes.size.unwrap_or(0),
        is_dir: attributes.is_dir(),
        is_file: attributes.is_regular(),
        // There are no inodes: it is known by its path, and beyond that by its content.
        identity: FileIdentity { inode, ..FileIdentity::default() },
        modified_nanos: i64::from(attributes.mtime.unwrap_or(0)) * 1_000_000_000,
    }
}

/// A path as the protocol has it.
fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

fn read_only<T>() -> io::Result<T> {
    Err(io::ErrorKind::ReadOnlyFilesystem.into())
}

impl Vfs for Remote {
    fn open_read(&self, path: &Path) -> io::Result<Box<dyn VfsFile>> {
        let handle = self.inner.wait(self.inner.sftp.open(text(path), OpenFlags::READ, FileAttributes::empty()))?.handle;
        Ok(Box::new(RemoteFile { inner: Arc::clone(&self.inner), handle, path: path.to_owned() }))
    }

    fn read_dir(&self, path: &Path) -> io::Result<Vec<PathBuf>> {
        self.list(path).inspect_err(|error| self.hide(path, error))
    }

    fn metadata(&self, path: &Path) -> io::Result<Metadata> {
        if let Some(known) = self.seen.lock().get(path) {
            return Ok(*known);
        }
        let answer = self.inner.wait(self.inner.sftp.stat(text(path)));
        Ok(metadata(path, &answer.inspect_err(|error| self.hide(path, error))?.attrs))
    }

    fn create_new(&self, _: &Path) -> io::Result<Box<dyn VfsFile>> {
        read_only()
    }

    fn open_write(&self, _: &Path) -> io::Result<Box<dyn VfsFile>> {
        read_only()
    }

    fn rename(&self, _: &Path, _: &Path) -> io::Result<()> {
        read_only()
    }

    fn remove_file(&self, _: &Path) -> io::Result<()> {
        read_only()
    }

    fn create_dir_all(&self, _: &Path) -> io::Result<()> {
        read_only()
    }

    fn sync_dir(&self, _: &Path) -> io::Result<()> {
        read_only()
    }

    fn lock(&self, _: &Path) -> io::Result<Box<dyn Send + Sync>> {
        read_only()
    }

    fn available_bytes(&self, _: &Path) -> io::Result<u64> {
        read_only()
    }
}

/// An open file of the machine.
struct RemoteFile {
    inner: Arc<Inner>,
    handle: String,
    path: PathBuf,
}

impl std::fmt::Debug for RemoteFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("RemoteFile").field(&self.path).finish()
    }
}

impl VfsFile for RemoteFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let wanted = u32::try_from(buffer.len().min(READ_BYTES)).unwrap_or(u32::MAX);
        match self.inner.wait(self.inner.sftp.read(self.handle.as_str(), offset, wanted)) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(0),
            Err(error) => Err(error),
            Ok(data) => {
                // A server that gives more than was asked for is not believed.
                let given = data.data.get(..data.data.len().min(buffer.len())).unwrap_or_default();
                buffer[..given.len()].copy_from_slice(given);
                Ok(given.len())
            }
        }
    }

    fn metadata(&self) -> io::Result<Metadata> {
        Ok(metadata(&self.path, &self.inner.wait(self.inner.sftp.fstat(self.handle.as_str()))?.attrs))
    }

    fn write_all_at(&self, _: &[u8], _: u64) -> io::Result<()> {
        read_only()
    }

    fn sync_data(&self) -> io::Result<()> {
        read_only()
    }

    fn set_len(&self, _: u64) -> io::Result<()> {
        read_only()
    }
}

impl Drop for RemoteFile {
    fn drop(&mut self) {
        // Nobody waits for it: what comes of it makes no difference.
        let _ = self.inner.wait(self.inner.sftp.close(self.handle.as_str()));
    }
}
