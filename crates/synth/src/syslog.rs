//! Writes the log of an estate over 72 hours: stories begin at random, more of them by day than by night, and their
//! lines come out in the order of time, as a collector of syslog would write them. The same arguments give the same
//! bytes on every machine.

use crate::estate::{Estate, Process, Story};
use crate::place::{self, COUNTERS, Filling};
use crate::random::{Choice, Random, mix};
use anyhow::Result;
use std::io::Write;

/// How long the log goes.
pub const SECONDS: u64 = 72 * 3_600;

/// No line comes later after its story's beginning than this many seconds.
const LONGEST: u64 = 2 * 3_600;

/// What was written.
pub struct Written {
    /// Bytes, line feeds included.
    pub bytes: u64,
    /// Lines.
    pub lines: u64,
}

/// Writes about so many bytes. What does not hang on the size: the hours, the machines, the shares of the messages, and
/// the planted lines.
pub fn write(estate: &Estate, bytes: u64, out: &mut impl Write) -> Result<Written> {
    let mut log = Log::new(estate, 1);
    // A ring of seconds; in each the milliseconds and the lines that are made but not yet due.
    let mut seconds: Vec<Vec<(u16, Vec<u8>)>> = (0..LONGEST).map(|_| Vec::new()).collect();
    let choice = Choice::weighted(estate.stories.iter().map(|story| story.weight));
    let day: u64 = estate.day.iter().sum::<u64>() * 3_600;
    let (mut activity, mut written) = (0, Written { bytes: 0, lines: 0 });
    for second in 0..SECONDS {
        activity += estate.day[(second / 3_600 % 24) as usize];
        let due = (u128::from(bytes) * u128::from(activity) / u128::from(day * SECONDS / 86_400)) as u64;
        for (at, story) in &estate.planted {
            if second == SECONDS * at / 1_000 {
                log.story(story, second * 1_000);
            }
        }
        while log.made < due {
            let start = second * 1_000 + log.random.below(1_000);
            let story = choice.pick(&mut log.random);
            log.story(&estate.stories[story], start);
        }
        for (time, text) in log.lines.drain(..) {
            seconds[(time / 1_000 % LONGEST) as usize].push(((time % 1_000) as u16, text));
        }
        log.flush(&mut seconds[(second % LONGEST) as usize], out, &mut written)?;
    }
    Ok(written)
}

/// Makes the lines of stories.
pub(crate) struct Log<'a> {
    estate: &'a Estate,
    pub(crate) random: Random,
    /// Lines that were made, with their milliseconds, story by story.
    pub(crate) lines: Vec<(u64, Vec<u8>)>,
    /// Bytes of all lines made so far.
    made: u64,
    /// The last process number of each host.
    processes: Vec<u64>,
    counters: [u64; COUNTERS.len()],
    kept: Vec<Vec<u8>>,
    /// Buffers to use again.
    pub(crate) spare: Vec<Vec<u8>>,
}

impl<'a> Log<'a> {
    pub(crate) fn new(estate: &'a Estate, seed: u64) -> Self {
        Self {
            estate,
            random: Random::new(seed),
            lines: Vec::new(),
            made: 0,
            processes: (0..estate.hosts.len() as u64).map(|host| 2_000 + mix(host) % 400_000).collect(),
            counters: [1_000; COUNTERS.len()],
            kept: Vec::new(),
            spare: Vec::new(),
        }
    }

    /// Makes the lines of a story that begins at this millisecond.
    pub(crate) fn story(&mut self, story: &Story, start: u64) {
        let cast: Vec<usize> = story.cast.iter().map(|(_, hosts)| hosts[self.random.below(hosts.len() as u64) as usize]).collect();
        let process = &mut self.processes[cast[0]];
        *process += 1 + self.random.below(30);
        let process = *process;
        let mut kept = std::mem::take(&mut self.kept);
        kept.resize_with(story.slots.max(kept.len()), Vec::new);
        let mut time = start;
        for line in &story.lines {
            for _ in 0..self.random.between(line.repeats.0, line.repeats.1) {
                time = (time + self.random.below(2 * line.delay + 1)).min(start + (LONGEST - 2) * 1_000);
                let mut text = self.spare.pop().unwrap_or_default();
                let host = cast[line.host];
                self.head(&mut text, time, host, line.app, process);
                let (own, kept, counters) = (line.host, &mut kept[..], &mut self.counters);
                Filling { estate: self.estate, random: &mut self.random, cast: &cast, own, kept, counters, time }
                    .write(&line.text, &mut text);
                text.push(b'\n');
                self.made += text.len() as u64;
                self.lines.push((time, text));
            }
        }
        self.kept = kept;
    }

    /// Time, host and application, as syslog daemons write files.
    fn head(&self, out: &mut Vec<u8>, time: u64, host: usize, app: usize, process: u64) {
        let app_index = app as u64;
        let app = &self.estate.apps[app];
        out.extend_from_slice(b"Oct ");
        if place::day(time) < 10 {
            out.push(b' ');
        }
        place::decimal(out, place::day(time));
        out.push(b' ');
        place::clock(out, time);
        out.push(b' ');
        out.extend_from_slice(self.estate.hosts[host].name.as_bytes());
        out.push(b' ');
        out.extend_from_slice(app.name.as_bytes());
        let process = match app.process {
            Process::None => None,
            Process::Daemon => Some(300 + mix((host as u64) << 8 | app_index) % 9_000),
            Process::Story => Some(process),
        };
        if let Some(process) = process {
            out.push(b'[');
            place::decimal(out, process);
            out.push(b']');
        }
        out.extend_from_slice(b": ");
    }

    /// Writes what is due in a second.
    fn flush(&mut self, due: &mut Vec<(u16, Vec<u8>)>, out: &mut impl Write, written: &mut Written) -> Result<()> {
        // Stable: within a millisecond, the order in which the lines were made.
        due.sort_by_key(|(millisecond, _)| *millisecond);
        for (_, mut line) in due.drain(..) {
            out.write_all(&line)?;
            written.bytes += line.len() as u64;
            written.lines += 1;
            line.clear();
            self.spare.push(line);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(bytes: u64) -> String {
        let estate = Estate::parse(
            include_str!("../../../benches/estate/hosts.txt"),
            include_str!("../../../benches/estate/words.txt"),
            include_str!("../../../benches/estate/stories.txt"),
        );
        let mut out = Vec::new();
        let written = write(&estate.unwrap(), bytes, &mut out).unwrap();
        assert_eq!(written.bytes, out.len() as u64);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_same_lines_every_time_in_the_order_of_time() {
        let text = made(2_000_000);
        assert_eq!(text, made(2_000_000));
        assert!(text.len().abs_diff(2_000_000) < 40_000, "{}", text.len());
        let times: Vec<&str> = text.lines().map(|line| &line[..15]).collect();
        assert!(times.is_sorted() && times[0].starts_with("Oct  5 00") && times[times.len() - 1].starts_with("Oct  7 23"));
        assert!(text.lines().all(|line| line.contains(": ")));
        assert!(!text.contains('{') && !text.contains('}'), "every place is filled");
    }

    #[test]
    fn what_is_planted_does_not_hang_on_the_size() {
        for bytes in [200_000, 3_000_000] {
            let text = made(bytes);
            assert_eq!(text.lines().filter(|line| line.contains("blk_6417093355218840972")).count(), 7);
            assert_eq!(text.matches("0e94f2a7736b").count(), 2);
        }
    }

    #[test]
    fn nonsense_is_named() {
        let hosts = format!("day{}\nhosts web 2 w-# 10.0.0\napp a none\n", " 1".repeat(24));
        let parse = |words: &str, stories: &str| Estate::parse(&hosts, words, stories).map(|_| ()).map_err(|error| format!("{error:#}"));
        assert_eq!(parse("list x\n  one\n", "story 1 a own=web\n 0 | {x} {int:1-2} {name:own}\n"), Ok(()));
        for (words, stories, named) in [
            ("", "story 1 a own=web\n 0 | {nothing}\n", "nothing"),
            ("", "story 1 b own=web\n 0 | x\n", "no application"),
            ("", "story 1 a own=moon\n 0 | x\n", "moon"),
            ("", "story 1 a own=web\n 0 | {int:9}\n", "LEAST-MOST"),
            ("", "story 1 a own=web\n 0 | {open\n", "brace"),
            ("list x\nlist x\n", "", "twice"),
        ] {
            let error = parse(words, stories).unwrap_err();
            assert!(error.contains(named), "{error}");
        }
    }
}
