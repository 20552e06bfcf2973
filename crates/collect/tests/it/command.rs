//! Commands on a schedule: what they print, how they fail, when they are ended, and that two never run at once.

use crate::sink::{MemorySink, Stored, until};
use std::sync::Arc;
use taffrail_collect::InputSnapshot;
use taffrail_collect::input::InputSettings;
use tokio::runtime::Runtime;

#[derive(serde::Deserialize)]
struct File {
    input: Vec<InputSettings>,
}

fn settings(text: &str) -> InputSettings {
    let mut file: File = toml::from_str(&format!("[[input]]\ntype = \"command\"\n{text}")).unwrap();
    file.input.remove(0)
}

fn run(text: &str, done: impl Fn(&[Stored]) -> bool) -> (Vec<Stored>, InputSnapshot) {
    let sink = MemorySink::new();
    let runtime = Runtime::new().unwrap();
    let running = {
        let _inside = runtime.enter();
        settings(text).build().unwrap().start(sink.context()).unwrap()
    };
    let counters = Arc::clone(&running.counters);
    until("runs are stored", || done(&sink.events()));
    runtime.block_on(running.stop());
    (sink.events(), counters.snapshot())
}

fn status(event: &Stored) -> serde_json::Value {
    assert_eq!(&*event.origin.sourcetype, "command_status");
    serde_json::from_slice(&event.raw).unwrap()
}

#[test]
fn a_run_is_one_event_or_one_a_line() {
    let (events, counters) = run("command = ['printf', 'a $HOME\\nb 21:14:03\\n\\n']\nevery_seconds = 0.05", |events| events.len() >= 2);
    assert_eq!(events[0].text(), "a $HOME\nb 21:14:03\n", "no shell, and all but the last line end");
    assert_eq!((&*events[0].origin.sourcetype, &*events[0].origin.source), ("printf", "printf a $HOME\\nb 21:14:03\\n\\n"));
    assert!(events[0].time < events[1].time && events[0].problems.0 == 0);
    assert_eq!(counters.total().received_events, counters.total().stored_events);
    let (events, _) = run(
        "command = ['/usr/bin/printf', 'a\\r\\n\\nb']\nevery_seconds = 60\nsplit = \"lines\"\nsource = \"s\"\nhost = \"h\"",
        |events| events.len() >= 2,
    );
    assert_eq!(events.iter().map(Stored::text).collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!((&*events[0].origin.sourcetype, &*events[0].origin.source, &*events[0].origin.host), ("printf", "s", "h"));
    assert_eq!(events[0].time, events[1].time, "the run's");
}

#[test]
fn what_goes_wrong_is_an_event() {
    let once = |text: &str, count: usize| run(&format!("{text}\nevery_seconds = 60"), |events| events.len() >= count).0;
    let events = once("command = [\"sh\", \"-c\", \"echo out; echo err >&2; exit 3\"]", 2);
    assert_eq!(events[0].text(), "out");
    let said = status(&events[1]);
    assert_eq!((&said["status"], &said["stderr"], &said["output_bytes"]), (&3.into(), &"err".into(), &4.into()));
    let said = status(&once("command = [\"sh\", \"-c\", \"kill -9 $$\"]", 1)[0]);
    assert_eq!((&said["status"], &said["signal"]), (&serde_json::Value::Null, &9.into()));
    let events = once("command = [\"sh\", \"-c\", \"echo early; sleep 1000 & wait\"]\ntimeout_seconds = 0.3", 2);
    assert_eq!((events[0].text().as_str(), &status(&events[1])["ended"]), ("early", &"timeout".into()));
    let events = once("command = [\"yes\"]\noutput_bytes_max = 1000", 2);
    assert_eq!((events[0].raw.len(), &status(&events[1])["ended"]), (999, &"output_limit".into()));
    let said = status(&once("command = [\"/nowhere/at/all\"]", 1)[0]);
    assert!(said["failure"].as_str().unwrap().contains("No such file"), "{said}");
}

#[test]
fn runs_do_not_overlap_and_stopping_ends_them() {
    let folder = tempfile::tempdir().unwrap();
    let script = "mkdir busy || echo TWICE; sleep 0.25; rmdir busy; echo done";
    let (events, counters) =
        run(&format!("command = [\"sh\", \"-c\", {script:?}]\nfolder = {:?}\nevery_seconds = 0.1", folder.path()), |events| {
            events.len() >= 3
        });
    assert!(events.iter().all(|event| event.text() == "done"), "{:?}", events.iter().map(Stored::text).collect::<Vec<_>>());
    assert!(counters.skipped.iter().any(|(reason, count)| *reason == "overlap" && *count >= 2), "{:?}", counters.skipped);
    let sink = MemorySink::new();
    let runtime = Runtime::new().unwrap();
    let text = format!(
        "command = [\"sh\", \"-c\", \"touch began; sleep 1000\"]\nfolder = {:?}\nevery_seconds = 60\ntimeout_seconds = 900",
        folder.path()
    );
    let running = {
        let _inside = runtime.enter();
        settings(&text).build().unwrap().start(sink.context()).unwrap()
    };
    until("it runs", || folder.path().join("began").exists());
    runtime.block_on(async { tokio::time::timeout(std::time::Duration::from_secs(5), running.stop()).await }).expect("it stops at once");
}

#[test]
fn settings_that_cannot_be() {
    for text in [
        "every_seconds = 5",
        "command = [\"\"]\nevery_seconds = 5",
        "command = [\"df\"]",
        "command = [\"df\"]\nevery_seconds = 5\ncron = \"* * * * *\"",
        "command = [\"df\"]\nevery_seconds = 0",
        "command = [\"df\"]\ncron = \"61 * * * *\"",
        "command = [\"df\"]\nevery_seconds = 5\noutput_bytes_max = 0",
        "command = [\"df\"]\nevery_seconds = 5\ntimeout_seconds = -1",
        "command = [\"df\"]\nevery_seconds = 5\nindex = \"A\"",
    ] {
        assert!(settings(text).build().is_err(), "{text}");
    }
    assert!(settings("command = [\"df\", \"-k\"]\ncron = \"*/5 * * * *\"").build().is_ok());
}
