//! What people define for all searches: macros, saved searches, event types and lookups, as files in a folder.
//!
//! `macros/NAME.toml`, `searches/NAME.toml`, `eventtypes/NAME.toml`, and `lookups/NAME.csv` with, where it needs options,
//! `lookups/NAME.toml`; and `formats/NAME.toml`, of which see [`fields`]. A file is read when a search names it, so that a change counts from the next search on.
//! Nothing here runs searches.

mod definitions;
mod fields;
mod kept;
mod lookup;
mod matcher;
mod places;

pub use definitions::{EventType, Macro, SavedSearch, TypeSearch, substitute};
pub use fields::{AddedFields, FieldKnowledge, read_format};
pub use kept::{KeptResults, KeptRows, ReadRows};
pub use lookup::{LookupOptions, MatchType, Table};
pub use matcher::Matcher;
pub use places::{Located, Places};

use crate::language::suggest::nearest;
use crate::language::{QueryError, SearchExpr};
use definitions::resolve;
use parking_lot::Mutex;
use serde::de::DeserializeOwned;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use taffrail_base::limits::{KNOWLEDGE_FILE_BYTES_MAX, LOOKUP_BYTES_MAX};
use taffrail_base::{Vfs, VfsFile};

/// The definitions in a folder, and the rows of jobs; cheap to clone.
#[derive(Clone, Default)]
pub struct Knowledge(Option<Arc<Folder>>, Option<Arc<dyn KeptResults>>);

struct Folder {
    vfs: Arc<dyn Vfs>,
    path: PathBuf,
    /// The format files as they were read last.
    fields: Mutex<Option<(fields::Seen, Arc<FieldKnowledge>)>>,
    /// The databases of places, as they were read last.
    places: Mutex<Option<(fields::Seen, Arc<Places>)>>,
    /// Tables of lookups that were read last.
    tables: Mutex<lookup::Tables>,
}

impl fmt::Debug for Knowledge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Knowledge")
    }
}

/// A kind of definition: its folder, what it is called, the ends of its files' names.
#[derive(Clone, Copy)]
struct Kind {
    folder: &'static str,
    what: &'static str,
    extension: &'static str,
}

const MACROS: Kind = Kind { folder: "macros", what: "macro", extension: "toml" };
const SEARCHES: Kind = Kind { folder: "searches", what: "saved search", extension: "toml" };
const EVENT_TYPES: Kind = Kind { folder: "eventtypes", what: "event type", extension: "toml" };
const LOOKUPS: Kind = Kind { folder: "lookups", what: "lookup", extension: "csv" };
const LOOKUP_OPTIONS: Kind = Kind { folder: "lookups", what: "lookup", extension: "toml" };

impl Knowledge {
    /// No definitions.
    pub fn none() -> Self {
        Self(None, None)
    }

    /// Those in a folder; it need not exist.
    pub fn folder(vfs: Arc<dyn Vfs>, path: PathBuf) -> Self {
        let folder = Folder { vfs, path, fields: Mutex::default(), places: Mutex::default(), tables: Mutex::default() };
        Self(Some(Arc::new(folder)), None)
    }

    /// The macro of a name with so many arguments.
    pub fn macro_of(&self, name: &str, arguments: usize) -> Result<Macro, QueryError> {
        // A macro may be defined for several numbers of arguments: `net.toml`, `net(2).toml`.
        let mut other = None;
        for file in [format!("{name}({arguments})"), name.to_owned()] {
            if let Some(found) = self.definition::<Macro>(MACROS, &file)? {
                if found.args.len() == arguments {
                    return Ok(found);
                }
                other = Some(found.args.len());
            }
        }
        Err(match other {
            Some(wanted) => QueryError::new(format!("the macro {name} has {wanted} arguments, not {arguments}"))
                .with_hint("write them in parentheses after its name, separated by commas"),
            None => self.unknown(MACROS, name),
        })
    }

    /// The saved search of a name.
    pub fn saved_search(&self, name: &str) -> Result<SavedSearch, QueryError> {
        self.definition(SEARCHES, name)?.ok_or_else(|| self.unknown(SEARCHES, name))
    }

    /// All event types, by name.
    pub fn event_types(&self) -> Result<Vec<(String, EventType)>, QueryError> {
        let names = self.names(EVENT_TYPES)?;
        let found = names.into_iter().map(|name| Ok(self.definition(EVENT_TYPES, &name)?.map(|found| (name, found))));
        Ok(found.collect::<Result<Vec<_>, QueryError>>()?.into_iter().flatten().collect())
    }

    /// All event types with their searches parsed, by name.
    pub fn type_searches(&self) -> Result<Vec<TypeSearch>, QueryError> {
        definitions::type_searches(self)
    }

    /// The search with its event types, tags and saved searches replaced by what they stand for.
    pub fn resolve(&self, search: &SearchExpr) -> Result<SearchExpr, QueryError> {
        resolve(self, search, 0)
    }

    /// The table of a lookup; `name` with or without `.csv`.
    pub fn lookup(&self, name: &str) -> Result<(Table, LookupOptions), QueryError> {
        let (table, options) = self.lookup_if_any(name)?;
        let table = table.ok_or_else(|| self.unknown(LOOKUPS, base_name(name)))?;
        options.check(name, &table)?;
        Ok((table, options))
    }

    /// The table of a lookup, where there is one.
    pub fn lookup_if_any(&self, name: &str) -> Result<(Option<Table>, LookupOptions), QueryError> {
        let name = base_name(name);
        let options: LookupOptions = self.definition(LOOKUP_OPTIONS, name)?.unwrap_or_default();
        let file = options.file.clone().unwrap_or_else(|| name.to_owned());
        let file = base_name(&file);
        let Some(folder) = &self.0 else { return Ok((None, options)) };
        let path = folder.file(LOOKUPS, file)?;
        let known = folder.vfs.metadata(&path).ok();
        if let Some(table) = known.and_then(|known| folder.tables.lock().get(&path, &known)) {
            return Ok((Some(table), options));
        }
        let bytes = self.read(LOOKUPS, file, LOOKUP_BYTES_MAX)?;
        let table = bytes.map(|bytes| Table::parse(&bytes).map_err(|error| QueryError::new(format!("the lookup {name}: {error}"))));
        let table = table.transpose()?;
        if let (Some(table), Some(known)) = (&table, known) {
            folder.tables.lock().keep(path, known, table.clone());
        }
        Ok((table, options))
    }

    /// The names of the lookups that have a file.
    pub fn lookups(&self) -> Result<Vec<String>, QueryError> {
        self.names(LOOKUPS)
    }

    /// Writes the table of a lookup; it is replaced as a whole.
    pub fn write_lookup(&self, name: &str, table: &[u8]) -> Result<(), QueryError> {
        self.write(LOOKUPS, base_name(name), table)
    }

    /// All saved searches, by name.
    pub fn saved_searches(&self) -> Result<Vec<(String, SavedSearch)>, QueryError> {
        let names = self.names(SEARCHES)?;
        let found = names.into_iter().map(|name| Ok(self.definition(SEARCHES, &name)?.map(|found| (name, found))));
        Ok(found.collect::<Result<Vec<_>, QueryError>>()?.into_iter().flatten().collect())
    }

    /// Saves a search; one of that name is replaced.
    pub fn save_search(&self, name: &str, search: &SavedSearch) -> Result<(), QueryError> {
        let text = toml::to_string(search).map_err(|error| QueryError::new(format!("the saved search {name}: {error}")))?;
        if text.len() as u64 > KNOWLEDGE_FILE_BYTES_MAX {
            return Err(QueryError::limit(format!(
                "the saved search {name} is longer than {KNOWLEDGE_FILE_BYTES_MAX} bytes, which is the limit"
            )));
        }
        self.write(SEARCHES, name, text.as_bytes())
    }

    /// Removes a saved search; an error where there is none.
    pub fn remove_search(&self, name: &str) -> Result<(), QueryError> {
        self.saved_search(name)?;
        let Some(folder) = &self.0 else { return Ok(()) };
        let failed = |error: io::Error| QueryError::new(format!("the saved search {name} cannot be removed: {error}"));
        folder.vfs.remove_file(&folder.file(SEARCHES, name)?).map_err(failed)?;
        folder.vfs.sync_dir(&folder.path.join(SEARCHES.folder)).map_err(failed)
    }

    fn write(&self, kind: Kind, name: &str, bytes: &[u8]) -> Result<(), QueryError> {
        let Some(folder) = &self.0 else {
            return Err(QueryError::new(format!("there is no folder to write {}s to", kind.what)));
        };
        let path = folder.file(kind, name)?;
        folder.tables.lock().forget(&path);
        let failed = |error: io::Error| QueryError::new(format!("the {} {name} cannot be written: {error}", kind.what));
        let parent = folder.path.join(kind.folder);
        folder.vfs.create_dir_all(&parent).map_err(failed)?;
        let fresh = parent.join(format!(".{name}.new"));
        match folder.vfs.remove_file(&fresh) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        let file: Box<dyn VfsFile> = folder.vfs.create_new(&fresh).map_err(failed)?;
        file.write_all_at(bytes, 0).and_then(|()| file.sync_data()).map_err(failed)?;
        folder.vfs.rename(&fresh, &path).and_then(|()| folder.vfs.sync_dir(&parent)).map_err(failed)
    }

    fn definition<T: DeserializeOwned>(&self, kind: Kind, name: &str) -> Result<Option<T>, QueryError> {
        let Some(bytes) = self.read(kind, name, KNOWLEDGE_FILE_BYTES_MAX)? else { return Ok(None) };
        let wrong = |error: &dyn fmt::Display| {
            QueryError::new(format!("the definition of the {} {name} is not understood: {error}", kind.what))
                .with_hint(format!("correct {}/{name}.{} in the folder `knowledge`", kind.folder, kind.extension))
        };
        let text = String::from_utf8(bytes).map_err(|error| wrong(&error))?;
        toml::from_str(&text).map(Some).map_err(|error| wrong(&error.message()))
    }

    fn read(&self, kind: Kind, name: &str, most: u64) -> Result<Option<Vec<u8>>, QueryError> {
        let Some(folder) = &self.0 else { return Ok(None) };
        let path = folder.file(kind, name)?;
        let failed = |error: io::Error| QueryError::new(format!("the {} {name} cannot be read: {error}", kind.what));
        match folder.vfs.metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
            Ok(known) if known.len > most => {
                return Err(QueryError::new(format!("the {} {name} has {} bytes, at most {most} are allowed", kind.what, known.len)));
            }
            Ok(_) => {}
        }
        folder.vfs.read(&path).map(Some).map_err(failed)
    }

    fn names(&self, kind: Kind) -> Result<Vec<String>, QueryError> {
        let Some(folder) = &self.0 else { return Ok(Vec::new()) };
        let paths = match folder.vfs.read_dir(&folder.path.join(kind.folder)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            other => other.map_err(|error| QueryError::new(format!("the folder of {}s cannot be read: {error}", kind.what)))?,
        };
        let ours = paths.iter().filter(|path| path.extension().is_some_and(|extension| extension == kind.extension));
        let stems = ours.filter_map(|path| Path::file_stem(path)).filter_map(|stem| stem.to_str());
        Ok(stems.filter(|stem| !stem.starts_with('.')).map(str::to_owned).collect())
    }

    fn unknown(&self, kind: Kind, name: &str) -> QueryError {
        let names = self.names(kind).unwrap_or_default();
        let mut bare: Vec<&str> = names.iter().map(|name| name.split('(').next().unwrap_or_default()).collect();
        bare.dedup();
        let error = QueryError::new(format!("there is no {} {name:?}", kind.what)).with_suggestions(nearest(name, bare));
        if error.hint.is_some() {
            return error;
        }
        error.with_hint(format!("define it as {}/{name}.{} in the folder `knowledge` of the data", kind.folder, kind.extension))
    }
}

/// The name of a lookup without the end of its file's name.
fn base_name(name: &str) -> &str {
    name.strip_suffix(".csv").unwrap_or(name)
}

impl Folder {
    /// The file of a definition. A name cannot lead out of the folder.
    fn file(&self, kind: Kind, name: &str) -> Result<PathBuf, QueryError> {
        let odd = |c: char| c.is_control() || matches!(c, '/' | '\\' | ':');
        if name.is_empty() || name.starts_with('.') || name.len() > 200 || name.contains(odd) {
            return Err(QueryError::new(format!("{name:?} cannot be the name of a {}", kind.what))
                .with_hint("a name has no slashes and does not begin with a dot"));
        }
        Ok(self.path.join(kind.folder).join(format!("{name}.{}", kind.extension)))
    }
}
