//! The normal model: types of events, their fields and the values these may have. One vocabulary for all formats.
//!
//! It is data, `packs/core/model.toml`. A rule of a format names the type of its events; the field `tag` of the events is
//! the name of the type. What a rule sets has to be in the model.

use super::views;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// The model.
#[derive(Debug)]
pub struct Model {
    /// The fields, by name.
    pub fields: BTreeMap<String, ModelField>,
    /// The types of events, in the order of the file.
    pub types: Vec<EventType>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ModelText {
    field: BTreeMap<String, ModelField>,
    #[serde(rename = "type")]
    types: BTreeMap<String, TypeText>,
}

/// A field of the model. Its names elsewhere are in `views`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelField {
    /// What it means.
    pub summary: String,
    /// What its values are: word, text, number, address.
    pub kind: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TypeText {
    summary: String,
    ocsf: String,
    ecs: String,
    cim: String,
    fields: Vec<String>,
    #[serde(default)]
    values: BTreeMap<String, Vec<String>>,
}

/// A type of events.
#[derive(Debug)]
pub struct EventType {
    /// Its name, which is the tag of its events.
    pub name: String,
    /// What its events say.
    pub summary: String,
    /// Its name in OCSF.
    pub ocsf: String,
    /// Its name in ECS.
    pub ecs: String,
    /// Its name in CIM.
    pub cim: String,
    /// The names of its fields.
    pub fields: Vec<String>,
    /// The values that fields may have, where these are words of the model.
    pub values: BTreeMap<String, Vec<String>>,
}

const TEXT: &str = include_str!("../../../../packs/core/model.toml");

static MODEL: LazyLock<Model> = LazyLock::new(|| Model::read(TEXT).unwrap_or_else(|error| panic!("the normal model: {error}")));

/// The model that is built in.
pub fn model() -> &'static Model {
    &MODEL
}

impl Model {
    fn read(text: &str) -> Result<Self, String> {
        let ModelText { field: fields, types } = toml::from_str(text).map_err(|error| error.to_string())?;
        let mut all = Vec::new();
        for (name, TypeText { summary, ocsf, ecs, cim, fields: names, values }) in types {
            if let Some(unknown) = names.iter().chain(values.keys()).find(|name| !fields.contains_key(*name)) {
                return Err(format!("the type {name} has the field {unknown}, which is not described"));
            }
            if let Some(other) = values.keys().find(|name| !names.contains(name)) {
                return Err(format!("the type {name} has values of {other}, and not the field"));
            }
            all.push(EventType { name, summary, ocsf, ecs, cim, fields: names, values });
        }
        let place = |name: &str| text.find(&format!("[type.{name}]"));
        all.sort_by_key(|kind| place(&kind.name));
        Ok(Self { fields, types: all })
    }

    /// The type of a name; the error says which there are.
    pub fn kind(&self, name: &str) -> Result<&EventType, String> {
        self.types.iter().find(|kind| kind.name == name).ok_or_else(|| {
            let names: Vec<&str> = self.types.iter().map(|kind| kind.name.as_str()).collect();
            format!("type = {name:?} is not of the normal model; there are {}", names.join(", "))
        })
    }

    /// The page of the manual.
    pub fn page(&self) -> String {
        let mut page = String::from(HEAD);
        for kind in &self.types {
            page += &format!("\n## {}\n\n{}\n\n", kind.name, kind.summary);
            page += &format!("OCSF: {} · ECS: {} · CIM: {}\n\n", kind.ocsf, kind.ecs, kind.cim);
            let names: Vec<String> = kind.fields.iter().map(|name| format!("`{name}`")).collect();
            page += &format!("Fields: {}\n", names.join(" "));
            for (name, values) in &kind.values {
                let values: Vec<String> = values.iter().map(|value| format!("`{value}`")).collect();
                page += &format!("\n- `{name}` is one of {}\n", values.join(" "));
            }
        }
        let titles: Vec<&str> = views::views().iter().map(|view| view.title.as_str()).collect();
        page += &format!("\n## Fields\n\n| field | | values | {} |\n|---|---|---|{}\n", titles.join(" | "), "---|".repeat(titles.len()));
        for (name, ModelField { summary, kind }) in &self.fields {
            page += &format!("| `{name}` | {summary} | {kind} | {} |\n", views::cells(name));
        }
        page + VIEWS + &views::page()
    }
}

const HEAD: &str = "# The normal model

Programs say the same thing in many words. The *normal model* is one vocabulary for it: a type for each kind of event, fields that
mean the same everywhere, and fixed words for what can be said in few. [Formats](formats.md) put events into it when you search, so
that one question goes to all sources:

```
tag=authentication action=failure | stats count by app, user, src
```

The field `tag` holds the type. An event that is of no type has no `tag`, and keeps the fields that it has. Your own
[event types](knowledge.md#event-types) may add tags. A rule of a format can only name a type that stands here, and only set values that
stand here; see [formats of your own](formats.md#formats-of-your-own). What the same is called in ECS, OCSF and the CIM can be
[asked for as well](#by-the-names-of-ecs-ocsf-and-the-cim).
";

const VIEWS: &str = "
## By the names of ECS, OCSF and the CIM

Whoever knows these vocabularies (the Elastic Common Schema 8, the Open Cybersecurity Schema Framework 1, the Common Information Model)
can ask by their names, wherever a field of an event is named: in searches, `stats`, `table`, `where`, in SQL in double quotes.

```
event.category=authentication event.outcome=failure | stats count by source.ip, user.name
class_uid=3002 status_id=2 | stats count by src_endpoint.ip, actor.user.name
tag=authentication | view ecs
```

- **What an event has itself goes first.** An event that is JSON with `{\"source\": {\"ip\": \"10.1.2.3\"}}` has that `source.ip`, and its values stay as they
  are; an [alias](formats.md#formats-of-your-own) of yours comes next. Only an event that has neither gets the field of the model. So both are counted together.
- Names are looked up once for each search and pattern of events, not for each event. They are in no list of fields, and `*` does not find them:
  [`view`](commands/view.md) shows all names of a vocabulary.
- The type of an event is that which formats say; tags of your own [event types](knowledge.md#event-types) do not count here, nor do fields that are
  [computed or looked up](knowledge.md#computed-fields-and-lookups).
- A name that is one of this model always means what it means here, also where another vocabulary uses the word for something else: in the CIM `process` is the
  command (here `command`), `app` the protocol of traffic (`protocol`), `signature_id` the number of a kind of event (`event_id`),
  `src_user` the sender of a mail (`sender`), `object` the group that was changed (`group`), `parent_process` a command; in OCSF `status` is a word for `status_id`,
  and `duration` a number of milliseconds.
- `user.name` is the account that was used, logged in to or changed, as in OCSF; who acted is `actor.user.name`. ECS writes who acts under `user.name`
  where one account acts upon another; here that is `source.user.name`, and the other is `user.target.name` where an account was changed.
- Lists, such as `event.category`, have one value here. `event.outcome` is never `unknown`: an event that says nothing of its outcome has none.
- Values that are called otherwise there are in the tables below; where a table names values, others have no name there and the field is missing. All other values
  are those of this model; of the CIM's `action`, `teardown` is `closed` here, and `lockout` is `locked`.
- Without a name there: `attempts` in all three (OCSF and the CIM count events, not tries), `duration` in ECS and OCSF (numbers there; here as the message has it), `session_id` and `tty` in ECS.
  Time, host and text of events are `_time`, `host` and `_raw` in searches; `view` shows them by the names there.
";

impl EventType {
    /// Whether the field may have the value, in events of this type; the error says which it may have.
    pub fn allows(&self, field: &str, value: &str) -> Result<(), String> {
        if !model().fields.contains_key(field) {
            return Ok(());
        }
        if !self.fields.iter().any(|name| name == field) {
            return Err(format!("{field} is no field of {}", self.name));
        }
        match self.values.get(field) {
            Some(values) if !value.is_empty() && !values.iter().any(|known| known == value) => {
                Err(format!("{field} = {value:?} is not of the normal model; in {} it is one of {}", self.name, values.join(", ")))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[allow(clippy::disallowed_methods)] // the page lies outside of the crate
    fn the_page_of_the_manual_is_that_of_the_model() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/manual/normal-model.md");
        if std::env::var_os("TAFFRAIL_WRITE").is_some() {
            std::fs::write(path, model().page()).expect("can be written");
        }
        let page = std::fs::read_to_string(path).expect("is there");
        assert!(page == model().page(), "write it anew: run this test with TAFFRAIL_WRITE=1");
    }

    #[test]
    fn a_model_knows_its_own_fields() {
        let error = Model::read("[field]\n[type.x]\nsummary='s'\nocsf=''\necs=''\ncim=''\nfields=['y']\n").expect_err("unknown field");
        assert_eq!(error, "the type x has the field y, which is not described");
        let kind = model().kind("authentication").expect("is there");
        assert!(kind.allows("action", "success").is_ok() && kind.allows("vendor", "anything").is_ok());
        assert_eq!(
            kind.allows("action", "opened"),
            Err("action = \"opened\" is not of the normal model; in authentication it is one of success, failure".to_owned())
        );
        assert_eq!(kind.allows("query", "x"), Err("query is no field of authentication".to_owned()));
        assert!(model().kind("nothing").is_err());
    }
}
