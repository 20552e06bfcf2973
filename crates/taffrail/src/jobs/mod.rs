//! Jobs: searches that run by themselves. Their rows are kept on the disk below `jobs/` of the data folder, can be looked
//! at page by page while the search still runs, and outlive whoever asked for them, but not the server.

mod kept;
mod run;
mod spool;

pub use run::start;
pub use spool::{Room, Spool};

use crate::api::schema::{ErrorDetail, Field, ResultKind, Row, Severity};
use crate::app::World;
use crate::settings::JobKnobs;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;
use taffrail_base::{Clock, Error, ErrorKind, Randomness, Result, Ulid, Vfs, limits};
use taffrail_event::Timestamp;
use tokio_util::sync::CancellationToken;
use utoipa::ToSchema;

/// How often jobs that nobody asks for any more are looked for.
const SWEPT_EVERY: Duration = Duration::from_secs(10);

/// Messages of a job that are kept.
const MESSAGES_MAX: usize = 100;

/// What a job does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// It waits for its place.
    #[default]
    Queued,
    /// It runs.
    Running,
    /// It has all its rows, or those that it was to have.
    Done,
    /// It failed; what it found until then can be looked at.
    Failed,
    /// It was cancelled.
    Cancelled,
}

impl JobState {
    /// Whether nothing more comes.
    pub fn is_over(self) -> bool {
        !matches!(self, Self::Queued | Self::Running)
    }
}

/// How far a job has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct JobProgress {
    /// Segments finished.
    pub segments_done: u64,
    /// Segments that are looked at.
    pub segments_total: u64,
    /// Events looked at.
    pub events_scanned: u64,
    /// Events that matched.
    pub events_matched: u64,
    /// Stored bytes read.
    pub bytes_read: u64,
    /// Milliseconds since the search began.
    pub elapsed_ms: u64,
}

/// Something to know about the answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct JobMessage {
    /// How much it weighs.
    pub severity: Severity,
    /// What to know.
    pub text: String,
}

/// A job as it is now.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct JobAnswer {
    /// Its name.
    #[schema(example = "01J00000000000000000000000")]
    pub id: String,
    /// What it does.
    pub state: JobState,
    /// The query.
    pub query: String,
    /// From this time on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub earliest: Option<String>,
    /// Up to but not at this time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latest: Option<String>,
    /// When it was asked for.
    pub created: String,
    /// When its results are removed, unless somebody asks for it before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<String>,
    /// Searches that go before it, while it waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ahead: Option<u64>,
    /// Events or a table, once it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<ResultKind>,
    /// The columns, once they are known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<Field>,
    /// Rows that can be looked at.
    pub rows: u64,
    /// Rows of an unfinished table that can be looked at.
    pub preview_rows: u64,
    /// Bytes on the disk that the rows take.
    pub bytes: u64,
    /// How far it has come.
    pub progress: JobProgress,
    /// What to know about the answer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub messages: Vec<JobMessage>,
    /// Whether the answer is exact, once it is done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exact: Option<bool>,
    /// Whether there are more rows than it has, once it is done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub truncated: Option<bool>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorDetail>,
    /// Seconds that it may take; absent is no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<f64>,
    /// Bytes of memory that it may use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_memory: Option<u64>,
}

/// A search that runs by itself.
pub struct Job {
    /// Its name.
    pub id: String,
    /// Its rows.
    pub spool: Spool,
    /// Cancelled when nobody wants it any more.
    pub cancelled: CancellationToken,
    /// Cancelled when what it has is enough.
    pub enough: CancellationToken,
    now: Mutex<JobAnswer>,
    preview: Mutex<Vec<Row>>,
    over: AtomicBool,
    /// When it ended or somebody last asked for it, in nanoseconds since the epoch.
    touched: AtomicI64,
}

impl Job {
    /// The job as it is now; asking for it keeps it.
    pub fn answer(&self, jobs: &Jobs) -> JobAnswer {
        let mut answer = self.now.lock().clone();
        answer.rows = self.spool.rows();
        answer.bytes = self.spool.bytes();
        answer.preview_rows = self.preview.lock().len() as u64;
        answer.expires = answer.state.is_over().then(|| Timestamp(self.expires(jobs.keep)).to_string());
        answer
    }

    /// Rows of an unfinished table; the columns as they were described.
    pub fn preview(&self) -> Vec<Row> {
        self.preview.lock().clone()
    }

    fn touch(&self, now: i64) {
        self.touched.fetch_max(now, Ordering::Relaxed);
    }

    fn expires(&self, keep: Duration) -> i64 {
        self.touched.load(Ordering::Relaxed).saturating_add(i64::try_from(keep.as_nanos()).unwrap_or(i64::MAX))
    }

    fn change(&self, change: impl FnOnce(&mut JobAnswer)) {
        change(&mut self.now.lock());
    }

    fn tell(&self, message: JobMessage) {
        self.change(|now| {
            if now.messages.len() < MESSAGES_MAX && !now.messages.contains(&message) {
                now.messages.push(message);
            }
        });
    }
}

/// All jobs of a server.
pub struct Jobs {
    vfs: Arc<dyn Vfs>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Randomness>,
    folder: PathBuf,
    keep: Duration,
    room: Arc<Room>,
    all: Mutex<BTreeMap<String, Arc<Job>>>,
}

impl Jobs {
    /// No jobs; what is left of those of an earlier run is removed. Must be called within a tokio runtime.
    pub fn open(world: &World, data: &Path, knobs: &JobKnobs) -> Result<Arc<Self>> {
        let folder = data.join("jobs");
        if world.vfs.metadata(&folder).is_ok() {
            for path in world.vfs.read_dir(&folder).map_err(|e| Error::io(folder.display(), e))? {
                world.vfs.remove_file(&path).map_err(|e| Error::io(path.display(), e))?;
            }
        }
        let jobs = Arc::new(Self {
            vfs: Arc::clone(&world.vfs),
            clock: Arc::clone(&world.clock),
            random: Arc::clone(&world.random),
            folder,
            keep: Duration::from_secs(knobs.keep_seconds),
            room: Room::new(knobs.max_size.bytes),
            all: Mutex::default(),
        });
        let swept = Arc::downgrade(&jobs);
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(SWEPT_EVERY).await;
                let Some(jobs) = swept.upgrade() else { break };
                jobs.sweep();
            }
        });
        Ok(jobs)
    }

    /// A new job, not yet running.
    fn add(&self, answer: JobAnswer) -> Result<Arc<Job>> {
        self.sweep();
        let mut all = self.all.lock();
        if all.len() >= limits::JOBS_MAX {
            let message = format!("there are {} jobs already, which is the limit", limits::JOBS_MAX);
            return Err(Error::new(ErrorKind::Busy, message)
                .with_hint("remove jobs that are not needed: DELETE /api/v1/jobs/{id}, or `taffrail jobs remove ID`"));
        }
        self.vfs.create_dir_all(&self.folder).map_err(|e| Error::io(self.folder.display(), e))?;
        let id = Ulid::new(&*self.clock, &*self.random).to_string();
        let spool = Spool::create(Arc::clone(&self.vfs), self.folder.join(format!("{id}.rows")), Arc::clone(&self.room))?;
        let now = self.clock.now_nanos();
        let job = Arc::new(Job {
            spool,
            cancelled: CancellationToken::new(),
            enough: CancellationToken::new(),
            now: Mutex::new(JobAnswer { id: id.clone(), created: Timestamp(now).to_string(), ..answer }),
            preview: Mutex::default(),
            over: AtomicBool::new(false),
            touched: AtomicI64::new(now),
            id: id.clone(),
        });
        all.insert(id, Arc::clone(&job));
        Ok(job)
    }

    /// The job of a name; it is kept for longer.
    pub fn get(&self, id: &str) -> Result<Arc<Job>> {
        let job = self.all.lock().get(id).cloned();
        let job = job.ok_or_else(|| {
            Error::new(ErrorKind::NotFound, format!("there is no job {id:?}"))
                .with_hint("results are removed some time after somebody last asked for them, and when the server stops")
        })?;
        job.touch(self.clock.now_nanos());
        Ok(job)
    }

    /// All jobs, the newest first.
    pub fn list(&self) -> Vec<Arc<Job>> {
        self.all.lock().values().rev().cloned().collect()
    }

    /// Ends a job and removes its results.
    pub fn remove(&self, id: &str) -> Result<()> {
        let job = self.get(id)?;
        job.cancelled.cancel();
        self.all.lock().remove(id);
        Ok(())
    }

    /// Removes those that have ended and that nobody has asked for in a while.
    fn sweep(&self) {
        let now = self.clock.now_nanos();
        self.all.lock().retain(|_, job| !job.over.load(Ordering::Relaxed) || job.expires(self.keep) > now);
    }
}
