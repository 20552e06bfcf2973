//! Files of another machine: Debian's own sshd on a port of this one, and a server that only wants a password.

use crate::chance;
use crate::sink::{Failure, MemorySink, until};
use parking_lot::Mutex;
use russh::server::{Auth, Server as _};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use taffrail_collect::input::InputSettings;
use taffrail_collect::{InputSnapshot, Running};
use tokio::runtime::Runtime;

/// sshd with keys of its own, for whoever runs the test, and a folder that it gives.
struct Sshd {
    folder: tempfile::TempDir,
    child: Child,
    port: u16,
    fingerprint: String,
}

fn run(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).stderr(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

impl Sshd {
    /// `None` without sshd.
    fn start() -> Option<Self> {
        let sshd = ["/usr/sbin/sshd", "/usr/bin/sshd"].into_iter().find(|path| Path::new(path).exists());
        let Some(sshd) = sshd else {
            println!("skipped: no sshd");
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name).display().to_string();
        for (name, kind) in [("host", "ed25519"), ("user", "ed25519"), ("rsa", "rsa"), ("stranger", "ecdsa")] {
            run("ssh-keygen", &["-q", "-t", kind, "-N", "", "-f", &at(name)]).expect("ssh-keygen makes a key");
        }
        run("ssh-keygen", &["-q", "-t", "ed25519", "-N", "swordfish", "-f", &at("locked")]).expect("ssh-keygen makes a key");
        let public = |name: &str| std::fs::read_to_string(at(&format!("{name}.pub"))).unwrap();
        std::fs::write(at("authorized"), [public("user"), public("rsa"), public("locked")].concat()).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let config = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {}\nPidFile none\nAuthorizedKeysFile {}\nStrictModes no\nUsePAM no\n\
             PasswordAuthentication no\nKbdInteractiveAuthentication no\nSubsystem sftp internal-sftp\nMaxStartups 100\n",
            at("host"),
            at("authorized")
        );
        std::fs::write(at("config"), config).unwrap();
        // Where root runs it, it wants this folder.
        let _ = std::fs::create_dir("/run/sshd");
        let fingerprint = run("ssh-keygen", &["-lf", &at("host.pub")]).unwrap().split(' ').nth(1).unwrap().to_owned();
        let log = std::fs::File::create(at("log")).unwrap();
        let child = Command::new(sshd).args(["-D", "-e", "-f", &at("config")]).stdin(Stdio::null()).stderr(log).spawn().unwrap();
        std::fs::create_dir(at("logs")).unwrap();
        until("sshd listens", || TcpStream::connect(("127.0.0.1", port)).is_ok());
        Some(Self { folder, child, port, fingerprint })
    }

    fn key(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn logs(&self) -> PathBuf {
        self.folder.path().join("logs")
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        std::fs::write(self.logs().join(name), bytes).unwrap();
    }

    fn append(&self, name: &str, bytes: &[u8]) {
        std::fs::OpenOptions::new().append(true).open(self.logs().join(name)).unwrap().write_all(bytes).unwrap();
    }

    fn settings(&self, port: u16, key: &str, more: &str) -> InputSettings {
        let user = run("id", &["-un"]).unwrap();
        let text = format!(
            "type = \"sftp\"\naddress = \"127.0.0.1:{port}\"\nuser = \"{user}\"\nkey = \"{}\"\nevery_seconds = 0.1\npaths = [\"{}\"]\n{more}",
            self.key(key).display(),
            self.logs().display()
        );
        toml::from_str(&text).unwrap()
    }

    fn known(&self) -> String {
        format!("host_keys = [\"{}\"]\nexclude = [\"**/*.tmp\"]", self.fingerprint)
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn start(runtime: &Runtime, sink: &Arc<MemorySink>, settings: &InputSettings) -> Running {
    let _inside = runtime.enter();
    settings.build().unwrap().start(sink.context()).unwrap()
}

fn settle(runtime: &Runtime, running: Running) -> InputSnapshot {
    std::thread::sleep(Duration::from_millis(500));
    let counters = Arc::clone(&running.counters);
    runtime.block_on(running.stop());
    let snapshot = counters.snapshot();
    assert_eq!(snapshot.total().gap(), 0);
    snapshot
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn numbered(name: &str, from: usize, to: usize) -> String {
    (from..to).map(|number| format!("2026-03-01T00:00:00Z host app: {name} {number} of this log\n")).collect()
}

#[test]
fn each_line_once() {
    let Some(sshd) = Sshd::start() else { return };
    let runtime = Runtime::new().unwrap();
    std::fs::create_dir(sshd.logs().join("deep")).unwrap();
    sshd.write("app.log", numbered("app", 0, 50_000).as_bytes());
    sshd.write("deep/b.log.gz", &gzip(numbered("b", 0, 20_000).as_bytes()));
    sshd.write("other.tmp", b"left out\n");
    sshd.write("picture", b"\x89PNG\r\n\x1a\n and more");
    sshd.write("empty", b"");
    let sink = MemorySink::new();
    *sink.failure.lock() = Failure::Io(1);
    let wanted = sshd.settings(sshd.port, "user", &sshd.known());
    let running = start(&runtime, &sink, &wanted);
    until("it fails", || running.counters.snapshot().problems_total > 0);
    *sink.failure.lock() = Failure::None;
    until("all is stored", || sink.count() >= 70_000);
    // It grows, by a line and a part of one, whose end comes when the part has been taken as an event.
    sshd.append("app.log", (numbered("app", 50_000, 50_001) + "a line that is not ").as_bytes());
    until("it has grown", || sink.count() >= 70_002);
    let snapshot = settle(&runtime, running);
    assert_eq!(snapshot.skipped, [("binary", 1)]);
    sshd.append("app.log", b"yet whole\n");
    // Rotated, and a new one in its place, while nobody looked; and what was rotated is compressed.
    let running = start(&runtime, &sink, &wanted);
    until("the rest is there", || sink.texts().iter().any(|text| text.contains("yet whole")));
    settle(&runtime, running);
    std::fs::rename(sshd.logs().join("app.log"), sshd.logs().join("app.log.1")).unwrap();
    sshd.append("app.log.1", numbered("app", 60_000, 60_002).as_bytes());
    sshd.write("app.log", numbered("new", 0, 3).as_bytes());
    let running = start(&runtime, &sink, &wanted);
    until("both are read on", || sink.texts().iter().filter(|text| text.contains("new ")).count() == 3);
    settle(&runtime, running);
    let old = std::fs::read(sshd.logs().join("app.log.1")).unwrap();
    sshd.write("app.log.1.gz", &gzip(&[&old[..], numbered("app", 70_000, 70_001).as_bytes()].concat()));
    std::fs::remove_file(sshd.logs().join("app.log.1")).unwrap();
    let running = start(&runtime, &sink, &wanted);
    until("what is behind the known is read", || sink.texts().iter().any(|text| text.contains("app 70000 ")));
    settle(&runtime, running);
    settle(&runtime, start(&runtime, &sink, &wanted));
    let events = sink.events();
    let source = format!("sftp://127.0.0.1{}", sshd.logs().join("app.log").display());
    let first: Vec<_> = events.iter().filter(|event| *event.origin.source == *source).map(|event| event.text()).collect();
    let mut lines: Vec<String> = numbered("app", 0, 50_001).lines().map(str::to_owned).collect();
    // A part of a line that nothing was added to for a while is an event, and so is its end.
    lines.extend(["a line that is not ", "yet whole"].map(str::to_owned));
    lines.extend(numbered("app", 60_000, 60_002).lines().map(str::to_owned));
    lines.push(numbered("app", 70_000, 70_001).trim_end().to_owned());
    let (new, app): (Vec<_>, Vec<_>) = first.into_iter().partition(|text| text.contains("new "));
    assert_eq!((new.len(), app.len()), (3, lines.len()));
    assert!(app == lines);
    let packed: Vec<_> = events.iter().filter(|event| event.origin.source.ends_with("b.log.gz")).map(|event| event.text() + "\n").collect();
    assert!(packed.concat() == numbered("b", 0, 20_000));
    assert_eq!((&*events[0].origin.peer, &*events[0].origin.transport), ("127.0.0.1", "sftp"));
    assert_eq!(events.len(), lines.len() + 3 + 20_000);
}

/// Size and time of a file say nothing of a change within the second.
#[test]
fn what_is_written_again_within_the_second() {
    let Some(sshd) = Sshd::start() else { return };
    let runtime = Runtime::new().unwrap();
    let write = |text: &str, at: std::time::SystemTime| {
        sshd.write("state.tmp", text.as_bytes());
        std::fs::OpenOptions::new().append(true).open(sshd.logs().join("state.tmp")).unwrap().set_modified(at).unwrap();
        std::fs::rename(sshd.logs().join("state.tmp"), sshd.logs().join("state.log")).unwrap();
    };
    let now = std::time::SystemTime::now();
    write("2026-03-01T00:00:00Z host app: state one\n", now);
    let sink = MemorySink::new();
    let running = start(&runtime, &sink, &sshd.settings(sshd.port, "user", &sshd.known()));
    until("the first is stored", || sink.count() == 1);
    write("2026-03-01T00:00:00Z host app: state two\n", now);
    until("the second is stored", || sink.count() == 2);
    let snapshot = settle(&runtime, running);
    assert_eq!((sink.texts()[1].contains("state two"), snapshot.problems_total, sink.count()), (true, 0, 2));
}

#[test]
fn copies_are_not_read_twice() {
    let Some(sshd) = Sshd::start() else { return };
    let runtime = Runtime::new().unwrap();
    sshd.write("app.log", numbered("app", 0, 3_000).as_bytes());
    let sink = MemorySink::new();
    let running = start(&runtime, &sink, &sshd.settings(sshd.port, "rsa", &sshd.known()));
    until("it is stored", || sink.count() == 3_000);
    std::fs::copy(sshd.logs().join("app.log"), sshd.logs().join("app.log.1")).unwrap();
    until("the copy is known as one", || running.counters.snapshot().skipped.iter().any(|(reason, _)| *reason == "copy"));
    sshd.append("app.log.1", numbered("app", 3_000, 3_001).as_bytes());
    sshd.write("app.log", numbered("again", 0, 2).as_bytes());
    until("what is new is stored", || sink.count() >= 3_003);
    settle(&runtime, running);
    let mut expected = numbered("app", 0, 3_001) + &numbered("again", 0, 2);
    let mut lines = String::from_utf8(sink.lines()).unwrap();
    for text in [&mut expected, &mut lines] {
        let mut all: Vec<&str> = text.lines().collect();
        all.sort_unstable();
        *text = all.join("\n");
    }
    assert!(lines == expected);
}

#[test]
fn only_the_machine_that_is_known() {
    let Some(sshd) = Sshd::start() else { return };
    let runtime = Runtime::new().unwrap();
    sshd.write("a.log", b"one\n");
    let other = "SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU";
    let shown = format!("shows the key ssh-ed25519 {}", sshd.fingerprint);
    let locked = |password: &str| format!("{}\nkey_password = \"{password}\"", sshd.known());
    for (key, more, said) in [
        ("user", String::new(), format!("{shown}, and no key is known")),
        ("user", format!("host_keys = [\"{other}\"]"), format!("{shown}, which is none of host_keys")),
        ("stranger", sshd.known(), "does not let".to_owned()),
    ] {
        let sink = MemorySink::new();
        let running = start(&runtime, &sink, &sshd.settings(sshd.port, key, &more));
        until("it is refused", || running.counters.snapshot().problems_total > 0);
        let snapshot = settle(&runtime, running);
        assert!(sink.count() == 0 && snapshot.problems.iter().any(|text| text.contains(&said)), "{:?}", snapshot.problems);
    }
    for (key, more) in
        [("user", format!("host_keys = [\"{other}\", \"{}\"]", sshd.fingerprint)), ("rsa", sshd.known()), ("locked", locked("swordfish"))]
    {
        let sink = MemorySink::new();
        let running = start(&runtime, &sink, &sshd.settings(sshd.port, key, &more));
        until("it is let in", || sink.count() == 1);
        let snapshot = settle(&runtime, running);
        assert_eq!(snapshot.problems_total, 0, "{:?}", snapshot.problems);
    }
    let settings = sshd.settings(sshd.port, "locked", &locked("sword"));
    assert!(!format!("{settings:?}").contains("\"sword"));
    let _inside = runtime.enter();
    let error = settings.build().unwrap().start(MemorySink::new().context()).err().expect("the password is wrong").to_string();
    assert!(error.contains("no private key that can be used"), "{error}");
    // A folder that is not there is said.
    let sink = MemorySink::new();
    let InputSettings::Sftp(mut settings) = sshd.settings(sshd.port, "user", &sshd.known()) else { unreachable!() };
    settings.paths.push("/nowhere/at/all".into());
    let running = start(&runtime, &sink, &InputSettings::Sftp(settings));
    until("it is said", || running.counters.snapshot().problems.iter().any(|text| text.starts_with("/nowhere/at/all: ")));
    until("and the rest is read", || sink.count() == 1);
    settle(&runtime, running);
}

/// A way to sshd that breaks off each time after some bytes.
fn breaking(port: u16, bytes: u64) -> (u16, Arc<AtomicU64>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let own = listener.local_addr().unwrap().port();
    let (limit, breaks) = (Arc::new(AtomicU64::new(bytes)), Arc::new(AtomicU64::new(0)));
    let counted = Arc::clone(&breaks);
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let (Ok(mut client), Ok(mut server)) = (client, TcpStream::connect(("127.0.0.1", port))) else { continue };
            let (mut from, mut to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            std::thread::spawn(move || {
                let _ = std::io::copy(&mut from, &mut to);
                let _ = to.shutdown(Shutdown::Both);
            });
            let left = limit.fetch_add(bytes / 2, Ordering::Relaxed);
            let breaks = Arc::clone(&counted);
            std::thread::spawn(move || {
                if std::io::copy(&mut Read::by_ref(&mut server).take(left), &mut client).is_ok_and(|copied| copied == left) {
                    breaks.fetch_add(1, Ordering::Relaxed);
                }
                let _ = (client.shutdown(Shutdown::Both), server.shutdown(Shutdown::Both));
            });
        }
    });
    (own, breaks)
}

#[test]
fn connections_that_break_off() {
    let Some(sshd) = Sshd::start() else { return };
    let runtime = Runtime::new().unwrap();
    sshd.write("a.log", numbered("a", 0, 150_000).as_bytes());
    sshd.write("b.log.gz", &gzip(numbered("b", 0, 20_000).as_bytes()));
    let (port, breaks) = breaking(sshd.port, 1_500_000);
    let sink = MemorySink::new();
    let running = start(&runtime, &sink, &sshd.settings(port, "user", &sshd.known()));
    until("all is stored", || sink.count() >= 170_000);
    let snapshot = settle(&runtime, running);
    assert!(breaks.load(Ordering::Relaxed) >= 2 && snapshot.problems_total >= 2);
    let events = sink.events();
    let of =
        |name: &str| events.iter().filter(|event| event.origin.source.ends_with(name)).map(|event| event.text() + "\n").collect::<String>();
    assert!(of("a.log") == numbered("a", 0, 150_000));
    assert!(of("b.log.gz") == numbered("b", 0, 20_000));
    assert_eq!((snapshot.total().stored_events, snapshot.skipped), (170_000, vec![]));
}

/// Whatever stands in files is kept, or counted.
#[test]
fn ten_thousand_malformed() {
    let Some(sshd) = Sshd::start() else { return };
    let (runtime, mut next) = (Runtime::new().unwrap(), chance::numbers());
    let mut whole = Vec::new();
    for _ in 0..9_900 {
        whole.extend(
            (0..=next() % 80).map(|_| if next() % 2 == 0 { next() as u8 } else { b' ' + (next() % 90) as u8 }).filter(|b| *b != b'\n'),
        );
        whole.push(b'\n');
    }
    sshd.write("garbage.log", &whole);
    let plain = numbered("p", 0, 50);
    for number in 0..100 {
        let mut packed = gzip(format!("{number} {plain}").as_bytes());
        for _ in 0..=next() % 3 {
            let at = 10 + next() % (packed.len() - 10);
            if next() % 2 == 0 {
                packed.truncate(at)
            } else {
                packed[at] ^= 1 << (next() % 8)
            }
            if packed.len() <= 11 {
                break;
            }
        }
        sshd.write(&format!("damaged-{number}.gz"), &packed);
    }
    let sink = MemorySink::new();
    let running = start(&runtime, &sink, &sshd.settings(sshd.port, "user", &sshd.known()));
    let garbage = |sink: &MemorySink| {
        let events = sink.events();
        let lines = events.into_iter().filter(|event| event.origin.source.ends_with("garbage.log"));
        lines.flat_map(|event| [event.raw, b"\n".to_vec()].concat()).collect::<Vec<u8>>()
    };
    let counted = |running: &Running| running.counters.snapshot().skipped.iter().map(|(_, count)| *count).sum::<u64>();
    until("the damaged are counted", || counted(&running) >= 80);
    until("the garbage is stored", || garbage(&sink).len() >= whole.len());
    let snapshot = settle(&runtime, running);
    assert!(garbage(&sink).iter().filter(|b| **b != b'\r').eq(whole.iter().filter(|b| **b != b'\r')));
    let before = sink.count();
    settle(&runtime, start(&runtime, &sink, &sshd.settings(sshd.port, "user", &sshd.known())));
    assert_eq!(sink.count(), before, "{:?}", snapshot.problems.last());
}

/// A server that asks for a password and gives nothing.
#[derive(Clone, Default)]
struct Asks(Arc<Mutex<Vec<(String, String)>>>);

impl russh::server::Server for Asks {
    type Handler = Self;

    fn new_client(&mut self, _: Option<std::net::SocketAddr>) -> Self {
        self.clone()
    }
}

impl russh::server::Handler for Asks {
    type Error = russh::Error;

    async fn auth_password(&mut self, user: &str, password: &str) -> Result<Auth, Self::Error> {
        self.0.lock().push((user.to_owned(), password.to_owned()));
        Ok(if password == "swordfish" { Auth::Accept } else { Auth::reject() })
    }
}

#[test]
fn passwords_go_to_the_machine_that_is_known() {
    let runtime = Runtime::new().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("host");
    if run("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-f", &key.display().to_string()]).is_none() {
        return println!("skipped: no ssh-keygen");
    }
    let key = russh::keys::decode_secret_key(&std::fs::read_to_string(key).unwrap(), None).unwrap();
    let fingerprint = key.public_key().fingerprint(russh::keys::HashAlg::Sha256).to_string();
    let config = russh::server::Config { keys: vec![key], auth_rejection_time: Duration::from_millis(10), ..Default::default() };
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    let port = listener.local_addr().unwrap().port();
    let asks = Asks::default();
    let mut server = asks.clone();
    runtime.spawn(async move { server.run_on_socket(Arc::new(config), &listener).await });
    let password = folder.path().join("password");
    let seen = |host_key: &str, word: &str, said: &str| {
        std::fs::write(&password, format!("{word}\n")).unwrap();
        let settings: InputSettings = toml::from_str(&format!(
            "type = \"sftp\"\naddress = \"127.0.0.1:{port}\"\nuser = \"me\"\npassword_file = \"{}\"\nevery_seconds = 30\npaths = [\"/x\"]\nhost_keys = [{host_key}]",
            password.display()
        ))
        .unwrap();
        let sink = MemorySink::new();
        let running = start(&runtime, &sink, &settings);
        until(said, || running.counters.snapshot().problems.iter().any(|text| text.contains(said)));
        settle(&runtime, running);
        std::mem::take(&mut *asks.0.lock())
    };
    assert_eq!(seen("", "swordfish", "no key is known"), []);
    let known = format!("\"{fingerprint}\"");
    let me = |word: &str| vec![("me".to_owned(), word.to_owned())];
    assert_eq!(seen(&known, "sword", "does not let \"me\" in"), me("sword"));
    assert_eq!(seen(&known, "swordfish", "127.0.0.1"), me("swordfish"));
}

#[test]
fn settings_that_are_wrong() {
    let good = "address = \"a\"\nuser = \"u\"\nkey = \"/k\"\npaths = [\"/x\"]";
    let build = |text: &str| toml::from_str::<InputSettings>(&format!("type = \"sftp\"\n{text}")).unwrap().build().map(|_| ());
    assert!(build(good).is_ok());
    for (from, to) in [
        ("address = \"a\"", "address = \"a:b\""),
        ("user = \"u\"", ""),
        ("key = \"/k\"", ""),
        ("key = \"/k\"", "key = \"/k\"\npassword_file = \"/p\""),
        ("[\"/x\"]", "[]"),
        ("[\"/x\"]", "[\"x\"]"),
        ("[\"/x\"]", "[\"/x[\"]"),
        ("user = \"u\"", "user = \"u\"\nhost_keys = [\"MD5:00\"]"),
        ("user = \"u\"", "user = \"u\"\nevery_seconds = 0"),
    ] {
        assert!(build(&good.replace(from, to)).is_err(), "{to}");
    }
}
