//! Protocols over connections, from outside: TLS, the PROXY protocol, limits, and that nothing is acknowledged that is
//! not stored. The certificates in `tls/` are for these tests alone; whoever has the keys has nothing.

use crate::sink::{Failure, MemorySink, Stored, until};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;
use taffrail_collect::input::InputSettings;
use taffrail_collect::stream::{StreamSettings, TlsSettings};
use taffrail_collect::syslog::udp::UdpSettings;
use taffrail_collect::{InputSnapshot, Running};
use tokio::runtime::Runtime;

struct Listener {
    runtime: Runtime,
    running: Running,
    address: SocketAddr,
    sink: Arc<MemorySink>,
}

fn settings() -> StreamSettings {
    StreamSettings { address: Some(SocketAddr::from(([127, 0, 0, 1], 0))), ..StreamSettings::default() }
}

impl Listener {
    fn start(settings: &InputSettings) -> Self {
        Self::over(settings, MemorySink::new())
    }

    fn over(settings: &InputSettings, sink: Arc<MemorySink>) -> Self {
        let runtime = Runtime::new().unwrap();
        let running = {
            let _inside = runtime.enter();
            settings.build().unwrap().start(sink.context()).unwrap()
        };
        Self { address: running.address.unwrap(), runtime, running, sink }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream
    }

    fn snapshot(&self) -> InputSnapshot {
        self.running.counters.snapshot()
    }

    fn stop(self) -> (Vec<Stored>, InputSnapshot) {
        let counters = Arc::clone(&self.running.counters);
        self.runtime.block_on(self.running.stop());
        (self.sink.events(), counters.snapshot())
    }
}

fn texts(events: &[Stored]) -> Vec<String> {
    events.iter().map(Stored::text).collect()
}

/// Reads until the answer is complete.
fn answer(stream: &mut TcpStream, wanted: &[u8]) {
    let mut got = vec![0; wanted.len()];
    stream.read_exact(&mut got).unwrap_or_else(|e| panic!("{e}, wanted {:?}", String::from_utf8_lossy(wanted)));
    assert_eq!(String::from_utf8_lossy(&got), String::from_utf8_lossy(wanted));
}

fn rest(stream: &mut TcpStream) -> Vec<u8> {
    let mut rest = Vec::new();
    // A connection that is reset has said all that it had to say.
    let _ = stream.read_to_end(&mut rest);
    rest
}

/// TLS as a sender speaks it, and the files that both sides need.
pub mod tls {
    use super::*;
    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};

    pub fn file(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/tls").join(name)
    }

    pub fn settings(client_ca: bool) -> TlsSettings {
        TlsSettings { certificate: file("server.pem"), key: file("server.key"), client_ca: client_ca.then(|| file("ca.pem")) }
    }

    /// A connection that stays open; the handshake is over, as a listener waits for that only so long.
    pub fn open(mut stream: TcpStream) -> rustls::StreamOwned<rustls::ClientConnection, TcpStream> {
        let name = ServerName::try_from("localhost").unwrap();
        let mut session = rustls::ClientConnection::new(client(false), name).unwrap();
        while session.is_handshaking() {
            session.complete_io(&mut stream).unwrap();
        }
        rustls::StreamOwned::new(session, stream)
    }

    fn client(certificate: bool) -> Arc<rustls::ClientConfig> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(file("ca.pem")).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let builder = builder.with_root_certificates(roots);
        let config = if certificate {
            let chain = vec![CertificateDer::from_pem_file(file("client.pem")).unwrap()];
            builder.with_client_auth_cert(chain, PrivateKeyDer::from_pem_file(file("client.key")).unwrap()).unwrap()
        } else {
            builder.with_no_client_auth()
        };
        Arc::new(config)
    }

    /// The first bytes of a handshake.
    pub fn hello() -> Vec<u8> {
        let mut session = rustls::ClientConnection::new(client(false), ServerName::try_from("localhost").unwrap()).unwrap();
        let mut bytes = Vec::new();
        session.write_tls(&mut bytes).unwrap();
        bytes
    }

    /// Sends over TLS; an error if the listener would not have it.
    pub fn send(mut stream: TcpStream, certificate: bool, bytes: &[u8]) -> std::io::Result<()> {
        let name = ServerName::try_from("localhost").unwrap();
        let mut session = rustls::ClientConnection::new(client(certificate), name).unwrap();
        let mut tls = rustls::Stream::new(&mut session, &mut stream);
        tls.write_all(bytes)?;
        tls.flush()?;
        session.send_close_notify();
        while session.wants_write() {
            session.write_tls(&mut stream)?;
        }
        // Refused certificates show when something is read.
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        session.complete_io(&mut stream).map(|_| ())
    }
}

/// Files that this process may have open.
fn files_max() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(1_000)
}

/// All connections are open at the same time, and of each every message is stored: those of before and those of after.
#[test]
fn thousands_of_connections_held_open() {
    // Both ends are ours. Where fewer files may be open there are fewer connections.
    let most = (files_max().saturating_sub(500) / 2).min(6_000);
    let (plain, secret) = (most * 5 / 6, most / 6);
    let tcp = Listener::start(&InputSettings::SyslogTcp(StreamSettings { connections_max: plain, ..settings() }));
    let tls = Listener::start(&InputSettings::SyslogTls(StreamSettings { tls: Some(tls::settings(false)), ..settings() }));
    let mut plains: Vec<TcpStream> = (0..plain).map(|_| tcp.connect()).collect();
    let mut secrets: Vec<_> = (0..secret).map(|_| tls::open(tls.connect())).collect();
    let round = |round: usize, plains: &mut Vec<TcpStream>, secrets: &mut Vec<rustls::StreamOwned<rustls::ClientConnection, TcpStream>>| {
        for (at, stream) in plains.iter_mut().enumerate() {
            stream.write_all(format!("<13>Mar  1 00:00:00 web app: {round} {at}\n").as_bytes()).unwrap();
        }
        for (at, stream) in secrets.iter_mut().enumerate() {
            stream.write_all(format!("<13>Mar  1 00:00:00 web app: {round} {at}\n").as_bytes()).unwrap();
        }
    };
    round(0, &mut plains, &mut secrets);
    until("all have come", || tcp.sink.count() == plain && tls.sink.count() == secret);
    let open = |listener: &Listener| listener.snapshot().open_connections as usize;
    assert_eq!((open(&tcp), open(&tls)), (plain, secret));
    // One more than may be is closed at once, and said.
    assert_eq!(rest(&mut tcp.connect()), b"");
    assert_eq!((tcp.snapshot().refused_connections, open(&tcp)), (1, plain));
    round(1, &mut plains, &mut secrets);
    until("those of after as well", || tcp.sink.count() == 2 * plain && tls.sink.count() == 2 * secret);
    drop((plains, secrets));
    until("all are gone", || open(&tcp) == 0 && open(&tls) == 0);
    for (listener, connections) in [(tcp, plain), (tls, secret)] {
        let (events, snapshot) = listener.stop();
        let known: std::collections::BTreeSet<String> = texts(&events).into_iter().collect();
        assert_eq!((known.len(), events.len(), snapshot.total().gap()), (2 * connections, 2 * connections, 0));
    }
    println!("{plain} connections, and {secret} with TLS");
}

#[test]
fn syslog_over_tls_and_only_for_those_who_may() {
    let open = Listener::start(&InputSettings::SyslogTls(StreamSettings { tls: Some(tls::settings(false)), ..settings() }));
    let many: Vec<String> = (0..5_000).map(|n| format!("<13>Mar  1 00:00:00 web app: message {n}")).collect();
    let bytes: String = many.iter().map(|line| format!("{} {line}", line.len())).collect();
    tls::send(open.connect(), false, bytes.as_bytes()).unwrap();
    until("all are stored", || open.sink.count() == many.len());
    // Clear text is no handshake: refused, counted, and others do not notice.
    open.connect().write_all(b"<13>in the clear\n").unwrap();
    until("it is refused", || open.snapshot().refused_connections == 1);
    let (events, snapshot) = open.stop();
    assert!(texts(&events) == many);
    assert_eq!((&*events[0].origin.transport, &*events[0].origin.host), ("syslog+tls", "web"));
    assert_eq!((snapshot.open_connections, snapshot.problems.len()), (0, 1));

    let mutual = Listener::start(&InputSettings::SyslogTls(StreamSettings { tls: Some(tls::settings(true)), ..settings() }));
    let _ = tls::send(mutual.connect(), false, b"<13>who are you\n");
    until("it is refused", || mutual.snapshot().refused_connections == 1);
    tls::send(mutual.connect(), true, b"<13>it is me\n").unwrap();
    until("it is stored", || mutual.sink.count() == 1);
    assert_eq!(texts(&mutual.stop().0), ["<13>it is me"]);
}

#[test]
fn wrong_certificates_are_said_at_once() {
    let with = |change: &dyn Fn(&mut TlsSettings)| {
        let mut all = tls::settings(true);
        change(&mut all);
        let runtime = Runtime::new().unwrap();
        let _inside = runtime.enter();
        let input = InputSettings::SyslogTls(StreamSettings { tls: Some(all), ..settings() }).build().unwrap();
        input.start(MemorySink::new().context()).err().expect("is wrong").to_string()
    };
    assert!(with(&|tls| tls.key = tls::file("client.key")).contains("goes with the key"));
    assert!(with(&|tls| tls.certificate = tls::file("server.key")).contains("server.key"));
    assert!(with(&|tls| tls.client_ca = Some("/nowhere.pem".into())).contains("/nowhere.pem"));
    assert!(InputSettings::SyslogTls(settings()).build().err().expect("needs one").hint().unwrap().contains("[input.tls]"));
}

#[test]
fn the_sender_behind_a_balancer_is_named_and_limited() {
    let limited = StreamSettings { proxy_protocol: true, connections_per_address_max: Some(1), ..settings() };
    let listener = Listener::start(&InputSettings::SyslogTcp(limited));
    let mut first = listener.connect();
    first.write_all(b"PROXY TCP4 192.0.2.7 192.0.2.1 5000 514\r\n<13>first\n").unwrap();
    until("it is stored", || listener.sink.count() == 1);
    let mut second = listener.connect();
    second.write_all(b"PROXY TCP4 192.0.2.7 192.0.2.1 5001 514\r\n<13>one too many\n").unwrap();
    until("it is refused", || listener.snapshot().refused_connections == 1);
    listener.connect().write_all(b"PROXY TCP4 192.0.2.8 192.0.2.1 5000 514\r\n<13>other\n").unwrap();
    listener.connect().write_all(b"<13>no header at all\n").unwrap();
    until("both are dealt with", || listener.sink.count() == 2 && listener.snapshot().refused_connections == 2);
    drop(first);
    until("the place is free", || listener.snapshot().open_connections == 0);
    listener.connect().write_all(b"PROXY TCP4 192.0.2.7 192.0.2.1 5000 514\r\n<13>again\n").unwrap();
    until("it is stored", || listener.sink.count() == 3);
    let (events, _) = listener.stop();
    let peers: Vec<_> = events.iter().map(|event| (event.text(), event.origin.peer.to_string())).collect();
    let wanted = [("<13>first", "192.0.2.7"), ("<13>other", "192.0.2.8"), ("<13>again", "192.0.2.7")];
    assert_eq!(peers, wanted.map(|(text, peer)| (text.to_owned(), peer.to_owned())));
}

const OPEN: &[u8] = b"1 open 14 relp_version=0\n";

/// Opens a session and takes the answer away.
fn relp(listener: &Listener) -> TcpStream {
    let mut stream = listener.connect();
    stream.write_all(OPEN).unwrap();
    let mut got = Vec::new();
    while !got.ends_with(b"commands=syslog\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        got.push(byte[0]);
    }
    stream
}

#[test]
fn relp_answers_what_is_durable_and_in_order() {
    let listener = Listener::start(&InputSettings::Relp(settings()));
    *listener.sink.delay.lock() = Duration::from_millis(200);
    let mut stream = relp(&listener);
    stream.write_all(b"2 syslog 9 <13>first\n3 syslog 10 <13>second\n").unwrap();
    answer(&mut stream, b"2 rsp 6 200 OK\n");
    assert!(listener.sink.count() >= 1, "answered before it was stored");
    answer(&mut stream, b"3 rsp 6 200 OK\n");
    stream.write_all(b"4 syslog 9 <13>third\n5 close 0\n").unwrap();
    answer(&mut stream, b"4 rsp 6 200 OK\n5 rsp 0\n0 serverclose 0\n");
    assert_eq!(rest(&mut stream), b"");
    let mut broken = relp(&listener);
    broken.write_all(b"2 syslog 5 <13>x!no frame").unwrap();
    assert_eq!(rest(&mut broken), b"0 serverclose 0\n");
    // A session that we end: what was taken is answered first.
    let mut last = relp(&listener);
    last.write_all(b"2 syslog 8 <13>last\n3 syslog 9 <13>unfin").unwrap();
    std::thread::sleep(Duration::from_millis(100));
    let (events, snapshot) = listener.stop();
    assert_eq!(rest(&mut last), b"2 rsp 6 200 OK\n0 serverclose 0\n");
    assert_eq!(texts(&events), ["<13>first", "<13>second", "<13>third", "<13>last"]);
    assert_eq!((&*events[0].origin.transport, snapshot.open_connections), ("relp", 0));
}

#[test]
fn what_a_broken_store_did_not_take_is_not_answered() {
    let listener = Listener::start(&InputSettings::Relp(settings()));
    let mut stream = relp(&listener);
    stream.write_all(b"2 syslog 7 <13>one\n").unwrap();
    answer(&mut stream, b"2 rsp 6 200 OK\n");
    *listener.sink.failure.lock() = Failure::Io(0);
    stream.write_all(b"3 syslog 7 <13>two\n").unwrap();
    assert_eq!(rest(&mut stream), b"", "it was not stored");
    // A disk that is full for a while is waited for.
    *listener.sink.failure.lock() = Failure::Full(3);
    let mut again = relp(&listener);
    again.write_all(b"2 syslog 7 <13>two\n").unwrap();
    answer(&mut again, b"2 rsp 6 200 OK\n");
    assert_eq!(texts(&listener.stop().0), ["<13>one", "<13>two"]);
}

#[test]
fn rsyslog_sends_everything_over_relp_across_a_restart_of_ours() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("in.log");
    std::fs::write(&log, b"").unwrap();
    let sink = MemorySink::new();
    let listener = Listener::over(&InputSettings::Relp(settings()), Arc::clone(&sink));
    let address = listener.address;
    let config = format!(
        "global(workDirectory=\"{0}\")\nmodule(load=\"imfile\" mode=\"polling\" pollingInterval=\"1\")\nmodule(load=\"omrelp\")\n\
         template(name=\"t\" type=\"string\" string=\"<13>1 2026-03-01T00:00:00Z web app - - - %msg%\")\n\
         input(type=\"imfile\" file=\"{0}/in.log\" tag=\"x\" ruleset=\"r\")\n\
         ruleset(name=\"r\") {{ action(type=\"omrelp\" target=\"127.0.0.1\" port=\"{1}\" template=\"t\" action.resumeRetryCount=\"-1\" \
         action.resumeInterval=\"1\" queue.type=\"LinkedList\") }}\n",
        folder.path().display(),
        address.port()
    );
    let file = folder.path().join("rsyslog.conf");
    std::fs::write(&file, config).unwrap();
    // Whether it is here, and has what speaks RELP.
    let checked = Command::new("rsyslogd").arg("-N1").arg("-f").arg(&file).stdout(Stdio::null()).stderr(Stdio::null()).status();
    if !checked.is_ok_and(|status| status.success()) {
        return println!("skipped: no rsyslogd with omrelp");
    }
    let pid = folder.path().join("pid");
    let started =
        Command::new("rsyslogd").args(["-n", "-f"]).arg(&file).arg("-i").arg(&pid).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let mut rsyslog = started.unwrap();
    let message = |n: usize| format!("message {n}\n");
    let lines = |from: usize, to: usize| (from..to).map(message).collect::<String>();
    let mut writer = std::fs::OpenOptions::new().append(true).open(&log).unwrap();
    writer.write_all(lines(0, 10_000).as_bytes()).unwrap();
    until("rsyslog sends", || sink.count() > 0);
    let _ = listener.stop();
    writer.write_all(lines(10_000, 12_000).as_bytes()).unwrap();
    let again = Listener::over(&InputSettings::Relp(StreamSettings { address: Some(address), ..settings() }), Arc::clone(&sink));
    let wanted: std::collections::BTreeSet<String> = (0..12_000).map(|n| format!("message {n}")).collect();
    let there = || -> std::collections::BTreeSet<String> {
        sink.texts().iter().map(|text| text.rsplit_once("- - - ").map_or("", |(_, message)| message.trim()).to_owned()).collect()
    };
    until("everything is there", || there().len() >= wanted.len());
    assert!(there() == wanted);
    println!("12,000 messages, {} of them twice", sink.count() - wanted.len());
    let _ = rsyslog.kill();
    let _ = rsyslog.wait();
    let _ = again.stop();
}

fn beats(window: &[(u32, &str)], packed: bool) -> Vec<u8> {
    let mut inner = Vec::new();
    for (number, json) in window {
        inner.extend_from_slice(b"2J");
        inner.extend_from_slice(&number.to_be_bytes());
        inner.extend_from_slice(&(json.len() as u32).to_be_bytes());
        inner.extend_from_slice(json.as_bytes());
    }
    let mut bytes = [&b"2W"[..], &(window.len() as u32).to_be_bytes()].concat();
    if packed {
        let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(&inner).unwrap();
        let inner = encoder.finish().unwrap();
        bytes.extend_from_slice(b"2C");
        bytes.extend_from_slice(&(inner.len() as u32).to_be_bytes());
        bytes.extend_from_slice(&inner);
    } else {
        bytes.extend_from_slice(&inner);
    }
    bytes
}

#[test]
fn lumberjack_answers_windows_and_keeps_the_events_as_they_are() {
    let listener = Listener::start(&InputSettings::Lumberjack(settings()));
    *listener.sink.delay.lock() = Duration::from_millis(100);
    let first = r#"{"@timestamp":"2026-03-01T00:00:00.500Z","message":"hi","host":{"name":"web"},"log":{"file":{"path":"/var/log/x"}}}"#;
    let mut stream = listener.connect();
    for packed in [false, true] {
        let before = listener.sink.count();
        for byte in beats(&[(1, first), (2, "{\"host\":\"db\"}"), (3, "no json")], packed) {
            stream.write_all(&[byte]).unwrap();
        }
        answer(&mut stream, b"2A\0\0\0\x03");
        assert_eq!(listener.sink.count(), before + 3, "answered before it was stored");
    }
    // Version 1: pairs.
    stream.write_all(b"1W\0\0\0\x01").unwrap();
    stream.write_all(b"1D\0\0\0\x09\0\0\0\x02\0\0\0\x04line\0\0\0\x02hi\0\0\0\x04host\0\0\0\x02me").unwrap();
    answer(&mut stream, b"1A\0\0\0\x09");
    for wrong in [&b"3W\0\0\0\x01"[..], b"2X", b"2J\0\0\0\x01\xff\xff\xff\xff", b"2C\0\0\0\x04abcd", b"1D\0\0\0\x01\xff\xff\xff\xff"] {
        let mut stream = listener.connect();
        stream.write_all(wrong).unwrap();
        assert_eq!(rest(&mut stream), b"", "{wrong:?}");
    }
    let (events, snapshot) = listener.stop();
    assert_eq!(texts(&events)[..3], [first, "{\"host\":\"db\"}", "no json"]);
    let place = |at: usize| (&*events[at].origin.host, &*events[at].origin.source);
    assert_eq!((place(0), place(1).0), (("web", "/var/log/x"), "db"));
    assert_eq!((events[0].time.to_string(), &*events[0].origin.sourcetype), ("2026-03-01T00:00:00.500Z".into(), "json"));
    assert!(events[2].problems.contains(taffrail_event::Problems::MALFORMED));
    assert_eq!(events[6].text(), r#"{"line":"hi","host":"me"}"#);
    assert_eq!(snapshot.problems_total, 5);
}

#[test]
fn a_sender_that_waits_is_told_that_we_are_there() {
    let listener = Listener::start(&InputSettings::Lumberjack(settings()));
    *listener.sink.delay.lock() = Duration::from_millis(5_500);
    let mut stream = listener.connect();
    stream.write_all(&beats(&[(1, "{}")], true)).unwrap();
    answer(&mut stream, b"2A\0\0\0\0");
    answer(&mut stream, b"2A\0\0\0\x01");
    listener.stop();
}

/// A Beat that is not answered sends its window again, over another connection.
#[test]
fn events_of_beats_with_an_id_are_stored_once() {
    let listener = Listener::start(&InputSettings::Lumberjack(settings()));
    let [one, two, plain] =
        [r#"{"@metadata":{"_id":"1"},"message":"a"}"#, r#"{"@metadata":{"_id":"2"},"message":"a"}"#, r#"{"message":"a"}"#];
    for window in
        [&[(1, one), (2, two), (3, plain)][..], &[(1, one), (2, two), (3, plain)], &[(1, r#"{"@metadata":{"_id":"1"},"message":"b"}"#)]]
    {
        let mut stream = listener.connect();
        stream.write_all(&beats(window, true)).unwrap();
        answer(&mut stream, &[&b"2A\0\0\0"[..], &[window.len() as u8][..]].concat());
    }
    let (events, snapshot) = listener.stop();
    let total = snapshot.total();
    assert_eq!((events.len(), total.received_events, total.stored_events, total.gap()), (5, 7, 5, 0));
    assert_eq!(total.dropped, [(taffrail_collect::counters::DropReason::Duplicate, 2)]);
}

#[test]
fn gelf_over_both() {
    let message = r#"{"version":"1.1","host":"web","short_message":"hi","timestamp":1385053862.3072,"level":1}"#;
    let tcp = Listener::start(&InputSettings::GelfTcp(settings()));
    let mut stream = tcp.connect();
    stream.write_all(format!("{message}\0{message}\n\0\0no json\0{message}").as_bytes()).unwrap();
    drop(stream);
    until("all are stored", || tcp.sink.count() == 4);
    let (events, _) = tcp.stop();
    assert_eq!(texts(&events), [message, message, "no json", message]);
    assert_eq!((&*events[3].origin.host, events[3].time.0, &*events[3].origin.sourcetype), ("web", 1_385_053_862_307_200_000, "json"));

    let settings = UdpSettings { address: Some(SocketAddr::from(([127, 0, 0, 1], 0))), ..UdpSettings::default() };
    let udp = Listener::start(&InputSettings::GelfUdp(settings));
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let (first, second) = message.as_bytes().split_at(30);
    for (number, part) in [(1, second), (0, first)] {
        socket.send_to(&[&b"\x1e\x0fabcdefgh"[..], &[number, 2], part].concat(), udp.address).unwrap();
    }
    socket.send_to(b"\x1e\x0fshort", udp.address).unwrap();
    until("it is stored", || udp.sink.count() == 1 && !udp.snapshot().skipped.is_empty());
    // Packed, it ends with NULs that are none at the end of a line.
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(message.as_bytes()).unwrap();
    socket.send_to(&gzip.finish().unwrap(), udp.address).unwrap();
    socket.send_to(format!("{message}\0").as_bytes(), udp.address).unwrap();
    until("all are stored", || udp.sink.count() == 3);
    let (events, snapshot) = udp.stop();
    assert_eq!((texts(&events), snapshot.skipped), (vec![message.to_owned(); 3], vec![("damaged", 1)]));
}

/// Nonsense through sockets: changed bytes of what is right, and a connection anew wherever one is broken off. What does not
/// arrive at a protocol at all is tested with its session.
#[test]
fn malformed_connections_of_each_kind() {
    let lines = b"34 <13>1 - web app - - - one message\n<13>Mar  1 00:00:00 web app: two\n7 <13>abc<13>three\0".to_vec();
    let relp = [OPEN, b"2 syslog 9 <13>first\n3 syslog 10 <13>second\n4 close 0\n"].concat();
    let beats = beats(&[(1, r#"{"message":"hi","host":{"name":"web"}}"#), (2, "{}")], true);
    let gelf = b"{\"version\":\"1.1\",\"host\":\"web\",\"short_message\":\"hi\",\"timestamp\":1.5}\0{}\0".to_vec();
    let cases = [
        (InputSettings::SyslogTcp(settings()), lines),
        (InputSettings::Relp(settings()), relp),
        (InputSettings::Lumberjack(settings()), beats),
        (InputSettings::GelfTcp(settings()), gelf),
    ];
    for (input, right) in cases {
        let listener = Listener::start(&input);
        let mut mutator = crate::mutator::Mutator::new(b"<>{}\n\0 19");
        // Many on one connection as long as it lives, so that all ten thousand are quick.
        let mut stream = listener.connect();
        for _ in 0..10_000 {
            let bytes = mutator.change(&right);
            if mutator.next().is_multiple_of(8) || stream.write_all(&bytes).is_err() {
                stream = listener.connect();
            }
        }
        drop(stream);
        until("all connections are over", || listener.snapshot().open_connections == 0);
        // It still does what it should.
        let mut stream = listener.connect();
        stream.write_all(&right).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        rest(&mut stream);
        let (events, snapshot) = listener.stop();
        let total = snapshot.total();
        println!("{}: {} events, {} problems", input.kind(), events.len(), snapshot.problems_total);
        assert_eq!((total.received_events, total.stored_events), (events.len() as u64, events.len() as u64));
    }
}
