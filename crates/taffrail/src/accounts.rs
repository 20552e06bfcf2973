//! The watch over the accounts of all inputs: rates, sources that fall silent, what inputs find missing, and every minute the sum. An account that does not
//! add up is a bug that loses events without a word: it becomes an event of the index `_audit`, a problem of its input and a
//! number among the metrics. Watches only; what is counted, inputs count.

use crate::app::App;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use taffrail_collect::{InputCounters, InputSnapshot};

/// Time between two looks at rates and silence.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Looks between two checks of the sums: a minute.
const LOOKS_PER_CHECK: u64 = 12;

/// Gaps as they were at the last check, by input and source.
#[derive(Debug, Default)]
struct Gaps {
    before: BTreeMap<(String, String), i64>,
    told: BTreeMap<(String, String), i64>,
}

/// Events of a source that are neither stored nor dropped nor on their way.
#[derive(Debug, PartialEq, Eq)]
struct Gap {
    input: String,
    source: String,
    events: i64,
}

impl Gaps {
    /// Gaps that were there at the last check already, and are larger than what was told. The numbers of a busy source are of slightly
    /// different moments, but such a difference does not stay: of two checks the smaller gap counts, and one that grows is told as it grows.
    fn check(&mut self, inputs: &[InputSnapshot]) -> Vec<Gap> {
        let mut now = BTreeMap::new();
        for input in inputs {
            for source in input.sources.iter().filter(|source| source.gap() != 0) {
                now.insert((input.name.clone(), source.source.clone()), source.gap());
            }
        }
        let stays = |key: &(String, String), gap: i64| {
            let before = *self.before.get(key)?;
            (before.signum() == gap.signum()).then(|| gap.signum() * gap.abs().min(before.abs()))
        };
        let stayed: BTreeMap<_, _> = now.iter().filter_map(|(key, gap)| Some((key.clone(), stays(key, *gap)?))).collect();
        let grown = |key: &(String, String), gap: i64| gap.abs() > self.told.get(key).map_or(0, |told| told.abs());
        let fresh = stayed.iter().filter(|(key, gap)| grown(key, **gap));
        let fresh = fresh.map(|((input, source), events)| Gap { input: input.clone(), source: source.clone(), events: *events }).collect();
        self.before = now;
        self.told = stayed;
        fresh
    }

    /// Events that are missing from all accounts.
    fn total(&self) -> u64 {
        self.told.values().map(|gap| gap.unsigned_abs()).sum()
    }
}

/// Watches until the server stops.
pub async fn watch(app: Arc<App>) {
    let mut gaps = Gaps::default();
    let mut before = app.clock.monotonic_nanos();
    let mut looks = 0u64;
    loop {
        tokio::select! { () = tokio::time::sleep(LOOK_EVERY) => {}, () = app.stopping.cancelled() => return }
        let now = app.clock.monotonic_nanos();
        let seconds = now.saturating_sub(before) as f64 / 1e9;
        before = now;
        looks += 1;
        let inputs: Vec<Arc<InputCounters>> = app.inputs.read().clone();
        for input in &inputs {
            rhythm(&app, input, seconds);
        }
        hosts(&app);
        if looks.is_multiple_of(LOOKS_PER_CHECK) {
            let snapshots: Vec<InputSnapshot> = inputs.iter().map(|input| input.snapshot()).collect();
            for gap in gaps.check(&snapshots) {
                tell(&app, &inputs, &gap);
            }
            app.meters.account_checks.fetch_add(1, Ordering::Relaxed);
            app.meters.account_gap.store(gaps.total(), Ordering::Relaxed);
        }
    }
}

fn rhythm(app: &App, input: &InputCounters, seconds: f64) {
    for turn in input.tick(app.clock.now_nanos(), seconds) {
        match turn.silent {
            Some(nanos) => {
                let seconds = nanos / 1_000_000_000;
                tracing::warn!(input = %input.name(), source = %turn.source, "silent for {seconds} seconds, longer than ever before");
                app.audit.note("source_silent", json!({"input": input.name(), "source": &*turn.source, "seconds": seconds}));
            }
            None => app.audit.note("source_back", json!({"input": input.name(), "source": &*turn.source})),
        }
    }
}

/// Names of hosts that one event tells: those of a relay fall silent together.
const HOSTS_TOLD: usize = 20;

fn hosts(app: &App) {
    let turned = app.meters.hosts.tick(app.clock.now_nanos());
    if let Some((first, nanos)) = turned.silent.first() {
        let (count, seconds) = (turned.silent.len(), nanos / 1_000_000_000);
        tracing::warn!(hosts = count, host = %first, "silent for {seconds} seconds at most, longer than ever before");
        let names: Vec<&str> = turned.silent.iter().take(HOSTS_TOLD).map(|(host, _)| &**host).collect();
        app.audit.note("hosts_silent", json!({"count": count, "hosts": names, "seconds": seconds}));
    }
    if !turned.back.is_empty() {
        let names: Vec<&str> = turned.back.iter().take(HOSTS_TOLD).map(|host| &**host).collect();
        app.audit.note("hosts_back", json!({"count": turned.back.len(), "hosts": names}));
    }
}

fn tell(app: &App, inputs: &[Arc<InputCounters>], gap: &Gap) {
    tracing::error!(input = %gap.input, source = %gap.source, "{} events were received and are neither stored nor counted as lost", gap.events);
    if let Some(input) = inputs.iter().find(|input| input.name() == gap.input) {
        input.problem(format!("{}: {} events were received and are neither stored nor counted as lost", gap.source, gap.events));
    }
    app.audit.note("account_gap", json!({"input": gap.input, "source": gap.source, "events": gap.events}));
}

#[cfg(test)]
mod tests {
    use super::*;
    use taffrail_event::{EventBatch, Origin, Problems, Timestamp};

    fn batch(events: usize) -> EventBatch {
        let mut batch = EventBatch::new(Timestamp(1));
        let [index, host, source, sourcetype, transport, peer] = ["main", "h", "s", "t", "x", ""].map(Into::into);
        let number = batch.origin(&Origin { index, host, source, sourcetype, transport, peer });
        for _ in 0..events {
            batch.push(number, Timestamp(1), Problems::NONE, b"x");
        }
        batch
    }

    #[test]
    fn a_gap_that_grows_at_every_check_is_told() {
        let (input, mut gaps) = (InputCounters::new("in", "in"), Gaps::default());
        let mut told = Vec::new();
        for _ in 0..4 {
            drop(input.book("a", &batch(4)));
            told.extend(gaps.check(&[input.snapshot()]).into_iter().map(|gap| gap.events));
        }
        assert_eq!((told, gaps.total()), (vec![4, 8, 12], 12));
    }

    #[test]
    fn a_gap_is_told_once_when_it_stays() {
        let (input, mut gaps) = (InputCounters::new("in", "in"), Gaps::default());
        let on_its_way = input.book("a", &batch(3));
        assert_eq!(gaps.check(&[input.snapshot()]), []);
        drop(input.book("b", &batch(5)));
        assert_eq!(gaps.check(&[input.snapshot()]), [], "not yet");
        assert_eq!(gaps.check(&[input.snapshot()]), [Gap { input: "in".into(), source: "b".into(), events: 5 }]);
        assert_eq!((gaps.check(&[input.snapshot()]), gaps.total()), (vec![], 5));
        on_its_way.stored();
        drop(input.book("b", &batch(1)));
        assert_eq!((gaps.check(&[input.snapshot()]), gaps.total()), (vec![], 5), "what has come since may be on its way");
        assert_eq!(gaps.check(&[input.snapshot()]), [Gap { input: "in".into(), source: "b".into(), events: 6 }], "it has grown");
    }
}
