//! The estate that the generated log is of, read from text: machines, words and stories. What such texts may say stands at the heads of those in
//! `benches/estate/`. Nothing is made up here, and no line is written here.

use crate::place::{self, Piece, Place};
use crate::random::{Choice, Random, mix};
use anyhow::{Context, Result, bail, ensure};
use std::collections::HashMap;

/// Machines, words and stories.
#[derive(Default)]
pub struct Estate {
    /// Activity by hour of the day.
    pub(crate) day: Vec<u64>,
    pub(crate) hosts: Vec<Host>,
    /// Hosts by role.
    pub(crate) roles: HashMap<String, Vec<usize>>,
    pub(crate) apps: Vec<App>,
    pub(crate) lists: Vec<List>,
    pub(crate) stories: Vec<Story>,
    pub(crate) planted: Vec<(u64, Story)>,
    names: HashMap<String, usize>,
}

pub(crate) struct Host {
    pub(crate) name: String,
    pub(crate) address: String,
    /// Seconds since it was started, when the log begins.
    pub(crate) uptime: u64,
}

pub(crate) struct App {
    pub(crate) name: String,
    pub(crate) process: Process,
}

/// What stands in brackets behind the application's name.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Process {
    None,
    Daemon,
    Story,
}

/// Values to choose from.
pub(crate) struct List {
    pub(crate) entries: Vec<Vec<Piece>>,
    pub(crate) choice: Choice,
}

/// Lines that belong together.
pub(crate) struct Story {
    pub(crate) weight: u64,
    /// The names that hosts have in the story, and whom each is chosen from. The first is the one that logs.
    pub(crate) cast: Vec<(String, Vec<usize>)>,
    pub(crate) lines: Vec<Line>,
    /// How many values the story keeps.
    pub(crate) slots: usize,
}

pub(crate) struct Line {
    /// Milliseconds after the line before, on average.
    pub(crate) delay: u64,
    pub(crate) app: usize,
    /// Which of the cast logs it.
    pub(crate) host: usize,
    pub(crate) repeats: (u64, u64),
    pub(crate) text: Vec<Piece>,
}

impl Estate {
    /// Leaves only stories whose first host is of this role; says whether there are any.
    pub fn keep_role(&mut self, role: &str) -> bool {
        let hosts = self.roles.get(role).cloned().unwrap_or_default();
        self.stories.retain(|story| story.cast[0].1 == hosts);
        !self.stories.is_empty()
    }

    /// Reads hosts, words and stories.
    pub fn parse(hosts: &str, words: &str, stories: &str) -> Result<Self> {
        let mut estate = Self::default();
        each_line(hosts, "hosts.txt", |line| estate.host_line(line))?;
        ensure!(estate.day.len() == 24, "hosts.txt: the day needs 24 hours");
        estate.words(words)?;
        estate.stories(stories)?;
        ensure!(!estate.stories.is_empty(), "stories.txt: no story");
        Ok(estate)
    }

    fn host_line(&mut self, line: &str) -> Result<()> {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            ["day", ref hours @ ..] => self.day = hours.iter().map(|hour| Ok(hour.parse()?)).collect::<Result<_>>()?,
            ["hosts", role, number, name, network] => {
                for n in 1..=number.parse::<u64>()? {
                    let index = self.hosts.len();
                    // Addresses of one network do not follow the machine's numbers.
                    let address = format!("{network}.{}", 2 + (n * 37 + mix(role.len() as u64) % 90) % 250);
                    let shown = if number == "1" { format!("{}", n + 6) } else { format!("{n:03}") };
                    let uptime = 100_000 + mix(index as u64) % 30_000_000;
                    self.hosts.push(Host { name: name.replace('#', &shown), address, uptime });
                    self.roles.entry(role.to_owned()).or_default().push(index);
                }
            }
            ["app", name, process] => {
                let process = match process {
                    "none" => Process::None,
                    "daemon" => Process::Daemon,
                    "story" => Process::Story,
                    other => bail!("{other:?} is not none, daemon or story"),
                };
                self.apps.push(App { name: name.to_owned(), process });
            }
            _ => bail!("neither day, hosts nor app"),
        }
        Ok(())
    }

    fn words(&mut self, text: &str) -> Result<()> {
        // Entries may name lists that come later.
        let heads = text.lines().filter_map(|line| line.strip_prefix("list ").or_else(|| line.strip_prefix("pool ")));
        for (index, head) in heads.enumerate() {
            let name = head.split(' ').next().unwrap_or_default();
            ensure!(self.names.insert(name.to_owned(), index).is_none(), "words.txt: {name} stands twice");
            self.lists.push(List { entries: Vec::new(), choice: Choice::skewed(0) });
        }
        let (mut current, mut skew) = (0, HashMap::new());
        let mut pools = Vec::new();
        each_line(text, "words.txt", |line| {
            let words: Vec<&str> = line.splitn(2, ' ').collect();
            match words[..] {
                ["list", head] => {
                    let name = head.split(' ').next().unwrap_or_default();
                    current = self.names[name];
                    skew.insert(current, head.ends_with(" skewed"));
                }
                ["pool", head] => pools.push(self.pool(head)?),
                _ => {
                    let entry = line.strip_prefix("  ").context("an entry is indented by two blanks")?;
                    let pieces = place::parse(entry, &mut Scope { estate: self, slots: Vec::new(), cast: &[] })?;
                    self.lists[current].entries.push(pieces);
                }
            }
            Ok(())
        })?;
        for (index, skewed) in skew {
            self.lists[index].choice = choice(self.lists[index].entries.len(), skewed);
        }
        for pool in pools {
            self.fill(pool);
        }
        Ok(())
    }

    fn pool(&self, head: &str) -> Result<Pool> {
        let mut parts = head.splitn(3, ' ');
        let (Some(name), Some(number), Some(rest)) = (parts.next(), parts.next(), parts.next()) else { bail!("a pool without template") };
        let (skewed, template) = rest.strip_prefix("skewed ").map_or((false, rest), |template| (true, template));
        let template = place::parse(template, &mut Scope { estate: self, slots: Vec::new(), cast: &[] })?;
        Ok(Pool { index: self.names[name], number: number.parse()?, skewed, template })
    }

    /// Makes the values of a pool; pools that it draws from stand before it.
    fn fill(&mut self, pool: Pool) {
        let mut random = Random::new(mix(pool.index as u64 + 1_000));
        let entries = (0..pool.number)
            .map(|_| {
                let mut value = Vec::new();
                place::write_free(&pool.template, self, &mut random, &mut value);
                vec![Piece::Text(value)]
            })
            .collect();
        self.lists[pool.index] = List { entries, choice: choice(pool.number, pool.skewed) };
    }

    fn stories(&mut self, text: &str) -> Result<()> {
        let mut open: Option<(String, Vec<(usize, String)>)> = None;
        for (number, line) in text.lines().enumerate() {
            if line.starts_with('#') || line.trim().is_empty() {
                continue;
            }
            if line.starts_with(' ') {
                open.as_mut()
                    .with_context(|| format!("stories.txt:{}: a line before the first story", number + 1))?
                    .1
                    .push((number + 1, line.to_owned()));
            } else if let Some((head, lines)) = open.replace((line.to_owned(), Vec::new())) {
                self.story(&head, &lines)?;
            }
        }
        if let Some((head, lines)) = open {
            self.story(&head, &lines)?;
        }
        Ok(())
    }

    fn story(&mut self, head: &str, lines: &[(usize, String)]) -> Result<()> {
        let words: Vec<&str> = head.split_whitespace().collect();
        let [kind @ ("story" | "once"), weight, app, ref cast @ ..] = words[..] else { bail!("stories.txt: {head:?} is no story") };
        let cast: Vec<_> = cast.iter().map(|member| self.member(member)).collect::<Result<_>>()?;
        ensure!(!cast.is_empty() && !lines.is_empty(), "stories.txt: {head:?} has no host or no line");
        let weight = weight.parse().with_context(|| format!("stories.txt: {head:?}"))?;
        let app = self.app(app)?;
        let mut scope = Scope { estate: self, slots: Vec::new(), cast: &cast };
        let lines: Vec<Line> = lines
            .iter()
            .map(|(number, line)| scope.line(line, app).with_context(|| format!("stories.txt:{number}: {line:?}")))
            .collect::<Result<_>>()?;
        let slots = scope.slots.len();
        let story = Story { weight, cast, lines, slots };
        if kind == "once" {
            self.planted.push((weight, story))
        } else {
            self.stories.push(story)
        }
        Ok(())
    }

    fn member(&self, text: &str) -> Result<(String, Vec<usize>)> {
        let (name, roles) = text.split_once('=').with_context(|| format!("{text:?} is not NAME=ROLE"))?;
        let hosts = roles.split(',').map(|role| self.roles.get(role).cloned().with_context(|| format!("no hosts of the role {role:?}")));
        Ok((name.to_owned(), hosts.collect::<Result<Vec<_>>>()?.concat()))
    }

    fn app(&self, name: &str) -> Result<usize> {
        self.apps.iter().position(|app| app.name == name).with_context(|| format!("no application {name:?}"))
    }
}

fn choice(number: usize, skewed: bool) -> Choice {
    if skewed { Choice::skewed(number) } else { Choice::weighted(std::iter::repeat_n(1, number)) }
}

struct Pool {
    index: usize,
    number: usize,
    skewed: bool,
    template: Vec<Piece>,
}

/// What the places of a template may name.
pub(crate) struct Scope<'a> {
    estate: &'a Estate,
    slots: Vec<String>,
    cast: &'a [(String, Vec<usize>)],
}

impl Scope<'_> {
    /// The kept value of this name.
    pub(crate) fn slot(&self, name: &str) -> Option<usize> {
        self.slots.iter().position(|slot| slot == name)
    }

    /// A new kept value.
    pub(crate) fn keep(&mut self, name: &str) -> Result<usize> {
        ensure!(self.slot(name).is_none(), "{name} is kept twice");
        self.slots.push(name.to_owned());
        Ok(self.slots.len() - 1)
    }

    pub(crate) fn list(&self, name: &str) -> Option<Place> {
        self.estate.names.get(name).map(|list| Place::List(*list))
    }

    pub(crate) fn member(&self, name: &str) -> Option<usize> {
        self.cast.iter().position(|(member, _)| member == name)
    }

    pub(crate) fn role(&self, name: &str) -> Option<Vec<usize>> {
        self.estate.roles.get(name).cloned()
    }

    fn line(&mut self, line: &str, app: usize) -> Result<Line> {
        let (head, text) = line.split_once(" | ").context("a line is DELAY ... | TEXT")?;
        let mut words = head.split_whitespace();
        let delay = delay(words.next().context("no delay")?)?;
        let (mut app, mut host, mut repeats) = (app, 0, (1, 1));
        for word in words {
            if let Some((name, member)) = word.split_once('@') {
                app = self.estate.app(name)?;
                host = self.member(member).with_context(|| format!("nobody is called {member:?}"))?;
            } else {
                let (least, most) = word.strip_prefix('x').and_then(|word| word.split_once('-')).with_context(|| format!("{word:?}"))?;
                repeats = (least.parse()?, most.parse()?);
            }
        }
        Ok(Line { delay, app, host, repeats, text: place::parse(text, self)? })
    }
}

fn delay(text: &str) -> Result<u64> {
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit());
    let factor = match unit {
        "" | "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        _ => bail!("{text:?} is no delay: ms, s or m"),
    };
    Ok(text[..text.len() - unit.len()].parse::<u64>()? * factor)
}

fn each_line(text: &str, file: &str, mut take: impl FnMut(&str) -> Result<()>) -> Result<()> {
    for (number, line) in text.lines().enumerate() {
        if !line.starts_with('#') && !line.trim().is_empty() {
            take(line).with_context(|| format!("{file}:{}: {line:?}", number + 1))?;
        }
    }
    Ok(())
}
