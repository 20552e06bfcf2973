//! The parts of a running server, put together once: store, formats, engine, counters, audit. Handlers and
//! commands get them from here; nothing here listens or prints.

use crate::audit::Audit;
use crate::jobs::Jobs;
use crate::meters::{CountingSink, Meters};
use crate::queue::{Places, Queue};
use crate::routes::Route;
use crate::searches::SearchThreads;
use crate::settings::Settings;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use taffrail_base::{Clock, Error, ErrorKind, Randomness, RealVfs, Result, SystemClock, SystemRandomness, Ulid, Vfs, limits};
use taffrail_collect::InputCounters;
use taffrail_event::EventSink;
use taffrail_format::{EventRules, Formats, Zone};
use taffrail_query::{Engine, EngineOptions, Knowledge};
use taffrail_store::{Store, StoreOptions, StoreSettings, StoreSink};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

/// The machine's clock, chance and disk: what every part is given.
#[derive(Clone)]
pub struct World {
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Chance.
    pub random: Arc<dyn Randomness>,
    /// The disk.
    pub vfs: Arc<dyn Vfs>,
}

impl World {
    /// The real one.
    pub fn real() -> Self {
        Self { clock: Arc::new(SystemClock::new()), random: Arc::new(SystemRandomness), vfs: Arc::new(RealVfs) }
    }
}

/// A running server's parts.
pub struct App {
    /// Time, chance, disk.
    pub clock: Arc<dyn Clock>,
    /// The disk.
    pub vfs: Arc<dyn Vfs>,
    /// Where events are.
    pub store: Arc<Store>,
    /// Where events go: the store, with counting.
    pub sink: Arc<dyn EventSink>,
    /// What lines look like.
    pub formats: Arc<Formats>,
    /// Searches.
    pub engine: Engine,
    /// Macros, saved searches and the like.
    pub knowledge: Knowledge,
    /// What format files of one's own say of the lines of events; see `serve/rules.rs`.
    pub rules: Arc<EventRules>,
    /// Counters of the server itself.
    pub meters: Arc<Meters>,
    /// The account of what is pushed over HTTP.
    pub pushes: Arc<InputCounters>,
    /// The accounts of the inputs, that of HTTP first; filled once they run.
    pub inputs: parking_lot::RwLock<Vec<Arc<InputCounters>>>,
    /// The routes, filled once they run.
    pub routes: parking_lot::RwLock<Vec<Arc<Route>>>,
    /// The server's own events.
    pub audit: Audit,
    /// The settings in force.
    pub settings: Settings,
    /// The name of this machine.
    pub host: Arc<str>,
    /// The zone of times that name none, where no input says another.
    pub zone: Zone,
    /// Which run this is.
    pub instance: String,
    /// When it started, by the monotonic clock.
    pub started_nanos: u64,
    /// Cancelled when the server stops: streams end.
    pub stopping: CancellationToken,
    /// Which search runs next.
    pub queue: Arc<Queue>,
    /// Searches that run by themselves.
    pub jobs: Arc<Jobs>,
    /// Where searches run. The last: what uses it goes first.
    pub search_threads: SearchThreads,
    /// A permit per live tail that may be open.
    pub tails: Arc<Semaphore>,
    /// A permit per ingest body that may be held.
    pub bodies: Arc<Semaphore>,
}

/// The way into a data folder.
pub struct Opened {
    /// The store.
    pub store: Arc<Store>,
    /// The formats.
    pub formats: Arc<Formats>,
    /// The engine over both.
    pub engine: Engine,
}

/// Whether a data folder is there; `NotFound` with the way out when it is not.
pub fn require_folder(vfs: &dyn Vfs, data: &Path) -> Result<()> {
    let missing = |what: &str| {
        Error::new(ErrorKind::NotFound, format!("{}: {what}", data.display())).with_hint(
            "give an existing data folder to --data, or make one with `taffrail import --data DIR PATH` or `taffrail serve --data DIR`",
        )
    };
    match vfs.metadata(data) {
        Ok(found) if !found.is_dir => Err(missing("not a folder")),
        Ok(_) => {
            // A folder of something else is more likely a mistyped path than an empty store.
            let known = ["journal", "segments", "catalog.db"];
            let there = vfs.read_dir(data).map_err(|e| Error::io(data.display(), e))?;
            if there.iter().any(|p| p.file_name().is_some_and(|n| known.iter().any(|k| n == *k))) {
                Ok(())
            } else {
                Err(missing("not a data folder of Taffrail"))
            }
        }
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Err(missing("no such data folder")),
        Err(e) => Err(Error::io(data.display(), e)),
    }
}

/// Opens the store of a data folder for a command that works on it once.
pub fn open_store(world: &World, data: PathBuf, settings: &Settings, read_only: bool) -> Result<Arc<Store>> {
    open_store_with(world, data, settings, read_only, false)
}

fn open_store_with(world: &World, data: PathBuf, settings: &Settings, read_only: bool, upkeep: bool) -> Result<Arc<Store>> {
    let knobs = &settings.store;
    Store::open(StoreOptions {
        dir: data,
        vfs: Arc::clone(&world.vfs),
        clock: Arc::clone(&world.clock),
        random: Arc::clone(&world.random),
        read_only,
        settings: StoreSettings {
            flush_bytes: knobs.flush_bytes,
            flush_events: knobs.flush_events,
            flush_age_seconds: knobs.flush_age_seconds,
            zstd_level: knobs.zstd_level,
            rules: settings.rules(),
            archives: crate::archives::of(settings, &world.clock),
            upkeep,
            merge: knobs.merge,
            cache_bytes: knobs.cache_size.bytes,
            block_cache_bytes: usize::try_from(knobs.memory_cache_size.bytes).unwrap_or(usize::MAX),
            ..StoreSettings::default()
        },
    })
}

/// Opens the store of a data folder, and an engine over it.
pub fn open(world: &World, data: PathBuf, settings: &Settings, read_only: bool) -> Result<Opened> {
    let knowledge = knowledge(world, &data);
    opened(world, open_store(world, data, settings, read_only)?, knowledge, settings)
}

/// Macros, saved searches, event types and lookups.
fn knowledge(world: &World, data: &Path) -> Knowledge {
    Knowledge::folder(Arc::clone(&world.vfs), data.join("knowledge"))
}

/// What format files of one's own say of the lines of events, and what is wrong with those that are not used.
fn event_rules(knowledge: &Knowledge) -> (Arc<EventRules>, Vec<String>) {
    let (rules, fields) = (Arc::<EventRules>::default(), knowledge.fields());
    rules.set(&fields.files, false);
    (rules, fields.problems.clone())
}

/// The same of a data folder.
pub fn event_rules_in(world: &World, data: &Path) -> (Arc<EventRules>, Vec<String>) {
    event_rules(&knowledge(world, data))
}

fn opened(world: &World, store: Arc<Store>, knowledge: Knowledge, settings: &Settings) -> Result<Opened> {
    let formats = Arc::new(Formats::new());
    let engine = Engine::new(EngineOptions {
        store: Arc::clone(&store),
        formats: Arc::clone(&formats),
        clock: Arc::clone(&world.clock),
        memory_bytes: settings.search.memory_bytes,
        knowledge,
    });
    Ok(Opened { store, formats, engine })
}

impl App {
    /// Opens the data folder for a server; must be called within a tokio runtime.
    pub fn open(world: &World, data: PathBuf, settings: Settings) -> Result<Arc<Self>> {
        let knowledge = knowledge(world, &data);
        let data_folder = data.clone();
        let store = open_store_with(world, data, &settings, false, true)?;
        let search_threads = SearchThreads::start()?;
        let jobs = Jobs::open(world, &data_folder, &settings.jobs)?;
        let Opened { store, formats, engine } = opened(world, store, knowledge.clone().keeping(Arc::clone(&jobs) as _), &settings)?;
        let engine = engine.on(search_threads.handle());
        let meters = Arc::new(Meters::default());
        let pushes = Arc::new(InputCounters::new("http", "http"));
        let host: Arc<str> = Arc::from(host_name(&*world.vfs));
        let sink: Arc<dyn EventSink> = Arc::new(CountingSink::new(Arc::new(StoreSink(Arc::clone(&store))), Arc::clone(&meters)));
        let engine = engine.collecting(Arc::clone(&sink));
        let audit = Audit::start(settings.audit.enabled, Arc::clone(&sink), Arc::clone(&world.clock), Arc::clone(&host));
        Ok(Arc::new(Self {
            clock: Arc::clone(&world.clock),
            vfs: Arc::clone(&world.vfs),
            store,
            sink,
            formats,
            engine,
            rules: event_rules(&knowledge).0,
            knowledge,
            meters,
            inputs: parking_lot::RwLock::new(vec![Arc::clone(&pushes)]),
            pushes,
            routes: parking_lot::RwLock::default(),
            audit,
            zone: settings.zone.zone(&machine_zone()),
            settings,
            host,
            instance: Ulid::new(&*world.clock, &*world.random).to_string(),
            started_nanos: world.clock.monotonic_nanos(),
            stopping: CancellationToken::new(),
            queue: Queue::new(Arc::clone(&world.clock), Places::default()),
            jobs,
            search_threads,
            tails: Arc::new(Semaphore::new(limits::TAILS_OPEN_MAX)),
            bodies: Arc::new(Semaphore::new(limits::INGEST_BODIES_MAX)),
        }))
    }

    /// Seconds since the start.
    pub fn uptime_seconds(&self) -> u64 {
        self.clock.monotonic_nanos().saturating_sub(self.started_nanos) / 1_000_000_000
    }
}

/// The zone of this machine: what `TZ` says, else its settings; UTC where there are none.
pub fn machine_zone() -> Zone {
    jiff::tz::TimeZone::try_system().map(Zone::of).unwrap_or_else(|error| {
        if std::env::var_os("TZ").is_some_and(|name| !name.is_empty()) {
            tracing::warn!("the zone of this machine is not known, UTC is taken for it: {error}");
        }
        Zone::Utc
    })
}

/// The name of this machine, as the kernel has it.
pub fn host_name(vfs: &dyn Vfs) -> String {
    // A file of the kernel has no length: one read gives all of it.
    let mut name = [0u8; 256];
    let length = vfs.open_read(Path::new("/proc/sys/kernel/hostname")).and_then(|file| file.read_at(&mut name, 0)).unwrap_or(0);
    let name = String::from_utf8_lossy(&name[..length]).trim().to_owned();
    if name.is_empty() { "localhost".into() } else { name }
}
