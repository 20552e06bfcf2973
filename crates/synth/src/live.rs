//! The messages of an estate, one after the other without end, each with what syslog says of it. Whoever sends them gives them
//! their time.

use crate::estate::Estate;
use crate::random::{Choice, Random, mix};
use crate::syslog::Log;
use std::collections::VecDeque;

/// Bytes of the time that stands before each line of a log.
const TIME_BYTES: usize = 16;

/// Severities in a thousand messages, from `emerg` to `debug`.
const SEVERITIES: [u64; 8] = [1, 2, 12, 40, 85, 120, 700, 40];

/// Facilities of daemons and devices: daemon, auth, cron, authpriv, local0 to local7.
const FACILITIES: [u8; 12] = [3, 4, 9, 10, 16, 17, 18, 19, 20, 21, 22, 23];

/// A message.
#[derive(Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// The role of its host in the estate.
    pub role: &'a str,
    /// Facility and severity as one number.
    pub priority: u8,
    /// The host.
    pub host: &'a str,
    /// The application with its process number and a colon, a blank, and the text.
    pub text: &'a str,
}

/// Makes messages.
pub struct Live<'a> {
    log: Log<'a>,
    estate: &'a Estate,
    stories: Choice,
    severities: Choice,
    /// By host.
    roles: Vec<&'a str>,
    waiting: VecDeque<Vec<u8>>,
    chance: Random,
    now: u64,
    line: String,
    index: std::collections::HashMap<&'a str, usize>,
}

impl<'a> Live<'a> {
    /// The messages of an estate; the same from the same seed.
    pub fn new(estate: &'a Estate, seed: u64) -> Self {
        let mut roles = vec![""; estate.hosts.len()];
        for (role, hosts) in &estate.roles {
            hosts.iter().for_each(|host| roles[*host] = role);
        }
        Self {
            log: Log::new(estate, mix(seed)),
            estate,
            stories: Choice::weighted(estate.stories.iter().map(|story| story.weight)),
            severities: Choice::weighted(SEVERITIES.into_iter()),
            roles,
            waiting: VecDeque::new(),
            chance: Random::new(mix(seed ^ 0x5eed)),
            now: 0,
            line: String::new(),
            index: estate.hosts.iter().enumerate().map(|(at, host)| (host.name.as_str(), at)).collect(),
        }
    }

    /// The next message.
    pub fn message(&mut self) -> Message<'_> {
        while self.waiting.is_empty() {
            let story = self.stories.pick(&mut self.log.random);
            self.now += 10;
            self.log.story(&self.estate.stories[story], self.now);
            self.waiting.extend(self.log.lines.drain(..).map(|(_, line)| line));
        }
        let line = self.waiting.pop_front().unwrap_or_default();
        self.line.clear();
        self.line.push_str(String::from_utf8_lossy(&line).get(TIME_BYTES..).unwrap_or_default().trim_end_matches('\n'));
        self.log.spare.push({
            let mut line = line;
            line.clear();
            line
        });
        let (host, text) = self.line.split_once(' ').unwrap_or(("", &self.line));
        let index = self.index.get(host).copied().unwrap_or_default();
        // Cisco's devices name the severity in the message.
        let named = text.strip_prefix('%').and_then(|text| text.split('-').find_map(|part| part.parse::<u8>().ok().filter(|s| *s < 8)));
        let severity = named.unwrap_or_else(|| self.severities.pick(&mut self.chance) as u8);
        let app = text.split(['[', ':']).next().unwrap_or_default();
        let facility = FACILITIES[(app.bytes().fold(7u64, |sum, byte| mix(sum ^ u64::from(byte))) % FACILITIES.len() as u64) as usize];
        Message { role: self.roles[index], priority: facility * 8 + severity, host, text }
    }
}

/// A mix that is built in: the public profile by which a known appliance is certified, a quarter of Windows and of Linux each, 15 % of IOS,
/// 10 % of ASA, and a quarter of others; 50,000 senders, 382 bytes in the mean.
pub fn jsa() -> anyhow::Result<Estate> {
    Estate::parse(include_str!("../jsa/hosts.txt"), include_str!("../jsa/words.txt"), include_str!("../jsa/stories.txt"))
}

/// The estate of the benchmark: 200 machines of a web service.
pub fn estate() -> anyhow::Result<Estate> {
    Estate::parse(
        include_str!("../../../benches/estate/hosts.txt"),
        include_str!("../../../benches/estate/words.txt"),
        include_str!("../../../benches/estate/stories.txt"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{BTreeMap, BTreeSet};

    #[test]
    fn the_same_from_a_seed_and_with_the_shares_of_the_profile() {
        let estate = jsa().expect("is right");
        assert_eq!(estate.hosts.len(), 50_000);
        let (mut live, mut again, mut other) = (Live::new(&estate, 7), Live::new(&estate, 7), Live::new(&estate, 8));
        let (mut bytes, mut shares, mut hosts, mut severities, mut same) = (0, BTreeMap::new(), BTreeSet::new(), BTreeMap::new(), 0);
        const EVENTS: usize = 40_000;
        for _ in 0..EVENTS {
            let message = live.message();
            assert_eq!(message, again.message());
            same += usize::from(message == other.message());
            bytes += message.host.len() + message.text.len() + 22;
            *shares.entry(message.role.to_owned()).or_insert(0) += 1;
            *severities.entry(message.priority & 7).or_insert(0) += 1;
            hosts.insert(message.host.to_owned());
            assert!(!message.text.contains(['{', '}', '\n']) && message.text.contains(": "), "{}", message.text);
        }
        assert!(same < EVENTS / 100, "{same}");
        assert!((360..=405).contains(&(bytes / EVENTS)), "{} bytes", bytes / EVENTS);
        for (role, share) in [("win", 25), ("lin", 25), ("ios", 15), ("asa", 10), ("oth", 25)] {
            let got = shares[role] * 100 / EVENTS;
            assert!((share - 1..=share + 1).contains(&(got as i32)), "{role}: {got} %");
        }
        assert!(hosts.len() > 20_000, "{}", hosts.len());
        assert!(severities[&0] > 10 && severities[&1] > 10 && severities[&2] > 200, "{severities:?}");
    }

    #[test]
    fn a_role_alone_and_the_estate_of_the_benchmark() {
        let mut windows = jsa().expect("is right");
        assert!(windows.keep_role("win"));
        let mut live = Live::new(&windows, 1);
        assert!((0..500).all(|_| live.message().role == "win"));
        assert!(!windows.keep_role("asa"));
        let estate = estate().expect("is right");
        let mut live = Live::new(&estate, 1);
        assert!((0..2_000).all(|_| live.message().text.contains(": ")));
    }
}
