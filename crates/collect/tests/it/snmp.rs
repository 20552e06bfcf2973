//! SNMP traps and informs: by hand, from net-snmp where it is installed, and ten thousand that nobody should send.

use crate::sink::{Failure, MemorySink, until};
use serde_json::{Value, json};
use std::net::UdpSocket;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;
use taffrail_collect::Running;
use taffrail_collect::input::InputSettings;
use taffrail_collect::snmp::{Outcome, Receiver, SnmpSettings};
use tokio::runtime::Runtime;

const NOW: i64 = 1_795_295_643;

fn receiver(settings: &str) -> Receiver {
    let settings: SnmpSettings = toml::from_str(settings).unwrap();
    Receiver::new(&settings, "collector", NOW).unwrap()
}

fn value(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let bytes = parts.concat();
    assert!(bytes.len() < 65_536);
    let mut out = vec![tag];
    match u8::try_from(bytes.len()) {
        Ok(short) if short < 0x80 => out.push(short),
        _ => out.extend([&[0x82][..], &u16::try_from(bytes.len()).unwrap().to_be_bytes()].concat()),
    }
    out.extend(bytes);
    out
}

fn integer(number: i32) -> Vec<u8> {
    value(2, &[&number.to_be_bytes()])
}

/// An object under 1.3.6.1, with its value.
fn object(oid: &[u8], bytes: &[u8]) -> Vec<u8> {
    value(0x30, &[&value(6, &[&[0x2b, 6, 1], oid]), bytes])
}

fn version2(community: &[u8], pdu: u8) -> Vec<u8> {
    let list = [
        object(&[2, 1, 1, 3, 0], &value(0x43, &[&[0x01, 0x00]])),
        object(&[6, 3, 1, 1, 4, 1, 0], &value(6, &[&[0x2b, 6, 1, 6, 3, 1, 1, 5, 3]])),
        object(&[2, 1, 2, 2, 1, 1, 7], &integer(7)),
        object(&[2, 1, 2, 2, 1, 2, 7], &value(4, &[b"eth7"])),
        object(&[2, 1, 2, 2, 1, 6, 7], &value(4, &[&[0, 1, 2, 0xab, 0xcd, 0xef]])),
        object(&[4, 1, 0x87, 0x67, 1], &value(0x46, &[&[0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]])),
        object(&[4, 1, 0x87, 0x67, 1], &integer(-1)),
        object(&[4, 1, 0x87, 0x67, 2], &value(0x40, &[&[10, 0, 0, 9]])),
        object(&[4, 1, 0x87, 0x67, 3], &[5, 0]),
    ];
    let pdu = value(pdu, &[&integer(4711), &integer(0), &integer(0), &value(0x30, &[&list.concat()])]);
    value(0x30, &[&integer(1), &value(4, &[community]), &pdu])
}

fn version1() -> Vec<u8> {
    let pdu = value(
        0xa4,
        &[
            &value(6, &[&[0x2b, 6, 1, 4, 1, 9]]),
            &value(0x40, &[&[10, 0, 0, 5]]),
            &integer(6),
            &integer(17),
            &value(0x43, &[&[100]]),
            &value(0x30, &[&object(&[2, 1, 1, 5, 0], &value(4, &[b"router"]))]),
        ],
    );
    value(0x30, &[&integer(0), &value(4, &[b"public"]), &pdu])
}

fn event(outcome: &Outcome) -> Value {
    serde_json::from_slice(&outcome.record.as_ref().expect("it is an event").raw).unwrap()
}

#[test]
fn traps_of_versions_1_and_2() {
    let mut receiver = receiver("");
    let outcome = receiver.datagram(&version1(), NOW);
    assert_eq!(
        event(&outcome),
        json!({"version": "v1", "type": "trap", "trap": "1.3.6.1.4.1.9.0.17", "enterprise": "1.3.6.1.4.1.9", "agent": "10.0.0.5", "uptime": 100,
            "sysName.0": "router"})
    );
    assert_eq!((&*outcome.record.unwrap().host, outcome.reply, outcome.refused), ("10.0.0.5", None, None));
    let outcome = receiver.datagram(&version2(b"public", 0xa7), NOW);
    assert_eq!(
        event(&outcome),
        json!({"version": "v2c", "type": "trap", "uptime": 256, "trap": "1.3.6.1.6.3.1.1.5.3", "trap_name": "linkDown", "ifIndex.7": 7,
            "ifDescr.7": "eth7", "ifPhysAddress.7": "0x000102abcdef", "1.3.6.1.4.1.999.1": [u64::MAX, -1],
            "1.3.6.1.4.1.999.2": "10.0.0.9", "1.3.6.1.4.1.999.3": null})
    );
    assert_eq!(outcome.reply, None);
    // An inform is answered with its own objects.
    let inform = version2(b"public", 0xa6);
    let outcome = receiver.datagram(&inform, NOW);
    let reply = outcome.reply.expect("an answer");
    assert_eq!(event(&Outcome { record: outcome.record, ..Outcome::default() })["type"], "inform");
    let at = reply.iter().position(|byte| *byte == 0xa2).unwrap();
    assert!(reply.windows(4).any(|four| four == 4711i32.to_be_bytes()) && at < 20 && reply.ends_with(&inform[inform.len() - 60..]));
}

#[test]
fn who_is_not_known_is_refused() {
    let mut receiver = receiver("communities = [\"secret\", \"other\"]");
    assert_eq!(receiver.datagram(&version2(b"public", 0xa6), NOW).refused, Some("unknown_community"));
    assert!(receiver.datagram(&version2(b"other", 0xa7), NOW).record.is_some());
    assert_eq!(receiver.datagram(&version2(b"other", 0xa0), NOW).refused, Some("unsupported"));
    assert_eq!(receiver.datagram(b"no SNMP", NOW).refused, Some("damaged"));
    for wrong in [
        "[[users]]\nname = \"\"",
        "[[users]]\nname = \"a\"\nauth = \"sha\"",
        "[[users]]\nname = \"a\"\nauth = \"sha\"\nauth_password = \"short\"",
        "[[users]]\nname = \"a\"\nprivacy = \"aes\"\nprivacy_password = \"long enough\"",
        "[[users]]\nname = \"a\"\nauth = \"sha\"\nauth_password = \"long enough\"\nprivacy = \"aes\"",
    ] {
        let settings: SnmpSettings = toml::from_str(wrong).unwrap();
        assert!(Receiver::new(&settings, "h", NOW).is_err(), "{wrong}");
    }
    let settings: SnmpSettings = toml::from_str("communities = [\"secret\"]").unwrap();
    assert!(!format!("{settings:?}").contains("secret"));
}

#[test]
fn ten_thousand_damaged_messages() {
    let mut receiver = receiver("[[users]]\nname = \"open\"");
    let scoped = value(0x30, &[&value(4, &[b""]), &value(4, &[b""]), &version2(b"", 0xa7)[12..]]);
    let security =
        value(0x30, &[&value(4, &[&[0x80, 0, 0, 1, 2]]), &integer(1), &integer(2), &value(4, &[b"open"]), &value(4, &[]), &value(4, &[])]);
    let global = value(0x30, &[&integer(9), &integer(65_507), &value(4, &[&[0]]), &integer(3)]);
    let version3 = value(0x30, &[&integer(3), &global, &value(4, &[&security]), &scoped]);
    assert_eq!(event(&receiver.datagram(&version3, NOW))["user"], "open");
    let cases = [version1(), version2(b"public", 0xa7), version2(b"public", 0xa6), version3];
    let mut mutator = crate::mutator::Mutator::new(b"\x02\x04\x06\x30\xa4\xa6\xa7\xff");
    let (mut events, mut refused) = (0, 0);
    for number in 0..10_000 {
        let message = mutator.change(&cases[number % cases.len()]);
        let outcome = receiver.datagram(&message, NOW);
        let taken = outcome.record.is_some();
        // Asking for the name of our engine is neither, and is answered.
        assert!(taken != outcome.refused.is_some() || !taken && outcome.reply.is_some(), "{message:?}");
        if taken {
            event(&outcome);
        }
        events += usize::from(taken);
        refused += usize::from(outcome.refused.is_some());
    }
    println!("{events} traps taken, {refused} messages refused");
    assert!(events > 1_000 && refused > 2_000);
}

struct Listening {
    sink: Arc<MemorySink>,
    running: Option<Running>,
    runtime: Runtime,
    address: String,
}

fn listen(settings: &str) -> Listening {
    let sink = MemorySink::new();
    let runtime = Runtime::new().unwrap();
    let settings: InputSettings = toml::from_str(&format!("type = \"snmp-trap\"\naddress = \"127.0.0.1:0\"\n{settings}")).unwrap();
    let running = {
        let _inside = runtime.enter();
        settings.build().unwrap().start(sink.context()).unwrap()
    };
    let address = running.address.unwrap().to_string();
    Listening { sink, running: Some(running), runtime, address }
}

impl Listening {
    fn stop(&mut self) {
        self.runtime.block_on(self.running.take().unwrap().stop());
    }
}

#[test]
fn an_inform_is_answered_when_it_is_durable() {
    let mut listening = listen("");
    let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
    sender.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    *listening.sink.failure.lock() = Failure::Full(1_000_000);
    sender.send_to(&version2(b"public", 0xa6), &listening.address).unwrap();
    let mut buffer = [0; 2_000];
    assert!(sender.recv(&mut buffer).is_err(), "nothing is stored yet");
    *listening.sink.failure.lock() = Failure::None;
    sender.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    assert!(sender.recv(&mut buffer).unwrap() > 50);
    assert_eq!(listening.sink.count(), 1);
    listening.stop();
    let event = &listening.sink.events()[0];
    assert_eq!((&*event.origin.sourcetype, &*event.origin.host, &*event.origin.peer), ("snmp_trap", "127.0.0.1", "127.0.0.1"));
}

/// What net-snmp sends, where it is installed: every version and level, informs with their whole exchange.
#[test]
fn net_snmp() {
    if !Command::new("snmptrap").arg("-V").stderr(Stdio::null()).status().is_ok_and(|status| status.success()) {
        println!("skipped: no snmptrap");
        return;
    }
    let mut listening = listen(
        "communities = [\"public\"]\n[[users]]\nname = \"plain\"\n[[users]]\nname = \"signs\"\nauth = \"sha256\"\nauth_password = \"long enough\"\n\
         [[users]]\nname = \"hides\"\nauth = \"sha\"\nauth_password = \"long enough\"\nprivacy = \"aes\"\nprivacy_password = \"another one\"\n\
         [[users]]\nname = \"old\"\nauth = \"md5\"\nauth_password = \"long enough\"\nprivacy = \"des\"\nprivacy_password = \"another one\"",
    );
    let signs = ["-v3", "-usigns", "-lauthNoPriv", "-aSHA-256", "-Along enough"];
    let hides = ["-v3", "-uhides", "-lauthPriv", "-aSHA", "-Along enough", "-xAES", "-Xanother one"];
    let old = ["-v3", "-uold", "-lauthPriv", "-aMD5", "-Along enough", "-xDES", "-Xanother one"];
    let wrong = ["-v3", "-uhides", "-lauthPriv", "-aSHA", "-Awrong password", "-xAES", "-Xanother one"];
    let low = ["-v3", "-uhides", "-lnoAuthNoPriv"];
    let send = |inform: bool, options: &[&str]| {
        let mut command = Command::new("snmptrap");
        command.args(["-On", "-m", "", "-r", "1", "-t", "5"]).args(inform.then_some("-Ci")).args(options).arg(&listening.address);
        command.args(["42", "1.3.6.1.6.3.1.1.5.4", "1.3.6.1.2.1.2.2.1.2.3", "s", "eth3"]);
        command.env("SNMP_PERSISTENT_DIR", std::env::temp_dir().join("taffrail-net-snmp"));
        command.stdin(Stdio::null()).output().unwrap()
    };
    let mut expected = 0;
    for options in [&["-v2c", "-cpublic"][..], &["-v3", "-uplain", "-lnoAuthNoPriv"], &signs, &hides, &old] {
        for inform in [false, true] {
            let output = send(inform, options);
            assert!(output.status.success(), "{options:?} {inform}: {}", String::from_utf8_lossy(&output.stderr));
            expected += 1;
            until(&format!("{options:?} {inform} is stored"), || listening.sink.count() >= expected);
        }
    }
    assert!(!send(true, &wrong).status.success(), "a wrong password is not acknowledged");
    send(false, &low);
    until("both are refused", || listening.running.as_ref().unwrap().counters.snapshot().skipped.len() >= 2);
    listening.stop();
    let events = listening.sink.events();
    assert_eq!(events.len(), expected);
    for (at, event) in events.iter().enumerate() {
        let event: Value = serde_json::from_slice(&event.raw).unwrap();
        assert_eq!((&event["trap_name"], &event["ifDescr.3"], &event["uptime"]), (&json!("linkUp"), &json!("eth3"), &json!(42)));
        assert_eq!(event["type"], if at % 2 == 0 { "trap" } else { "inform" });
    }
}
