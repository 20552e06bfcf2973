//! The systemd journal, played by a script that prints the export format.

use crate::sink::{MemorySink, until};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use taffrail_collect::input::InputSettings;
use taffrail_collect::journald::JournaldSettings;
use tokio::runtime::Runtime;

/// A `journalctl` with ten entries that honours `--after-cursor`, notes its arguments, and then waits.
fn journal(folder: &Path) -> String {
    let script = format!(
        "#!/bin/sh\necho \"$*\" >> {0}/arguments\nfrom=0\nfor a in \"$@\"; do case $a in --after-cursor=*) from=${{a#--after-cursor=}};; esac; done\n\
         n=$from\nwhile [ $n -lt 10 ]; do n=$((n+1)); printf '__CURSOR=%d\\n__REALTIME_TIMESTAMP=170000000000000%d\\n_HOSTNAME=box\\nPRIORITY=6\\nSYSLOG_IDENTIFIER=app\\nMESSAGE=entry %d\\n\\n' $n $((n-1)) $n; done\n\
         test -e {0}/end || exec sleep 1000\n",
        folder.display()
    );
    let path = folder.join("journalctl");
    std::fs::write(&path, script).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path.display().to_string()
}

fn follow(sink: &Arc<MemorySink>, program: &str, done: impl FnMut() -> bool) {
    let runtime = Runtime::new().unwrap();
    let settings = InputSettings::Journald(JournaldSettings { program: program.into(), ..JournaldSettings::default() });
    let running = {
        let _inside = runtime.enter();
        settings.build().unwrap().start(sink.context()).unwrap()
    };
    until("entries are stored", done);
    runtime.block_on(running.stop());
}

#[test]
fn entries_are_json_and_are_not_read_twice() {
    let folder = tempfile::tempdir().unwrap();
    let program = journal(folder.path());
    let sink = MemorySink::new();
    follow(&sink, &program, || sink.count() >= 10);
    let arguments = || std::fs::read_to_string(folder.path().join("arguments")).unwrap_or_default();
    follow(&sink, &program, || arguments().lines().count() >= 2);
    let events = sink.events();
    assert_eq!(events.len(), 10);
    assert_eq!(
        events[0].text(),
        r#"{"__CURSOR":"1","__REALTIME_TIMESTAMP":"1700000000000000","_HOSTNAME":"box","PRIORITY":"6","SYSLOG_IDENTIFIER":"app","MESSAGE":"entry 1"}"#
    );
    assert_eq!(events[9].time.nanos(), 1_700_000_000_000_009_000);
    assert_eq!((&*events[0].origin.host, &*events[0].origin.sourcetype, &*events[0].origin.source), ("box", "journald", "journald"));
    assert!(arguments().lines().last().unwrap().contains("--after-cursor=10"), "{}", arguments());
}

#[test]
fn no_journal_is_no_error() {
    let sink = MemorySink::new();
    follow(&sink, "/nowhere/journalctl", || true);
    follow(&sink, "true", || true);
    assert_eq!(sink.count(), 0);
}
