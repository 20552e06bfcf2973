//! Routes: what a search finds is sent on, live. The store is the queue of every route: a route remembers, beside the events
//! and in the same journal, up to which arrival its receiver has confirmed, and goes on there after a crash or an outage of
//! any length. Nothing is passed over; what was sent and not confirmed is sent again.
//!
//! What is sent how is the business of `collect::outputs`; which events, that of the engine.

mod look;
mod run;

use crate::app::App;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use taffrail_base::{Error, ErrorKind, Result, limits};
use taffrail_collect::outputs::{OutputSettings, Surroundings};
use tokio::task::JoinHandle;

/// One route: a table `[[routes]]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RouteSettings {
    /// Its name: 1 to 64 of `a-z 0-9 _ -`. The place is remembered under it.
    pub name: String,
    /// Which events: a search, and commands that work row by row behind it.
    pub search: String,
    /// Where a route begins that was not there before: `now`, or the `beginning` of what is stored. Default `now`.
    #[serde(default)]
    pub since: Since,
    /// Seconds until what failed is tried again; doubled with each failure. Default 0.5.
    #[serde(default = "retry_seconds")]
    pub retry_seconds: f64,
    /// The most that this becomes. Default 30.
    #[serde(default = "retry_max_seconds")]
    pub retry_max_seconds: f64,
    /// Where to: a table `[routes.output]` with its `type`.
    pub output: OutputSettings,
}

/// Where a new route begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Since {
    /// With what arrives from now on.
    #[default]
    Now,
    /// With the first event that is there.
    Beginning,
}

fn retry_seconds() -> f64 {
    0.5
}

fn retry_max_seconds() -> f64 {
    30.0
}

impl RouteSettings {
    fn check(&self, around: &Surroundings) -> Result<()> {
        let wrong = |what: String| Error::new(ErrorKind::Invalid, format!("routes: {}: {what}", self.name));
        if !taffrail_event::Origin::check_index(&self.name) {
            return Err(wrong("this cannot be the name of a route".into()).with_hint("1 to 64 of a-z, 0-9, _ and -, not starting with -"));
        }
        if self.search.trim().is_empty() {
            return Err(wrong("there is no search".into()).with_hint("* sends everything"));
        }
        for (name, seconds) in [("retry_seconds", self.retry_seconds), ("retry_max_seconds", self.retry_max_seconds)] {
            if !(0.001..=86_400.0).contains(&seconds) {
                return Err(wrong(format!("{name}: {seconds} is not within 0.001 to 86400")));
            }
        }
        self.output.build(around).map(drop).map_err(|e| {
            let error = wrong(e.message().to_owned());
            if let Some(hint) = e.hint() { error.with_hint(hint) } else { error }
        })
    }

    fn waits(&self) -> (Duration, Duration) {
        (Duration::from_secs_f64(self.retry_seconds), Duration::from_secs_f64(self.retry_max_seconds.max(self.retry_seconds)))
    }
}

/// Refuses routes that cannot work; files that they name are read.
pub fn check(routes: &[RouteSettings], around: &Surroundings) -> Result<()> {
    if routes.len() > limits::ROUTES_MAX {
        return Err(Error::new(ErrorKind::Limit, format!("routes: more than {}", limits::ROUTES_MAX)));
    }
    let mut names = BTreeSet::new();
    for route in routes {
        route.check(around)?;
        if !names.insert(&route.name) {
            return Err(Error::new(ErrorKind::Invalid, format!("routes: {}: the name is there twice", route.name)));
        }
    }
    Ok(())
}

/// What is remembered of a route, all in one position of the store.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Account {
    /// Of each index, the arrival that is next.
    pub next: BTreeMap<String, u64>,
    /// What ids of events begin with that are told to receivers: of no other route anywhere.
    pub sender: String,
    /// Events that the receiver has confirmed.
    pub confirmed_events: u64,
    /// Their bytes.
    pub confirmed_bytes: u64,
    /// Events sent once more as the connection broke before they were confirmed: the receiver may have them twice.
    pub sent_again: u64,
    /// Events that the receiver will never take.
    pub refused: u64,
    /// Events, matching or not, that were removed or damaged before the route could look at them.
    pub gone: u64,
    /// What the output wants to remember.
    pub mark: Option<String>,
}

/// What a route does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Doing {
    /// All is sent; it waits for events.
    #[default]
    Waiting,
    /// It sends.
    Sending,
    /// What failed will be tried again.
    Retrying,
    /// It does not run.
    Stopped,
}

/// A route and how it does.
#[derive(Debug)]
pub struct Route {
    /// Its settings.
    pub settings: RouteSettings,
    status: parking_lot::Mutex<Status>,
}

/// How a route does at one moment.
#[derive(Clone, Debug, Default)]
pub struct Status {
    /// What is remembered, as far as it is durable or soon will be.
    pub account: Account,
    /// What it does.
    pub doing: Doing,
    /// Events found and not yet confirmed.
    pub in_flight: u64,
    /// Events behind the place that it has yet to look at.
    pub behind: u64,
    /// Failures since something was confirmed.
    pub failures: u64,
    /// The last that went wrong, and when.
    pub problem: Option<(String, i64)>,
    /// When the receiver last confirmed something.
    pub confirmed_at: Option<i64>,
}

impl Route {
    /// How it does now.
    pub fn status(&self) -> Status {
        self.status.lock().clone()
    }

    fn key(&self) -> String {
        format!("route/{}", self.settings.name)
    }
}

/// The routes of a server at work.
pub struct Routes {
    tasks: Vec<JoinHandle<()>>,
}

impl Routes {
    /// Starts all routes of the settings. What is wrong with a search is an error here; a receiver that is not there is not.
    pub async fn start(app: &Arc<App>) -> Result<Self> {
        let around = Surroundings { vfs: Arc::clone(&app.vfs), clock: Arc::clone(&app.clock) };
        check(&app.settings.routes, &around)?;
        let mut tasks = Vec::new();
        let mut routes = Vec::new();
        for settings in &app.settings.routes {
            let said = app.engine.can_follow(&settings.search).map_err(|e| {
                let error = Error::new(ErrorKind::Invalid, format!("routes: {}: search: {}", settings.name, e.message));
                if let Some(hint) = e.hint { error.with_hint(hint) } else { error }
            })?;
            let problem = said.last().map(|message| (format!("search: {}", message.text), app.clock.now_nanos()));
            said.iter().for_each(|message| tracing::warn!(route = %settings.name, "search: {}", message.text));
            let status = parking_lot::Mutex::new(Status { problem, ..Status::default() });
            routes.push(Arc::new(Route { settings: settings.clone(), status }));
        }
        for route in &routes {
            let output = route.settings.output.build(&around)?;
            let follower = run::Follower::new(Arc::clone(app), Arc::clone(route), output).await?;
            tasks.push(tokio::spawn(follower.run()));
        }
        *app.routes.write() = routes;
        Ok(Self { tasks })
    }

    /// Waits until all have stopped, which they do when the server is stopping; what takes too long is cut off and sent again
    /// after the next start.
    pub async fn stop(self) {
        for mut task in self.tasks {
            if tokio::time::timeout(Duration::from_secs(limits::STOP_WAIT_SECONDS_MAX), &mut task).await.is_err() {
                task.abort();
            }
        }
    }
}
