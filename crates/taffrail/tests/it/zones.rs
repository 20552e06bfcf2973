//! Times that name no zone, through the program: the settings file, the machine's own zone, import and requests.

use crate::harness::{Scratch, eventually};

/// The times of all events, oldest first.
fn times(scratch: &Scratch) -> Vec<String> {
    scratch.rows("index=main | reverse | table _time").iter().map(|row| row["_time"].as_str().expect("is text").to_owned()).collect()
}

#[test]
fn import_takes_the_zone_that_is_named_else_that_of_the_machine() {
    let log = b"2024-07-01 12:00:00 one\n";
    for (machine, zone, time) in [
        ("UTC", None, "12:00:00"),
        ("<+02>-2", None, "10:00:00"),
        ("<+02>-2", Some("UTC"), "12:00:00"),
        ("UTC", Some("-03:00"), "15:00:00"),
    ] {
        let scratch = Scratch::new();
        let file = scratch.file("app.log", log);
        let mut arguments = vec!["import", "--data", "@", file.to_str().expect("is text")];
        arguments.extend(zone.iter().flat_map(|zone| ["--zone", zone]));
        let output = scratch.command(&arguments).env("TZ", machine).output().expect("runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let found = times(&scratch);
        assert!(found.len() == 1 && found[0].starts_with(&format!("2024-07-01T{time}")), "{machine} {zone:?}: {found:?}");
    }
    let output = Scratch::new().run(&["import", "--data", "@", "--zone", "Mars/Olympus", "/dev/null"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("Europe/Berlin"));
}

#[test]
fn the_server_has_a_zone_and_requests_and_listeners_have_theirs() {
    let scratch = Scratch::new();
    let settings = b"zone = \"+01:00\"\n[syslog]\nzones = { \"127.0.0.0/8\" = \"-05:00\" }\nallow = [\"127.0.0.0/8\"]\n";
    let config = scratch.file("taffrail.toml", settings);
    let server = scratch.serve_with(&["--config", config.to_str().expect("is text")]);
    server.ingest("", b"2024-07-01 12:00:00 by the server\n");
    server.ingest("zone=%2B09:00", b"2024-07-01 12:00:00 by the request\n");
    server.syslog(b"<13>2024-07-01 12:00:00 web app: by the network\n");
    let wrong = server.request("POST", "/api/v1/ingest/raw?zone=Mars", &[], b"x\n");
    assert_eq!(wrong.status, 400, "{}", wrong.text());
    assert!(wrong.text().contains("zone"), "{}", wrong.text());
    eventually("all are stored", || {
        let stat = server.get("/api/v1/stat").json();
        let main = stat["indexes"].as_array().expect("is a list").iter().find(|i| i["index"] == "main").map(|i| i["events"].clone());
        main.and_then(|events| events.as_u64()) == Some(3)
    });
    server.stop();
    let found: Vec<String> = times(&scratch).iter().map(|time| time[..19].to_owned()).collect();
    assert_eq!(found, ["2024-07-01T03:00:00", "2024-07-01T11:00:00", "2024-07-01T17:00:00"]);
}
