//! The SOAP envelopes of WS-Management, as Windows writes them when it forwards events: reads what a source sends, and
//! writes what it is answered. Pure. Names are taken without their namespaces: what else is in an envelope is left alone.

use quick_xml::Reader;
use quick_xml::escape::resolve_xml_entity;
use quick_xml::events::Event;
use std::fmt::Write;
use taffrail_base::limits::{BATCH_EVENTS_MAX, WEF_DEPTH_MAX};

/// What stands for "whoever asked" as an address.
pub const ANONYMOUS: &str = "http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous";
/// The namespace of actions that WS-Management names.
pub const WSMAN: &str = "http://schemas.dmtf.org/wbem/wsman/1/wsman";

/// The namespaces of every envelope, by the prefixes that Windows gives them.
pub const NAMESPACES: &str = "xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\" \
     xmlns:a=\"http://schemas.xmlsoap.org/ws/2004/08/addressing\" \
     xmlns:e=\"http://schemas.xmlsoap.org/ws/2004/08/eventing\" \
     xmlns:n=\"http://schemas.xmlsoap.org/ws/2004/09/enumeration\" \
     xmlns:w=\"http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd\" \
     xmlns:p=\"http://schemas.microsoft.com/wbem/wsman/1/wsman.xsd\"";

/// What a source may want.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// To know its subscriptions.
    Enumerate,
    /// To end the conversation.
    End,
    /// To hand over events.
    Events,
    /// To say that it is there.
    Heartbeat,
    /// To say that it has given a subscription up.
    SubscriptionEnd,
}

/// What a source says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// What it wants, as the name of an action.
    pub action: String,
    /// Its name for this message.
    pub id: String,
    /// Its name for the exchange that this message is a part of.
    pub operation: String,
    /// What it calls itself.
    pub machine: String,
    /// The subscription that it speaks of.
    pub identifier: String,
    /// How far it has come with these events: XML that means something to it alone.
    pub bookmark: Option<String>,
    /// Events that it did not send since they are too large.
    pub dropped: u64,
    /// The events.
    pub events: Vec<String>,
}

impl Message {
    /// What it wants, if it is something that is known.
    pub fn wants(&self) -> Option<Action> {
        Some(match self.action.as_str() {
            "http://schemas.xmlsoap.org/ws/2004/09/enumeration/Enumerate" => Action::Enumerate,
            "http://schemas.microsoft.com/wbem/wsman/1/wsman/End" => Action::End,
            "http://schemas.dmtf.org/wbem/wsman/1/wsman/Events" => Action::Events,
            "http://schemas.dmtf.org/wbem/wsman/1/wsman/Heartbeat" => Action::Heartbeat,
            "http://schemas.xmlsoap.org/ws/2004/08/eventing/SubscriptionEnd" => Action::SubscriptionEnd,
            _ => return None,
        })
    }
}

/// How a body is written, and how its answer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Charset {
    /// UTF-8.
    Utf8,
    /// UTF-16, lower byte first unless a mark says otherwise.
    Utf16,
}

/// A body as text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    /// The text; what could not be read of it is replaced by U+FFFD.
    pub text: String,
    /// How it was written.
    pub charset: Charset,
    /// Whether something could not be read.
    pub is_damaged: bool,
}

/// A body as text. `named` is what its header says; its first bytes go before that.
pub fn text(body: &[u8], named: Option<Charset>) -> Text {
    match body {
        [0xff, 0xfe, rest @ ..] => wide(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => wide(rest, u16::from_be_bytes),
        [0xef, 0xbb, 0xbf, rest @ ..] => narrow(rest),
        [0, b'<', ..] => wide(body, u16::from_be_bytes),
        [b'<', 0, ..] => wide(body, u16::from_le_bytes),
        [b'<', ..] => narrow(body),
        _ if named == Some(Charset::Utf16) => wide(body, u16::from_le_bytes),
        _ => narrow(body),
    }
}

fn wide(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Text {
    let (pairs, odd) = bytes.as_chunks::<2>();
    let mut is_damaged = !odd.is_empty();
    let replaced = |unit: Result<char, _>| {
        unit.unwrap_or_else(|_| {
            is_damaged = true;
            char::REPLACEMENT_CHARACTER
        })
    };
    let text = char::decode_utf16(pairs.iter().map(|pair| unit(*pair))).map(replaced).collect();
    Text { text, charset: Charset::Utf16, is_damaged }
}

fn narrow(bytes: &[u8]) -> Text {
    let text = String::from_utf8_lossy(bytes);
    Text { is_damaged: matches!(text, std::borrow::Cow::Owned(_)), text: text.into_owned(), charset: Charset::Utf8 }
}

/// An answer as bytes.
pub fn bytes(text: &str, charset: Charset) -> Vec<u8> {
    match charset {
        Charset::Utf8 => text.as_bytes().to_vec(),
        Charset::Utf16 => "\u{feff}".encode_utf16().chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect(),
    }
}

/// Reads an envelope, or says what is wrong with it.
pub fn read(text: &str) -> Result<Message, &'static str> {
    let mut reader = Reader::from_str(text);
    reader.config_mut().expand_empty_elements = true;
    let mut reading = Reading { source: text, ..Reading::default() };
    loop {
        let before = place(&reader)?;
        let event = reader.read_event().map_err(|_| "it is not well-formed")?;
        let behind = place(&reader)?;
        match event {
            Event::Start(tag) => reading.open(tag.local_name().as_ref(), before, behind)?,
            Event::End(_) => reading.close(before, behind)?,
            Event::Text(part) => reading.add(&part.decode().map_err(|_| "it is not text")?),
            Event::CData(part) => reading.add(&part.decode().map_err(|_| "it is not text")?),
            Event::GeneralRef(part) => match part.resolve_char_ref() {
                Ok(Some(character)) => reading.add(character.encode_utf8(&mut [0; 4])),
                _ => {
                    reading.add(part.decode().ok().and_then(|name| resolve_xml_entity(&name)).ok_or("it has an entity that is not known")?)
                }
            },
            // Nobody needs one here, and what it may define is without bounds.
            Event::DocType(_) => return Err("it has a document type"),
            Event::Eof => break,
            Event::Empty(_) | Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
        }
    }
    if reading.depth > 0 || reading.message.action.is_empty() {
        return Err("it is no whole envelope");
    }
    Ok(reading.message)
}

fn place(reader: &Reader<&[u8]>) -> Result<usize, &'static str> {
    usize::try_from(reader.buffer_position()).map_err(|_| "it is too long")
}

/// Where the reader is.
#[derive(Default)]
struct Reading<'a> {
    source: &'a str,
    message: Message,
    depth: usize,
    /// In the header, or in the body.
    header: bool,
    /// Within the list of events.
    events: bool,
    /// The element of the header, or of that list, that is being read.
    name: Vec<u8>,
    text: String,
    /// Where the inside of that element begins, and the first element within it: from, to.
    inside: usize,
    child: Option<(usize, usize)>,
}

impl Reading<'_> {
    fn open(&mut self, name: &[u8], before: usize, behind: usize) -> Result<(), &'static str> {
        self.depth += 1;
        match self.depth {
            1 if name != b"Envelope" => return Err("it is no envelope"),
            2 => self.header = name == b"Header",
            3 => {
                self.events = !self.header && name == b"Events";
                self.begin(name, behind);
            }
            4 if self.events && self.message.events.len() >= BATCH_EVENTS_MAX => return Err("it holds too many events"),
            4 if self.events => self.begin(name, behind),
            5 if self.events && self.child.is_none() => self.child = Some((before, before)),
            WEF_DEPTH_MAX.. => return Err("it is too deep"),
            _ => {}
        }
        Ok(())
    }

    fn begin(&mut self, name: &[u8], behind: usize) {
        name.clone_into(&mut self.name);
        self.text.clear();
        (self.inside, self.child) = (behind, None);
    }

    fn close(&mut self, before: usize, behind: usize) -> Result<(), &'static str> {
        match self.depth {
            3 if self.header => self.field(before)?,
            4 if self.events => self.event()?,
            5 if self.events => {
                if let Some((from, to)) = &mut self.child
                    && *from == *to
                {
                    *to = behind;
                }
            }
            _ => {}
        }
        self.depth = self.depth.checked_sub(1).ok_or("it is not well-formed")?;
        Ok(())
    }

    fn add(&mut self, text: &str) {
        if (self.depth == 3 && self.header) || (self.depth == 4 && self.events) {
            self.text.push_str(text);
        }
    }

    /// An element of the header has come to its end.
    fn field(&mut self, before: usize) -> Result<(), &'static str> {
        let text = self.text.trim().to_owned();
        let message = &mut self.message;
        match self.name.as_slice() {
            b"Action" => message.action = text,
            b"MessageID" => message.id = text,
            b"OperationID" => message.operation = text,
            b"MachineID" => message.machine = text,
            b"Identifier" => message.identifier = text,
            b"DroppedEvents" => message.dropped = text.parse().map_err(|_| "it says something else than how many events were dropped")?,
            b"Bookmark" => {
                let inside = self.source.get(self.inside..before).unwrap_or_default().trim();
                message.bookmark = (!inside.is_empty()).then(|| inside.to_owned());
            }
            _ => {}
        }
        Ok(())
    }

    /// An element of the list of events has come to its end: the event is its text, as Windows sends it, or the element within.
    fn event(&mut self) -> Result<(), &'static str> {
        let text = self.text.trim();
        match self.name.as_slice() {
            b"Event" => {
                let event = match self.child {
                    Some((from, to)) if text.is_empty() => self.source.get(from..to).unwrap_or_default(),
                    _ => text,
                };
                self.message.events.push(event.to_owned());
            }
            b"DroppedEvents" => {
                self.message.dropped = text.parse().map_err(|_| "it says something else than how many events were dropped")?;
            }
            _ => {}
        }
        Ok(())
    }
}

/// `text` as it may stand in XML.
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            // Nothing else of these may stand in XML at all.
            '\t' | '\n' | '\r' | ' '.. => out.push(character),
            _ => out.push(char::REPLACEMENT_CHARACTER),
        }
    }
    out
}

/// 128 bits in the form of a GUID, from anything: the same from the same.
pub fn guid(parts: &[&str]) -> String {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        hasher.update(&(part.len() as u64).to_le_bytes()).update(part.as_bytes());
    }
    let mut bytes = [0; 16];
    hasher.finalize_xof().fill(&mut bytes);
    // The form of version 8, whose bits mean what one likes.
    bytes[6] = bytes[6] & 0x0f | 0x80;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let mut out = String::with_capacity(36);
    for (at, byte) in bytes.iter().enumerate() {
        if matches!(at, 4 | 6 | 8 | 10) {
            out.push('-');
        }
        let _ = write!(out, "{byte:02X}");
    }
    out
}

/// The answer to `message`, with this action and body.
pub fn answer(message: &Message, action: &str, body: &str) -> String {
    let id = guid(&["answer", action, &message.id, &message.operation]);
    let (operation, relates) = (escaped(&message.operation), escaped(&message.id));
    let operation = if operation.is_empty() {
        String::new()
    } else {
        format!("<p:OperationID s:mustUnderstand=\"false\">{operation}</p:OperationID><p:SequenceId>1</p:SequenceId>")
    };
    format!(
        "<s:Envelope xml:lang=\"en-US\" {NAMESPACES}><s:Header><a:Action>{action}</a:Action><a:MessageID>uuid:{id}</a:MessageID>\
         <a:To>{ANONYMOUS}</a:To>{operation}<a:RelatesTo>{relates}</a:RelatesTo></s:Header><s:Body>{body}</s:Body></s:Envelope>"
    )
}

/// The answer that says that all of a message is durable.
pub fn acknowledgement(message: &Message) -> String {
    answer(message, "http://schemas.dmtf.org/wbem/wsman/1/wsman/Ack", "")
}

/// The answer that says why a message is not taken. `ours`: it is not the sender's fault, and may be sent again.
pub fn fault(message: &Message, ours: bool, subcode: &str, reason: &str) -> String {
    let code = if ours { "Receiver" } else { "Sender" };
    let reason = escaped(reason);
    let body = format!(
        "<s:Fault><s:Code><s:Value>s:{code}</s:Value><s:Subcode><s:Value>{subcode}</s:Value></s:Subcode></s:Code>\
         <s:Reason><s:Text xml:lang=\"en-US\">{reason}</s:Text></s:Reason></s:Fault>"
    );
    answer(message, "http://schemas.dmtf.org/wbem/wsman/1/wsman/fault", &body)
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVENTS: &str = "<?xml version='1.0'?><s:Envelope xmlns:s='x'><s:Header><a:Action s:mustUnderstand='true'> \
         http://schemas.dmtf.org/wbem/wsman/1/wsman/Events</a:Action><a:MessageID>uuid:7</a:MessageID>\
         <a:ReplyTo><a:Address>x</a:Address></a:ReplyTo><m:MachineID>ws7.example.org\n</m:MachineID><e:Identifier>A-1</e:Identifier>\
         <w:Bookmark> <BookmarkList><Bookmark Channel='System' RecordId='7'/></BookmarkList></w:Bookmark><w:AckRequested/></s:Header>\
         <s:Body><w:Events><w:Event Action='x'><![CDATA[<Event><a>&amp;</a></Event>]]></w:Event>\n\
         <w:Event> <Event xmlns='y'><b/></Event> </w:Event><w:Event>&lt;Event&#62;&lt;/Event&gt;</w:Event><w:Event/></w:Events></s:Body></s:Envelope>";

    #[test]
    fn what_a_source_says() {
        let message = read(EVENTS).unwrap();
        assert_eq!(message.wants(), Some(Action::Events));
        assert_eq!((&*message.id, &*message.machine, &*message.identifier), ("uuid:7", "ws7.example.org", "A-1"));
        assert_eq!(message.bookmark.as_deref(), Some("<BookmarkList><Bookmark Channel='System' RecordId='7'/></BookmarkList>"));
        assert_eq!(
            message.events,
            ["<Event><a>&amp;</a></Event>", "<Event xmlns='y'><b/></Event>", "<Event></Event>", ""],
            "in a section, as an element, as text, and nothing at all"
        );
        for wrong in [
            "",
            "x",
            "<a/>",
            "<Envelope/>",
            &EVENTS[..EVENTS.len() - 5],
            &EVENTS.replace("&#62;", "&gone;"),
            &EVENTS.replace("<s:Envelope", "<!DOCTYPE x [<!ENTITY a 'b'>]><s:Envelope"),
            &EVENTS.replace("</w:Events>", ""),
            &EVENTS.replace("<b/>", &format!("{}{}", "<b>".repeat(500), "</b>".repeat(500))),
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn both_encodings_with_and_without_a_mark() {
        let wide = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>();
        let whole = |body: &[u8], named| {
            let read = text(body, named);
            assert!(!read.is_damaged);
            (read.text, read.charset)
        };
        let marked = bytes(EVENTS, Charset::Utf16);
        assert_eq!(whole(&marked, None), (EVENTS.into(), Charset::Utf16));
        assert_eq!(whole(&wide(EVENTS), None), (EVENTS.into(), Charset::Utf16));
        let swapped: Vec<u8> = marked.chunks(2).flat_map(|pair| [pair[1], pair[0]]).collect();
        assert_eq!(whole(&swapped, None), (EVENTS.into(), Charset::Utf16));
        assert_eq!(whole(&swapped[2..], Some(Charset::Utf8)), (EVENTS.into(), Charset::Utf16));
        assert_eq!(whole(EVENTS.as_bytes(), Some(Charset::Utf16)), (EVENTS.into(), Charset::Utf8), "what stands there goes first");
        assert_eq!(whole(&wide(" é"), Some(Charset::Utf16)).0, " é");
        assert_eq!(whole("\u{feff}é\u{fffd}".as_bytes(), None), ("é\u{fffd}".into(), Charset::Utf8));
        let damaged = |body: &[u8]| Some(text(body, None)).filter(|read| read.is_damaged).map(|read| read.text);
        assert_eq!(damaged(&[b'<', 0, 0, 0xd8, b'a', 0]).unwrap(), "<\u{fffd}a");
        assert_eq!(damaged(&[b'<', 0, 7]).unwrap(), "<", "half a unit says nothing");
        assert_eq!(damaged(b"<\xffa").unwrap(), "<\u{fffd}a");
    }

    #[test]
    fn answers_name_what_they_answer() {
        let mut message = read(EVENTS).unwrap();
        message.operation = "uuid:<&>".into();
        let answered = read(&acknowledgement(&message)).unwrap();
        assert_eq!((&*answered.action, &*answered.operation), ("http://schemas.dmtf.org/wbem/wsman/1/wsman/Ack", "uuid:<&>"));
        assert!(acknowledgement(&message).contains("<a:RelatesTo>uuid:7</a:RelatesTo>"));
        assert_eq!(
            read(&fault(&message, true, "w:InternalError", "a < b")).unwrap().action,
            "http://schemas.dmtf.org/wbem/wsman/1/wsman/fault"
        );
        let one = guid(&["a", "b"]);
        assert!(one == guid(&["a", "b"]) && one != guid(&["ab", ""]) && one.len() == 36 && one.as_bytes()[14] == b'8', "{one}");
    }
}
