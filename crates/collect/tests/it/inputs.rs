//! Settings, starting and stopping.

use crate::sink::MemorySink;
use taffrail_collect::preset::this_machine;
use taffrail_collect::{InputSettings, Inputs};

#[derive(serde::Deserialize)]
struct File {
    input: Vec<InputSettings>,
}

#[test]
fn settings_are_tables_and_typing_errors_are_found() {
    let text = r#"
        [[input]]
        type = "file"
        paths = ["/var/log/*.log", "/srv/logs"]
        index = "web"
        [[input]]
        type = "syslog-udp"
        address = "127.0.0.1:0"
        [[input]]
        type = "syslog-tcp"
        address = "127.0.0.1:0"
        connections_max = 10
        [[input]]
        type = "journald"
    "#;
    let file: File = toml::from_str(text).unwrap();
    assert_eq!(file.input.len(), 4);
    for wrong in ["type = \"fle\"", "type = \"file\"\npath = \"/x\"", "type = \"syslog-udp\"\naddress = \"here\""] {
        assert!(toml::from_str::<File>(&format!("[[input]]\n{wrong}")).is_err(), "{wrong}");
    }
    for wrong in [
        "type = \"file\"",
        "type = \"file\"\npaths = [\"x\"]",
        "type = \"file\"\npaths = [\"/x\"]\nindex = \"A\"",
        "type = \"file\"\npaths = [\"/x[\"]",
    ] {
        let file: File = toml::from_str(&format!("[[input]]\n{wrong}")).unwrap();
        assert!(file.input[0].build().is_err(), "{wrong}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn all_start_or_none_and_stop_is_prompt() {
    let folder = tempfile::tempdir().unwrap();
    let text = format!("[[input]]\ntype=\"file\"\npaths=[{:?}]\n[[input]]\ntype=\"syslog-tcp\"\naddress=\"127.0.0.1:0\"", folder.path());
    let file: File = toml::from_str(&text).unwrap();
    let sink = MemorySink::new();
    let inputs = Inputs::start(&file.input, &sink.context()).await.unwrap();
    assert_eq!(inputs.snapshot().len(), 2);
    tokio::time::timeout(std::time::Duration::from_secs(3), inputs.stop()).await.expect("it stops at once");
    let bad = format!("{text}\n[[input]]\ntype=\"syslog-tcp\"\naddress=\"192.0.2.1:1\"");
    let file: File = toml::from_str(&bad).unwrap();
    assert!(Inputs::start(&file.input, &sink.context()).await.is_err());
    assert!(this_machine().iter().all(|settings| settings.build().is_ok()));
}

#[tokio::test(flavor = "multi_thread")]
async fn this_machine_adds_up() {
    let sink = MemorySink::new();
    let inputs = Inputs::start(&this_machine(), &sink.context()).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    let counters = inputs.counters();
    inputs.stop().await;
    let mut stored = 0;
    for counters in counters {
        let snapshot = counters.snapshot();
        let total = snapshot.total();
        println!(
            "{}: {} events, {} bytes, skipped {:?}, {:?}",
            snapshot.name, total.stored_events, total.stored_bytes, snapshot.skipped, snapshot.problems
        );
        let dropped: u64 = total.dropped.iter().map(|(_, count)| count).sum();
        assert_eq!(total.received_events, total.stored_events + dropped);
        stored += total.stored_events;
    }
    assert_eq!(stored, sink.count() as u64);
}
