//! `iplocation`: where addresses are.

use super::columns_set::{Maker, set, text_field};
use super::words::quote_field;
use super::{Command, CommandInfo, Kind, Planned, Planner, Required, column_index};
use crate::columns::Values;
use crate::exec::Flow;
use crate::knowledge::{Located, Places};
use crate::language::lexer::quoted;
use crate::language::{Args, QueryError};
use arrow::array::{ArrayRef, Float64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field};
use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use std::fmt;
use std::sync::Arc;
use taffrail_base::limits::PLACES_REMEMBERED_MAX;

/// What `iplocation` is.
pub const INFO: CommandInfo = CommandInfo {
    name: "iplocation",
    aliases: &[],
    syntax: "iplocation [prefix=<text>] [allfields=<bool>] [lang=<code>] <field>",
    summary: "Sets City, Country, Region, lat and lon to where an address is; with allfields also Continent, MetroCode and Timezone.",
    examples: &[
        "failed password | iplocation src | stats count BY Country",
        "* | iplocation prefix=client_ allfields=true lang=de clientip",
    ],
    parse,
};

/// The fields in their order, and how many of them there are without `allfields`.
const FIELDS: [&str; 8] = ["City", "Country", "Region", "lat", "lon", "Continent", "MetroCode", "Timezone"];
const USUAL: usize = 5;

#[derive(Debug)]
struct IpLocation {
    prefix: String,
    all: bool,
    language: String,
    field: String,
}

fn parse(args: &mut Args) -> Result<Box<dyn Command>, QueryError> {
    let mut this = IpLocation { prefix: String::new(), all: false, language: "en".to_owned(), field: String::new() };
    while let Some(option) = args.option(&["prefix", "allfields", "lang"])? {
        match option.name.as_str() {
            "prefix" => this.prefix = option.value.text,
            "allfields" => this.all = option.value.boolean("allfields")?,
            _ => this.language = option.value.text,
        }
    }
    let field = args.field("the field with the address")?;
    if field.is_wildcard() {
        return Err(QueryError::at(field.span, "iplocation looks at one field; `*` cannot be used here"));
    }
    this.field = field.name;
    args.finish()?;
    Ok(Box::new(this))
}

impl fmt::Display for IpLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(INFO.name)?;
        if !self.prefix.is_empty() {
            write!(f, " prefix={}", quoted(&self.prefix, '"'))?;
        }
        if self.all {
            f.write_str(" allfields=true")?;
        }
        if self.language != "en" {
            write!(f, " lang={}", quoted(&self.language, '"'))?;
        }
        write!(f, " {}", quote_field(&self.field))
    }
}

impl IpLocation {
    fn fields(&self) -> Vec<String> {
        let count = if self.all { FIELDS.len() } else { USUAL };
        FIELDS[..count].iter().map(|name| format!("{}{name}", self.prefix)).collect()
    }
}

/// The places of addresses, each looked up once.
struct Lookup {
    places: Arc<Places>,
    language: String,
    at: Option<usize>,
    known: Mutex<FxHashMap<String, Option<Arc<Located>>>>,
}

impl Lookup {
    /// The place of each row's address; of several values the first that is of a place.
    fn rows(&self, batch: &RecordBatch) -> Result<Vec<Option<Arc<Located>>>, arrow::error::ArrowError> {
        let Some(at) = self.at else { return Ok(vec![None; batch.num_rows()]) };
        let values = Values::of(batch.column(at))?;
        let mut known = self.known.lock();
        if known.len() > PLACES_REMEMBERED_MAX {
            known.clear();
        }
        let mut place = |row: usize| {
            let mut found = None;
            values.each(row, |cell| {
                if found.is_none() {
                    let text = cell.text();
                    if let Some(place) = known.get(&*text) {
                        found.clone_from(place);
                    } else {
                        found = self.places.locate(&text, &self.language).map(Arc::new);
                        known.insert(text.into_owned(), found.clone());
                    }
                }
            });
            found
        };
        Ok((0..batch.num_rows()).map(&mut place).collect())
    }
}

impl Command for IpLocation {
    fn name(&self) -> &'static str {
        INFO.name
    }

    fn kind(&self) -> Kind {
        Kind::RowByRow
    }

    fn required(&self, needed: Required) -> Required {
        // Where nothing is known, what was there stays away: the fields are always set.
        needed.without(self.fields().iter().map(String::as_str)).with([self.field.clone()])
    }

    fn plan(&self, input: Flow, planner: &Planner) -> Result<Planned, QueryError> {
        let lookup = Arc::new(Lookup {
            places: planner.knowledge.places()?,
            language: self.language.clone(),
            at: column_index(&input.schema(), &self.field),
            known: Mutex::default(),
        });
        let made = self.fields().into_iter().enumerate().map(|(number, name)| {
            let lookup = lookup.clone();
            let degrees = FIELDS[number] == "lat" || FIELDS[number] == "lon";
            let maker: Maker = Arc::new(move |batch| {
                let rows = lookup.rows(batch)?;
                let each = rows.iter().map(Option::as_deref);
                Ok(match degrees {
                    true => Arc::new(each.map(|place| position(place?, number)).collect::<Float64Array>()) as ArrayRef,
                    false => Arc::new(each.map(|place| text(place?, number)).collect::<StringArray>()),
                })
            });
            let field = if degrees { Field::new(&name, DataType::Float64, true) } else { text_field(&name, false) };
            (field, maker)
        });
        Ok(set(INFO.name, input, made.collect()).into())
    }
}

fn position(place: &Located, number: usize) -> Option<f64> {
    place.position.map(|(north, east)| if FIELDS[number] == "lat" { north } else { east })
}

fn text(place: &Located, number: usize) -> Option<String> {
    match FIELDS[number] {
        "City" => place.city.clone(),
        "Country" => place.country.clone(),
        "Region" => place.region.clone(),
        "Continent" => place.continent.clone(),
        "MetroCode" => place.metro_code.clone(),
        _ => place.time_zone.clone(),
    }
}
