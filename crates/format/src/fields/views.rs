//! The fields of the normal model by their names in other vocabularies: `packs/core/views.toml`.
//!
//! A name is looked up once for each pattern that a search meets: where its events have no field of that name themselves,
//! the plan is that of the model's field. What an event itself has goes first, event by event where the pattern cannot tell.

mod resolve;

use super::model::{Model, model};
use rustc_hash::FxHashMap;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, LazyLock};
use taffrail_pattern::FieldPlan;

/// A vocabulary.
#[derive(Debug)]
pub struct View {
    /// What it is asked for by: `ecs`.
    pub name: String,
    /// What people call it.
    pub title: String,
    /// Its names for what every event has, and what that is here.
    pub stored: BTreeMap<String, String>,
    /// Its names, with the parts that say what each stands for.
    pub names: BTreeMap<String, Arc<[Part]>>,
}

/// What a name stands for, in events of some types.
#[derive(Debug, PartialEq, Eq)]
pub struct Part {
    /// The types; none: all events, those of no type included.
    pub types: Vec<String>,
    /// What it is.
    pub meaning: Meaning,
}

/// What a name stands for.
#[derive(Debug, PartialEq, Eq)]
pub enum Meaning {
    /// This in all events of the types.
    Value(Arc<str>),
    /// A field of the model.
    Field(String, Change),
}

/// What becomes of the values of a field.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// What they are called; `*` any other. Empty: as they are.
    values: BTreeMap<String, String>,
    only: Option<Only>,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Only {
    Address,
    Name,
}

impl Change {
    fn is_none(&self) -> bool {
        self.values.is_empty() && self.only.is_none()
    }

    /// What a value becomes; `None`: it has no name there.
    pub fn apply(&self, value: &str) -> Option<String> {
        if let Some(only) = self.only {
            let is_address = value.parse::<IpAddr>().is_ok();
            return (is_address == (only == Only::Address)).then(|| value.to_owned());
        }
        if self.values.is_empty() {
            return Some(value.to_owned());
        }
        let named = self.values.get(value).or_else(|| self.values.get("*")).filter(|named| !named.is_empty())?;
        Some(if named == "*" { value.to_owned() } else { named.clone() })
    }

    /// In the manual: what the values are called.
    fn shown(&self) -> String {
        let each: Vec<String> = self.values.iter().filter(|(_, to)| !to.is_empty()).map(|(from, to)| format!("{from}→{to}")).collect();
        match self.only {
            Some(Only::Address) => "addresses only".to_owned(),
            Some(Only::Name) => "names only".to_owned(),
            None => each.join(", "),
        }
    }

    fn on(self, plan: FieldPlan) -> FieldPlan {
        if self.is_none() {
            return plan;
        }
        let after = |function: taffrail_pattern::FieldFunction| -> taffrail_pattern::FieldFunction {
            let change = self.clone();
            Arc::new(move |bytes: &[u8]| function(bytes).and_then(|value| change.apply(&value)))
        };
        match plan {
            FieldPlan::Absent => FieldPlan::Absent,
            FieldPlan::Constant(value) => self.apply(&value).map_or(FieldPlan::Absent, |value| FieldPlan::Constant(value.into())),
            FieldPlan::Pieces(pieces) => {
                FieldPlan::Computed(pieces, Arc::new(move |bytes: &[u8]| self.apply(&String::from_utf8_lossy(bytes))))
            }
            FieldPlan::Computed(pieces, function) => FieldPlan::Computed(pieces, after(function)),
            FieldPlan::PerEvent(function, signs) => FieldPlan::PerEvent(after(function), signs),
        }
    }
}

impl Part {
    fn is_for(&self, tag: Option<&str>) -> bool {
        self.types.is_empty() || tag.is_some_and(|tag| self.types.iter().any(|name| name == tag))
    }
}

/// The part that counts in events of a type.
fn part<'a>(parts: &'a [Part], tag: Option<&str>) -> Option<&'a Part> {
    parts.iter().find(|part| part.is_for(tag))
}

/// What a name stands for, where it is one of another vocabulary and none of the model's.
pub(super) fn parts(name: &str) -> Option<&'static Arc<[Part]>> {
    VIEWS.by_name.get(name)
}

/// The vocabularies, in the order of their file.
pub fn views() -> &'static [View] {
    &VIEWS.all
}

/// The vocabulary of a name; the error says which there are.
pub fn view(name: &str) -> Result<&'static View, String> {
    views().iter().find(|view| view.name == name).ok_or_else(|| {
        let names: Vec<&str> = views().iter().map(|view| view.name.as_str()).collect();
        format!("there is no view {name:?}; there are {}", names.join(", "))
    })
}

#[derive(Debug)]
struct Views {
    all: Vec<View>,
    by_name: FxHashMap<String, Arc<[Part]>>,
}

const TEXT: &str = include_str!("../../../../packs/core/views.toml");

static VIEWS: LazyLock<Views> =
    LazyLock::new(|| Views::read(TEXT, model()).unwrap_or_else(|error| panic!("the views of the normal model: {error}")));

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ViewText {
    title: String,
    stored: BTreeMap<String, String>,
    names: BTreeMap<String, PartsText>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum PartsText {
    Field(String),
    One(PartText),
    More(Vec<PartText>),
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct PartText {
    of: Option<String>,
    value: Option<String>,
    types: Vec<String>,
    values: BTreeMap<String, String>,
    only: Option<Only>,
}

impl PartText {
    fn part(self, model: &Model) -> Result<Part, String> {
        if let Some(unknown) = self.types.iter().find(|name| !model.types.iter().any(|kind| kind.name == **name)) {
            return Err(format!("{unknown} is no type of the model"));
        }
        let meaning = match (self.of, self.value) {
            (Some(name), None) if name == "tag" || model.fields.contains_key(&name) => {
                Meaning::Field(name, Change { values: self.values, only: self.only })
            }
            (Some(name), None) => return Err(format!("{name} is no field of the model")),
            (None, Some(value)) if self.values.is_empty() && self.only.is_none() => Meaning::Value(value.into()),
            _ => return Err("a part has `of` or `value`, and `values` and `only` go with `of`".to_owned()),
        };
        Ok(Part { types: self.types, meaning })
    }
}

impl PartsText {
    fn parts(self, model: &Model) -> Result<Vec<Part>, String> {
        match self {
            Self::Field(of) => Ok(vec![PartText { of: Some(of), ..PartText::default() }.part(model)?]),
            Self::One(part) => Ok(vec![part.part(model)?]),
            Self::More(parts) => parts.into_iter().map(|part| part.part(model)).collect(),
        }
    }
}

/// Whether a name stands for itself.
fn is_itself(name: &str, parts: &[Part]) -> bool {
    matches!(parts, [Part { types, meaning: Meaning::Field(of, change) }] if of == name && types.is_empty() && change.is_none())
}

impl Views {
    fn read(text: &str, model: &Model) -> Result<Self, String> {
        let read: BTreeMap<String, ViewText> = toml::from_str(text).map_err(|error| error.to_string())?;
        let (mut all, mut by_name) = (Vec::new(), FxHashMap::<String, Arc<[Part]>>::default());
        for (view, ViewText { title, stored, names: given }) in read {
            let mut names = BTreeMap::new();
            for (name, parts) in given {
                let wrong = |what: String| format!("{view}: {name}: {what}");
                let parts: Arc<[Part]> = parts.parts(model).map_err(wrong)?.into();
                if is_itself(&name, &parts) {
                    names.insert(name, parts);
                    continue;
                }
                if name == "tag" || model.fields.contains_key(&name) {
                    return Err(wrong("it is a field of the model, and means that".to_owned()));
                }
                if by_name.get(&name).is_some_and(|known| *known != parts) {
                    return Err(wrong("another view says otherwise".to_owned()));
                }
                by_name.insert(name.clone(), parts.clone());
                names.insert(name, parts);
            }
            all.push(View { name: view, title, stored, names });
        }
        all.sort_by_key(|view| text.find(&format!("[{}]", view.name)));
        Ok(Self { all, by_name })
    }
}

impl View {
    /// The names that stand for a field of the model, for the manual.
    fn names_of(&self, field: &str) -> String {
        let stands = |part: &Part| matches!(&part.meaning, Meaning::Field(of, _) if of == field);
        let names: Vec<String> =
            self.names.iter().filter(|(_, parts)| parts.iter().any(stands)).map(|(name, _)| format!("`{name}`")).collect();
        names.join(" ")
    }

    /// The names that are more than another name of a field, with what they stand for, as rows of a table.
    fn rows(&self) -> String {
        let mut rows = String::new();
        for (name, parts) in &self.names {
            if let [Part { types, meaning: Meaning::Field(_, change) }] = &parts[..]
                && types.is_empty()
                && change.is_none()
            {
                continue;
            }
            for part in &parts[..] {
                let types = if part.types.is_empty() { "all others".to_owned() } else { part.types.join(", ") };
                let types = if parts.len() == 1 && part.types.is_empty() { "all".to_owned() } else { types };
                let (of, values) = match &part.meaning {
                    Meaning::Value(value) => ("".to_owned(), format!("always {value}")),
                    Meaning::Field(of, change) => (format!("`{of}`"), change.shown()),
                };
                rows += &format!("| `{name}` | {types} | {of} | {values} |\n");
            }
        }
        rows
    }
}

/// The names of a field of the model in each vocabulary, as cells of a table.
pub(super) fn cells(field: &str) -> String {
    let each: Vec<String> = views().iter().map(|view| view.names_of(field)).collect();
    each.join(" | ")
}

/// What the manual says of names that hang on the type of the event, or whose values are called otherwise.
pub(super) fn page() -> String {
    let mut page = String::new();
    for view in views() {
        page += &format!("\n### {}\n\n| name | types of events | field | values |\n|---|---|---|---|\n{}", view.title, view.rows());
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(text: &str) -> String {
        Views::read(text, model()).map(|_| ()).expect_err("wrong")
    }

    #[test]
    fn views_name_what_the_model_has() {
        let of = |names: &str| format!("[x]\ntitle = 'X'\nstored = {{}}\n[x.names]\n{names}\n");
        assert_eq!(wrong(&of("a = 'nothing'")), "x: a: nothing is no field of the model");
        assert_eq!(wrong(&of("a = { of = 'src', types = ['y'] }")), "x: a: y is no type of the model");
        assert_eq!(wrong(&of("app = 'protocol'")), "x: app: it is a field of the model, and means that");
        assert!(wrong(&of("a = { of = 'src', value = 'x' }")).contains("`of` or `value`"));
        let two = format!("{}{}", of("a = 'src'"), of("a = 'dest'").replace('x', "y"));
        assert_eq!(wrong(&two), "y: a: another view says otherwise");
    }

    #[test]
    fn values_of_the_model_that_views_name_are_those_of_the_types() {
        for (view, (name, parts)) in views().iter().flat_map(|view| view.names.iter().map(move |named| (&view.name, named))) {
            for part in &parts[..] {
                let Meaning::Field(of, change) = &part.meaning else { continue };
                for (kind, value) in part.types.iter().flat_map(|kind| change.values.keys().map(move |value| (kind, value))) {
                    let kind = model().kind(kind).expect("there");
                    let known = value == "*" || kind.values.get(of).is_none_or(|values| values.contains(value));
                    let somewhere = part
                        .types
                        .iter()
                        .any(|kind| model().kind(kind).expect("there").values.get(of).is_some_and(|values| values.contains(value)));
                    assert!(known || somewhere, "{view}: {name}: {of} = {value} is no value of {}", kind.name);
                    assert!(kind.fields.contains(of), "{view}: {name}: {} has no {of}", kind.name);
                }
            }
        }
    }
}
