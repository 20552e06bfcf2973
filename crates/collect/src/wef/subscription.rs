//! What a source is asked for: a subscription as the settings have it, and as Windows reads it. Pure.

use super::envelope::{ANONYMOUS, NAMESPACES, WSMAN, escaped, guid};
use super::identity::Identity;
use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use quick_xml::Reader;
use quick_xml::events::Event;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use taffrail_base::{Error, ErrorKind, Result};

/// `[[input.subscriptions]]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SubscriptionSettings {
    /// Its name; what is known of sources is kept under it.
    pub name: String,
    /// Logs of which all events are wanted, e.g. `Security`.
    #[serde(default)]
    pub channels: Vec<String>,
    /// Instead of these a query, as the Event Viewer makes one: `<QueryList>...</QueryList>`.
    #[serde(default)]
    pub query: Option<String>,
    /// Whether events come with their texts.
    #[serde(default)]
    pub content: Content,
    /// The language of these texts, e.g. `en-US`; that of the source if not given.
    #[serde(default)]
    pub locale: Option<String>,
    /// Whether a source that is new sends what its logs already hold.
    #[serde(default)]
    pub read_existing: bool,
    /// Machines that are asked, by the names in their certificates, with `*` and `?`; all if none is given.
    #[serde(default)]
    pub sources: Vec<String>,
    /// Seconds that a source may wait for further events before it sends those that it has.
    #[serde(default = "thirty")]
    pub batch_seconds: u32,
    /// Seconds without an event after which it says that it is there.
    #[serde(default = "an_hour")]
    pub heartbeat_seconds: u32,
    /// Bytes that it is to put into one message at most.
    #[serde(default = "half_a_megabyte")]
    pub envelope_bytes: u32,
    /// Whether it is to pack what it sends.
    #[serde(default = "yes")]
    pub compress: bool,
}

fn thirty() -> u32 {
    30
}

fn an_hour() -> u32 {
    3_600
}

fn half_a_megabyte() -> u32 {
    512_000
}

fn yes() -> bool {
    true
}

/// How much of an event is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Content {
    /// The event.
    #[default]
    Raw,
    /// The event, and the texts that Windows has for it.
    RenderedText,
}

impl Default for SubscriptionSettings {
    /// What is asked for where the settings name no subscription: the logs that every Windows has and, where there are, those of
    /// PowerShell and Sysmon.
    fn default() -> Self {
        let channels =
            ["Application", "Security", "System", "Microsoft-Windows-PowerShell/Operational", "Microsoft-Windows-Sysmon/Operational"];
        Self {
            name: "default".into(),
            channels: channels.map(str::to_owned).to_vec(),
            query: None,
            content: Content::Raw,
            locale: None,
            read_existing: false,
            sources: Vec::new(),
            batch_seconds: thirty(),
            heartbeat_seconds: an_hour(),
            envelope_bytes: half_a_megabyte(),
            compress: yes(),
        }
    }
}

/// A subscription whose settings are good.
#[derive(Clone, Debug)]
pub struct Subscription {
    /// The settings.
    pub settings: SubscriptionSettings,
    /// What sources call it when they send.
    pub id: String,
    /// Changes when what it asks for does: sources then begin it anew, where they were.
    pub version: String,
    query: String,
    sources: Option<GlobSet>,
    /// Channels, in lower case, of which it asks for every event.
    whole: BTreeSet<String>,
}

impl Subscription {
    /// Checks the settings. `issuers` are the check sums of the authorities that sign the certificates of sources.
    pub fn new(settings: SubscriptionSettings, issuers: &[String]) -> Result<Self> {
        let wrong = |text: String, hint: &str| {
            Error::new(ErrorKind::Invalid, format!("subscription {:?}: {text}", settings.name)).with_hint(hint.to_owned())
        };
        if settings.name.is_empty() || settings.name.len() > 255 || settings.name.contains(char::is_control) {
            return Err(wrong("this is no name".into(), "use up to 255 bytes"));
        }
        let query = match (&settings.query, settings.channels.as_slice()) {
            (Some(query), []) => query.trim().to_owned(),
            (None, [_, ..]) => everything_of(&settings.channels),
            _ => return Err(wrong("there must be channels, or a query".into(), "give one of the two")),
        };
        let whole = whole_channels(&query)
            .map_err(|why| wrong(format!("the query cannot be used: {why}"), "copy it from the Event Viewer: Filter Current Log, XML"))?;
        for (name, value, least, most) in [
            ("batch_seconds", settings.batch_seconds, 1, 86_400),
            ("heartbeat_seconds", settings.heartbeat_seconds, 1, 86_400),
            ("envelope_bytes", settings.envelope_bytes, 8_192, 1_048_576),
        ] {
            if !(least..=most).contains(&value) {
                return Err(wrong(format!("{name} = {value} is out of range"), &format!("use {least} to {most}")));
            }
        }
        let sources = if settings.sources.is_empty() { None } else { Some(patterns(&settings)?) };
        let id = guid(&["wef subscription", &settings.name]);
        let form = serde_json::to_string(&settings).map_err(|e| Error::new(ErrorKind::Bug, e.to_string()))?;
        let mut parts = vec!["wef version", FORM, form.as_str()];
        parts.extend(issuers.iter().map(String::as_str));
        let version = guid(&parts);
        Ok(Self { id, version, query, sources, whole, settings })
    }

    /// Whether this machine is asked.
    pub fn is_for(&self, source: &Identity) -> bool {
        self.sources.as_ref().is_none_or(|sources| source.names().iter().any(|name| sources.is_match(name)))
    }

    /// Whether every event of the channel is asked for, so that a record number left out is an event that is missing.
    pub fn is_whole(&self, channel: &str) -> bool {
        self.whole.contains(&channel.to_lowercase())
    }

    /// The subscription as an item of what a source is answered when it asks what it is to do. `host` is where it reaches us, as it
    /// has said; `bookmark` how far it had come.
    pub fn item(&self, host: &str, bookmark: Option<&str>, issuers: &[String]) -> String {
        let (id, version, query, settings) = (&self.id, &self.version, &self.query, &self.settings);
        let endpoint = format!(
            "<a:Address>https://{host}/wsman/subscriptions/{id}</a:Address><a:ReferenceProperties><e:Identifier>{id}</e:Identifier></a:ReferenceProperties>"
        );
        let bookmark = match bookmark {
            Some(bookmark) => format!("<w:Bookmark>{bookmark}</w:Bookmark>"),
            None if settings.read_existing => format!("<w:Bookmark>{WSMAN}/bookmark/earliest</w:Bookmark>"),
            None => String::new(),
        };
        let locale = settings.locale.as_deref().map(|locale| {
            let locale = escaped(locale);
            format!("<w:Locale xml:lang=\"{locale}\" s:mustUnderstand=\"false\"/><p:DataLocale xml:lang=\"{locale}\" s:mustUnderstand=\"false\"/>")
        });
        let locale = locale.unwrap_or_default();
        let (message, operation) = (guid(&["message", version, host]), guid(&["operation", version, host]));
        let (bytes, batch, heartbeat) = (settings.envelope_bytes, settings.batch_seconds, settings.heartbeat_seconds);
        let policies: String = issuers.iter().map(|issuer| policy(issuer)).collect();
        let options = self.options();
        format!(
            "<m:Subscription xmlns:m=\"http://schemas.microsoft.com/wbem/wsman/1/subscription\"><m:Version>uuid:{version}</m:Version>\
             <s:Envelope {NAMESPACES}><s:Header><a:To>{ANONYMOUS}</a:To>\
             <w:ResourceURI s:mustUnderstand=\"true\">http://schemas.microsoft.com/wbem/wsman/1/windows/EventLog</w:ResourceURI>\
             <a:ReplyTo><a:Address s:mustUnderstand=\"true\">{ANONYMOUS}</a:Address></a:ReplyTo>\
             <a:Action s:mustUnderstand=\"true\">http://schemas.xmlsoap.org/ws/2004/08/eventing/Subscribe</a:Action>\
             <w:MaxEnvelopeSize s:mustUnderstand=\"true\">{bytes}</w:MaxEnvelopeSize><a:MessageID>uuid:{message}</a:MessageID>{locale}\
             <p:OperationID s:mustUnderstand=\"false\">uuid:{operation}</p:OperationID><p:SequenceId s:mustUnderstand=\"false\">1</p:SequenceId>\
             <w:OptionSet xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\">{options}</w:OptionSet></s:Header>\
             <s:Body><e:Subscribe><e:EndTo>{endpoint}</e:EndTo><e:Delivery Mode=\"{WSMAN}/Events\">\
             <w:Heartbeats>PT{heartbeat}.000S</w:Heartbeats><e:NotifyTo>{endpoint}\
             <c:Policy xmlns:c=\"http://schemas.xmlsoap.org/ws/2002/12/policy\" xmlns:auth=\"http://schemas.microsoft.com/wbem/wsman/1/authentication\">\
             <c:ExactlyOne>{policies}</c:ExactlyOne></c:Policy></e:NotifyTo>\
             <w:ConnectionRetry Total=\"5\">PT60.0S</w:ConnectionRetry><w:MaxTime>PT{batch}.000S</w:MaxTime>\
             <w:MaxEnvelopeSize Policy=\"Notify\">{bytes}</w:MaxEnvelopeSize>{locale}<w:ContentEncoding>UTF-16</w:ContentEncoding></e:Delivery>\
             <w:Filter Dialect=\"http://schemas.microsoft.com/win/2004/08/events/eventquery\">{query}</w:Filter>{bookmark}<w:SendBookmarks/>\
             </e:Subscribe></s:Body></s:Envelope></m:Subscription>"
        )
    }

    fn options(&self) -> String {
        let settings = &self.settings;
        let content = match settings.content {
            Content::Raw => "Raw",
            Content::RenderedText => "RenderedText",
        };
        let mut options = format!("<w:Option Name=\"SubscriptionName\">{}</w:Option>", escaped(&settings.name));
        if settings.compress {
            options.push_str("<w:Option Name=\"Compression\">SLDC</w:Option>");
        }
        options.push_str("<w:Option Name=\"CDATA\" xsi:nil=\"true\"/>");
        options.push_str(&format!("<w:Option Name=\"ContentFormat\">{content}</w:Option>"));
        // A machine that lacks one of the channels sends the others.
        options.push_str("<w:Option Name=\"IgnoreChannelError\" xsi:nil=\"true\"/>");
        if settings.read_existing {
            options.push_str("<w:Option Name=\"ReadExistingEvents\">true</w:Option>");
        }
        options
    }
}

/// Changes when the text of [`Subscription::item`] does, so that sources read it anew.
const FORM: &str = "1";

/// How a source is to prove who it is: by a certificate of this authority.
fn policy(issuer: &str) -> String {
    format!(
        "<c:All><auth:Authentication Profile=\"{WSMAN}/secprofile/https/mutual\"><auth:ClientCertificate>\
         <auth:Thumbprint Role=\"issuer\">{issuer}</auth:Thumbprint></auth:ClientCertificate></auth:Authentication></c:All>"
    )
}

fn patterns(settings: &SubscriptionSettings) -> Result<GlobSet> {
    let mut set = GlobSetBuilder::new();
    for pattern in &settings.sources {
        let wrong = |error: &globset::Error| {
            Error::new(ErrorKind::Invalid, format!("subscription {:?}: the source {pattern:?} is no pattern: {error}", settings.name))
                .with_hint("write a name of the certificate, with * and ?")
        };
        set.add(GlobBuilder::new(&pattern.to_lowercase()).build().map_err(|e| wrong(&e))?);
    }
    set.build().map_err(|e| Error::new(ErrorKind::Invalid, format!("subscription {:?}: {e}", settings.name)))
}

/// The query for all events of these channels.
fn everything_of(channels: &[String]) -> String {
    let selects: String = channels.iter().map(|channel| format!("<Select Path=\"{}\">*</Select>", escaped(channel))).collect();
    format!("<QueryList><Query Id=\"0\">{selects}</Query></QueryList>")
}

/// The channels of which a query asks for every event, or why it is none.
fn whole_channels(query: &str) -> Result<BTreeSet<String>, String> {
    let mut reader = Reader::from_str(query);
    reader.config_mut().expand_empty_elements = true;
    let (mut whole, mut thinned) = (BTreeSet::new(), BTreeSet::new());
    let mut open: Vec<(Vec<u8>, String, String)> = Vec::new();
    let mut selects = 0;
    loop {
        let event = reader.read_event().map_err(|e| e.to_string())?;
        match event {
            Event::Start(tag) => {
                let path = tag.try_get_attribute("Path").map_err(|e| e.to_string())?;
                let path = path.map(|path| path.unescape_value().map(|path| path.to_lowercase())).transpose().map_err(|e| e.to_string())?;
                // A path of the query holds for what is in it and has none.
                let path = path.or_else(|| open.last().map(|(_, path, _)| path.clone())).unwrap_or_default();
                if open.is_empty() && tag.name().as_ref() != b"QueryList" {
                    return Err("it does not begin with <QueryList>".into());
                }
                open.push((tag.name().as_ref().to_vec(), path, String::new()));
            }
            Event::Text(text) => {
                if let (Some((.., inside)), Ok(text)) = (open.last_mut(), text.decode()) {
                    inside.push_str(&text);
                }
            }
            Event::GeneralRef(_) | Event::CData(_) => {
                if let Some((.., inside)) = open.last_mut() {
                    inside.push('?');
                }
            }
            Event::End(_) => match open.pop() {
                Some((name, path, inside)) if name == b"Select" => {
                    selects += 1;
                    if inside.trim() == "*" {
                        whole.insert(path);
                    }
                }
                Some((name, path, _)) if name == b"Suppress" => {
                    thinned.insert(path);
                }
                _ => {}
            },
            Event::DocType(_) | Event::Decl(_) | Event::PI(_) => return Err("it begins with something else than <QueryList>".into()),
            Event::Eof => break,
            Event::Empty(_) | Event::Comment(_) => {}
        }
    }
    if selects == 0 || !open.is_empty() {
        return Err("it selects nothing".into());
    }
    Ok(whole.difference(&thinned).cloned().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(text: &str) -> SubscriptionSettings {
        toml::from_str(text).unwrap()
    }

    fn subscription(text: &str) -> Subscription {
        Subscription::new(settings(text), &["ABCD".into()]).unwrap()
    }

    #[test]
    fn what_is_whole_is_known() {
        let query = "<QueryList><Query Id='0' Path='System'><Select>*</Select><Select Path='A/B'>*[System[EventID=1]]</Select>\
             <Select Path='C'> * </Select><Suppress Path='c'>*[System[Level=4]]</Suppress></Query></QueryList>";
        let asked = subscription(&format!("name = \"a\"\nquery = \"{query}\""));
        assert_eq!(["system", "SYSTEM", "A/B", "C", "D"].map(|channel| asked.is_whole(channel)), [true, true, false, false, false]);
        assert!(subscription("name = \"a\"\nchannels = [\"Security\"]").is_whole("Security"));
        let preset = Subscription::new(SubscriptionSettings::default(), &[]).unwrap();
        assert!(preset.is_whole("Security") && preset.is_whole("Microsoft-Windows-Sysmon/Operational"));
        for wrong in [
            "name = \"\"\nchannels = [\"a\"]",
            "name = \"a\"",
            "name = \"a\"\nchannels = [\"a\"]\nquery = \"<QueryList/>\"",
            "name = \"a\"\nquery = \"<QueryList/>\"",
            "name = \"a\"\nquery = \"*\"",
            "name = \"a\"\nquery = \"<QueryList><Query><Select Path='a'>*</Query></QueryList>\"",
            "name = \"a\"\nchannels = [\"a\"]\nheartbeat_seconds = 0",
            "name = \"a\"\nchannels = [\"a\"]\nsources = [\"[\"]",
        ] {
            assert!(Subscription::new(settings(wrong), &[]).is_err(), "{wrong}");
        }
        assert!(toml::from_str::<SubscriptionSettings>("name = \"a\"\nchanels = []").is_err());
    }

    #[test]
    fn versions_change_with_what_is_asked_for() {
        let one = subscription("name = \"a\"\nchannels = [\"Security\"]");
        assert_eq!(one.version, subscription("name = \"a\"\nchannels = [\"Security\"]").version);
        for other in ["\"System\"]", "\"Security\"]\ncontent = \"rendered-text\"", "\"Security\"]\nbatch_seconds = 5"] {
            let other = subscription(&format!("name = \"a\"\nchannels = [{other}"));
            assert!(other.version != one.version && other.id == one.id);
        }
        assert_ne!(Subscription::new(one.settings.clone(), &["EF".into()]).unwrap().version, one.version);
    }

    #[test]
    fn items_are_what_windows_reads() {
        let asked = subscription("name = \"a<b\"\nchannels = [\"A&B\"]\nread_existing = true\nlocale = \"en-US\"\ncompress = false");
        let item = asked.item("collector.example.org:5986", None, &["ABCD".into(), "EF01".into()]);
        for part in [
            "<w:Option Name=\"SubscriptionName\">a&lt;b</w:Option>",
            "<Select Path=\"A&amp;B\">*</Select>",
            "<w:Bookmark>http://schemas.dmtf.org/wbem/wsman/1/wsman/bookmark/earliest</w:Bookmark><w:SendBookmarks/>",
            "<auth:Thumbprint Role=\"issuer\">EF01</auth:Thumbprint>",
            "<w:Locale xml:lang=\"en-US\" s:mustUnderstand=\"false\"/>",
            "<w:Heartbeats>PT3600.000S</w:Heartbeats>",
            &format!("<a:Address>https://collector.example.org:5986/wsman/subscriptions/{}</a:Address>", asked.id),
        ] {
            assert!(item.contains(part), "{part}\n{item}");
        }
        assert!(!item.contains("SLDC"));
        let item = asked.item("h", Some("<BookmarkList/>"), &[]);
        assert!(item.contains("<w:Bookmark><BookmarkList/></w:Bookmark>") && !item.contains("earliest"));
        let mut reader = Reader::from_str(&item);
        while reader.read_event().unwrap() != Event::Eof {}
    }

    #[test]
    fn sources_by_the_names_of_their_certificates() {
        let source = Identity::of(b"none");
        let asked = |sources: &str| subscription(&format!("name = \"a\"\nchannels = [\"A\"]\nsources = [{sources}]"));
        assert!(asked("").is_for(&source) && asked("\"CERTIFICATE-*\"").is_for(&source) && !asked("\"*.example.org\"").is_for(&source));
    }
}
