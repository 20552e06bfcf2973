//! A Windows that forwards its events, as far as the wire can tell.

use super::sldc;
use crate::streams::tls::file;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

/// SHA-1 of `tls/machines-ca.pem`.
pub const THUMBPRINT: &str = "592FBD740E913F1C071208426208BDAD8DE2C005";

const WSMAN: &str = "http://schemas.dmtf.org/wbem/wsman/1/wsman";

/// An event as Windows writes it; its time is 2026-11-22T10:00:00Z and as many seconds as its number, below an hour.
pub fn event(channel: &str, number: u64, computer: &str) -> String {
    format!(
        "<Event xmlns='http://schemas.microsoft.com/win/2004/08/events/event'><System><Provider Name='Simulator'/><EventID>7</EventID>\
         <Level>4</Level><TimeCreated SystemTime='2026-11-22T10:{:02}:{:02}.0000000Z'/><EventRecordID>{number}</EventRecordID>\
         <Channel>{channel}</Channel><Computer>{computer}</Computer></System><EventData/></Event>",
        number / 60 % 60,
        number % 60
    )
}

/// The bookmark behind a record of the channel System, as it stands in a header.
pub fn bookmark(record: u64) -> String {
    format!("<w:Bookmark><BookmarkList><Bookmark Channel=\"System\" RecordId=\"{record}\" IsCurrent=\"true\"/></BookmarkList></w:Bookmark>")
}

/// An envelope.
pub fn enveloped(action: &str, id: &str, machine: &str, subscription: &str, header: &str, events: &str) -> String {
    format!(
        "<s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\" xmlns:a=\"http://schemas.xmlsoap.org/ws/2004/08/addressing\" \
         xmlns:e=\"http://schemas.xmlsoap.org/ws/2004/08/eventing\" xmlns:w=\"http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd\" \
         xmlns:p=\"http://schemas.microsoft.com/wbem/wsman/1/wsman.xsd\"><s:Header><a:To>https://localhost:5986/wsman</a:To>\
         <m:MachineID xmlns:m=\"http://schemas.microsoft.com/wbem/wsman/1/machineid\" s:mustUnderstand=\"false\">{machine}</m:MachineID>\
         <a:ReplyTo><a:Address s:mustUnderstand=\"true\">http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous</a:Address></a:ReplyTo>\
         <a:Action s:mustUnderstand=\"true\">{action}</a:Action><w:MaxEnvelopeSize s:mustUnderstand=\"true\">512000</w:MaxEnvelopeSize>\
         <a:MessageID>{id}</a:MessageID><w:Locale xml:lang=\"en-US\" s:mustUnderstand=\"false\" />\
         <p:OperationID s:mustUnderstand=\"false\">uuid:03A3D1BB-0000-4847-9F04-C9A8ED38E1E4</p:OperationID>\
         <p:SequenceId s:mustUnderstand=\"false\">1</p:SequenceId><w:OperationTimeout>PT60.000S</w:OperationTimeout>\
         <e:Identifier>{subscription}</e:Identifier>{header}<w:AckRequested/></s:Header>\
         <s:Body><w:Events>{events}</w:Events></s:Body></s:Envelope>"
    )
}

/// Text as Windows sends it.
pub fn utf16(text: &str) -> Vec<u8> {
    "\u{feff}".encode_utf16().chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect()
}

/// What is between two marks.
pub fn between<'a>(text: &'a str, open: &str, close: &str) -> &'a str {
    let inside = text.split_once(open).unwrap_or_else(|| panic!("no {open} in {text}")).1;
    inside.split_once(close).unwrap_or_else(|| panic!("no {close} in {text}")).0
}

/// What it is asked for.
#[derive(Clone, Debug)]
pub struct Asked {
    pub version: String,
    pub id: String,
    pub path: String,
    pub text: String,
}

/// What it is answered.
pub struct Answer {
    pub status: u16,
    pub head: String,
    body: Vec<u8>,
}

impl Answer {
    pub fn text(&self) -> String {
        if self.body.starts_with(&[0xff, 0xfe]) {
            let units: Vec<u16> = self.body[2..].chunks(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
            return String::from_utf16(&units).unwrap();
        }
        String::from_utf8(self.body.clone()).unwrap()
    }

    /// Whether it acknowledges the message that the source has sent last.
    pub fn acknowledges(&self, source: &Source) -> bool {
        let text = self.text();
        self.status == 200 && text.contains("wsman/Ack</a:Action>") && text.contains(&format!("<a:RelatesTo>{}</a:RelatesTo>", source.id()))
    }
}

/// Events as they stand in an envelope.
fn wrapped(events: &[String]) -> String {
    events.iter().map(|event| format!("<w:Event Action=\"{WSMAN}/Event\"><![CDATA[{event}]]></w:Event>")).collect()
}

/// The source itself.
pub struct Source {
    stream: StreamOwned<ClientConnection, TcpStream>,
    pub machine: String,
    sent: u64,
}

impl Source {
    /// Connects with the certificate of `ws<number>.example.org`.
    pub fn connect(address: SocketAddr, number: usize) -> Self {
        Self::try_connect(address, Some(number)).unwrap()
    }

    /// Connects without a certificate.
    pub fn stranger(address: SocketAddr) -> io::Result<Self> {
        let mut source = Self::try_connect(address, None)?;
        // A refusal shows when something is read.
        source.stream.write_all(b"POST /wsman HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n")?;
        source.try_answer()?;
        Ok(source)
    }

    /// The same; an error where nobody is there.
    pub fn try_connect(address: SocketAddr, number: Option<usize>) -> io::Result<Self> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(file("ca.pem")).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder =
            ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap().with_root_certificates(roots);
        let config = match number {
            Some(number) => {
                let certificate = CertificateDer::pem_file_iter(file("machines.pem")).unwrap().nth(number - 1).unwrap().unwrap();
                builder.with_client_auth_cert(vec![certificate], PrivateKeyDer::from_pem_file(file("machines.key")).unwrap()).unwrap()
            }
            None => builder.with_no_client_auth(),
        };
        let stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(Duration::from_secs(40)))?;
        stream.set_nodelay(true)?;
        let session = ClientConnection::new(Arc::new(config), ServerName::try_from("localhost").unwrap()).unwrap();
        let machine = format!("ws{}.example.org", number.unwrap_or_default());
        Ok(Self { stream: StreamOwned::new(session, stream), machine, sent: 0 })
    }

    fn id(&self) -> String {
        format!("uuid:{:08X}-0000-4000-8000-000000000000", self.sent)
    }

    /// Writes anything.
    pub fn write(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
        self.stream.flush().unwrap();
    }

    fn request(&mut self, path: &str, headers: &str, body: &[u8]) {
        self.try_request(path, headers, body).unwrap();
    }

    fn try_request(&mut self, path: &str, headers: &str, body: &[u8]) -> io::Result<()> {
        let head = format!(
            "POST {path} HTTP/1.1\r\nConnection: Keep-Alive\r\nUser-Agent: Microsoft WinRM Client\r\nContent-Length: {}\r\n\
             Host: localhost:5986\r\n{headers}\r\n",
            body.len()
        );
        self.stream.write_all(&[head.as_bytes(), body].concat())?;
        self.stream.flush()
    }

    pub fn post(&mut self, path: &str, headers: &str, body: &[u8]) -> Answer {
        self.request(path, headers, body);
        self.answer()
    }

    pub fn answer(&mut self) -> Answer {
        self.try_answer().unwrap()
    }

    fn try_answer(&mut self) -> io::Result<Answer> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            self.stream.read_exact(&mut byte)?;
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).unwrap();
        let length = head.to_ascii_lowercase().lines().find_map(|line| line.strip_prefix("content-length: ").map(|n| n.parse().unwrap()));
        let mut body = vec![0; length.unwrap_or(0)];
        self.stream.read_exact(&mut body)?;
        Ok(Answer { status: head[9..12].parse().unwrap(), head, body })
    }

    /// Whether an answer begins within this time; only while there is none.
    pub fn is_answered_within(&mut self, wait: Duration) -> bool {
        self.stream.sock.set_read_timeout(Some(wait)).unwrap();
        let is_there = self.stream.sock.peek(&mut [0]).is_ok();
        self.stream.sock.set_read_timeout(Some(Duration::from_secs(40))).unwrap();
        is_there
    }

    /// Asks what it is to do.
    pub fn enumerate(&mut self) -> Vec<Asked> {
        self.try_enumerate().unwrap()
    }

    /// The same; an error where the connection breaks.
    pub fn try_enumerate(&mut self) -> io::Result<Vec<Asked>> {
        self.sent += 1;
        let action = "http://schemas.xmlsoap.org/ws/2004/09/enumeration/Enumerate";
        let text = enveloped(action, &self.id(), &self.machine, "", "", "");
        self.try_request("/wsman/SubscriptionManager/WEC", "Content-Type: application/soap+xml;charset=UTF-16\r\n", &utf16(&text))?;
        let answer = self.try_answer()?;
        let text = answer.text();
        assert!(answer.status == 200 && text.contains("/EnumerateResponse</a:Action>") && text.contains("<w:EndOfSequence/>"), "{text}");
        assert!(text.contains(&format!("<a:RelatesTo>{}</a:RelatesTo>", self.id())));
        let items = text.split("<m:Subscription ").skip(1);
        Ok(items
            .map(|item| Asked {
                version: between(item, "<m:Version>", "</m:Version>").to_owned(),
                id: between(item, "<e:Identifier>", "</e:Identifier>").to_owned(),
                path: between(item, "<a:Address>https://localhost:5986", "</a:Address>").to_owned(),
                text: item.to_owned(),
            })
            .collect())
    }

    /// Ends the conversation.
    pub fn end(&mut self) -> u16 {
        let text = enveloped("http://schemas.microsoft.com/wbem/wsman/1/wsman/End", "uuid:0", &self.machine, "", "", "");
        self.post("/wsman/SubscriptionManager/WEC", "", &utf16(&text)).status
    }

    /// Says that it is there.
    pub fn heartbeat(&mut self, asked: &Asked) -> Answer {
        self.say(asked, "Heartbeat", "", "");
        self.answer()
    }

    /// Hands over events, and how far it is with them.
    pub fn events(&mut self, asked: &Asked, events: &[String], record: u64) -> Answer {
        self.try_events(asked, events, record).unwrap()
    }

    /// The same; an error where the connection breaks.
    pub fn try_events(&mut self, asked: &Asked, events: &[String], record: u64) -> io::Result<Answer> {
        self.try_say(asked, "Events", &bookmark(record), &wrapped(events))?;
        self.try_answer()
    }

    /// The same, without waiting for the answer.
    pub fn send_events(&mut self, asked: &Asked, events: &[String], record: u64) {
        self.say(asked, "Events", &bookmark(record), &wrapped(events));
    }

    /// Hands over anything.
    pub fn events_with(&mut self, asked: &Asked, header: &str, events: &str) -> Answer {
        self.say(asked, "Events", header, events);
        self.answer()
    }

    fn say(&mut self, asked: &Asked, action: &str, header: &str, events: &str) {
        self.try_say(asked, action, header, events).unwrap();
    }

    fn try_say(&mut self, asked: &Asked, action: &str, header: &str, events: &str) -> io::Result<()> {
        self.sent += 1;
        let text = enveloped(&format!("{WSMAN}/{action}"), &self.id(), &self.machine, &asked.id, header, events);
        let headers = "Content-Type: application/soap+xml;charset=UTF-16\r\nContent-Encoding: SLDC\r\n";
        self.try_request(&asked.path, headers, &sldc::pack(&utf16(&text)))
    }
}
