//! `/metrics` in the Prometheus text format, version 0.0.4.

use crate::app::App;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counters for Prometheus: store, inputs, HTTP, searches, process.
#[utoipa::path(get, path = "/metrics", tag = "status", responses((status = 200, description = "Prometheus text format", body = String, content_type = "text/plain")))]
pub async fn metrics(State(app): State<Arc<App>>) -> Response {
    ([("content-type", "text/plain; version=0.0.4; charset=utf-8")], text(&app)).into_response()
}

/// Metrics being written.
#[derive(Default)]
struct Page(String);

impl Page {
    /// Opens a metric: what it is and its type.
    fn metric(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    /// One sample with its labels.
    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl std::fmt::Display) {
        self.0.push_str(name);
        for (at, (label, text)) in labels.iter().enumerate() {
            self.0.push(if at == 0 { '{' } else { ',' });
            let _ = write!(self.0, "{label}=\"");
            for c in text.chars() {
                match c {
                    '\\' => self.0.push_str("\\\\"),
                    '"' => self.0.push_str("\\\""),
                    '\n' => self.0.push_str("\\n"),
                    c => self.0.push(c),
                }
            }
            self.0.push('"');
        }
        if !labels.is_empty() {
            self.0.push('}');
        }
        let _ = writeln!(self.0, " {value}");
    }

    /// A metric of one sample.
    fn single(&mut self, name: &str, kind: &str, help: &str, value: impl std::fmt::Display) {
        self.metric(name, kind, help);
        self.sample(name, &[], value);
    }
}

fn read(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

fn text(app: &App) -> String {
    let mut page = Page::default();
    store(&mut page, app);
    inputs(&mut page, app);
    searches(&mut page, app);
    requests(&mut page, app);
    process(&mut page, app);
    page.0
}

/// Metrics with a sample per `T`: name, what it is, its value.
type Table<T, const N: usize> = [(&'static str, &'static str, fn(&T) -> u64); N];

fn store(page: &mut Page, app: &App) {
    let stat = app.store.stat();
    let gauges: Table<taffrail_store::IndexStat, 5> = [
        ("taffrail_index_events", "Events in the index.", |s| s.events),
        ("taffrail_index_raw_bytes", "Bytes of the events in the index.", |s| s.raw_bytes),
        ("taffrail_index_stored_bytes", "Bytes of the segment files of the index.", |s| s.stored_bytes),
        ("taffrail_index_segments", "Segment files of the index.", |s| s.segments),
        ("taffrail_index_patterns", "Patterns of the segment files of the index, counted per file.", |s| s.patterns),
    ];
    for (name, help, value) in gauges {
        page.metric(name, "gauge", help);
        for index in &stat {
            page.sample(name, &[("index", &index.index)], value(index));
        }
    }
    page.metric("taffrail_stored_events_total", "counter", "Events made durable since the start, by transport.");
    let transports = app.meters.transports();
    for (transport, meter) in &transports {
        page.sample("taffrail_stored_events_total", &[("transport", transport)], meter.events);
    }
    page.metric("taffrail_stored_bytes_total", "counter", "Bytes of events made durable since the start, by transport.");
    for (transport, meter) in &transports {
        page.sample("taffrail_stored_bytes_total", &[("transport", transport)], meter.bytes);
    }
    page.single("taffrail_append_errors_total", "counter", "Batches that could not be made durable.", read(&app.meters.append_errors));
    let metrics = app.store.metrics();
    let counters: [(&str, &str, u64); 12] = [
        ("taffrail_journal_syncs_total", "Times the journal was made durable.", metrics.journal_syncs),
        ("taffrail_journal_written_bytes_total", "Bytes written to the journal.", metrics.journal_written_bytes),
        ("taffrail_journal_replayed_events_total", "Events taken from the journal at the start.", metrics.replayed_events),
        ("taffrail_store_batches_total", "Batches made durable.", metrics.appended_batches),
        ("taffrail_segments_written_total", "Segments written to disk.", metrics.flushes),
        ("taffrail_segments_written_bytes_total", "Bytes of segments written to disk.", metrics.flushed_bytes),
        ("taffrail_segment_failures_total", "Times that writing a segment failed.", metrics.flush_failures),
        ("taffrail_merges_total", "Times that segments were merged into one.", metrics.merges),
        ("taffrail_merged_segments_total", "Segments that were merged.", metrics.merged_segments),
        ("taffrail_merged_bytes_total", "Bytes of the segments that came of merging.", metrics.merged_bytes),
        ("taffrail_removed_segments_total", "Segments removed by rule or by an administrator.", metrics.removed_segments),
        ("taffrail_removed_events_total", "Events removed by rule or by an administrator.", metrics.removed_events),
    ];
    for (name, help, value) in counters {
        page.single(name, "counter", help, value);
    }
    let gauges: [(&str, &str, u64); 6] = [
        ("taffrail_journal_files", "Files of the journal.", metrics.journal_files),
        ("taffrail_journal_bytes", "Bytes of the journal.", metrics.journal_bytes),
        ("taffrail_known_ids", "Ids of events that are known, so that what comes again is not stored twice.", metrics.known_ids),
        ("taffrail_memory_events", "Events not yet in a segment file.", metrics.memory_events),
        ("taffrail_memory_bytes", "Bytes of events not yet in a segment file.", metrics.memory_bytes),
        ("taffrail_disk_full", "1 while the store refuses events because the disk is full.", u64::from(metrics.disk_full)),
    ];
    for (name, help, value) in gauges {
        page.single(name, "gauge", help, value);
    }
}

fn inputs(page: &mut Page, app: &App) {
    let snapshots: Vec<_> = app.inputs.read().iter().map(|counters| counters.snapshot()).collect();
    let per_input: Table<taffrail_collect::InputSnapshot, 7> = [
        ("taffrail_input_received_events_total", "Events taken in.", |i| i.total().received_events),
        ("taffrail_input_received_bytes_total", "Bytes of events taken in.", |i| i.total().received_bytes),
        ("taffrail_input_stored_events_total", "Events that the store acknowledged.", |i| i.total().stored_events),
        ("taffrail_input_kernel_drops_total", "Datagrams that the kernel dropped.", |i| i.kernel_drops),
        ("taffrail_input_lost_bytes_total", "Bytes gone from a file before they could be read.", |i| i.lost_bytes),
        ("taffrail_input_refused_connections_total", "Connections closed because there were too many.", |i| i.refused_connections),
        ("taffrail_input_problems_total", "Problems noted.", |i| i.problems_total),
    ];
    for (name, help, value) in per_input {
        page.metric(name, "counter", help);
        for input in &snapshots {
            page.sample(name, &[("input", &input.name), ("kind", input.kind)], value(input));
        }
    }
    page.metric("taffrail_input_open_connections", "gauge", "Connections open now.");
    for input in &snapshots {
        page.sample("taffrail_input_open_connections", &[("input", &input.name), ("kind", input.kind)], input.open_connections);
    }
    accounts(page, app, &snapshots);
    page.metric("taffrail_input_sources", "gauge", "Sources that the input has met.");
    for input in &snapshots {
        page.sample("taffrail_input_sources", &[("input", &input.name), ("kind", input.kind)], input.sources.len());
    }
}

fn seconds(nanos: i64) -> f64 {
    nanos as f64 / 1e9
}

/// How inputs send: those of which nothing is known yet have no sample.
fn pulses(page: &mut Page, snapshots: &[taffrail_collect::InputSnapshot]) {
    type Value = fn(&taffrail_collect::InputSnapshot) -> Option<f64>;
    let gauges: [(&str, &str, Value); 3] = [
        ("taffrail_input_events_per_second", "Events a second, averaged over the last minute.", |i| {
            Some(i.total().pulse.rate_millis as f64 / 1e3)
        }),
        ("taffrail_input_lag_seconds", "From the time of the last event to when it was received; of the source where it is most.", |i| {
            i.total().pulse.lag_nanos.map(seconds)
        }),
        ("taffrail_input_last_seen_seconds", "When events were last stored, in seconds since 1970.", |i| {
            i.total().pulse.last_seen.map(seconds)
        }),
    ];
    for (name, help, value) in gauges {
        page.metric(name, "gauge", help);
        for input in snapshots {
            if let Some(value) = value(input) {
                page.sample(name, &[("input", &input.name), ("kind", input.kind)], value);
            }
        }
    }
    let skew =
        |input: &taffrail_collect::InputSnapshot| input.sources.iter().filter_map(|s| s.pulse.skew_nanos).max_by_key(|nanos| nanos.abs());
    page.metric("taffrail_input_skew_seconds", "gauge", "By how much a sender's clock is behind ours; of the source where it is most.");
    for input in snapshots {
        if let Some(nanos) = skew(input) {
            page.sample("taffrail_input_skew_seconds", &[("input", &input.name), ("kind", input.kind)], seconds(nanos));
        }
    }
}

/// What the accounts say besides sums.
fn accounts(page: &mut Page, app: &App, snapshots: &[taffrail_collect::InputSnapshot]) {
    let gauges: Table<taffrail_collect::InputSnapshot, 3> = [
        ("taffrail_input_in_flight_events", "Events on their way to the disk.", |i| i.total().in_flight_events),
        ("taffrail_input_problem_events_total", "Stored events with a problem of their own.", |i| i.total().problem_events),
        ("taffrail_input_silent_sources", "Sources silent for longer than is usual.", |i| {
            i.sources.iter().filter(|s| s.pulse.silent).count() as u64
        }),
    ];
    for (name, help, value) in gauges {
        page.metric(name, if name.ends_with("_total") { "counter" } else { "gauge" }, help);
        for input in snapshots {
            page.sample(name, &[("input", &input.name), ("kind", input.kind)], value(input));
        }
    }
    pulses(page, snapshots);
    page.metric(
        "taffrail_input_dropped_events_total",
        "counter",
        "Events that are not stored, by reason; duplicate: they are there already.",
    );
    for input in snapshots {
        for (reason, events) in &input.total().dropped {
            let labels = [("input", &*input.name), ("kind", input.kind), ("reason", reason.name())];
            page.sample("taffrail_input_dropped_events_total", &labels, events);
        }
    }
    page.metric("taffrail_input_skipped_total", "counter", "Files not read, messages and requests refused, by reason.");
    for input in snapshots {
        for (reason, count) in &input.skipped {
            page.sample("taffrail_input_skipped_total", &[("input", &input.name), ("kind", input.kind), ("reason", reason)], count);
        }
    }
    page.metric("taffrail_input_checks_total", "counter", "Comparisons with what somebody signed, by outcome.");
    for input in snapshots {
        for (outcome, count) in &input.checks {
            page.sample("taffrail_input_checks_total", &[("input", &input.name), ("kind", input.kind), ("outcome", outcome)], count);
        }
    }
    page.single(
        "taffrail_account_checks_total",
        "counter",
        "Checks that received is stored, lost and in flight.",
        read(&app.meters.account_checks),
    );
    page.single(
        "taffrail_account_gap_events",
        "gauge",
        "Events that no account knows of; anything but 0 is a bug.",
        read(&app.meters.account_gap),
    );
    hosts(page, app);
    routes(page, app);
}

/// Who is heard.
fn hosts(page: &mut Page, app: &App) {
    let (hosts, silent) = app.meters.hosts.count();
    page.single("taffrail_hosts", "gauge", "Hosts that events were of since the start.", hosts as u64);
    page.single(
        "taffrail_silent_hosts",
        "gauge",
        "Of these, those that have been silent for longer than is usual for them.",
        silent as u64,
    );
    page.single(
        "taffrail_unwatched_hosts_total",
        "counter",
        "Times that a host was met whose silence is not watched, since there are too many.",
        app.meters.hosts.unwatched(),
    );
}

/// What is sent on.
fn routes(page: &mut Page, app: &App) {
    let routes: Vec<_> = app.routes.read().iter().map(|route| (route.settings.name.clone(), route.status())).collect();
    let per_route: Table<crate::routes::Status, 7> = [
        ("taffrail_route_confirmed_events_total", "Events that the receiver confirmed.", |r| r.account.confirmed_events),
        ("taffrail_route_confirmed_bytes_total", "Bytes of these.", |r| r.account.confirmed_bytes),
        ("taffrail_route_sent_again_events_total", "Events sent once more.", |r| r.account.sent_again),
        ("taffrail_route_refused_events_total", "Events that the receiver will never take.", |r| r.account.refused),
        ("taffrail_route_gone_events_total", "Events removed before the route looked at them.", |r| r.account.gone),
        ("taffrail_route_behind_events", "Events that it has yet to look at.", |r| r.behind),
        ("taffrail_route_failures", "Failures since something was confirmed.", |r| r.failures),
    ];
    for (name, help, value) in per_route {
        page.metric(name, if name.ends_with("_total") { "counter" } else { "gauge" }, help);
        for (route, status) in &routes {
            page.sample(name, &[("route", route)], value(status));
        }
    }
}

fn searches(page: &mut Page, app: &App) {
    let meters = &app.meters;
    page.single("taffrail_searches_total", "counter", "Searches begun.", read(&meters.searches));
    page.single("taffrail_search_errors_total", "counter", "Searches that failed or were refused.", read(&meters.search_errors));
    page.single("taffrail_searches_running", "gauge", "Searches running now.", read(&meters.searches_running));
    page.single("taffrail_tails_open", "gauge", "Live tails open now.", read(&meters.tails_open));
}

fn requests(page: &mut Page, app: &App) {
    let requests = app.meters.requests();
    page.metric("taffrail_http_requests_total", "counter", "Requests answered.");
    for ((route, method, status), meter) in &requests {
        let status = status.to_string();
        page.sample("taffrail_http_requests_total", &[("route", route), ("method", method), ("status", &status)], meter.count);
    }
    page.metric("taffrail_http_request_seconds_total", "counter", "Time until answers began, summed.");
    for ((route, method, status), meter) in &requests {
        let status = status.to_string();
        let seconds = meter.nanos as f64 / 1e9;
        page.sample("taffrail_http_request_seconds_total", &[("route", route), ("method", method), ("status", &status)], seconds);
    }
}

fn process(page: &mut Page, app: &App) {
    page.metric("taffrail_build_info", "gauge", "Always 1; the version is a label.");
    page.sample("taffrail_build_info", &[("version", env!("CARGO_PKG_VERSION"))], 1);
    page.single("taffrail_uptime_seconds", "gauge", "Seconds since the start.", app.uptime_seconds());
    // From the kernel; absent where it does not say.
    let mut status = [0u8; 4096];
    let read = app.vfs.open_read(std::path::Path::new("/proc/self/status")).and_then(|file| file.read_at(&mut status, 0)).unwrap_or(0);
    let status = String::from_utf8_lossy(&status[..read]);
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    if let Some(kibibytes) = resident {
        page.single("process_resident_memory_bytes", "gauge", "Resident memory.", kibibytes * 1024);
    }
}

#[cfg(test)]
mod tests {
    use super::Page;

    #[test]
    fn labels_are_escaped() {
        let mut page = Page::default();
        page.metric("m", "gauge", "Help.");
        page.sample("m", &[("a", "x\"y\\z\n"), ("b", "")], 1.5);
        assert_eq!(page.0, "# HELP m Help.\n# TYPE m gauge\nm{a=\"x\\\"y\\\\z\\n\",b=\"\"} 1.5\n");
    }
}
