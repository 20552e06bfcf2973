//! `taffrail generate`: makes up logs, sends them by any protocol at any rate, and prints what it sent, so that anybody can hold
//! it against what was received. The messages are those of `taffrail_synth`; sending is that of routes.

use super::exit::{Exit, Failure, Outcome};
use super::terminal;
use crate::api::schema::{Field, ResultKind, Row};
use crate::app::World;
use crate::output::{self, Form, Style};
use clap::ValueEnum;
use jiff::tz::TimeZone;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use taffrail_base::Clock;
use taffrail_collect::outputs::{
    FileOutput, Framing, HttpOutput, KafkaOutput, Layout, LumberjackOutput, Output, OutputSettings, OutputTls, Packed, SnmpOutput,
    Surroundings, SyslogOutput, Token, UdpOutput, Value as KafkaValue,
};
use taffrail_event::{EventBatch, Origin, Problems, Timestamp};
use taffrail_synth::estate::Estate;
use taffrail_synth::flow;
use taffrail_synth::live::{self, Live};
use tokio::sync::{Mutex, mpsc};

const EXAMPLES: &str = "\
Examples:
  taffrail generate syslog-tcp 127.0.0.1:5514 --events 100000
  taffrail generate syslog-udp 127.0.0.1:5514 --rate 50000 --seconds 60
  taffrail generate relp 127.0.0.1:2514 --mix cisco --connections 8 --output json
  taffrail generate hec http://127.0.0.1:8514 --token secret --events 1000
  taffrail generate file /tmp/made-up.log --events 1000000 --seed 7";

/// Make up logs, send them, and print what was sent: events and bytes by kind of sender, and how many were confirmed.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// How to send.
    #[arg(value_enum, value_name = "PROTOCOL")]
    protocol: Protocol,
    /// Where to: HOST:PORT, for protocols over HTTP an address such as http://127.0.0.1:8514, for `file` a path.
    #[arg(value_name = "TARGET")]
    target: String,
    /// What to send.
    #[arg(long, value_enum, default_value_t = Mix::Jsa, value_name = "MIX")]
    mix: Mix,
    /// How many events.
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    events: u64,
    /// For how long instead, in seconds.
    #[arg(long, value_name = "S", conflicts_with = "events")]
    seconds: Option<f64>,
    /// Events per second; as fast as it goes when left out.
    #[arg(long, value_name = "N")]
    rate: Option<f64>,
    /// The same seed makes the same messages, but for their times.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Connections that send side by side. With one, order is kept.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=20_000))]
    connections: u32,
    /// Events that are sent together; what is confirmed is waited for after each.
    #[arg(long, value_name = "N", default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    batch: u32,
    /// Token for protocols over HTTP.
    #[arg(long, value_name = "TEXT")]
    token: Option<String>,
    /// Certificates of authorities, for TLS: syslog and RELP then use it.
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Seconds for which what failed is tried again before it is given up.
    #[arg(long, value_name = "S", default_value_t = 10.0)]
    patience: f64,
    /// Form of the report.
    #[arg(long, value_enum, default_value_t = Form::Table, value_name = "FORM")]
    output: Form,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Protocol {
    SyslogUdp,
    SyslogTcp,
    Relp,
    GelfUdp,
    GelfTcp,
    Hec,
    Elastic,
    Otlp,
    Loki,
    /// Lines to `/api/v1/ingest/raw`.
    Lines,
    /// JSON lines to `/api/v1/ingest/ndjson`.
    JsonLines,
    GelfHttp,
    Datadog,
    /// The systemd journal, as `systemd-journal-upload` sends it.
    JournalUpload,
    Lumberjack,
    /// A topic of Kafka: HOST:PORT/TOPIC.
    Kafka,
    /// A notification of SNMP for each message.
    SnmpTrap,
    /// Flows in NetFlow 5, one in each datagram.
    Netflow,
    /// Another Taffrail's own protocol.
    Taffrail,
    File,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Mix {
    /// 50,000 senders, 382 bytes in the mean: 25 % Windows, 25 % Linux, 15 % IOS, 10 % ASA, 25 % others.
    Jsa,
    /// Windows alone.
    Windows,
    /// Linux alone.
    Linux,
    /// Cisco's switches and routers alone.
    Ios,
    /// Cisco's firewalls alone.
    Asa,
    /// 200 machines of a web service: the log of `cargo xtask bench`.
    Estate,
}

impl Mix {
    fn estate(self) -> Result<Estate, Failure> {
        let (made, role) = match self {
            Self::Estate => (live::estate(), None),
            Self::Jsa => (live::jsa(), None),
            Self::Windows => (live::jsa(), Some("win")),
            Self::Linux => (live::jsa(), Some("lin")),
            Self::Ios => (live::jsa(), Some("ios")),
            Self::Asa => (live::jsa(), Some("asa")),
        };
        let mut estate = made.map_err(|e| Failure::new(Exit::Runtime, format!("the mix cannot be read: {e:#}")))?;
        if let Some(role) = role {
            estate.keep_role(role);
        }
        Ok(estate)
    }
}

impl Arguments {
    fn kafka(&self) -> Result<OutputSettings, Failure> {
        let Some((broker, topic)) = self.target.split_once('/').filter(|(broker, topic)| !broker.is_empty() && !topic.is_empty()) else {
            let wrong = Failure::new(Exit::Usage, format!("{:?} names no topic", self.target));
            return Err(wrong.with_hint("for Kafka the target is HOST:PORT/TOPIC"));
        };
        Ok(OutputSettings::Kafka(KafkaOutput {
            brokers: vec![broker.to_owned()],
            topic: topic.to_owned(),
            value: KafkaValue::default(),
            compression: Packed::default(),
            tls: self.tls(),
            sasl: None,
        }))
    }

    fn tls(&self) -> Option<OutputTls> {
        self.ca.clone().map(|ca| OutputTls { ca, certificate: None, key: None, server_name: None })
    }

    fn settings(&self) -> Result<OutputSettings, Failure> {
        let address = self.target.clone();
        let tls = self.tls();
        let syslog = |layout, framing| SyslogOutput { address: address.clone(), layout, framing, tls: tls.clone() };
        let udp = |layout| UdpOutput { address: address.clone(), layout };
        let http = |path: &str| HttpOutput {
            url: format!("{}{path}", address.trim_end_matches('/')),
            token: self.token.clone().map(Token::new),
            tls: tls.clone(),
        };
        Ok(match self.protocol {
            Protocol::SyslogUdp => OutputSettings::SyslogUdp(udp(Layout::Original)),
            Protocol::SyslogTcp => OutputSettings::SyslogTcp(syslog(Layout::Original, Framing::OctetCount)),
            Protocol::Relp => OutputSettings::Relp(syslog(Layout::Original, Framing::OctetCount)),
            Protocol::GelfUdp => OutputSettings::SyslogUdp(udp(Layout::Gelf)),
            Protocol::GelfTcp => OutputSettings::SyslogTcp(syslog(Layout::Gelf, Framing::Nul)),
            Protocol::Hec => OutputSettings::Hec(http("")),
            Protocol::Elastic => OutputSettings::Elastic(http("")),
            Protocol::Otlp => OutputSettings::Otlp(http("")),
            Protocol::Loki => OutputSettings::Loki(http("")),
            Protocol::Lines => OutputSettings::Lines(http("/api/v1/ingest/raw")),
            Protocol::JsonLines => OutputSettings::JsonLines(http("/api/v1/ingest/ndjson")),
            Protocol::GelfHttp => OutputSettings::GelfHttp(http("")),
            Protocol::Datadog => OutputSettings::Datadog(http("")),
            Protocol::JournalUpload => OutputSettings::JournalUpload(http("")),
            Protocol::Lumberjack => OutputSettings::Lumberjack(LumberjackOutput { address: address.clone(), tls: tls.clone() }),
            Protocol::Kafka => self.kafka()?,
            Protocol::SnmpTrap => OutputSettings::SnmpTrap(SnmpOutput { address: address.clone(), community: "public".into() }),
            // What is made is a datagram as it stands.
            Protocol::Netflow => OutputSettings::SyslogUdp(udp(Layout::Original)),
            Protocol::Taffrail => OutputSettings::Taffrail(http("")),
            Protocol::File => OutputSettings::File(FileOutput { path: address.clone().into(), layout: Layout::Original }),
        })
    }
}

/// What was sent by one kind of sender, or in all.
#[derive(Clone, Copy, Debug, Default)]
struct Sent {
    events: u64,
    bytes: u64,
}

impl Sent {
    fn add(&mut self, other: Self) {
        self.events += other.events;
        self.bytes += other.bytes;
    }
}

/// What became of what was sent.
#[derive(Debug, Default)]
struct Fate {
    confirmed: u64,
    refused: u64,
    sent_again: u64,
    given_up: u64,
    problem: Option<String>,
}

/// Runs the command.
pub async fn run(arguments: Arguments) -> Outcome {
    if arguments.output == Form::Raw || arguments.output.is_binary() {
        return Err(Failure::new(Exit::Usage, "this form of output is for events").with_hint("use table, json or csv"));
    }
    if arguments.rate.is_some_and(|rate| !(rate.is_finite() && rate > 0.0))
        || arguments.seconds.is_some_and(|s| !(s.is_finite() && s > 0.0))
    {
        return Err(Failure::new(Exit::Usage, "--rate and --seconds have to be more than 0"));
    }
    let world = World::real();
    let estate = arguments.mix.estate()?;
    let around = Surroundings { vfs: Arc::clone(&world.vfs), clock: Arc::clone(&world.clock) };
    let settings = arguments.settings()?;
    let (sender, receiver) = mpsc::channel::<EventBatch>(16);
    let (receiver, fate) = (Arc::new(Mutex::new(receiver)), Arc::new(parking_lot::Mutex::new(Fate::default())));
    let mut tasks = Vec::new();
    for _ in 0..arguments.connections {
        let output = settings.build(&around)?;
        tasks.push(tokio::spawn(connection(
            output,
            Arc::clone(&receiver),
            Arc::clone(&fate),
            Arc::clone(&world.clock),
            Duration::try_from_secs_f64(arguments.patience).unwrap_or_default(),
        )));
    }
    let started = world.clock.monotonic_nanos();
    let mut sent = BTreeMap::new();
    tokio::select! {
        () = produce(&arguments, &estate, &*world.clock, &sender, &mut sent) => {}
        _ = tokio::signal::ctrl_c() => {}
    }
    drop(sender);
    for task in tasks {
        // A connection ends with the last batch.
        let _ = task.await;
    }
    let seconds = world.clock.monotonic_nanos().saturating_sub(started) as f64 / 1e9;
    let fate = std::mem::take(&mut *fate.lock());
    report(&arguments, &sent, &fate, seconds)
}

/// Makes batches at the rate that is asked for, and counts in `sent`, by kind of sender, those that are on their way. May be dropped at
/// any time.
async fn produce(
    arguments: &Arguments,
    estate: &Estate,
    clock: &dyn Clock,
    to: &mpsc::Sender<EventBatch>,
    sent: &mut BTreeMap<String, Sent>,
) {
    let mut live = Live::new(estate, arguments.seed);
    let started = clock.monotonic_nanos();
    let elapsed = || clock.monotonic_nanos().saturating_sub(started) as f64 / 1e9;
    let most = if arguments.seconds.is_some() { u64::MAX } else { arguments.events };
    // At a rate, what is due in five milliseconds goes together, so that it is even.
    let size = arguments.rate.map_or(u64::from(arguments.batch), |rate| ((rate / 200.0) as u64).clamp(1, u64::from(arguments.batch)));
    let mut made = 0;
    while made < most && arguments.seconds.is_none_or(|seconds| elapsed() < seconds) {
        if let Some(rate) = arguments.rate {
            let ahead = made as f64 / rate - elapsed();
            if ahead > 0.001 {
                tokio::time::sleep(Duration::from_secs_f64(ahead)).await;
            }
        }
        let now = Timestamp(clock.now_nanos());
        let mut batch = EventBatch::new(now);
        let time = header_time(now);
        let mut mix: BTreeMap<String, Sent> = BTreeMap::new();
        for _ in 0..size.min(most - made) {
            made += 1;
            let message = live.message();
            let line = match arguments.protocol {
                Protocol::Netflow => flow::netflow5(arguments.seed, made, now.nanos()).into(),
                _ => format!("<{}>{time} {} {} seq={made}", message.priority, message.host, message.text).into_bytes(),
            };
            mix.entry(message.role.to_owned()).or_default().add(Sent { events: 1, bytes: line.len() as u64 });
            let [index, source, transport, peer] = ["main", "taffrail-generate", "generate", ""].map(Arc::from);
            let origin = Origin { index, host: message.host.into(), source, sourcetype: "syslog".into(), transport, peer };
            let number = batch.origin(&origin);
            batch.push(number, now, Problems::NONE, &line);
        }
        if to.send(batch).await.is_err() {
            break;
        }
        mix.into_iter().for_each(|(role, of)| sent.entry(role).or_default().add(of));
    }
}

/// The time as RFC 3164 has it, in this machine's zone.
fn header_time(now: Timestamp) -> String {
    let time = jiff::Timestamp::from_nanosecond(i128::from(now.nanos())).unwrap_or_default();
    time.to_zoned(TimeZone::system()).strftime("%b %e %H:%M:%S").to_string()
}

/// Sends batches until there are no more.
async fn connection(
    mut output: Box<dyn Output>,
    batches: Arc<Mutex<mpsc::Receiver<EventBatch>>>,
    fate: Arc<parking_lot::Mutex<Fate>>,
    clock: Arc<dyn Clock>,
    patience: Duration,
) {
    // Whoever has waited longest gets the next: with few events all connections are used all the same.
    loop {
        let Some(batch) = batches.lock().await.recv().await else { return };
        let mut sent = 0;
        let mut failing = None;
        while sent < batch.len() {
            let delivered = output.deliver(&batch, sent..batch.len()).await;
            sent += delivered.confirmed;
            let (refused, why) = delivered.refused.unwrap_or_default();
            let now = clock.monotonic_nanos();
            {
                let mut fate = fate.lock();
                fate.confirmed += delivered.confirmed as u64 - refused;
                fate.refused += refused;
                if refused > 0 {
                    fate.problem = Some(why);
                }
                let Err(error) = delivered.outcome else { continue };
                fate.problem = Some(error.to_string());
                let since = *failing.get_or_insert(now);
                if delivered.confirmed > 0 {
                    failing = Some(now);
                } else if now.saturating_sub(since) > patience.as_nanos() as u64 {
                    fate.given_up += (batch.len() - sent) as u64;
                    break;
                }
                fate.sent_again += (delivered.attempted - delivered.confirmed) as u64;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}

fn report(arguments: &Arguments, sent: &BTreeMap<String, Sent>, fate: &Fate, seconds: f64) -> Outcome {
    let mut total = Sent::default();
    sent.values().for_each(|of| total.add(*of));
    let per_second = (total.events as f64 / seconds.max(1e-9)).round();
    if arguments.output == Form::Json {
        let mix: BTreeMap<&String, Value> = sent.iter().map(|(role, of)| (role, json!({"events": of.events, "bytes": of.bytes}))).collect();
        let whole = json!({
            "sent_events": total.events, "sent_bytes": total.bytes, "confirmed_events": fate.confirmed, "refused_events": fate.refused,
            "given_up_events": fate.given_up, "sent_again_events": fate.sent_again, "seconds": seconds, "events_per_second": per_second,
            "seed": arguments.seed, "mix": mix, "problem": fate.problem,
        });
        let mut out = std::io::stdout().lock();
        writeln!(out, "{whole:#}").and_then(|()| out.flush()).map_err(|e| Failure::output(&e))?;
    } else {
        let mut rows: Vec<Row> = Vec::new();
        let mut row = |name: &str, of: &Sent, confirmed: Value| {
            let value = json!({"sender": name, "events": of.events, "bytes": of.bytes, "confirmed": confirmed});
            rows.extend(value.as_object().cloned());
        };
        sent.iter().for_each(|(role, of)| row(role, of, Value::Null));
        row("(all)", &total, json!(fate.confirmed));
        let field = |name: &str| Field { name: name.into(), kind: if name == "sender" { "string" } else { "number" }.into() };
        let fields: Vec<Field> = ["sender", "events", "bytes", "confirmed"].map(field).into();
        let terminal = terminal::stdout_is_terminal();
        let style = Style { terminal, colours: terminal::colours(terminal) };
        let mut writer = output::writer(arguments.output, style, Box::new(std::io::BufWriter::new(std::io::stdout())));
        let mut write = || {
            writer.start(ResultKind::Table, &fields)?;
            writer.rows(&rows)?;
            writer.finish()
        };
        write().map_err(|e| Failure::output(&e))?;
        super::say(&format!(
            "{seconds:.1} s, {per_second} events/s; refused {}, given up {}, sent again {}",
            fate.refused, fate.given_up, fate.sent_again
        ));
    }
    if fate.confirmed == total.events {
        return Ok(());
    }
    let problem = fate.problem.as_deref().unwrap_or("it was interrupted");
    Err(Failure::new(Exit::Runtime, format!("{} of {} events were confirmed: {problem}", fate.confirmed, total.events)))
}
