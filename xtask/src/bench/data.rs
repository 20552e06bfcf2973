//! The logs that are measured: a generated one, the same for the same size on every machine, and real ones where
//! `TAFFRAIL_CORPUS` says that there are any.

use anyhow::{Context, Result, bail};
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A log with what is asked of it.
pub struct Log {
    pub name: &'static str,
    pub what: String,
    pub path: PathBuf,
    pub bytes: u64,
    pub queries: Vec<Query>,
}

/// A query, and the arguments with which ripgrep counts the same lines.
pub struct Query {
    pub name: &'static str,
    pub text: String,
    pub grep: Option<Vec<String>>,
}

impl Query {
    fn new(name: &'static str, text: impl Into<String>, grep: Option<&[&str]>) -> Self {
        Self { name, text: text.into(), grep: grep.map(|words| words.iter().map(|word| (*word).to_owned()).collect()) }
    }
}

/// The word that stands in one line of the generated log.
const NEEDLE: &str = "needle7f3a9c51";

/// All logs, as plain files in `folder`.
pub fn logs(folder: &Path, megabytes: u64, lines: Option<u64>) -> Result<Vec<Log>> {
    let mut logs = vec![generated(folder, megabytes)?];
    let Some(corpus) = std::env::var_os("TAFFRAIL_CORPUS").map(PathBuf::from) else {
        println!("TAFFRAIL_CORPUS is not set: the generated log only");
        return Ok(logs);
    };
    if crate::workspace::which("zstd").is_none() {
        println!("zstd is not here: the generated log only");
        return Ok(logs);
    }
    for (name, file, queries) in [
        ("nginx", "real/nginx-access-1m.log.zst", nginx as fn(&str) -> Vec<Query>),
        ("postgresql", "real/postgresql-1m.log.zst", postgresql),
    ] {
        let packed = corpus.join(file);
        if !packed.is_file() {
            println!("{file} is not in the corpus");
            continue;
        }
        logs.push(real(folder, name, &packed, lines, queries)?);
    }
    Ok(logs)
}

fn generated(folder: &Path, megabytes: u64) -> Result<Log> {
    let path = folder.join("syslog.log");
    let mut out = BufWriter::new(File::create(&path)?);
    let text = std::fs::read_to_string(crate::workspace::root().join("benches/syslog.txt")).context("benches/syslog.txt cannot be read")?;
    let bytes = generate(&text, megabytes * 1_000_000, &mut out)?;
    out.flush()?;
    let queries = vec![
        Query::new("constant", "session | stats count", Some(&["-w", "session"])),
        Query::new("needle", format!("{NEEDLE} | stats count"), Some(&["-w", NEEDLE])),
        Query::new("two terms", "failed AND password | stats count", Some(&["-w", "failed password"])),
        Query::new("variable", "sshd AND alice | stats count", Some(&[r"sshd.*\balice\b"])),
        Query::new("regex", r#"sshd | where match(_raw, "port 4[0-9]{3} ") | stats count"#, Some(&["sshd.*port 4[0-9]{3} "])),
        Query::new("timechart", "session | timechart span=1h count", None),
        Query::new("top", "sshd failed | rex \"from (?<src>\\S+) port\" | stats count by src | sort - count | head 10", None),
    ];
    Ok(Log { name: "syslog", what: "generated from benches/syslog.txt, seed 1".into(), path, bytes, queries })
}

/// Unpacks a log of the corpus.
fn real(folder: &Path, name: &'static str, packed: &Path, lines: Option<u64>, queries: fn(&str) -> Vec<Query>) -> Result<Log> {
    let path = folder.join(format!("{name}.log"));
    let mut child = Command::new("zstd").args(["-dcq"]).arg(packed).stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
    let mut from = BufReader::new(child.stdout.take().context("standard output is piped")?);
    let mut out = BufWriter::new(File::create(&path)?);
    let (mut bytes, mut count, mut line, mut sample) = (0, 0, Vec::new(), Vec::new());
    while lines.is_none_or(|most| count < most) && from.read_until(b'\n', &mut line)? > 0 {
        count += 1;
        bytes += line.len() as u64;
        out.write_all(&line)?;
        if count == 1_001 {
            sample.clone_from(&line);
        }
        line.clear();
    }
    out.flush()?;
    drop(from);
    let status = child.wait()?;
    if !status.success() && lines.is_none() {
        bail!("zstd cannot unpack {}", packed.display());
    }
    let queries = queries(&String::from_utf8_lossy(&sample));
    Ok(Log { name, what: format!("{count} lines of {}", packed.file_name().unwrap_or_default().display()), path, bytes, queries })
}

fn nginx(sample: &str) -> Vec<Query> {
    let address = sample.split_whitespace().next().unwrap_or("127.0.0.1").to_owned();
    vec![
        Query::new("constant", "GET | stats count", Some(&["-w", "GET"])),
        Query::new("needle", format!("{address} | stats count"), Some(&["-F", "-w", &address])),
        Query::new("two terms", "GET AND 404 | stats count", Some(&[r"\bGET\b.*\b404\b|\b404\b.*\bGET\b"])),
        Query::new("regex", r#"* | where match(_raw, "GET /[a-z]+/[0-9]{3}") | stats count"#, Some(&["GET /[a-z]+/[0-9]{3}"])),
        Query::new("timechart", "* | timechart span=1m count", None),
        Query::new("top", "* | stats count by status", None),
    ]
}

fn postgresql(sample: &str) -> Vec<Query> {
    let process = sample.split(['[', ']']).nth(1).unwrap_or("1").to_owned();
    vec![
        Query::new("constant", "LOG | stats count", Some(&["-w", "LOG"])),
        Query::new("variable", format!("{process} | stats count"), Some(&["-F", "-w", &process])),
        Query::new("two terms", "statement AND update | stats count", Some(&[r"\bstatement\b.*\bupdate\b|\bupdate\b.*\bstatement\b"])),
        Query::new("regex", r#"* | where match(_raw, "duration: [0-9]{2,}\.") | stats count"#, Some(&[r"duration: [0-9]{2,}\."])),
        Query::new("timechart", "duration | timechart span=1m count", None),
    ]
}

/// A message of the generator.
struct Message<'a> {
    weight: u64,
    program: &'a str,
    text: &'a str,
}

/// Writes about `bytes` of syslog lines; the same for the same arguments, for ever.
fn generate(messages: &str, bytes: u64, out: &mut impl Write) -> Result<u64> {
    let messages: Vec<Message> =
        messages.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).map(parse).collect::<Result<_>>()?;
    let weights: u64 = messages.iter().map(|message| message.weight).sum();
    let mut random = Random(1);
    let (mut written, mut line, mut second, mut planted) = (0, String::new(), 0, false);
    while written < bytes {
        line.clear();
        let mut pick = random.below(weights);
        let message = messages.iter().find(|message| {
            let found = pick < message.weight;
            pick = pick.saturating_sub(message.weight);
            found
        });
        let message = message.context("the generator has no messages")?;
        // About forty lines a second, so that a gigabyte is a few days.
        second += u64::from(random.below(40) == 0);
        head(&mut line, second, &mut random, message.program);
        fill(&mut line, message.text, &mut random);
        if !planted && written > bytes / 2 {
            line.push(' ');
            line.push_str(NEEDLE);
            planted = true;
        }
        line.push('\n');
        out.write_all(line.as_bytes())?;
        written += line.len() as u64;
    }
    Ok(written)
}

fn parse(line: &str) -> Result<Message<'_>> {
    let mut parts = line.splitn(3, ' ');
    let (Some(weight), Some(program), Some(text)) = (parts.next(), parts.next(), parts.next()) else {
        bail!("benches/syslog.txt: {line:?} is not weight, program, message");
    };
    Ok(Message { weight: weight.parse().with_context(|| format!("benches/syslog.txt: {line:?}"))?, program, text })
}

/// Time, host and program, as syslog daemons write files. The month has 28 days and then begins again.
fn head(line: &mut String, second: u64, random: &mut Random, program: &str) {
    use std::fmt::Write;
    let (day, hour, minute) = (1 + second / 86_400 % 28, second / 3_600 % 24, second / 60 % 60);
    let (host, pid) = (random.below(40), 300 + random.below(30_000));
    write!(line, "Oct {day:2} {hour:02}:{minute:02}:{:02} host-{host:03} {program}[{pid}]: ", second % 60).expect("strings grow");
}

/// The message with every place in braces filled.
fn fill(line: &mut String, text: &str, random: &mut Random) {
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        line.push_str(before);
        let Some((name, after)) = after.split_once('}') else {
            rest = after;
            continue;
        };
        value(line, name, random);
        rest = after;
    }
    line.push_str(rest);
}

fn value(line: &mut String, name: &str, random: &mut Random) {
    use std::fmt::Write;
    const USERS: &[&str] = &[
        "root", "alice", "bob", "carol", "dave", "erin", "frank", "grace", "heidi", "ivan", "judy", "mallory", "deploy", "backup",
        "www-data",
    ];
    const PROGRAMS: &[&str] =
        &["nginx", "postgresql", "redis", "rsync", "certbot", "logrotate", "exporter", "scheduler", "mailer", "worker", "indexer"];
    const PATHS: &[&str] = &[
        "/api/v2/orders",
        "/api/v2/users",
        "/health",
        "/static/app.js",
        "/login",
        "/srv/files/report.pdf",
        "/etc/hosts",
        "/var/lib/app/state",
    ];
    const STATUS: &[&str] = &["200", "200", "200", "200", "204", "301", "304", "400", "403", "404", "500", "502"];
    let written = match name {
        "user" => write!(line, "{}", random.one_of(USERS)),
        "program" => write!(line, "{}", random.one_of(PROGRAMS)),
        "path" => write!(line, "{}/{}", random.one_of(PATHS), random.below(5_000)),
        "status" => write!(line, "{}", random.one_of(STATUS)),
        "period" => write!(line, "{}", random.one_of(&["hourly", "daily", "weekly"])),
        "speed" => write!(line, "{}", random.one_of(&["100", "1000", "10000"])),
        "host" => write!(line, "host-{:03}", random.below(40)),
        "letter" => write!(line, "{}", random.one_of(&["a", "b", "c", "d"])),
        "address" => {
            let bits = random.below(1 << 18); // a quarter of a million addresses
            write!(line, "10.{}.{}.{}", bits >> 16, (bits >> 8) & 255, bits & 255)
        }
        "mac" => write!(line, "02:00:00:{:02x}:{:02x}:{:02x}", random.below(4), random.below(256), random.below(256)),
        "port" => write!(line, "{}", 1_024 + random.below(64_000)),
        "small" => write!(line, "{}", random.below(100)),
        "number" => write!(line, "{}", random.below(1_000_000)),
        "hex" => write!(line, "{:010X}", random.next() >> 24),
        "token" => write!(line, "{:016x}{:016x}", random.next(), random.next()),
        other => write!(line, "{{{other}}}"),
    };
    written.expect("strings grow");
}

/// The splitmix64 generator: small, and the same everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut value = self.0;
        value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        value ^ (value >> 31)
    }

    /// A number below `bound`; the bias is of no matter here.
    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }

    fn one_of<'a>(&mut self, words: &[&'a str]) -> &'a str {
        words[self.below(words.len() as u64) as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_lines_every_time() {
        let messages = include_str!("../../../benches/syslog.txt");
        let make = || {
            let mut out = Vec::new();
            generate(messages, 50_000, &mut out).unwrap();
            String::from_utf8(out).unwrap()
        };
        let text = make();
        assert_eq!(text, make());
        assert_eq!(text.matches(NEEDLE).count(), 1);
        assert!(!text.contains('{') && !text.contains('}'), "every place is filled");
        assert!(text.lines().all(|line| line.starts_with("Oct  1 00:") && line.contains("]: ")));
    }

    #[test]
    fn nonsense_is_named() {
        assert!(generate("10 only-two\n", 10, &mut Vec::new()).is_err());
        assert!(generate("ten app text\n", 10, &mut Vec::new()).is_err());
    }
}
