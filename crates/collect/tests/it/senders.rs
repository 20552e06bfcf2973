//! Who may send to a listener: those of the networks of `allow`, told by the addresses that they really come from.

use crate::sink::{MemorySink, until};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::sync::Arc;
use std::time::Duration;
use taffrail_collect::input::InputSettings;
use taffrail_collect::{InputSnapshot, Running};
use tokio::runtime::Runtime;

struct Listener {
    runtime: Runtime,
    running: Running,
    sink: Arc<MemorySink>,
}

impl Listener {
    fn start(kind: &str, more: &str) -> Self {
        let runtime = Runtime::new().unwrap();
        let sink = MemorySink::new();
        let text = format!("type = \"{kind}\"\naddress = \"127.0.0.1:0\"\n{more}");
        let settings: InputSettings = toml::from_str(&text).unwrap();
        let running = {
            let _inside = runtime.enter();
            settings.build().unwrap().start(sink.context()).unwrap()
        };
        Self { runtime, running, sink }
    }

    fn address(&self) -> SocketAddr {
        self.running.address.unwrap()
    }

    fn snapshot(&self) -> InputSnapshot {
        self.running.counters.snapshot()
    }

    /// Connects from an address of this machine.
    fn connect(&self, from: [u8; 4]) -> TcpStream {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from((from, 0)).into()).unwrap();
        socket.connect(&self.address().into()).unwrap();
        let stream = TcpStream::from(socket);
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream
    }

    fn stop(self) -> (Vec<(String, String)>, InputSnapshot) {
        let counters = Arc::clone(&self.running.counters);
        self.runtime.block_on(self.running.stop());
        let events = self.sink.events();
        (events.iter().map(|event| (event.text(), event.origin.peer.to_string())).collect(), counters.snapshot())
    }
}

fn pair(text: &str, peer: &str) -> (String, String) {
    (text.to_owned(), peer.to_owned())
}

const ONE: [u8; 4] = [127, 0, 0, 1];
const TWO: [u8; 4] = [127, 0, 0, 2];

#[test]
fn datagrams_of_others_are_counted_and_told_once() {
    let listener = Listener::start("syslog-udp", "allow = [\"10.0.0.0/8\", \"127.0.0.2\"]");
    let stranger = UdpSocket::bind((std::net::Ipv4Addr::from(ONE), 0)).unwrap();
    for number in 0..5 {
        stranger.send_to(format!("<13>stranger {number}").as_bytes(), listener.address()).unwrap();
    }
    until("they are refused", || listener.snapshot().skipped == [("not_allowed", 5)]);
    UdpSocket::bind((std::net::Ipv4Addr::from(TWO), 0)).unwrap().send_to(b"<13>friend", listener.address()).unwrap();
    until("the other is stored", || listener.sink.count() == 1);
    let (events, snapshot) = listener.stop();
    assert_eq!(events, [pair("<13>friend", "127.0.0.2")]);
    assert_eq!(snapshot.skipped, [("not_allowed", 5)]);
    assert_eq!(snapshot.problems_total, 1, "{:?}", snapshot.problems);
    assert!(snapshot.problems[0].contains("127.0.0.1") && snapshot.problems[0].contains("allow"), "{:?}", snapshot.problems);
    // Who is refused has no account: it sends nothing.
    assert_eq!(snapshot.sources.iter().map(|source| &*source.source).collect::<Vec<_>>(), ["127.0.0.2"]);
}

#[test]
fn traps_and_flows_of_others_are_not_even_looked_at() {
    for kind in ["snmp-trap", "netflow", "gelf-udp"] {
        let listener = Listener::start(kind, "allow = [\"127.0.0.2\"]");
        let send = |from: [u8; 4]| {
            UdpSocket::bind((std::net::Ipv4Addr::from(from), 0)).unwrap().send_to(b"\x1e\x0fneither", listener.address()).unwrap();
        };
        send(ONE);
        until("it is refused", || listener.snapshot().skipped == [("not_allowed", 1)]);
        send(TWO);
        until("it is looked at", || listener.snapshot().skipped.iter().any(|(reason, _)| *reason != "not_allowed"));
        listener.stop();
    }
}

#[test]
fn connections_of_others_are_closed() {
    for kind in ["syslog-tcp", "relp", "gelf-tcp", "lumberjack"] {
        let listener = Listener::start(kind, "allow = [\"127.0.0.2/32\"]");
        let mut stranger = listener.connect(ONE);
        // It is closed, or reset, without a word.
        assert_eq!(stranger.read(&mut [0; 1]).unwrap_or(0), 0, "{kind}");
        until("it is counted", || listener.snapshot().refused_connections == 1);
        let friend = listener.connect(TWO);
        until("the other is let in", || listener.snapshot().open_connections == 1);
        drop(friend);
        let (events, snapshot) = listener.stop();
        assert!(events.is_empty());
        assert_eq!((snapshot.refused_connections, snapshot.problems_total), (1, 1), "{kind}: {:?}", snapshot.problems);
    }
}

#[test]
fn who_speaks_for_others_and_those_have_to_be_let_in() {
    let more = "proxy_protocol = true\nallow = [\"127.0.0.1\", \"10.0.0.0/8\"]";
    let listener = Listener::start("syslog-tcp", more);
    let send = |from: [u8; 4], sender: &str, text: &str| {
        let mut stream = listener.connect(from);
        // The other end may be closed already.
        let _ = stream.write_all(format!("PROXY TCP4 {sender} 192.0.2.1 5000 514\r\n<13>{text}\n").as_bytes());
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let _ = stream.read(&mut [0; 1]);
    };
    send(ONE, "10.1.2.3", "good");
    until("it is stored", || listener.sink.count() == 1);
    send(ONE, "192.0.2.7", "a stranger behind the balancer");
    until("it is refused", || listener.snapshot().refused_connections == 1);
    send(TWO, "10.1.2.3", "somebody who says to be the balancer");
    until("it is refused", || listener.snapshot().refused_connections == 2);
    let (events, snapshot) = listener.stop();
    assert_eq!(events, [pair("<13>good", "10.1.2.3")]);
    assert_eq!(snapshot.problems_total, 2, "{:?}", snapshot.problems);
}
