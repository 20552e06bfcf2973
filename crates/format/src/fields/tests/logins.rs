//! Logins over all formats: `tag=authentication action=failure | stats count by app`, and how often an attempt counts.

use super::packs::under_test;
use super::*;
use std::collections::BTreeMap;

fn event(formats: &Formats, sourcetype: &str, line: &str) -> BTreeMap<String, String> {
    formats.fields_of_event(sourcetype, line.as_bytes()).into_iter().collect()
}

/// What the applications of logins are called, in all formats.
const APPS: &[&str] = &[
    "Gate",
    "apache",
    "api",
    "asa",
    "audit",
    "aws",
    "azure",
    "checkpoint",
    "crm",
    "dovecot",
    "eDirectory#DS",
    "esx",
    "exim",
    "fortigate",
    "gcp",
    "gdm-password",
    "ios",
    "kubernetes",
    "ledger",
    "login",
    "mgd",
    "microsoft365",
    "mssql",
    "mysql",
    "netscreen",
    "nginx",
    "nxos",
    "openvpn",
    "oracle",
    "pan",
    "pfsense",
    "postfix",
    "postgresql",
    "proftpd",
    "pure-ftpd",
    "salesforce",
    "shop",
    "sshd",
    "su",
    "sudo",
    "vcenter",
    "vsftpd",
    "windows",
    "zeek",
];

#[test]
fn failed_logins_by_app_over_all_samples() {
    let (files, formats) = under_test();
    let (mut wanted, mut found) = (BTreeMap::<String, usize>::new(), BTreeMap::<String, usize>::new());
    let mut faults = Vec::new();
    for (name, file) in &files {
        for sample in &file.sample {
            let sample = sample.get_ref();
            let sourcetype = samples::sourcetype_of(file, sample);
            let has = event(&formats, &sourcetype, &sample.line);
            let has = |field: &str| has.get(field).map_or("", String::as_str);
            if has("tag") == "authentication" && has("action") == "failure" {
                *found.entry(has("app").to_owned()).or_default() += 1;
            }
            if sample.kind.as_deref() != Some("authentication") {
                continue;
            }
            let says = |field: &str| sample.fields.get(field).map_or("", String::as_str);
            if says("app").is_empty() || says("action").is_empty() || has("attempts").is_empty() {
                faults.push(format!(
                    "{name}: app={:?} action={:?} attempts={:?}: {}",
                    has("app"),
                    has("action"),
                    has("attempts"),
                    sample.line
                ));
            } else if !APPS.contains(&says("app")) {
                faults.push(format!("{name}: nobody knows app={:?}", says("app")));
            }
            if says("action") == "failure" {
                *wanted.entry(says("app").to_owned()).or_default() += 1;
            }
        }
    }
    assert!(faults.is_empty(), "a sample of a login says `app` and `action`:\n{}", faults.join("\n"));
    assert_eq!(found, wanted);
    let unused: Vec<_> = APPS.iter().filter(|app| !files.iter().any(|(_, file)| asserts(file, app))).collect();
    assert!(unused.is_empty(), "{unused:?}");
}

fn asserts(file: &file::File, app: &str) -> bool {
    file.sample.iter().any(|sample| sample.get_ref().fields.get("app").is_some_and(|said| said == app))
}

/// The families whose samples stand among those of others.
const FAMILIES: [&str; 19] = [
    "apt",
    "defender",
    "dpkg",
    "esx3",
    "esxi",
    "esxi_hostd",
    "fwsm",
    "json_of_programs",
    "junos",
    "kernel",
    "key_value",
    "nftables",
    "nginx_access",
    "pix",
    "powershell",
    "snort",
    "vcenter",
    "windows_dns",
    "zeek_json",
];

#[test]
fn every_family_has_ten_samples() {
    let (files, _) = under_test();
    let mut counts: BTreeMap<&str, usize> = FAMILIES.iter().map(|family| (*family, 0)).collect();
    for (name, file) in &files {
        // What says how lines belong together shows it by streams.
        if !file.stream.is_empty() {
            *counts.entry(name.as_str()).or_default() += file.stream.len();
        }
        for sample in &file.sample {
            *counts.entry(sample.get_ref().family.as_deref().unwrap_or(name)).or_default() += 1;
        }
    }
    let few: Vec<_> = counts.iter().filter(|(_, count)| **count < 10).collect();
    assert!(few.is_empty(), "{few:?}");
}

#[test]
fn repeated_messages_have_the_fields_of_the_message() {
    let formats = Formats::new();
    let line = "Nov 21 19:36:41 vm sshd[77]: message repeated 5 times: [ Failed password for root from 10.1.2.4 port 22 ssh2]";
    let has = event(&formats, "syslog", line);
    let want = [
        ("tag", "authentication"),
        ("action", "failure"),
        ("user", "root"),
        ("src", "10.1.2.4"),
        ("src_port", "22"),
        ("attempts", "5"),
        ("app", "sshd"),
    ];
    for (name, value) in want {
        assert_eq!(has.get(name).map(String::as_str), Some(value), "{name}");
        let kind = kind_with(&formats, line, &["77", "5", "root", "10.1.2.4", "22"], name);
        assert_ne!(kind, "PerEvent", "{name} is decided once");
    }
    for bits in 0..64_u32 {
        same("syslog", line, |number| bits >> (number % 6) & 1 == 1).expect("the pattern says the same");
    }
    same("syslog", line, |_| true).expect("the pattern says the same");
    let lines = [
        ("Nov 21 19:36:41 fw message repeated 3 times: [ logged a=1 b=two]", [("a", "1"), ("b", "two"), ("attempts", "3")]),
        ("Nov 21 19:36:41 fw app: message repeated 2 times: [ [7] a=1 b=[x]]", [("a", "1"), ("b", "[x]"), ("attempts", "2")]),
    ];
    for (line, want) in lines {
        let has = event(&formats, "syslog", line);
        for (name, value) in want {
            assert_eq!(has.get(name).map(String::as_str), Some(value), "{name} of {line}");
        }
    }
    for line in [
        "Nov 21 19:36:41 vm last message repeated 5 times",
        "Nov 21 19:36:41 vm sshd[77]: message repeated 5 times: [ Failed password for root from 10.1.2.4 port 22 ssh2",
        "Nov 21 19:36:41 vm sshd[77]: message repeated times: [ Failed password for root from 10.1.2.4 port 22 ssh2]",
    ] {
        let has = event(&formats, "syslog", line);
        assert_eq!((has.get("tag"), has.get("attempts")), (None, None), "{line}");
    }
}

fn kind_with(formats: &Formats, line: &str, vary: &[&str], field: &str) -> String {
    let (mut tokens, mut shape) = (Vec::new(), Vec::new());
    assert!(split::split(line.as_bytes(), &mut tokens, &mut shape, 1000));
    let (pattern, values) =
        pattern_of(line.as_bytes(), |n| vary.contains(&String::from_utf8_lossy(tokens[n].of(line.as_bytes())).as_ref()));
    let mut held = held_by(&pattern, &[&values]);
    held.iter_mut().zip(&values).for_each(|(held, value)| held.sample = Some(value.as_slice().into()));
    let plan = match formats.resolve("syslog", &pattern, &held, field) {
        FieldPlan::PerEvent(..) => formats.guarded("syslog", &pattern, &held, field).map(|guarded| format!("{:?}", guarded.plan)),
        plan => Some(format!("{plan:?}")),
    };
    plan.map_or_else(|| "PerEvent".to_owned(), |plan| plan.split('(').next().unwrap_or_default().to_owned())
}

/// The lines that sshd, PAM, sudo and su write of attempts: the attempts that were made, each once.
#[test]
fn one_attempt_is_one_event() {
    let formats = Formats::new();
    let count = |lines: &[&str]| {
        let all = lines.iter().map(|line| event(&formats, "syslog", &format!("Nov 21 19:36:41 vm {line}")));
        let logins = all.filter(|event| event.get("tag").is_some_and(|tag| tag == "authentication"));
        logins.map(|event| event["attempts"].parse::<u32>().expect("a number")).sum::<u32>()
    };
    let sshd = [
        "sshd[7]: Invalid user pi from 10.1.2.4 port 22",
        "sshd[7]: pam_unix(sshd:auth): check pass; user unknown",
        "sshd[7]: pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=10.1.2.4 ",
        "sshd[7]: Failed password for invalid user pi from 10.1.2.4 port 22 ssh2",
        "sshd[7]: message repeated 2 times: [ Failed password for invalid user pi from 10.1.2.4 port 22 ssh2]",
        "sshd[7]: error: maximum authentication attempts exceeded for invalid user pi from 10.1.2.4 port 22 ssh2 [preauth]",
        "sshd[7]: Disconnecting invalid user pi 10.1.2.4 port 22: Too many authentication failures [preauth]",
        "sshd[7]: PAM 2 more authentication failures; logname= uid=0 euid=0 tty=ssh ruser= rhost=10.1.2.4 ",
        "sshd[7]: PAM service(sshd) ignoring max retries; 3 > 3",
    ];
    assert_eq!(count(&sshd), 3);
    let old = [
        "sshd(pam_unix)[7]: check pass; user unknown",
        "sshd(pam_unix)[7]: authentication failure; logname= uid=0 euid=0 tty=NODEVssh ruser= rhost=10.1.2.4 ",
        "sshd[7]: Failed password for illegal user pi from 10.1.2.4 port 22 ssh2",
    ];
    assert_eq!(count(&old), 1);
    let sudo = [
        "sudo: pam_unix(sudo:auth): authentication failure; logname=bob uid=1000 euid=0 tty=/dev/pts/0 ruser=bob rhost=  user=bob",
        "sudo: bob : 3 incorrect password attempts ; TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/bin/sh",
    ];
    assert_eq!(count(&sudo), 3);
    let su = [
        "su[7]: pam_unix(su:auth): authentication failure; logname=eve uid=1000 euid=0 tty=/dev/pts/2 ruser=eve rhost=  user=root",
        "su[7]: FAILED SU (to root) eve on pts/2",
    ];
    assert_eq!(count(&su), 1);
    let silent = [
        "vsftpd: pam_unix(vsftpd:auth): check pass; user unknown",
        "vsftpd: pam_unix(vsftpd:auth): authentication failure; logname= uid=0 euid=0 tty=ftp ruser=pi rhost=10.1.2.4 ",
        "gdm-password][7]: pam_unix(gdm-password:auth): authentication failure; logname= uid=0 euid=0 tty=/dev/tty1 ruser= rhost=  user=bob",
        "su(pam_unix)[7]: 2 more authentication failures; logname= uid=1 euid=0 tty= ruser=eve rhost=  user=root",
    ];
    assert_eq!(count(&silent), 4);
}
