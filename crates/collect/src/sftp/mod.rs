//! Files of another machine, fetched over SFTP: looked at every so often, and what is new in them read.
//!
//! **What may be believed.** How far a file was read is durable in the same step as its events. A file is known by its content, as followed
//! files are: one that has grown goes on at the very byte, one that was renamed or compressed is not read again, and one that was written anew is
//! another. The other machine is the one whose key is in the settings, or nothing is sent to it, the password least of all. What was
//! written and truncated away between two looks, and is in no copy, is lost. Times of files are whole seconds: one that was read when it had just
//! been written is looked at again when that second is over.

mod reader;
mod remote;

use crate::counters::InputCounters;
use crate::decode::Envelope;
use crate::files::discover::Discovery;
use crate::input::{Context, Input, Running, Stop, checked_index, seconds};
use crate::zone::{ZoneName, Zones};
use reader::Reader;
use remote::Access;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use taffrail_base::{Error, ErrorKind, Result, Secret};
use tokio::runtime::Handle;

/// `[[input]] type = "sftp"`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SftpSettings {
    /// The machine: a name or address, with a port if that is not 22.
    pub address: String,
    /// The user.
    pub user: String,
    /// Fingerprints of its keys, as `ssh-keygen -lf` shows them: `SHA256:...`. Whoever shows another one is refused.
    pub host_keys: Vec<String>,
    /// The file with our private key.
    pub key: Option<PathBuf>,
    /// What that file is encrypted with.
    pub key_password: Option<Secret>,
    /// The file whose first line is the password, where there is no key.
    pub password_file: Option<PathBuf>,
    /// Absolute paths and patterns.
    pub paths: Vec<String>,
    /// Patterns of what is left out.
    pub exclude: Vec<String>,
    /// Seconds between two looks.
    pub every_seconds: f64,
    /// Index of the events; `main` if not given.
    pub index: Option<String>,
    /// Sourcetype of the events; found out per file if not given.
    pub sourcetype: Option<String>,
    /// Host of every event, whatever it says; the machine, where neither says one.
    pub host: Option<String>,
    /// The zone of times that name none, such as `Europe/Berlin` or `+02:00`; that of this machine if not given.
    pub zone: Option<ZoneName>,
}

impl Default for SftpSettings {
    fn default() -> Self {
        Self {
            address: String::new(),
            user: String::new(),
            host_keys: Vec::new(),
            key: None,
            key_password: None,
            password_file: None,
            paths: Vec::new(),
            exclude: Vec::new(),
            every_seconds: 60.0,
            index: None,
            sourcetype: None,
            host: None,
            zone: None,
        }
    }
}

/// The files of a machine, not yet read.
pub struct SftpInput {
    settings: SftpSettings,
    index: Arc<str>,
    every: Duration,
    /// Name and port of the machine.
    place: (String, u16),
}

impl SftpInput {
    /// Checks the settings; the machine need not be there.
    pub fn new(settings: SftpSettings) -> Result<Self> {
        let place = place(&settings.address)?;
        if settings.user.is_empty() {
            return Err(invalid("the user is not named", "user = \"logs\""));
        }
        if let Some(wrong) = settings.host_keys.iter().find(|key| !is_fingerprint(key)) {
            return Err(invalid(
                &format!("{wrong:?} is no fingerprint"),
                "host_keys = [\"SHA256:...\"]: what `ssh-keygen -lf` shows of the machine's key",
            ));
        }
        if settings.key.is_some() == settings.password_file.is_some() {
            return Err(invalid("either key or password_file has to be set", "key = \"/etc/taffrail/id_ed25519\""));
        }
        if settings.paths.is_empty() {
            return Err(invalid("paths are not named", "paths = [\"/var/log/**/*.log\"]"));
        }
        if let Some(wrong) = settings.paths.iter().find(|path| !path.starts_with('/')) {
            return Err(invalid(&format!("{wrong:?} is not an absolute path"), "paths begin with /"));
        }
        Discovery::new(&settings.paths, &settings.exclude)?;
        Ok(Self {
            index: checked_index(settings.index.as_deref())?,
            every: seconds("every_seconds", settings.every_seconds)?,
            place,
            settings,
        })
    }
}

fn invalid(text: &str, hint: &str) -> Error {
    Error::new(ErrorKind::Invalid, text.to_owned()).with_hint(hint.to_owned())
}

/// Name and port of an address.
fn place(address: &str) -> Result<(String, u16)> {
    let wrong =
        || invalid(&format!("{address:?} is not the address of a machine"), "address = \"files.example.com\", or with a port behind it");
    let (host, port) = match address.rsplit_once(':') {
        // More than one colon without brackets: an address of IPv6 without a port.
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => (host, port.parse().map_err(|_| wrong())?),
        _ => (address, 22),
    };
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    if host.is_empty() || host.contains(char::is_whitespace) || host.contains('/') { Err(wrong()) } else { Ok((host.to_owned(), port)) }
}

/// Whether a text is a fingerprint: 32 bytes in base64, without padding.
fn is_fingerprint(text: &str) -> bool {
    let digits = text.strip_prefix("SHA256:").map(|rest| rest.trim_end_matches('='));
    digits.is_some_and(|digits| digits.len() == 43 && digits.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/')))
}

impl Input for SftpInput {
    fn kind(&self) -> &'static str {
        "sftp"
    }

    fn name(&self) -> String {
        format!("sftp {}@{}", self.settings.user, self.settings.address)
    }

    fn start(&self, context: Context) -> Result<Running> {
        let settings = &self.settings;
        let access = Access::new(settings, self.place.clone(), &*context.vfs)?;
        let counters = Arc::new(InputCounters::new(self.name(), self.kind()));
        let (stopper, stop) = Stop::channel();
        let (host, port) = &self.place;
        let known_by = blake3::hash(format!("{}@{host}:{port}", settings.user).as_bytes()).to_hex();
        let envelope = Envelope {
            index: Arc::clone(&self.index),
            host: settings.host.as_deref().map(Arc::from),
            default_host: host.as_str().into(),
            source: "".into(),
            sourcetype: settings.sourcetype.as_deref().map(Arc::from),
            transport: "sftp".into(),
            peer: host.as_str().into(),
            zones: Zones::of(settings.zone.as_ref(), &context),
        };
        let discovery = Discovery::new(&settings.paths, &settings.exclude)?;
        let keys = format!("sftp/{}/{}/", self.index, &known_by[..16]);
        let reader = Reader::new(context, Arc::clone(&counters), access, discovery, envelope, (keys, self.every), Handle::current(), stop);
        Ok(Running::new(counters, None, stopper, tokio::task::spawn_blocking(move || reader.run())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_fingerprints() {
        for (text, host, port) in [
            ("a.example", "a.example", 22),
            ("a.example:2222", "a.example", 2222),
            ("192.0.2.1", "192.0.2.1", 22),
            ("2001:db8::1", "2001:db8::1", 22),
            ("[2001:db8::1]:2222", "2001:db8::1", 2222),
        ] {
            assert_eq!(place(text).expect(text), (host.to_owned(), port));
        }
        for text in ["", ":22", "a:x", "a:99999", "a b", "sftp://a"] {
            assert!(place(text).is_err(), "{text}");
        }
        assert!(is_fingerprint("SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU"));
        for text in
            ["", "SHA256:", "MD5:00:11", "SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSu", "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU"]
        {
            assert!(!is_fingerprint(text), "{text}");
        }
    }
}
