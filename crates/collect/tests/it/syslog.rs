//! Syslog over UDP and TCP: framing as real senders do it, the account to the last datagram, stopping, and real
//! clients where they are installed.

use crate::sink::{Failure, MemorySink, Stored, until};
use std::io::Write;
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;
use taffrail_collect::input::InputSettings;
use taffrail_collect::syslog::tcp::TcpSettings;
use taffrail_collect::syslog::udp::UdpSettings;
use taffrail_collect::{InputSnapshot, Running};
use taffrail_event::Problems;
use tokio::runtime::Runtime;

struct Listener {
    runtime: Runtime,
    running: Running,
    address: SocketAddr,
    sink: Arc<MemorySink>,
}

impl Listener {
    fn start(settings: InputSettings) -> Self {
        let runtime = Runtime::new().unwrap();
        let sink = MemorySink::new();
        let running = {
            let _inside = runtime.enter();
            settings.build().unwrap().start(sink.context()).unwrap()
        };
        Self { address: running.address.unwrap(), runtime, running, sink }
    }

    fn tcp() -> Self {
        Self::start(InputSettings::SyslogTcp(TcpSettings { address: Some(local()), ..TcpSettings::default() }))
    }

    fn udp() -> Self {
        Self::start(InputSettings::SyslogUdp(UdpSettings { address: Some(local()), ..UdpSettings::default() }))
    }

    fn stop(self) -> (Vec<Stored>, InputSnapshot) {
        let counters = Arc::clone(&self.running.counters);
        self.runtime.block_on(self.running.stop());
        (self.sink.events(), counters.snapshot())
    }

    fn wait_for(&self, events: usize) {
        until("events are stored", || self.sink.count() >= events);
    }
}

fn local() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

fn texts(events: &[Stored]) -> Vec<String> {
    events.iter().map(Stored::text).collect()
}

#[test]
fn every_framing_on_one_connection_byte_by_byte() {
    let message = |n: usize| format!("<34>1 2026-03-01T00:00:0{n}Z web{n} app - - - message {n}");
    let listener = Listener::tcp();
    let counted = format!("{} {}", message(2).len(), message(2));
    let stream = format!("{}\n{}\0{counted}{counted}\n{}\r\n{}", message(0), message(1), message(3), message(4));
    let mut socket = TcpStream::connect(listener.address).unwrap();
    socket.set_nodelay(true).unwrap();
    for byte in stream.as_bytes() {
        socket.write_all(&[*byte]).unwrap();
    }
    drop(socket); // in the middle of the last message: it is kept
    listener.wait_for(6);
    let (events, snapshot) = listener.stop();
    assert_eq!(texts(&events), [message(0), message(1), message(2), message(2), message(3) + "\r", message(4)]);
    assert_eq!(&*events[1].origin.host, "web1");
    assert_eq!((&*events[1].origin.peer, &*events[1].origin.transport), ("127.0.0.1", "syslog+tcp"));
    assert_eq!(&*events[1].origin.sourcetype, "syslog");
    let total = snapshot.total();
    assert_eq!((total.received_events, total.stored_events, snapshot.open_connections), (6, 6, 0));
}

#[test]
fn a_hundred_thousand_lines_arrive_in_order_and_whole() {
    let listener = Listener::tcp();
    let lines: Vec<String> = (0..100_000).map(|n| format!("<13>Mar  1 00:00:00 host app[{n}]: message {n}")).collect();
    let text = lines.join("\n") + "\n";
    TcpStream::connect(listener.address).unwrap().write_all(text.as_bytes()).unwrap();
    listener.wait_for(lines.len());
    let (events, _) = listener.stop();
    assert!(texts(&events) == lines);
}

#[test]
fn long_messages_are_split_and_marked() {
    let settings = TcpSettings { address: Some(local()), message_bytes_max: 1 << 20, ..TcpSettings::default() };
    let listener = Listener::start(InputSettings::SyslogTcp(settings));
    let long = vec![b'x'; 10_000_000];
    let mut socket = TcpStream::connect(listener.address).unwrap();
    socket.write_all(&long).unwrap();
    socket.write_all(b"\n<13>after\n").unwrap();
    listener.wait_for(11);
    let (events, _) = listener.stop();
    assert_eq!(events.len(), 11);
    assert!(events[1..10].iter().all(|event| event.problems.contains(Problems::CONTINUED)));
    assert!(events[..10].iter().flat_map(|event| event.raw.iter().copied()).eq(long));
    assert_eq!(events[10].text(), "<13>after");
}

#[test]
fn stopping_keeps_what_came_and_too_many_connections_are_counted() {
    let settings = TcpSettings { address: Some(local()), connections_max: 2, ..TcpSettings::default() };
    let listener = Listener::start(InputSettings::SyslogTcp(settings));
    let mut sockets: Vec<TcpStream> = (0..2).map(|_| TcpStream::connect(listener.address).unwrap()).collect();
    until("both are open", || listener.running.counters.snapshot().open_connections == 2);
    let _third = TcpStream::connect(listener.address).unwrap();
    until("the third is refused", || listener.running.counters.snapshot().refused_connections == 1);
    sockets[0].write_all(b"<13>whole\n<13>unfinished").unwrap();
    sockets[1].write_all(b"50 <13>cut off").unwrap();
    std::thread::sleep(Duration::from_millis(100));
    let (events, snapshot) = listener.stop();
    let mut got = texts(&events);
    got.sort();
    assert_eq!(got, ["<13>cut off", "<13>unfinished", "<13>whole"]);
    assert_eq!(snapshot.total().stored_events, 3);
}

#[test]
fn a_full_disk_stops_the_sender_and_loses_nothing() {
    let listener = Listener::tcp();
    *listener.sink.failure.lock() = Failure::Full(5);
    let mut socket = TcpStream::connect(listener.address).unwrap();
    for n in 0..1_000 {
        writeln!(socket, "<13>message {n}").unwrap();
    }
    drop(socket);
    listener.wait_for(1_000);
    let (events, snapshot) = listener.stop();
    assert_eq!(texts(&events), (0..1_000).map(|n| format!("<13>message {n}")).collect::<Vec<_>>());
    assert_eq!(snapshot.total().dropped, []);
}

#[test]
fn what_a_broken_sink_did_not_take_is_counted() {
    let listener = Listener::udp();
    *listener.sink.failure.lock() = Failure::Io(0);
    let socket = UdpSocket::bind(local()).unwrap();
    for n in 0..10 {
        socket.send_to(format!("<13>message {n}").as_bytes(), listener.address).unwrap();
        std::thread::sleep(Duration::from_millis(10));
    }
    let (events, snapshot) = listener.stop();
    let total = snapshot.total();
    assert_eq!(total.received_events, 10);
    assert_eq!((total.stored_events, events.len()), (0, 0));
    assert_eq!(total.dropped.iter().map(|(_, count)| count).sum::<u64>(), 10);
    assert!(!snapshot.problems.is_empty());
}

#[test]
fn datagrams_keep_their_bytes_and_name_their_sender() {
    let listener = Listener::udp();
    let socket = UdpSocket::bind(local()).unwrap();
    let sent: [&[u8]; 6] = [b"<13>two\nlines", b"<12>hello \xff\0", b"<13>newline\n", b"", b"\0\0", &[b'z'; 60_000]];
    for datagram in sent {
        socket.send_to(datagram, listener.address).unwrap();
    }
    listener.wait_for(sent.len());
    let (events, _) = listener.stop();
    let raw: Vec<&[u8]> = events.iter().map(|event| event.raw.as_slice()).collect();
    assert_eq!(raw, [b"<13>two\nlines".as_slice(), b"<12>hello \xff", b"<13>newline", b"", b"\0", &[b'z'; 60_000]]);
    assert_eq!((&*events[0].origin.peer, &*events[0].origin.host), ("127.0.0.1", "127.0.0.1"));
    assert_eq!(*events[0].origin.source, *format!("udp:{}", listener_port(&events)));
}

fn listener_port(events: &[Stored]) -> &str {
    events[0].origin.source.strip_prefix("udp:").unwrap()
}

#[test]
fn sent_is_stored_plus_dropped_to_the_last_datagram() {
    // A small buffer and a slow sink, so that the kernel must drop.
    let settings = UdpSettings { address: Some(local()), buffer_bytes: 64 * 1024, ..UdpSettings::default() };
    let listener = Listener::start(InputSettings::SyslogUdp(settings));
    *listener.sink.delay.lock() = Duration::from_millis(20);
    let socket = UdpSocket::bind(local()).unwrap();
    let sent: u64 = 50_000;
    for n in 0..sent {
        socket.send_to(format!("<13>Mar  1 00:00:00 host app: datagram {n}").as_bytes(), listener.address).unwrap();
    }
    let (events, snapshot) = listener.stop();
    println!("sent {sent} = stored {} + kernel drops {}", events.len(), snapshot.kernel_drops);
    assert_eq!(events.len() as u64 + snapshot.kernel_drops, sent);
    assert!(snapshot.kernel_drops > 0, "the test wants drops");
    let mut numbers = events.iter().map(|event| event.text().rsplit_once(' ').unwrap().1.parse::<u64>().unwrap());
    let mut last = numbers.next().unwrap();
    assert!(numbers.all(|n| std::mem::replace(&mut last, n) < n), "in order, none twice");
}

#[test]
fn a_burst_is_absorbed_by_the_default_buffer() {
    let listener = Listener::udp();
    let socket = UdpSocket::bind(local()).unwrap();
    let sent: u64 = 30_000;
    for n in 0..sent {
        socket.send_to(format!("<13>Mar  1 00:00:00 host app: datagram {n}").as_bytes(), listener.address).unwrap();
    }
    let (events, snapshot) = listener.stop();
    println!("sent {sent} = stored {} + kernel drops {}", events.len(), snapshot.kernel_drops);
    // Without the privilege for a large buffer the kernel may drop; what it drops is known all the same.
    assert_eq!(events.len() as u64 + snapshot.kernel_drops, sent);
}

#[test]
fn an_address_that_is_taken_is_said_at_once() {
    let listener = Listener::tcp();
    let runtime = Runtime::new().unwrap();
    let _inside = runtime.enter();
    let settings = InputSettings::SyslogTcp(TcpSettings { address: Some(listener.address), ..TcpSettings::default() });
    let error = settings.build().unwrap().start(listener.sink.context()).err().expect("it is taken");
    assert_eq!(error.kind(), taffrail_base::ErrorKind::Busy);
    assert!(error.to_string().contains(&listener.address.to_string()) && error.hint().is_some());
}

/// Runs a program; `None` if it is not installed.
fn client(program: &str, arguments: &[String]) -> Option<bool> {
    match Command::new(program).args(arguments).output() {
        Ok(output) => Some(output.status.success()),
        Err(_) => {
            println!("skipped: no {program}");
            None
        }
    }
}

#[test]
fn logger_of_util_linux() {
    let udp = Listener::udp();
    let tcp = Listener::tcp();
    for (listener, transport) in [(udp, "--udp"), (tcp, "--tcp")] {
        let mut sent = 0;
        for format in [&["--rfc5424"][..], &["--rfc3164"], &["--octet-count", "--rfc5424"]] {
            if transport == "--udp" && format.len() > 1 {
                continue;
            }
            let mut arguments: Vec<String> =
                ["--server", "127.0.0.1", "--port", &listener.address.port().to_string(), transport, "--tag", "tag"]
                    .map(String::from)
                    .to_vec();
            arguments.extend(format.iter().map(|option| option.to_string()));
            arguments.push(format!("hello from {}", format.join(" ")));
            let Some(done) = client("logger", &arguments) else { return };
            assert!(done, "logger {arguments:?}");
            sent += 1;
        }
        listener.wait_for(sent);
        let (events, _) = listener.stop();
        assert_eq!(events.len(), sent);
        for event in &events {
            assert!(event.text().starts_with("<13>") && event.text().contains("hello from"), "{}", event.text());
            assert_eq!(event.problems.0 & Problems::MALFORMED.0, 0, "{}", event.text());
        }
    }
}

#[test]
fn python_sys_log_handler() {
    let script = "
import logging, logging.handlers, socket, sys
for kind, port in ((socket.SOCK_DGRAM, int(sys.argv[1])), (socket.SOCK_STREAM, int(sys.argv[2]))):
    handler = logging.handlers.SysLogHandler(('127.0.0.1', port), socktype=kind)
    log = logging.getLogger(str(kind)); log.addHandler(handler)
    for n in range(20): log.error('message %d from python \\u00e9', n)
    handler.close()
";
    let (udp, tcp) = (Listener::udp(), Listener::tcp());
    let arguments = ["-c".into(), script.into(), udp.address.port().to_string(), tcp.address.port().to_string()];
    let Some(done) = client("python3", &arguments) else { return };
    assert!(done);
    for listener in [udp, tcp] {
        listener.wait_for(20);
        let (events, _) = listener.stop();
        assert_eq!(texts(&events), (0..20).map(|n| format!("<11>message {n} from python \u{e9}")).collect::<Vec<_>>());
    }
}
