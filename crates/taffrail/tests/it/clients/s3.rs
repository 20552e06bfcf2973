//! Buckets of moto, a service that speaks S3 and checks signatures, filled by boto3.

use super::{Script, awkward, serve};
use crate::harness::{Scratch, eventually};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Objects: key, content, and how it is put.
type Objects = Vec<(String, String, &'static str)>;

fn put(scratch: &Scratch, script: &mut Script, objects: &Objects) {
    let all: Vec<Value> = objects.iter().map(|(key, text, how)| json!([key, text, how])).collect();
    let file = scratch.file("objects.json", json!(all).to_string().as_bytes());
    script.tell(file.to_str().expect("is text"));
    assert_eq!(script.said()["put"], objects.len());
}

/// Names that are easily mistaken on their way into a URL and back.
const NAMES: [&str; 9] = [
    "a b.log",
    "é/日本.log",
    "a+b.log",
    "50%25.log",
    "a=b&c?d#e.log",
    "it's (1) [2] {3}~!.log",
    "*star*,;:@$.log",
    "back\\slash.log",
    "x/.hidden",
];

fn lines(name: &str, from: usize, to: usize) -> String {
    (from..to).map(|line| format!("2026-03-01T00:00:00Z host app: {line} of {name} ü\n")).collect()
}

fn objects() -> Objects {
    // More than one listing gives.
    let mut all: Objects = (0..1_050).map(|at| (format!("in/small/{at:05}.log"), lines(&format!("small {at}"), 0, 1), "plain")).collect();
    all.extend(NAMES.iter().map(|name| (format!("in/{name}"), lines(name, 0, 3), "plain")));
    all.push(("in/packed.gz".into(), lines("packed", 0, 20_000), "gzip"));
    // In parts, as what is larger than 8 MiB is put.
    all.push(("in/parts.log".into(), lines("parts", 0, 180_000), "parts"));
    let documents = awkward(100).iter().map(|message| json!({"text": message.text}).to_string() + "\n").collect();
    all.push(("in/documents.json".into(), documents, "plain"));
    // As consoles make what they show as folders.
    all.push(("in/folder/".into(), String::new(), "plain"));
    all.push(("elsewhere.log".into(), lines("elsewhere", 0, 1), "plain"));
    all
}

#[test]
fn moto_and_boto3() {
    let scratch = Scratch::new();
    let Some(mut script) = Script::start(&scratch, "s3.py", &json!({})) else { return };
    let said = script.said();
    let of = |name: &str| said[name].as_str().expect("is text").to_owned();
    let objects = objects();
    put(&scratch, &mut script, &objects);
    let input = |secret: &str| {
        format!(
            "[[input]]\ntype = \"s3\"\nurl = \"s3://logs/in\"\nendpoint = \"{}\"\nregion = \"eu-central-1\"\nevery_seconds = 0.5\naccess_key = \"{}\"\n\
             secret_key = \"{secret}\"\n",
            of("endpoint"),
            of("access_key"),
        )
    };
    // The service compares signatures: another secret is refused, and that is said.
    let server = serve(&scratch, &input("wrong"));
    eventually("it is refused", || super::account(&server, "s3")["problems"].to_string().contains("SignatureDoesNotMatch"));
    server.stop();
    assert_eq!(scratch.count("index=main"), 0);

    let server = serve(&scratch, &input(&of("secret_key")));
    let below = |objects: &Objects| {
        objects.iter().filter(|(key, ..)| key.starts_with("in/")).map(|(_, text, _)| text.lines().count() as u64).sum::<u64>()
    };
    let wanted = below(&objects);
    eventually("all objects are read", || scratch.count("index=main") >= wanted);
    let later: Objects = vec![
        // As it was, and a line more: another version.
        ("in/small/00000.log".into(), lines("small 0", 0, 2), "plain"),
        ("in/small/00001.log".into(), String::new(), "delete"),
        ("in/later.log".into(), lines("later", 0, 5), "plain"),
    ];
    put(&scratch, &mut script, &later);
    eventually("what came later is read", || scratch.count("index=main source=\"s3://logs/in/later.log\"") == 5);
    eventually("so is the changed one", || scratch.count("index=main source=\"s3://logs/in/small/00000.log\"") == 3);
    server.stop();
    // Nothing is read again.
    let server = serve(&scratch, &input(&of("secret_key")));
    put(&scratch, &mut script, &vec![("in/last.log".into(), lines("last", 0, 1), "plain")]);
    eventually("what came last is read", || scratch.count("index=main source=\"s3://logs/in/last.log\"") == 1);
    let account = super::account(&server, "s3");
    assert_eq!((&account["skipped"], &account["problems"]), (&json!({}), &json!([])), "{account}");
    server.stop();
    script.end();

    assert_eq!(scratch.count("index=main"), wanted + 2 + 5 + 1);
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    for row in scratch.rows("index=main | stats count dc(_raw) as texts by source") {
        let source = row["source"].as_str().expect("is text").to_owned();
        let (count, texts) = (row["count"].as_u64().expect("is a number"), row["texts"].as_u64().expect("is a number"));
        assert!(count == texts || source.ends_with("00000.log"), "{source} has {count} events, {texts} of them different");
        counts.insert(source, count);
    }
    for (key, text, _) in objects.iter().filter(|(key, ..)| key.starts_with("in/") && !key.ends_with("00000.log") && !key.ends_with('/')) {
        assert_eq!(counts.get(&format!("s3://logs/{key}")).copied(), Some(text.lines().count() as u64), "{key}");
    }
    let rows =
        scratch.rows("index=main NOT source=\"*/parts.log\" NOT source=\"*/packed.gz\" NOT source=\"*/small/*\" | table source _raw");
    for name in NAMES {
        let source = format!("s3://logs/in/{name}");
        let texts = rows.iter().filter(|row| row["source"] == source).filter_map(|row| row["_raw"].as_str()).collect::<Vec<_>>().join("\n");
        assert_eq!(super::sorted_lines(&texts), super::sorted_lines(&lines(name, 0, 3)), "{name}");
    }
    let rows = scratch.rows("index=main source=\"s3://logs/in/documents.json\" | table text");
    super::each_once(&rows, "text", &awkward(100));
}
