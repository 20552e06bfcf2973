//! Times that name no zone, through real inputs: the zone of the input, of the sender's network, of the machine.

use crate::sink::{MemorySink, until};
use std::net::UdpSocket;
use std::path::Path;
use std::sync::Arc;
use taffrail_collect::import::{ImportItem, ImportOptions, ImportProgress, import};
use taffrail_collect::input::{InputSettings, Stop};
use taffrail_collect::{Context, ZoneName};
use taffrail_format::Zone;
use tokio::runtime::Runtime;

/// What a syslog listener makes of datagrams, each sent from an address: text and time.
fn received(settings: &str, here: Zone, datagrams: &[(&str, &str)]) -> Vec<(String, String)> {
    let runtime = Runtime::new().unwrap();
    let sink = MemorySink::new();
    let settings: InputSettings = toml::from_str(&format!("type = \"syslog-udp\"\naddress = \"127.0.0.1:0\"\n{settings}")).unwrap();
    let running = {
        let _inside = runtime.enter();
        settings.build().unwrap().start(Context { zone: here, ..sink.context() }).unwrap()
    };
    for (number, (from, text)) in datagrams.iter().enumerate() {
        let socket = UdpSocket::bind((*from, 0)).unwrap();
        socket.send_to(text.as_bytes(), running.address.unwrap()).unwrap();
        until("it is stored", || sink.count() == number + 1);
    }
    runtime.block_on(running.stop());
    sink.events().iter().map(|event| (event.text(), event.time.to_string())).collect()
}

/// The time of day of an RFC 3164 message, whose year depends on the day on which this runs.
fn clocks(settings: &str, here: Zone, from: &str) -> String {
    let events = received(settings, here, &[(from, "<13>Nov 21 20:14:03 web app: hello")]);
    events[0].1.split('T').nth(1).unwrap().to_owned()
}

#[test]
fn syslog_without_a_zone_is_in_that_of_input_sender_or_machine() {
    let one = "127.0.0.1";
    assert_eq!(clocks("", Zone::Utc, one), "20:14:03Z");
    assert_eq!(clocks("", Zone::Fixed(3_600), one), "19:14:03Z");
    assert_eq!(clocks("zone = \"local\"", Zone::Fixed(3_600), one), "19:14:03Z");
    assert_eq!(clocks("zone = \"UTC\"", Zone::Fixed(3_600), one), "20:14:03Z");
    assert_eq!(clocks("zone = \"+02:00\"", Zone::Utc, one), "18:14:03Z");
    let zones = "zone = \"+02:00\"\nzones = { \"127.0.0.0/8\" = \"+01:00\", \"127.0.0.2\" = \"-05:00\" }";
    assert_eq!(clocks(zones, Zone::Utc, one), "19:14:03Z");
    assert_eq!(clocks(zones, Zone::Utc, "127.0.0.2"), "01:14:03Z");
    assert_eq!(clocks("zones = { \"10.0.0.0/8\" = \"+01:00\" }", Zone::Fixed(-3_600), one), "21:14:03Z");
}

#[test]
fn a_zone_that_is_named_is_not_touched() {
    for text in ["<13>1 2026-07-01T12:00:00Z web app - - - x", "<13>1 2026-07-01T14:00:00+02:00 web app - - - x"] {
        assert_eq!(received("zone = \"-05:00\"", Zone::Fixed(3_600), &[("127.0.0.1", text)])[0].1, "2026-07-01T12:00:00Z");
    }
}

#[test]
fn summer_time_comes_and_goes() {
    if !Zone::has_names() {
        println!("skipped: this machine has no database of zones");
        return;
    }
    let lines = [
        ("2024-07-01 12:00:00", "2024-07-01T16:00:00Z"),
        ("2024-11-21 12:00:00", "2024-11-21T17:00:00Z"),
        // The last second of summer time, read first of two; one that never was; the days around, twice, so that a day is remembered.
        ("2024-11-03 01:59:59", "2024-11-03T05:59:59Z"),
        ("2024-11-03 02:00:00", "2024-11-03T07:00:00Z"),
        ("2024-11-03 12:00:00", "2024-11-03T17:00:00Z"),
        ("2024-03-10 01:59:59", "2024-03-10T06:59:59Z"),
        ("2024-03-10 02:30:00", "2024-03-10T07:30:00Z"),
        ("2024-03-10 03:00:00", "2024-03-10T07:00:00Z"),
        ("2024-03-09 23:59:59", "2024-03-10T04:59:59Z"),
        ("2024-03-11 00:00:00", "2024-03-11T04:00:00Z"),
        ("2024-03-11 12:00:00", "2024-03-11T16:00:00Z"),
        ("2024-03-11 13:00:00", "2024-03-11T17:00:00Z"),
    ];
    let datagrams: Vec<(&str, String)> = lines.iter().map(|(text, _)| ("127.0.0.1", format!("<13>{text} web app: x"))).collect();
    let datagrams: Vec<(&str, &str)> = datagrams.iter().map(|(from, text)| (*from, &**text)).collect();
    let events = received("zone = \"America/New_York\"", Zone::Utc, &datagrams);
    for ((text, wanted), (_, time)) in lines.iter().zip(&events) {
        assert_eq!(time, wanted, "{text}");
    }
}

fn imported(here: Zone, zone: Option<&str>, path: &Path) -> Vec<String> {
    let runtime = Runtime::new().unwrap();
    let sink = MemorySink::new();
    let options = ImportOptions { zone: zone.map(|name| name.parse::<ZoneName>().unwrap()), ..ImportOptions::default() };
    let (_stopper, stop) = Stop::channel();
    let context = Context { zone: here, ..sink.context() };
    let items = vec![ImportItem::Path(path.to_path_buf())];
    import(items, &options, &context, runtime.handle(), &Arc::<ImportProgress>::default(), &stop).unwrap();
    sink.events().iter().map(|event| event.time.to_string()).collect()
}

#[test]
fn imports_have_a_zone_and_formats_that_are_in_utc_stay_there() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("app.log");
    std::fs::write(&log, "2024-07-01 12:00:00 one\n2024-07-01 12:00:01Z two\n").unwrap();
    assert_eq!(imported(Zone::Fixed(7_200), None, &log), ["2024-07-01T10:00:00Z", "2024-07-01T12:00:01Z"]);
    assert_eq!(imported(Zone::Fixed(7_200), Some("-01:00"), &log), ["2024-07-01T13:00:00Z", "2024-07-01T12:00:01Z"]);
    let web = folder.path().join("u_ex.log");
    let head = "#Software: Microsoft Internet Information Services 10.0\n#Fields: date time s-ip cs-method\n";
    std::fs::write(&web, format!("{head}2024-07-01 12:00:00 10.0.0.1 GET\n")).unwrap();
    assert_eq!(imported(Zone::Fixed(7_200), None, &web).last().map(String::as_str), Some("2024-07-01T12:00:00Z"));
}

#[test]
fn a_zone_that_is_none_is_told_where_it_stands() {
    for wrong in ["zone = \"Mars/Olympus\"", "zone = 2", "zones = { \"host7\" = \"UTC\" }", "zones = { \"10.0.0.0/8\" = \"summer\" }"] {
        let text = format!("type = \"syslog-udp\"\n{wrong}");
        assert!(toml::from_str::<InputSettings>(&text).is_err(), "{wrong}");
    }
}
