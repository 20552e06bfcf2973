//! Requests to a web service as `key=value` lines, and the same fields as a table for programs that want columns: what
//! `cargo xtask bench --commands` measures. The same number of events gives the same bytes on every machine.

use anyhow::{Context, Result};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use taffrail_synth::random::{Choice, Random, mix};

/// 2026-10-05T00:00:00Z, in milliseconds.
const START: u64 = 1_791_158_400_000;

/// Between two events, in microseconds: ten million fill a day.
const APART: u64 = 8_640;

const HOSTS: u64 = 100;
const USERS: usize = 50_000;
const PATHS: usize = 1_000;
const STATUSES: [(u64, u64); 8] = [(200, 800), (304, 80), (404, 50), (302, 30), (403, 15), (500, 12), (201, 10), (503, 3)];
const METHODS: [&str; 4] = ["GET", "GET", "GET", "POST"];
/// Sessions that are open at a time: a session's events stand some 17 seconds apart.
const OPEN: usize = 2_000;

#[derive(Clone, Copy, Default)]
struct Session {
    number: u64,
    user: u64,
    host: u64,
    left: u64,
}

/// Writes the events as lines, or as tab-separated values.
pub fn write(file: &Path, events: u64, table: bool) -> Result<u64> {
    let out = File::create(file).with_context(|| format!("{} cannot be made", file.display()))?;
    let mut out = BufWriter::with_capacity(1 << 20, out);
    let mut random = Random::new(4);
    let (users, paths) = (Choice::skewed(USERS), Choice::skewed(PATHS));
    let statuses = Choice::weighted(STATUSES.iter().map(|(_, weight)| *weight));
    let mut open = vec![Session::default(); OPEN];
    let (mut sessions, mut bytes) = (0, 0);
    let mut line = Vec::new();
    for event in 0..events {
        let session = &mut open[random.below(OPEN as u64) as usize];
        if session.left == 0 {
            sessions += 1;
            *session =
                Session { number: sessions, user: users.pick(&mut random) as u64, host: random.below(HOSTS), left: random.between(2, 18) };
        }
        session.left -= 1;
        let milliseconds = START + (event * APART + random.below(APART - 1_000)) / 1_000;
        // A user comes from a few addresses.
        let address = mix(session.user * 8 + session.number % 6);
        let path = paths.pick(&mut random) as u64;
        let (status, _) = STATUSES[statuses.pick(&mut random)];
        let method = METHODS[random.below(4) as usize];
        let (size, duration) = (random.spread(80, 2_000_000), random.spread(1, 20_000));
        let fields = Fields {
            host: format_args!("web-{:03}", session.host),
            address: format_args!("10.{}.{}.{}", address & 63, (address >> 8) & 255, (address >> 16) & 255),
            user: format_args!("u{:05}", session.user),
            session: format_args!("{:012x}", mix(session.number) >> 16),
            path: format_args!("/{}/{:x}", SECTIONS[(path % 8) as usize], mix(path) >> 44),
            duration: format_args!("{}.{:03}", duration / 1_000, duration % 1_000),
        };
        line.clear();
        if table {
            let Fields { host, address, user, session, path, duration } = fields;
            writeln!(line, "{milliseconds}\t{host}\t{address}\t{user}\t{session}\t{method}\t{path}\t{status}\t{size}\t{duration}")?;
        } else {
            let Fields { host, address, user, session, path, duration } = fields;
            let time = Time(milliseconds);
            let process = 1_000 + event / 4_096 % 30_000;
            writeln!(
                line,
                "{time} {host} access[{process}]: clientip={address} user={user} session={session} method={method} uri_path={path} \
                 status={status} bytes={size} duration={duration}"
            )?;
        }
        out.write_all(&line)?;
        bytes += line.len() as u64;
    }
    out.flush().with_context(|| format!("{} cannot be written", file.display()))?;
    Ok(bytes)
}

const SECTIONS: [&str; 8] = ["api/v1/orders", "static/js", "api/v2/items", "login", "img", "search", "api/v1/users", "cart"];

struct Fields<'a> {
    host: std::fmt::Arguments<'a>,
    address: std::fmt::Arguments<'a>,
    user: std::fmt::Arguments<'a>,
    session: std::fmt::Arguments<'a>,
    path: std::fmt::Arguments<'a>,
    duration: std::fmt::Arguments<'a>,
}

/// A time of October 2026 as RFC 3339 writes it.
struct Time(u64);

impl std::fmt::Display for Time {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let since = self.0 - START;
        let (days, rest) = (since / 86_400_000, since % 86_400_000);
        let (hours, minutes) = (rest / 3_600_000, rest / 60_000 % 60);
        write!(f, "2026-10-{:02}T{hours:02}:{minutes:02}:{:02}.{:03}Z", 5 + days, rest / 1_000 % 60, rest % 1_000)
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn lines_and_table_hold_the_same_events() {
        let folder = std::env::temp_dir().join(format!("taffrail-access-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let (lines, table) = (folder.join("lines"), folder.join("table"));
        super::write(&lines, 200, false).unwrap();
        super::write(&table, 200, true).unwrap();
        let (lines, table) = (std::fs::read_to_string(lines).unwrap(), std::fs::read_to_string(table).unwrap());
        std::fs::remove_dir_all(&folder).unwrap();
        assert_eq!(lines.lines().count(), 200);
        for (line, row) in lines.lines().zip(table.lines()) {
            let cells: Vec<&str> = row.split('\t').collect();
            assert_eq!(cells.len(), 10);
            assert!(line.contains(&format!("user={} session={} ", cells[3], cells[4])) && line.contains(&format!(" status={} ", cells[7])));
            assert!(line.ends_with(&format!("duration={}", cells[9])) && line.contains(&format!(" {} access[", cells[1])));
        }
        assert!(lines.starts_with("2026-10-05T00:00:00.0"));
    }
}
