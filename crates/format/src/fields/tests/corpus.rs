//! Real logs with known answers: logins of sshd and vsftpd, and the cases of other projects.

#![allow(clippy::disallowed_methods)] // tests read the corpus and the packs where they lie

use super::packs::under_test;
use super::*;
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

fn corpus() -> Option<PathBuf> {
    let found = std::env::var_os("TAFFRAIL_CORPUS").map(PathBuf::from).filter(|path| path.is_dir());
    if found.is_none() {
        eprintln!("skipped: no corpus");
    }
    found
}

fn lines(path: PathBuf) -> Vec<Vec<u8>> {
    let bytes = std::fs::read(&path).expect("is there");
    let bytes = if path.extension().is_some_and(|ending| ending == "zst") { zstd::decode_all(&bytes[..]).expect("unpacks") } else { bytes };
    bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).map(<[u8]>::to_vec).collect()
}

/// The rows of a table without quotes, each by the names of its columns.
fn table(path: PathBuf) -> Vec<HashMap<String, String>> {
    let text = String::from_utf8(std::fs::read(path).expect("is there")).expect("text");
    let mut rows = text.lines();
    let names: Vec<&str> = rows.next().expect("a head").split(',').collect();
    rows.map(|row| names.iter().zip(row.split(',')).map(|(name, value)| ((*name).to_owned(), value.to_owned())).collect()).collect()
}

struct Event(HashMap<String, String>);

impl Event {
    fn of(formats: &Formats, sourcetype: &str, line: &[u8]) -> Self {
        Self(formats.fields_of_event(sourcetype, line).into_iter().collect())
    }

    fn get(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    fn is(&self, kind: &str, action: &str) -> bool {
        self.get("tag") == kind && self.get("action") == action
    }
}

#[test]
fn every_session_of_sshd() {
    let Some(corpus) = corpus() else { return };
    let (_, formats) = under_test();
    // Tries refused and taken, by address, port and account.
    let mut found: HashMap<(String, String, String), (usize, usize)> = HashMap::new();
    for line in lines(corpus.join("real/sshd-auth.log.zst")) {
        let event = Event::of(&formats, "syslog", &line);
        if event.get("tag") != "authentication" || event.get("app") != "sshd" {
            continue;
        }
        let counts =
            found.entry((event.get("src").to_owned(), event.get("src_port").to_owned(), event.get("user").to_owned())).or_default();
        match event.get("action") {
            "failure" => counts.0 += 1,
            "success" => counts.1 += 1,
            other => panic!("action {other:?}"),
        }
    }
    let mut wrong = Vec::new();
    let truth = table(corpus.join("real/sshd-truth.csv"));
    for row in &truth {
        let (refused, taken) = found.remove(&(row["src_ip"].clone(), row["src_port"].clone(), row["user"].clone())).unwrap_or_default();
        if refused.to_string() != row["password_tries_refused"] || (taken == 1) != (row["outcome"] == "success") {
            wrong.push(format!("{row:?}: {refused} refused, {taken} taken"));
        }
    }
    assert!(wrong.is_empty(), "{} of {} sessions: {:#?}", wrong.len(), truth.len(), &wrong[..wrong.len().min(20)]);
    // The first two are from before the truth was written down.
    assert!(found.len() <= 2, "more than there was: {found:?}");
}

/// A path without what the server writes in another way: bytes beyond ASCII, and the folder in which it runs.
fn plain(path: &str) -> String {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.chars().filter(|c| c.is_ascii() && *c != '?').collect()
}

#[test]
fn every_action_of_vsftpd() {
    let Some(corpus) = corpus() else { return };
    let (_, formats) = under_test();
    type Key = (String, String, String, String, String, bool);
    let mut found: BTreeMap<Key, isize> = BTreeMap::new();
    let mut asked: HashMap<String, (String, String)> = HashMap::new();
    for line in lines(corpus.join("real/vsftpd/vsftpd.log.zst")) {
        let event = Event::of(&formats, "text", &line);
        let value = |name: &str| event.get(name).to_owned();
        let ok = event.get("action") == "success";
        let (action, object) = match (event.get("tag"), event.get("action"), event.get("direction")) {
            ("authentication", "success" | "failure", _) => ("login".to_owned(), String::new()),
            ("file_access", "success" | "failure", "create") => ("mkdir".to_owned(), plain(&value("file"))),
            ("file_access", "success" | "failure", direction) => (direction.to_owned(), plain(&value("file"))),
            // What was asked for, and the answer: the server says nothing else of lists, and of uploads that it refuses.
            ("file_access", "", direction @ ("list" | "upload")) => {
                asked.insert(value("pid"), (direction.to_owned(), plain(&value("file"))));
                continue;
            }
            _ => {
                let response = event.get("ftp_response");
                let listed = response.starts_with("226 ");
                match asked.remove(event.get("pid")) {
                    Some((direction, file)) if direction == "upload" && response.starts_with("55") => {
                        *found.entry((value("src"), value("user"), direction, file, String::new(), false)).or_default() += 1;
                    }
                    Some((direction, file)) if direction == "list" && listed => {
                        *found.entry((value("src"), value("user"), direction, file, String::new(), true)).or_default() += 1;
                    }
                    Some(waiting) if !response.is_empty() && !listed && !response.starts_with("55") => {
                        asked.insert(value("pid"), waiting);
                    }
                    _ => {}
                }
                continue;
            }
        };
        if event.get("user").is_empty() {
            continue;
        }
        let bytes = if ok && ["upload", "download"].contains(&action.as_str()) { value("bytes") } else { String::new() };
        *found.entry((value("src"), value("user"), action, object, bytes, ok)).or_default() += 1;
    }
    let truth = table(corpus.join("real/vsftpd/truth.csv"));
    for row in &truth {
        let value = |name: &str| row.get(name).cloned().unwrap_or_default();
        let object = if row["action"] == "login" { String::new() } else { plain(&value("object")) };
        let bytes =
            if ["upload", "download"].contains(&row["action"].as_str()) && row["ok"] == "1" { value("bytes") } else { String::new() };
        *found.entry((value("src_ip"), value("user"), value("action"), object, bytes, row["ok"] == "1")).or_default() -= 1;
    }
    // A login is from before the truth was written down.
    let wrong: Vec<_> = found.iter().filter(|(key, count)| **count != 0 && key.0 != "127.9.9.9").collect();
    assert!(wrong.is_empty(), "{} of {} actions: {:#?}", wrong.len(), truth.len(), &wrong[..wrong.len().min(40)]);

    let mut transfers: BTreeMap<(String, String, String, String), isize> = BTreeMap::new();
    for line in lines(corpus.join("real/vsftpd/xferlog.zst")) {
        let event = Event::of(&formats, "text", &line);
        assert_eq!(event.get("tag"), "file_access", "{}", String::from_utf8_lossy(&line));
        if event.get("action") == "success" {
            let value = |name: &str| event.get(name).to_owned();
            *transfers.entry((value("src"), value("user"), value("direction"), value("bytes"))).or_default() += 1;
        }
    }
    for row in truth.iter().filter(|row| row["ok"] == "1" && ["upload", "download"].contains(&row["action"].as_str())) {
        *transfers.entry((row["src_ip"].clone(), row["user"].clone(), row["action"].clone(), row["bytes"].clone())).or_default() -= 1;
    }
    let wrong: Vec<_> = transfers.iter().filter(|(_, count)| **count != 0).collect();
    assert!(wrong.is_empty(), "{} transfers: {:#?}", wrong.len(), &wrong[..wrong.len().min(20)]);
}

fn sourcetype_of(line: &str) -> &'static str {
    crate::detect(line.as_bytes())
}

/// What is asked of a line, and what was found instead.
struct Score {
    asked: usize,
    misses: Vec<String>,
}

impl Score {
    fn expect(&mut self, what: &str, want: &str, found: &str, line: &str) {
        self.asked += 1;
        if want != found {
            self.misses.push(format!("{what}: {found:?}, not {want:?}: {line}"));
        }
    }

    /// Fails where fewer than this share came out as they should.
    fn at_least(&self, what: &str, least: f64) {
        let share = 1.0 - self.misses.len() as f64 / self.asked as f64;
        eprintln!("{what}: {} asked, {} missed, {:.2} %\n{:#?}", self.asked, self.misses.len(), share * 100.0, self.misses);
        assert!(share >= least, "{what}: {:.2} %", share * 100.0);
    }
}

#[test]
fn the_cases_of_fail2ban_ossec_and_wazuh() {
    let Some(corpus) = corpus() else { return };
    let (_, formats) = under_test();
    let mut score = Score { asked: 0, misses: Vec::new() };
    fail2ban(&corpus, &formats, &mut score);
    score.at_least("fail2ban", 0.98);
    // Each of the three by itself, so that none hides behind another.
    for project in ["wazuh", "ossec"] {
        let mut score = Score { asked: 0, misses: Vec::new() };
        rules(&corpus, &formats, project, &mut score);
        score.at_least(project, 0.99);
    }
}

fn fail2ban(corpus: &Path, formats: &Formats, score: &mut Score) {
    for line in lines(corpus.join("rule-tests/fail2ban/cases.jsonl")) {
        let case: serde_json::Value = serde_json::from_slice(&line).expect("JSON");
        let (filter, expected) = (case["filter"].as_str().expect("a filter"), &case["expected"]);
        let mut line = case["line"].as_str().expect("a line").to_owned();
        if filter == "sshd-journal" {
            line.insert_str(0, "Nov 21 19:36:41 ");
        }
        let event = Event::of(formats, sourcetype_of(&line), line.as_bytes());
        let shown = format!("[{filter}] {line}");
        if let Some(host) = expected["host"].as_str().filter(|host| line.contains(*host)) {
            let src = if event.get("src").is_empty() { event.get("clientip") } else { event.get("src") };
            score.expect("src", host, src, &shown);
        }
        if let Some(user) = expected["user"].as_str().filter(|user| line.contains(*user)) {
            score.expect("user", user, event.get("user"), &shown);
        }
        if ["sshd", "sshd-journal", "dovecot", "mysqld-auth", "vsftpd", "nginx-http-auth"].contains(&filter) {
            let outcome = [("Accepted ", "success"), ("Failed ", "failure"), ("auth failed", "failure"), ("FAIL LOGIN", "failure")];
            let more = [("assword mismatch", "failure"), ("Access denied for user", "failure"), ("authentication failure;", "failure")];
            let outcome = outcome.into_iter().chain(more).find(|(text, _)| line.contains(text) && !line.contains("Accepted key"));
            if let Some((_, action)) = outcome {
                score.expect("action", action, event.get("action"), &shown);
            } else if expected["match"] == false {
                score.expect("no success", "false", if event.is("authentication", "success") { "true" } else { "false" }, &shown);
            }
        }
    }
}

/// What the rules of the two projects say of an event, where they speak of logins.
fn outcome_of_rule(rule: &str) -> Option<(&'static str, &'static str)> {
    Some(match rule {
        "5501" => ("session", "opened"),
        "5502" => ("session", "closed"),
        "5503" | "5504" | "2502" | "5716" | "5710" | "5718" | "5719" | "5720" | "5726" | "5738" | "5758" | "5760" | "5301" | "5302"
        | "5401" | "5404" | "5405" | "11204" => ("authentication", "failure"),
        "5715" | "5303" | "5304" | "5305" | "5402" | "5403" | "5407" | "11205" => ("authentication", "success"),
        _ => return None,
    })
}

/// Lines that the projects count, beside which the outcome of the attempt stands in another one.
fn is_detail(line: &str) -> bool {
    let of_sshd = ["Postponed ", "Invalid user ", "maximum authentication attempts", "(pam_unix)"];
    let of_pam = ["check pass; user unknown", "pam_unix(dovecot:auth)"];
    let of_su = [": + ", ": - "];
    (line.contains("sshd") && of_sshd.iter().any(|text| line.contains(text)))
        || of_pam.iter().any(|text| line.contains(text))
        || (line.contains(" su") && of_su.iter().any(|text| line.contains(text)))
}

fn rules(corpus: &Path, formats: &Formats, project: &str, score: &mut Score) {
    let address = regex::Regex::new(r"\b\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}\b").expect("compiles");
    for file in ["pam", "proftpd", "sshd", "su", "sudo", "apache", "nginx", "named", "postfix", "syslog", "web_rules"] {
        let text = std::fs::read_to_string(corpus.join(format!("rule-tests/{project}/{file}.ini"))).expect("text");
        let mut lines: Vec<&str> = Vec::new();
        for row in text.lines() {
            if row.starts_with('[') {
                lines.clear();
            }
            if let Some((_, line)) = row.split_once(" = ").filter(|(key, _)| key.starts_with("log ") && key.ends_with("pass")) {
                lines.push(line);
            }
            let Some(rule) = row.strip_prefix("rule = ") else { continue };
            for line in lines.drain(..) {
                let event = Event::of(formats, sourcetype_of(line), line.as_bytes());
                let shown = format!("[{project} {file} {rule}] {line}");
                if let Some((kind, action)) = outcome_of_rule(rule.trim()) {
                    let kind = if is_detail(line) { "authentication_detail" } else { kind };
                    score.expect("tag", kind, event.get("tag"), &shown);
                    score.expect("action", action, event.get("action"), &shown);
                }
                if !["syslog", "web_rules"].contains(&file)
                    && let Some(first) = address.find(line)
                {
                    let src = if event.get("src").is_empty() { event.get("clientip") } else { event.get("src") };
                    let known = address.find_iter(line).any(|found| found.as_str() == src);
                    score.expect("src", first.as_str(), if known { first.as_str() } else { src }, &shown);
                }
            }
        }
    }
}
