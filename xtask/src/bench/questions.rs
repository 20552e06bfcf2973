//! The questions of `benches/questions.toml`, and answers in a form in which those of different programs compare.

use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// A question, in the words of each program that xtask asks itself.
pub struct Question {
    pub name: String,
    pub form: Form,
    /// Milliseconds of CPU on a gigabyte that are to be reached.
    pub reach: Option<f64>,
    pub taffrail: String,
    pub rg: Vec<String>,
}

/// What an answer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Count,
    Hours,
    Top,
    Texts,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    Count(u64),
    /// Counts in the order of time.
    Hours(Vec<u64>),
    /// Names with counts, by count and name.
    Top(Vec<(String, u64)>),
    /// Newest first.
    Texts(Vec<String>),
}

/// So many are asked for by the questions of these forms.
const TOP: usize = 10;
const TEXTS: usize = 100;

pub fn path() -> PathBuf {
    crate::workspace::root().join("benches/questions.toml")
}

/// Reads the questions.
pub fn read(path: &Path) -> Result<Vec<Question>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))?;
    let table: toml::Table = text.parse().with_context(|| format!("{} is no TOML", path.display()))?;
    let questions = table.get("question").and_then(toml::Value::as_array).context("questions.toml: no question")?;
    questions.iter().map(|question| parse(question).with_context(|| format!("questions.toml: {question}"))).collect()
}

fn parse(question: &toml::Value) -> Result<Question> {
    let text = |key: &str| question.get(key).and_then(toml::Value::as_str).with_context(|| format!("no {key}"));
    let form = match text("answer")? {
        "count" => Form::Count,
        "hours" => Form::Hours,
        "top" => Form::Top,
        "texts" => Form::Texts,
        other => bail!("no answer is {other:?}"),
    };
    let rg = question.get("rg").and_then(toml::Value::as_array).context("no rg")?;
    let rg = rg.iter().map(|word| Ok(word.as_str().context("rg: not text")?.to_owned())).collect::<Result<_>>()?;
    let reach = question.get("reach").and_then(toml::Value::as_float);
    Ok(Question { name: text("name")?.to_owned(), form, reach, taffrail: text("taffrail")?.to_owned(), rg })
}

impl Form {
    /// The answer that is in the rows of a search.
    pub fn of_rows(self, rows: &[Value]) -> Result<Answer> {
        let count = |row: &Value| row["count"].as_u64().with_context(|| format!("no count in {row}"));
        Ok(match self {
            Self::Count => Answer::Count(count(rows.first().context("no row")?)?),
            Self::Hours => Answer::Hours(rows.iter().map(count).collect::<Result<_>>()?),
            Self::Top => {
                // The counted field is the only one that is neither the count nor the share.
                let name = |row: &Value| {
                    let fields = row.as_object()?;
                    fields.iter().find(|(name, _)| *name != "count" && *name != "percent")?.1.as_str().map(str::to_owned)
                };
                let top = rows.iter().map(|row| Ok((name(row).with_context(|| format!("no name in {row}"))?, count(row)?)));
                Answer::top(top.collect::<Result<_>>()?)
            }
            Self::Texts => {
                let text = |row: &Value| row["_raw"].as_str().map(str::to_owned).with_context(|| format!("no text in {row}"));
                Answer::Texts(rows.iter().map(text).collect::<Result<_>>()?)
            }
        })
    }

    /// The answer that is in what ripgrep prints.
    pub fn of_lines(self, lines: impl Iterator<Item = String>) -> Result<Answer> {
        Ok(match self {
            // Nothing at all is printed where nothing is found.
            Self::Count => Answer::Count(lines.last().map_or(Ok(0), |line| line.trim().parse())?),
            Self::Hours => {
                let mut hours: Vec<(String, u64)> = Vec::new();
                for line in lines {
                    match hours.last_mut() {
                        Some((hour, count)) if *hour == line => *count += 1,
                        _ => hours.push((line, 1)),
                    }
                }
                Answer::Hours(hours.into_iter().map(|(_, count)| count).collect())
            }
            Self::Top => {
                let mut counts: HashMap<String, u64> = HashMap::new();
                lines.for_each(|line| *counts.entry(line).or_default() += 1);
                Answer::top(counts.into_iter().collect())
            }
            Self::Texts => {
                let mut last = std::collections::VecDeque::with_capacity(TEXTS + 1);
                for line in lines {
                    last.push_front(line);
                    last.truncate(TEXTS);
                }
                Answer::Texts(last.into())
            }
        })
    }

    /// The answer that `yardsticks.py` prints.
    pub fn of_json(self, answer: &Value) -> Result<Answer> {
        let numbers = |value: &Value| value.as_array().map(|values| values.iter().filter_map(Value::as_u64).collect());
        let texts = |value: &Value| -> Option<Vec<String>> {
            value.as_array().map(|texts| texts.iter().filter_map(|text| text.as_str().map(str::to_owned)).collect())
        };
        let pair = |pair: &Value| Some((pair[0].as_str()?.to_owned(), pair[1].as_u64()?));
        let found = match self {
            Self::Count => answer["count"].as_u64().map(Answer::Count),
            Self::Hours => numbers(&answer["hours"]).map(Answer::Hours),
            Self::Top => answer["top"].as_array().map(|pairs| Answer::top(pairs.iter().filter_map(pair).collect())),
            Self::Texts => texts(&answer["texts"]).map(Answer::Texts),
        };
        found.with_context(|| format!("no answer in {}", answer.to_string().chars().take(200).collect::<String>()))
    }
}

impl Answer {
    fn top(mut pairs: Vec<(String, u64)>) -> Self {
        pairs.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        pairs.truncate(TOP);
        Self::Top(pairs)
    }

    /// Whether the answers are the same; what is equally old may come in any order where `loose`.
    pub fn agrees(&self, other: &Self, loose: bool) -> bool {
        match (self, other) {
            (Self::Texts(one), Self::Texts(two)) if loose => one.len() == two.len(),
            _ => self == other,
        }
    }

    /// The answer in few words.
    pub fn brief(&self) -> String {
        match self {
            Self::Count(count) => count.to_string(),
            Self::Hours(hours) => format!("{} hours, {} rows", hours.len(), hours.iter().sum::<u64>()),
            Self::Top(top) => top.first().map_or_else(|| "nothing".into(), |(name, count)| format!("{name} {count}, ...")),
            Self::Texts(texts) => format!("{} texts", texts.len()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_questions_can_be_read() {
        let questions = read(&path()).unwrap();
        assert!(questions.len() > 10 && questions.iter().filter(|question| question.reach.is_some()).count() == 11);
    }

    #[test]
    fn answers_of_all_programs_are_the_same() {
        let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>().into_iter();
        let rows = [json!({"_time": "x", "count": 2, "_span": 3600}), json!({"_time": "y", "count": 1, "_span": 3600})];
        let hours = Form::Hours.of_lines(lines("a\na\nb")).unwrap();
        assert_eq!(hours, Form::Hours.of_rows(&rows).unwrap());
        assert_eq!(hours, Form::Hours.of_json(&json!({"hours": [2, 1]})).unwrap());
        let rows = [json!({"f": "b", "count": 2, "percent": "66"}), json!({"f": "a", "count": 1, "percent": "33"})];
        let top = Form::Top.of_lines(lines("b\na\nb")).unwrap();
        assert_eq!(top, Form::Top.of_rows(&rows).unwrap());
        assert_eq!(top, Form::Top.of_json(&json!({"top": [["b", 2], ["a", 1]]})).unwrap());
        assert_eq!(Form::Count.of_lines(lines("")).unwrap(), Answer::Count(0));
        let texts = Form::Texts.of_lines(lines("old\nnew")).unwrap();
        assert_eq!(texts, Form::Texts.of_rows(&[json!({"_raw": "new"}), json!({"_raw": "old"})]).unwrap());
        assert!(!texts.agrees(&Answer::Texts(vec!["new".into(), "other".into()]), false));
        assert!(Form::Count.of_json(&json!({"error": "x"})).is_err());
    }
}
