//! kill -9 of the whole server, again and again, while it fetches what others hold (topics of Kafka, objects of S3, files over SFTP) and while Windows
//! machines forward to it. Each receiver's other side is a real one: the broker of librdkafka, moto, Debian's sshd; Windows is simulated.

#[path = "../../../collect/tests/it/wef/sldc.rs"]
#[allow(dead_code)] // not all that a source can do is needed here
mod sldc;
#[path = "../../../collect/tests/it/wef/source.rs"]
#[allow(dead_code)]
mod source;

use crate::harness::{Scratch, Server, eventually, request};
use crate::streams::tls::file;
use parking_lot::Mutex;
use source::{Source, event};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// A program beside the server; killed when dropped.
pub struct Beside(pub Child);

impl Drop for Beside {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").expect("listens").local_addr().expect("has an address").port()
}

/// The broker that is part of librdkafka; `None` without kcat.
pub fn kafka() -> Option<(Beside, String)> {
    let arguments = ["-P", "-t", "unused", "-b", "none:1", "-X", "test.mock.num.brokers=1", "-d", "mock"];
    let child = Command::new("kcat").args(arguments).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
    let Ok(mut child) = child else {
        println!("skipped: no kcat");
        return None;
    };
    let mut said = BufReader::new(child.stderr.take().expect("is piped"));
    let mut line = String::new();
    while !line.contains("bootstrap.servers=") {
        line.clear();
        assert_ne!(said.read_line(&mut line).expect("can be read"), 0, "kcat ended");
    }
    let address = line.rsplit('=').next().expect("is there").trim().to_owned();
    // It says what it does, and stops when nobody reads it.
    std::thread::spawn(move || std::io::copy(&mut said, &mut std::io::sink()));
    Some((Beside(child), address))
}

/// Sends each line of its input as a record.
fn producer(address: &str) -> (Beside, ChildStdin) {
    let arguments = ["-P", "-q", "-t", "logs", "-p", "0", "-X", "queue.buffering.max.ms=5", "-b", address];
    let mut child = Command::new("kcat").args(arguments).stdin(Stdio::piped()).spawn().expect("starts");
    let stdin = child.stdin.take().expect("is piped");
    (Beside(child), stdin)
}

/// A service that speaks S3; `None` without moto.
struct Bucket {
    _service: Beside,
    address: String,
}

/// What a request of a signed client has; moto does not look closer.
const SIGNED: &[(&str, &str)] = &[("authorization", "AWS4-HMAC-SHA256 Credential=name/20260101/us-east-1/s3/aws4_request")];

impl Bucket {
    fn start() -> Option<Self> {
        let port = free_port();
        let mut moto = Command::new("moto_server");
        moto.args(["-H", "127.0.0.1", "-p", &port.to_string()]).stdout(Stdio::null()).stderr(Stdio::null());
        let Ok(child) = moto.spawn() else {
            println!("skipped: no moto_server");
            return None;
        };
        let bucket = Self { _service: Beside(child), address: format!("127.0.0.1:{port}") };
        eventually("moto listens", || TcpStream::connect(&bucket.address).is_ok());
        bucket.put("/logs", b"");
        Some(bucket)
    }

    fn put(&self, path: &str, body: &[u8]) {
        let answer = request(&self.address, "PUT", path, SIGNED, body).expect("answers");
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    }

    fn settings(&self) -> String {
        format!(
            "[[input]]\ntype = \"s3\"\nurl = \"s3://logs/in\"\nendpoint = \"http://{}\"\naccess_key = \"name\"\nsecret_key = \"secret\"\nevery_seconds = 0.1\n",
            self.address
        )
    }
}

/// sshd with keys of its own, for whoever runs the test; `None` without sshd.
fn sshd(folder: &Path, logs: &Path) -> Option<(Beside, String)> {
    let program = ["/usr/sbin/sshd", "/usr/bin/sshd"].into_iter().find(|path| Path::new(path).exists());
    let Some(program) = program else {
        println!("skipped: no sshd");
        return None;
    };
    let at = |name: &str| folder.join(name).display().to_string();
    let said = |program: &str, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).output().expect("runs");
        assert!(output.status.success(), "{program} {arguments:?}");
        String::from_utf8(output.stdout).expect("is text").trim().to_owned()
    };
    for name in ["host", "user"] {
        said("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-f", &at(name)]);
    }
    let port = free_port();
    let config = format!(
        "Port {port}\nListenAddress 127.0.0.1\nHostKey {}\nPidFile none\nAuthorizedKeysFile {}\nStrictModes no\nUsePAM no\n\
         PasswordAuthentication no\nKbdInteractiveAuthentication no\nSubsystem sftp internal-sftp\nMaxStartups 100\n",
        at("host"),
        at("user.pub")
    );
    std::fs::write(at("config"), config).expect("can be written");
    // Where root runs it, it wants this folder.
    let _ = std::fs::create_dir("/run/sshd");
    let log = std::fs::File::create(at("log")).expect("can be made");
    let child = Command::new(program).args(["-D", "-e", "-f", &at("config")]).stdin(Stdio::null()).stderr(log).spawn().expect("starts");
    let child = Beside(child);
    eventually("sshd listens", || TcpStream::connect(("127.0.0.1", port)).is_ok());
    let (user, key) = (said("id", &["-un"]), said("ssh-keygen", &["-lf", &at("host.pub")]));
    let fingerprint = key.split(' ').nth(1).expect("has a fingerprint");
    let settings = format!(
        "[[input]]\ntype = \"sftp\"\naddress = \"127.0.0.1:{port}\"\nuser = \"{user}\"\nkey = \"{}\"\nevery_seconds = 0.1\npaths = [\"{}\"]\n\
         host_keys = [\"{fingerprint}\"]\n",
        at("user"),
        logs.display()
    );
    Some((child, settings))
}

/// How many events of each id are there.
fn ids(text: &str) -> BTreeMap<&str, u64> {
    let mut there: BTreeMap<&str, u64> = BTreeMap::new();
    for id in text.split("id=").skip(1) {
        *there.entry(id.split(';').next().unwrap_or_default()).or_default() += 1;
    }
    there
}

fn stored(server: &Server, kind: &str) -> u64 {
    let inputs = server.get("/api/v1/inputs").json();
    let of = |input: &&serde_json::Value| input["kind"] == kind;
    inputs.as_array().and_then(|all| all.iter().find(of)).and_then(|input| input["total"]["stored_events"].as_u64()).unwrap_or(0)
}

/// Writes to all places until it is told that it is over, and says how many there are of each.
struct Writer {
    records: Option<ChildStdin>,
    bucket: Option<Bucket>,
    logs: std::path::PathBuf,
}

impl Writer {
    fn write(mut self, written: &AtomicU64, over: &AtomicBool) -> u64 {
        let mut file = std::fs::OpenOptions::new().append(true).create(true).open(self.logs.join("app.log")).expect("opens");
        for number in 0u64.. {
            let line = |kind: &str| format!("2026-03-01 00:00:00 web app: id={kind}-{number};\n");
            file.write_all(line("sftp").as_bytes()).expect("takes it");
            if let Some(records) = &mut self.records {
                records.write_all(line("kafka").as_bytes()).expect("takes it");
            }
            if let Some(bucket) = &self.bucket {
                let record = format!("{{\"eventID\":\"{number}\",\"text\":\"id=s3-{number};\"}}");
                // Records of two objects overlap, as those of CloudTrail may.
                let before = number.saturating_sub(1);
                let other = format!("{{\"eventID\":\"{before}\",\"text\":\"id=s3-{before};\"}}");
                bucket.put(&format!("/logs/in/{number:08}.json"), format!("{{\"Records\":[{other},{record}]}}").as_bytes());
            }
            written.store(number + 1, Ordering::Relaxed);
            if over.load(Ordering::Relaxed) {
                return number + 1;
            }
            std::thread::sleep(Duration::from_millis(60));
        }
        unreachable!("numbers do not end")
    }
}

#[test]
fn topics_buckets_and_files_of_others_are_read_once_through_kills() {
    let scratch = Scratch::new();
    let logs = scratch.path().join("logs");
    std::fs::create_dir(&logs).expect("can be made");
    let (broker, bucket, sshd) = (kafka(), Bucket::start(), sshd(scratch.path(), &logs));
    let mut kinds = Vec::new();
    let mut settings = String::new();
    let records = broker.as_ref().map(|(_, address)| {
        kinds.push("kafka");
        settings += &format!("[[input]]\ntype = \"kafka\"\nbrokers = [\"{address}\"]\ntopics = [\"logs\"]\n");
        producer(address)
    });
    let (producer, records) = records.map_or((None, None), |(producer, records)| (Some(producer), Some(records)));
    if let Some(bucket) = &bucket {
        kinds.push("s3");
        settings += &bucket.settings();
    }
    if let Some((_, of)) = &sshd {
        kinds.push("sftp");
        settings += of;
    }
    let config = scratch.file("t.toml", settings.as_bytes());
    let arguments = ["--config", config.to_str().expect("is text")];
    let (over, written) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let writer = {
        let (over, written, writer) = (Arc::clone(&over), Arc::clone(&written), Writer { records, bucket, logs });
        std::thread::spawn(move || writer.write(&written, &over))
    };
    for round in 0..5u64 {
        let server = scratch.serve_with(&arguments);
        let before = written.load(Ordering::Relaxed);
        eventually("something of each is stored", || {
            kinds.iter().all(|kind| stored(&server, kind) > 0) && written.load(Ordering::Relaxed) > before + 20
        });
        std::thread::sleep(Duration::from_millis(90 + 370 * round % 700));
        server.kill();
    }
    let server = scratch.serve_with(&arguments);
    eventually("something of each is stored", || kinds.iter().all(|kind| stored(&server, kind) > 0));
    over.store(true, Ordering::Relaxed);
    // The bucket goes with the writer: all that it holds has to be read by then, but for the last.
    let all = written.load(Ordering::Relaxed);
    let there = |kind: &str, number: u64| scratch.count(&format!("index=main \"id={kind}-{number};\"")) > 0;
    for kind in &kinds {
        eventually("everything is there", || there(kind, all - 5));
    }
    writer.join().expect("ends");
    drop(producer);
    server.stop();
    let text = String::from_utf8(scratch.export()).expect("is text");
    let found = ids(&text);
    for kind in &kinds {
        for number in 0..=all - 5 {
            let id = format!("{kind}-{number}");
            assert_eq!(found.get(&*id), Some(&1), "{id} of {all}");
        }
    }
    assert!(found.values().all(|count| *count == 1), "{:?}", found.iter().find(|(_, count)| **count > 1));
    println!("{all} of each of {kinds:?}");
}

fn wef(server: &Server) -> SocketAddr {
    let listeners = server.file["listeners"].as_array().expect("has listeners").clone();
    let found = listeners.iter().find(|listener| listener["input"] == "wef").expect("listens");
    found["address"].as_str().expect("has an address").parse().expect("is one")
}

/// Forwards envelope after envelope, each until it is acknowledged.
fn forward(machine: usize, address: &Mutex<SocketAddr>, acknowledged: &AtomicU64, over: &AtomicBool) -> u64 {
    let mut next = 1u64;
    while !over.load(Ordering::Relaxed) {
        let to = *address.lock();
        let Ok(mut source) = Source::try_connect(to, Some(machine)) else {
            std::thread::sleep(Duration::from_millis(20));
            continue;
        };
        let Ok(asked) = source.try_enumerate() else { continue };
        let asked = &asked[0];
        while !over.load(Ordering::Relaxed) {
            let until = next + 1 + next % 7;
            let computer = source.machine.clone();
            let events: Vec<String> = (next..until).map(|number| event("System", number, &computer)).collect();
            match source.try_events(asked, &events, until - 1) {
                Ok(answer) if answer.acknowledges(&source) => next = until,
                // It is gone, or is just going: the same again.
                _ => break,
            }
            acknowledged.store(next, Ordering::Relaxed);
        }
    }
    next - 1
}

#[test]
fn what_windows_machines_forward_is_there_once_through_kills() {
    let scratch = Scratch::new();
    let config = format!(
        "[[input]]\ntype = \"wef\"\naddress = \"127.0.0.1:0\"\n[input.tls]\ncertificate = {:?}\nkey = {:?}\nclient_ca = {:?}\n",
        file("server.pem"),
        file("server.key"),
        file("machines-ca.pem")
    );
    let config = scratch.file("t.toml", config.as_bytes());
    let arguments = ["--config", config.to_str().expect("is text")];
    let mut server = scratch.serve_with(&arguments);
    let (address, over) = (Arc::new(Mutex::new(wef(&server))), Arc::new(AtomicBool::new(false)));
    let machines: Vec<_> = (1..=4)
        .map(|machine| {
            let (address, over, acknowledged) = (Arc::clone(&address), Arc::clone(&over), Arc::new(AtomicU64::new(0)));
            let counted = Arc::clone(&acknowledged);
            (machine, counted, std::thread::spawn(move || forward(machine, &address, &acknowledged, &over)))
        })
        .collect();
    for round in 0..5 {
        let before: Vec<u64> = machines.iter().map(|(_, acknowledged, _)| acknowledged.load(Ordering::Relaxed)).collect();
        eventually("every machine gets something through", || {
            machines.iter().zip(&before).all(|((_, acknowledged, _), before)| acknowledged.load(Ordering::Relaxed) > before + 20)
        });
        std::thread::sleep(Duration::from_millis(370 * round % 500));
        server.kill();
        server = scratch.serve_with(&arguments);
        *address.lock() = wef(&server);
    }
    eventually("they go on", || stored(&server, "wef") > 0);
    over.store(true, Ordering::Relaxed);
    let all: Vec<(usize, u64)> = machines.into_iter().map(|(machine, _, thread)| (machine, thread.join().expect("ends"))).collect();
    server.stop();
    let text = String::from_utf8(scratch.export()).expect("is text");
    let mut there: BTreeMap<(String, u64), u64> = BTreeMap::new();
    for line in text.lines() {
        let number = source::between(line, "<EventRecordID>", "</EventRecordID>").parse().expect("is a number");
        *there.entry((source::between(line, "<Computer>", "</Computer>").to_owned(), number)).or_default() += 1;
    }
    for (machine, acknowledged) in &all {
        for number in 1..=*acknowledged {
            let key = (format!("ws{machine}.example.org"), number);
            assert_eq!(there.get(&key), Some(&1), "{key:?} of {acknowledged}");
        }
    }
    assert!(there.values().all(|count| *count == 1), "some are there twice");
    println!("{all:?}");
}
