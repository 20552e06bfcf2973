//! Settings of the server: a TOML file, overridden by the command line. Every setting is documented where it is
//! declared, with its default; `docs/manual/configuration.md` repeats them and a test compares the names.
//!
//! Knobs only: what is handed to components is made in `app` and `serve`.

mod units;

pub use taffrail_base::Secret;
pub use units::{Age, DiskUsage, Size};

use crate::routes::RouteSettings;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use taffrail_base::{Error, ErrorKind, Result, Vfs, limits};
use taffrail_collect::stream::StreamSettings;
use taffrail_collect::syslog::udp::UdpSettings;
use taffrail_collect::{InputSettings, Network, ZoneName};
use taffrail_event::Origin;
use taffrail_store::{ArchiveRule, IndexRules, Rules};

/// All settings.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The data folder. No default: `--data` or this names it. Created when missing.
    pub data: Option<PathBuf>,
    /// The zone of times that name none, where an input has no `zone` of its own: `Europe/Berlin`, `+02:00`, `UTC`. Default
    /// `local`: that of this machine.
    pub zone: ZoneName,
    /// The HTTP server: page, API, metrics.
    pub http: Http,
    /// Syslog listeners.
    pub syslog: Syslog,
    /// What others may push over HTTP.
    pub ingest: Ingest,
    /// More inputs, each a table `[[input]]` with its `type`: followed files, the systemd journal, further
    /// listeners. None by default.
    pub input: Vec<InputSettings>,
    /// What is sent on, each a table `[[routes]]` with its search and output. None by default.
    pub routes: Vec<RouteSettings>,
    /// The store.
    pub store: StoreKnobs,
    /// What is kept, for each index that has rules of its own: a table `[indexes.NAME]`. None by default.
    pub indexes: BTreeMap<String, IndexKnobs>,
    /// Searches.
    pub search: Search,
    /// Searches that run by themselves.
    pub jobs: JobKnobs,
    /// The server's own audit events.
    pub audit: Audit,
}

/// The HTTP server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Http {
    /// Address to listen at; loopback only until there is access control. Default `127.0.0.1:8514`.
    pub address: SocketAddr,
}

impl Default for Http {
    fn default() -> Self {
        Self { address: SocketAddr::from(([127, 0, 0, 1], 8514)) }
    }
}

/// What others may push over HTTP: HEC, OTLP, Loki, Elasticsearch bulk, GELF, Datadog.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Ingest {
    /// Tokens: who pushes must name one of them. Without any, whoever reaches the address may push, with any token or none.
    /// None by default.
    pub tokens: Vec<Secret>,
    /// Whether answers of `_bulk` say that they are Elasticsearch's: its own client libraries speak to nobody else. Default
    /// `false`.
    pub elastic_product: bool,
}

/// A listener's address, or `off`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listen(pub Option<SocketAddr>);

impl std::str::FromStr for Listen {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "off" | "none" => Ok(Self(None)),
            text => text
                .parse()
                .map(|address| Self(Some(address)))
                .map_err(|_| format!("{text:?} is neither an address with a port, such as 127.0.0.1:5514, nor `off`")),
        }
    }
}

impl std::fmt::Display for Listen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Some(address) => write!(f, "{address}"),
            None => f.write_str("off"),
        }
    }
}

impl Serialize for Listen {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Listen {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Syslog listeners.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Syslog {
    /// UDP address, or `off`. Default `127.0.0.1:5514`.
    pub udp: Listen,
    /// TCP address, or `off`. Default `127.0.0.1:5514`.
    pub tcp: Listen,
    /// Index that events go to. Default `main`.
    pub index: String,
    /// Source type of the events. Default `syslog`.
    pub sourcetype: String,
    /// The zone of times that name none. Default: what the setting `zone` at the top says.
    pub zone: Option<ZoneName>,
    /// The same for senders of some networks, such as `{ "10.1.0.0/16" = "America/New_York" }`. None by default.
    pub zones: BTreeMap<Network, ZoneName>,
    /// The networks whose senders are taken, such as `["10.0.0.0/8"]`, or `["any"]`. Without any, the addresses have to be
    /// loopback ones. None by default.
    pub allow: Vec<Network>,
}

impl Syslog {
    fn inputs(&self) -> Vec<InputSettings> {
        let (index, sourcetype) = (Some(self.index.clone()), Some(self.sourcetype.clone()));
        let udp = self.udp.0.map(|address| {
            InputSettings::SyslogUdp(UdpSettings {
                address: Some(address),
                index: index.clone(),
                sourcetype: sourcetype.clone(),
                zone: self.zone.clone(),
                zones: self.zones.clone(),
                allow: self.allow.clone(),
                ..UdpSettings::default()
            })
        });
        let tcp = self.tcp.0.map(|address| {
            InputSettings::SyslogTcp(StreamSettings {
                address: Some(address),
                index: index.clone(),
                sourcetype: sourcetype.clone(),
                zone: self.zone.clone(),
                zones: self.zones.clone(),
                allow: self.allow.clone(),
                ..StreamSettings::default()
            })
        });
        udp.into_iter().chain(tcp).collect()
    }
}

impl Default for Syslog {
    fn default() -> Self {
        let listen = Listen(Some(SocketAddr::from(([127, 0, 0, 1], 5514))));
        Self {
            udp: listen,
            tcp: listen,
            index: "main".into(),
            sourcetype: "syslog".into(),
            zone: None,
            zones: BTreeMap::new(),
            allow: Vec::new(),
        }
    }
}

/// The store's knobs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StoreKnobs {
    /// Raw bytes in memory after which a segment is written. Default 10485760 (10 MiB).
    pub flush_bytes: usize,
    /// Events in memory after which a segment is written. Default 1000000, which is also the most.
    pub flush_events: usize,
    /// Age in seconds after which a segment is written even if small. Default 300.
    pub flush_age_seconds: u64,
    /// zstd level of segments as they are first written, 1 to 19; merged ones get 4 more, up to 9. Default 1.
    pub zstd_level: i32,
    /// Whether small segments are merged into large ones in the background. Default `true`.
    pub merge: bool,
    /// Age at which events of indexes without a table of their own are removed, such as `"400d"`. Default: never.
    pub retention: Option<Age>,
    /// Size at which the oldest events of an index without a table of its own are removed, such as `"50GB"`.
    /// Default: never.
    pub max_size: Option<Size>,
    /// Use of the disk at which the oldest events of all indexes are removed, such as `"90%"` or `"500GB"`.
    /// Default: never; a full disk refuses new events and keeps the old ones.
    pub max_disk_usage: Option<DiskUsage>,
    /// Object store that old segments of indexes without a table of their own are moved to. Default: none.
    pub archive: Option<ArchiveKnobs>,
    /// Bytes on the disk for what was read of archived segments, such as `"1GiB"`. Default `"1GiB"`.
    pub cache_size: Size,
    /// Bytes of memory for what searches read and unpacked, such as `"128MiB"`. Default `"128MiB"`.
    pub memory_cache_size: Size,
}

/// An object store, and when segments go there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArchiveKnobs {
    /// Its address: `s3://bucket/prefix`, or `file:///folder`.
    pub url: String,
    /// Age at which segments are moved, such as `"7d"`.
    pub after: Age,
    /// Address of a service that speaks like S3. Default: AWS.
    #[serde(default)]
    pub endpoint: Option<String>,
    /// Whether the bucket is the first part of the path, rather than a host of its own. Default `true`.
    #[serde(default = "yes")]
    pub path_style: bool,
    /// Its region. Default: the variable `AWS_REGION`.
    #[serde(default)]
    pub region: Option<String>,
    /// Name of the key. Default: the variable `AWS_ACCESS_KEY_ID`.
    #[serde(default)]
    pub access_key: Option<Secret>,
    /// The key. Default: the variable `AWS_SECRET_ACCESS_KEY`.
    #[serde(default)]
    pub secret_key: Option<Secret>,
}

fn yes() -> bool {
    true
}

impl ArchiveKnobs {
    /// The address as segments remember it.
    pub fn address(&self) -> &str {
        self.url.trim_end_matches('/')
    }

    /// Refuses what cannot work.
    fn check(&self) -> Result<()> {
        let named = |e| named("archive", &e);
        if self.url.starts_with("s3://") {
            taffrail_archive::check(&self.url).map_err(named)?;
            self.endpoint.as_deref().map_or(Ok(()), taffrail_archive::check_endpoint).map_err(named)?;
            if self.access_key.is_some() != self.secret_key.is_some() {
                let error = Error::new(ErrorKind::Invalid, "archive: only one of access_key and secret_key is set");
                return Err(error.with_hint("set both, or neither: then AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are taken"));
            }
            return Ok(());
        }
        let url = &self.url;
        if url.len() <= 150 && url.bytes().all(|b| b.is_ascii_graphic()) && url.starts_with("file:///") {
            return Ok(());
        }
        let error = Error::new(ErrorKind::Invalid, format!("archive.url: {url:?} is not the address of an object store"));
        Err(error.with_hint("use s3://bucket/prefix or file:///folder"))
    }
}

/// What is kept of an index.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct IndexKnobs {
    /// Age at which events are removed. Default: never, whatever `store.retention` says.
    pub retention: Option<Age>,
    /// Size of the index's files at which the oldest events are removed. Default: never.
    pub max_size: Option<Size>,
    /// Object store that old segments are moved to. Default: none, whatever `store.archive` says.
    pub archive: Option<ArchiveKnobs>,
}

fn rules_of(retention: Option<&Age>, max_size: Option<&Size>, archive: Option<&ArchiveKnobs>) -> IndexRules {
    let archive = archive.map(|knobs| ArchiveRule { url: knobs.address().into(), after_seconds: knobs.after.seconds });
    IndexRules { retention_seconds: retention.map(|age| age.seconds), max_bytes: max_size.map(|size| size.bytes), archive }
}

impl Default for StoreKnobs {
    fn default() -> Self {
        Self {
            flush_bytes: limits::MEMORY_SEGMENT_BYTES,
            flush_events: limits::SEGMENT_EVENTS_MAX,
            flush_age_seconds: limits::MEMORY_SEGMENT_AGE_SECONDS_MAX,
            zstd_level: 1,
            merge: true,
            retention: None,
            max_size: None,
            max_disk_usage: None,
            archive: None,
            cache_size: Size::of(limits::ARCHIVE_CACHE_BYTES),
            memory_cache_size: Size::of(limits::BLOCK_CACHE_BYTES as u64),
        }
    }
}

/// Searches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Search {
    /// Memory that all searches share, in bytes; beyond it they spill to disk. Default 536870912 (512 MiB).
    pub memory_bytes: usize,
    /// The part of it that one search may use. Default 268435456 (256 MiB).
    pub max_memory_bytes: usize,
    /// Seconds that a search through the server may take; 0 is no limit. Exports have none. Default 600.
    pub timeout_seconds: u64,
}

impl Default for Search {
    fn default() -> Self {
        let (memory_bytes, max_memory_bytes) = (limits::SEARCH_MEMORY_BYTES, limits::SEARCH_MEMORY_BYTES_ONE);
        Self { memory_bytes, max_memory_bytes, timeout_seconds: limits::SEARCH_SECONDS_MAX }
    }
}

/// Searches that run by themselves, and their results.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct JobKnobs {
    /// Seconds after which the results of a job are removed, counted from when it ended or somebody last asked for it.
    /// Default 3600.
    pub keep_seconds: u64,
    /// Bytes on the disk for the results of all jobs, such as `"10GB"`. Default `"10GiB"`.
    pub max_size: Size,
}

impl Default for JobKnobs {
    fn default() -> Self {
        Self { keep_seconds: limits::JOB_KEEP_SECONDS, max_size: Size::of(limits::JOB_BYTES_MAX) }
    }
}

/// The server's own audit events.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Audit {
    /// Whether to keep them, in the index `_audit`. Default `true`.
    pub enabled: bool,
}

impl Default for Audit {
    fn default() -> Self {
        Self { enabled: true }
    }
}

impl Settings {
    /// Reads a settings file.
    pub fn read(vfs: &dyn Vfs, path: &Path) -> Result<Self> {
        let bytes = vfs.read(path).map_err(|e| {
            let missing = e.kind() == std::io::ErrorKind::NotFound;
            let error = Error::io(format!("settings file {}", path.display()), e);
            if missing { error.with_hint("give an existing file to --config, or leave it out for the defaults") } else { error }
        })?;
        let text =
            String::from_utf8(bytes).map_err(|_| Error::new(ErrorKind::Invalid, format!("settings file {}: not UTF-8", path.display())))?;
        Self::parse(&text, &path.display().to_string())
    }

    /// Settings from TOML text; `place` is named in errors.
    pub fn parse(text: &str, place: &str) -> Result<Self> {
        toml::from_str(text).map_err(|e| {
            let line = e.span().map_or(0, |span| text[..span.start.min(text.len())].matches('\n').count() + 1);
            let mut message = format!("{place}:{line}: {}", e.message().trim());
            if let Some(culprit) = e.span().and_then(|span| text.get(span)).filter(|c| !c.is_empty() && c.len() < 80 && !c.contains('\n')) {
                message.push_str(&format!(" (at `{culprit}`)"));
            }
            Error::new(ErrorKind::Invalid, message).with_hint("docs/manual/configuration.md lists every setting with its default")
        })
    }

    /// Refuses what cannot work, naming the setting.
    pub fn check(&self) -> Result<()> {
        loopback("http.address", "--http", Some(self.http.address))?;
        if self.ingest.tokens.iter().any(|token| token.reveal().is_empty()) {
            return Err(
                Error::new(ErrorKind::Invalid, "ingest.tokens: a token is empty").with_hint("take it out, or give it some characters")
            );
        }
        if self.syslog.allow.is_empty() {
            listener("syslog.udp", "--syslog-udp", "syslog.allow", self.syslog.udp.0)?;
            listener("syslog.tcp", "--syslog-tcp", "syslog.allow", self.syslog.tcp.0)?;
        }
        index("syslog.index", &self.syslog.index)?;
        for (at, input) in self.input.iter().enumerate() {
            let setting = format!("input[{at}]");
            // A listener that lets in nobody without a certificate or a token, or only some networks, may be reached from elsewhere.
            let asks = matches!(input, InputSettings::Http(of) if !of.tokens.is_empty() || !self.ingest.tokens.is_empty());
            if !asks && !input.checks_certificates() && input.allowed().is_empty() {
                listener(&format!("{setting}.address"), "address =", "allow", input.address())?;
            }
            input.build().map_err(|e| named(&setting, &e))?;
        }
        for name in self.indexes.keys() {
            index("indexes", name)?;
        }
        self.check_archives()?;
        range("store.zstd_level", i64::from(self.store.zstd_level), 1, 19)?;
        range("store.flush_bytes", self.store.flush_bytes as i64, 64 * 1024, limits::MEMORY_SEGMENT_BYTES_MAX as i64)?;
        range("store.flush_events", self.store.flush_events as i64, 1, limits::SEGMENT_EVENTS_MAX as i64)?;
        range("store.flush_age_seconds", i64::try_from(self.store.flush_age_seconds).unwrap_or(i64::MAX), 1, 86_400)?;
        range("search.max_memory_bytes", i64::try_from(self.search.max_memory_bytes).unwrap_or(i64::MAX), 1 << 20, 1 << 40)?;
        range("jobs.keep_seconds", i64::try_from(self.jobs.keep_seconds).unwrap_or(i64::MAX), 1, 30 * 86_400)?;
        range("search.timeout_seconds", i64::try_from(self.search.timeout_seconds).unwrap_or(i64::MAX), 0, 1 << 31)?;
        range("search.memory_bytes", i64::try_from(self.search.memory_bytes).unwrap_or(i64::MAX), 16 << 20, 1 << 40)
    }

    /// Refuses object stores that cannot work, and one that is described in two ways: segments know its address alone.
    fn check_archives(&self) -> Result<()> {
        let mut known: BTreeMap<&str, &ArchiveKnobs> = BTreeMap::new();
        for archive in self.archives() {
            archive.check()?;
            if let Some(other) = known.insert(archive.address(), archive)
                && (ArchiveKnobs { url: other.url.clone(), after: other.after.clone(), ..archive.clone() }) != *other
            {
                let message = format!("archive.url: {} is there twice, with different endpoints, regions or keys", archive.address());
                return Err(Error::new(ErrorKind::Invalid, message).with_hint("give both tables the same, or each a prefix of its own"));
            }
        }
        Ok(())
    }

    /// All object stores that are named.
    pub fn archives(&self) -> impl Iterator<Item = &ArchiveKnobs> {
        self.store.archive.iter().chain(self.indexes.values().filter_map(|knobs| knobs.archive.as_ref()))
    }

    /// The rules by which segments are removed and moved.
    pub fn rules(&self) -> Rules {
        let of = |knobs: &IndexKnobs| rules_of(knobs.retention.as_ref(), knobs.max_size.as_ref(), knobs.archive.as_ref());
        Rules {
            default: rules_of(self.store.retention.as_ref(), self.store.max_size.as_ref(), self.store.archive.as_ref()),
            indexes: self.indexes.iter().map(|(name, knobs)| (name.clone(), of(knobs))).collect(),
            max_disk_usage: self.store.max_disk_usage.as_ref().map(|usage| usage.limit),
        }
    }

    /// Adds what a machine keeps of itself: text logs below `/var/log`, their compressed rotations, and the
    /// systemd journal.
    pub fn add_this_machine(&mut self) {
        self.input.extend(taffrail_collect::preset::this_machine());
    }

    /// Every input that these settings ask for, the listeners of `[syslog]` first.
    pub fn inputs(&self) -> Vec<InputSettings> {
        let mut inputs = self.syslog.inputs();
        inputs.extend(self.input.iter().cloned());
        inputs
    }
}

fn named(setting: &str, error: &Error) -> Error {
    let named = Error::new(error.kind(), format!("{setting}: {}", error.message()));
    match error.hint() {
        Some(hint) => named.with_hint(hint),
        None => named,
    }
}

/// Refuses an address that others could reach.
fn loopback(setting: &str, flag: &str, address: Option<SocketAddr>) -> Result<()> {
    let Some(address) = address else { return Ok(()) };
    if address.ip().to_canonical().is_loopback() {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Invalid,
        format!("{setting}: {address} is not a loopback address, and there is no access control yet: whoever reaches it could read and write every log"),
    )
    .with_hint(format!("use {flag} 127.0.0.1:{} and reach it from elsewhere through ssh -L or a proxy that authenticates", address.port())))
}

/// Refuses the address of a listener that others could reach, where nothing says which of them may send.
fn listener(setting: &str, flag: &str, allow: &str, address: Option<SocketAddr>) -> Result<()> {
    let Some(address) = address.filter(|address| !address.ip().to_canonical().is_loopback()) else { return Ok(()) };
    Err(Error::new(
        ErrorKind::Invalid,
        format!("{setting}: {address} is not a loopback address, and nothing says who may send there: whoever reaches it could write logs"),
    )
    .with_hint(format!("name the networks of senders with {allow} = [\"10.0.0.0/8\"], or use {flag} 127.0.0.1:{}", address.port())))
}

/// Refuses a name that cannot be an index.
pub fn index(setting: &str, name: &str) -> Result<()> {
    if Origin::check_index(name) {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Invalid, format!("{setting}: {name:?} cannot be the name of an index"))
        .with_hint("1 to 64 of a-z, 0-9, _ and -, not starting with -"))
}

fn range(setting: &str, value: i64, least: i64, most: i64) -> Result<()> {
    if (least..=most).contains(&value) {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Invalid, format!("{setting}: {value} is not within {least} to {most}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_an_empty_file() {
        let settings = Settings::parse("", "x").expect("is valid");
        assert_eq!(settings, Settings::default());
        settings.check().expect("are accepted");
    }

    #[test]
    fn an_unknown_key_is_named_with_its_line() {
        let error = Settings::parse("[http]\naddres = \"127.0.0.1:1\"\n", "t.toml").expect_err("is unknown");
        assert!(error.message().starts_with("t.toml:2: "), "{error}");
        assert!(error.message().contains("addres") && error.message().contains("address"), "{error}");
        let error = Settings::parse("[syslog]\nudp = \"nowhere\"\n", "t.toml").expect_err("is no address");
        assert!(error.message().contains("nowhere"), "{error}");
    }

    #[test]
    fn only_loopback_is_listened_at() {
        for address in ["0.0.0.0:8514", "[::]:8514", "192.0.2.1:8514"] {
            for setting in ["[http]\naddress", "[syslog]\nudp", "[syslog]\ntcp"] {
                let settings = Settings::parse(&format!("{setting} = \"{address}\""), "t").expect("is valid TOML");
                let error = settings.check().expect_err("is refused");
                let why = if setting.contains("http") { "no access control" } else { "who may send" };
                assert!(error.message().contains(why), "{error}");
            }
        }
        for address in ["127.0.0.2:0", "[::1]:8514", "[::ffff:127.0.0.1]:8514"] {
            Settings::parse(&format!("http.address = \"{address}\""), "t").expect("is valid TOML").check().expect("is loopback");
        }
    }

    #[test]
    fn who_shows_a_certificate_may_come_from_elsewhere() {
        let text = |more: &str| {
            let input = "[[input]]\ntype = \"syslog-tls\"\naddress = \"0.0.0.0:6514\"\n[input.tls]\ncertificate = \"/c\"\nkey = \"/k\"\n";
            Settings::parse(&format!("{input}{more}"), "t").expect("is valid TOML")
        };
        assert!(text("").check().expect_err("is refused").message().contains("who may send"));
        text("client_ca = \"/a\"").check().expect("is accepted");
    }

    #[test]
    fn senders_of_named_networks_may_come_from_elsewhere() {
        let all = "[syslog]\nudp = \"0.0.0.0:514\"\ntcp = \"[::]:514\"\n";
        let error = Settings::parse(all, "t").expect("is TOML").check().expect_err("is refused");
        assert!(error.hint().is_some_and(|hint| hint.contains("syslog.allow = [")), "{error:?}");
        Settings::parse(&format!("{all}allow = [\"10.0.0.0/8\"]"), "t").expect("is TOML").check().expect("is accepted");
        for kind in ["syslog-udp", "syslog-tcp", "relp", "gelf-udp", "gelf-tcp", "lumberjack", "netflow", "snmp-trap"] {
            let input = format!("[[input]]\ntype = \"{kind}\"\naddress = \"0.0.0.0:1514\"\n");
            let error = Settings::parse(&input, "t").expect("is TOML").check().expect_err(kind);
            assert!(error.hint().is_some_and(|hint| hint.contains("allow = [")), "{error:?}");
            Settings::parse(&format!("{input}allow = [\"any\"]"), "t").expect("is TOML").check().expect(kind);
            assert!(Settings::parse(&format!("{input}allow = [\"host7\"]"), "t").is_err(), "{kind}");
        }
        let door = "[[input]]\ntype = \"http\"\naddress = \"0.0.0.0:8088\"\n";
        assert!(Settings::parse(door, "t").expect("is TOML").check().is_err());
        for more in [format!("{door}tokens = [\"x\"]"), format!("{door}allow = [\"any\"]"), format!("[ingest]\ntokens = [\"x\"]\n{door}")] {
            Settings::parse(&more, "t").expect("is TOML").check().expect("is accepted");
        }
        // The page and the API are for this machine, whoever is allowed elsewhere.
        let http = "[http]\naddress = \"0.0.0.0:8514\"\n[syslog]\nallow = [\"any\"]";
        assert!(Settings::parse(http, "t").expect("is TOML").check().is_err());
    }

    #[test]
    fn values_out_of_range_are_refused_by_name() {
        for (text, name) in [
            ("store.zstd_level = 99", "store.zstd_level"),
            ("store.flush_events = 0", "store.flush_events"),
            ("syslog.index = \"../up\"", "syslog.index"),
        ] {
            let error = Settings::parse(text, "t").expect("is valid TOML").check().expect_err("is refused");
            assert!(error.message().starts_with(name), "{error}");
        }
    }

    #[test]
    fn rules_are_read_per_index() {
        let text = "store.retention = \"400d\"\nstore.max_disk_usage = \"90%\"\n[indexes.web]\nretention = \"36h\"\nmax_size = \"50GB\"\n[indexes.x]";
        let settings = Settings::parse(text, "t").expect("is valid");
        settings.check().expect("is accepted");
        let rules = settings.rules();
        assert_eq!(rules.of("main").retention_seconds, Some(400 * 86_400));
        assert_eq!(*rules.of("web"), IndexRules { retention_seconds: Some(36 * 3_600), max_bytes: Some(50_000_000_000), archive: None });
        assert_eq!(*rules.of("x"), IndexRules::default());
        assert_eq!(*rules.of("_audit"), IndexRules::default(), "goes by a table of its own only");
        let error = Settings::parse("[indexes.web]\nretention = \"long\"", "t").expect_err("is no age");
        assert!(error.message().contains("t:2") && error.message().contains("400d"), "{error}");
        let error = Settings::parse("[indexes.\"../x\"]", "t").expect("is TOML").check().expect_err("is no index");
        assert!(error.message().contains("../x"), "{error}");
    }

    fn names(section: &str, table: &toml::Table) -> Vec<String> {
        let inner = |(key, value): (&String, &toml::Value)| match value {
            // Described once, under a name of its own.
            toml::Value::Table(inner) if inner.is_empty() => vec![format!("{section}.{key}")],
            toml::Value::Table(inner) if key == "archive" => inner.keys().map(|k| format!("archive.{k}")).collect(),
            toml::Value::Table(inner) => names(&format!("{section}.{key}"), inner),
            _ => vec![format!("{section}.{key}")],
        };
        table.iter().flat_map(inner).collect()
    }

    #[test]
    fn secrets_are_in_nothing_that_is_shown() {
        let text =
            "[indexes.web.archive]\nurl = \"file:///logs/web\"\nafter = \"7d\"\naccess_key = \"hidden-name\"\nsecret_key = \"hidden-key\"";
        let settings = Settings::parse(text, "t").expect("is valid");
        settings.check().expect("is accepted");
        assert_eq!(settings.archives().next().and_then(|archive| archive.secret_key.as_ref()).map(Secret::reveal), Some("hidden-key"));
        for shown in [format!("{settings:?}"), serde_json::to_string(&settings).expect("serialises")] {
            assert!(!shown.contains("hidden-"), "{shown}");
        }
        let wrong = text.replace("file:///logs/web", "s3 logs");
        assert!(Settings::parse(&wrong, "t").expect("is TOML").check().is_err());
    }

    #[test]
    fn object_stores_are_checked() {
        let settings = |more: &str| {
            let text = format!("[store.archive]\nurl = \"s3://logs/a/\"\nafter = \"7d\"\n{more}");
            Settings::parse(&text, "t").expect("is TOML")
        };
        let keys = "access_key = \"name\"\nsecret_key = \"hidden\"\n";
        let right = settings(&format!("endpoint = \"http://127.0.0.1:9000\"\n{keys}"));
        right.check().expect("is accepted");
        assert_eq!(right.rules().of("main").archive.as_ref().map(|rule| &*rule.url), Some("s3://logs/a"));
        for (more, word) in [
            ("endpoint = \"http://storage.example.com\"", "without TLS"),
            ("endpoint = \"https://me:hidden@storage.example.com\"", "endpoint"),
            ("secret_key = \"hidden\"", "only one of"),
            ("region = \"x\"\n[indexes.web.archive]\nurl = \"s3://logs/a\"\nafter = \"1d\"", "there twice"),
            ("[indexes.web.archive]\nurl = \"s3://Logs\"\nafter = \"1d\"", "bucket"),
        ] {
            let error = settings(more).check().expect_err("is refused");
            assert!(error.message().contains(word) && !error.to_string().contains("hidden"), "{error}");
        }
        settings("[indexes.web.archive]\nurl = \"s3://logs/a\"\nafter = \"1d\"").check().expect("the same is accepted");
    }

    #[test]
    fn the_manual_names_every_setting() {
        let manual = include_str!("../../../docs/manual/configuration.md");
        let age = || Some("1d".parse().expect("is an age"));
        let size = || Some("1GB".parse().expect("is a size"));
        let usage = Some("90%".parse().expect("is a share"));
        let archive: fn() -> Option<ArchiveKnobs> = || {
            toml::from_str(
                "url = 's3://b'\nafter = '7d'\nendpoint = 'x'\npath_style = true\nregion = 'x'\naccess_key = 'x'\nsecret_key = 'x'",
            )
            .ok()
        };
        assert!(archive().is_some());
        let store = StoreKnobs { retention: age(), max_size: size(), max_disk_usage: usage, archive: archive(), ..StoreKnobs::default() };
        let name = BTreeMap::from([("NAME".to_owned(), IndexKnobs { retention: age(), max_size: size(), archive: archive() })]);
        let syslog = Syslog { zone: Some(ZoneName::default()), ..Syslog::default() };
        let all = Settings { data: Some("data".into()), syslog, store, indexes: name, ..Settings::default() };
        let value = toml::Value::try_from(&all).expect("serialises");
        for (section, value) in value.as_table().expect("is a table") {
            let keys = match value {
                toml::Value::Table(table) => names(section, table),
                _ => vec![section.clone()],
            };
            for key in keys {
                assert!(manual.contains(&format!("`{key}`")), "docs/manual/configuration.md does not name `{key}`");
            }
        }
    }
}
