//! Legal holds: placed and lifted in the catalog, in the same order as everything that removes.

use super::Shared;
use crate::catalog::{CatalogChange, Hold};
use taffrail_base::limits::HOLDS_MAX;
use taffrail_base::{Error, ErrorKind, Result};

/// Whether a text can be the name of a hold: it stands in messages, in addresses and in files of evidence.
fn is_name(name: &str) -> bool {
    (1..=100).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b)) && !name.starts_with('.')
}

impl Shared {
    pub(super) fn add_hold(&self, name: &str, hold: Hold) -> Result<()> {
        self.check_writable()?;
        if !is_name(name) {
            let message = format!("{name:?} cannot be the name of a hold");
            return Err(Error::new(ErrorKind::Invalid, message).with_hint("use 1 to 100 of a-z, A-Z, 0-9, ., _ and -, with no . first"));
        }
        if hold.earliest >= hold.latest {
            return Err(Error::new(ErrorKind::Invalid, format!("the hold {name} ends before it begins")));
        }
        self.commit_change(|| {
            let state = self.state.lock();
            if state.holds.contains_key(name) {
                let message = format!("there is a hold named {name} already");
                return Err(Error::new(ErrorKind::Invalid, message).with_hint("choose another name; a hold is never changed"));
            }
            if state.holds.len() >= HOLDS_MAX {
                return Err(Error::new(ErrorKind::Limit, format!("there are limits::HOLDS_MAX ({HOLDS_MAX}) holds already")));
            }
            Ok(Some(CatalogChange { holds: vec![(name.to_owned(), Some(hold))], ..CatalogChange::default() }))
        })?;
        Ok(())
    }

    pub(super) fn remove_hold(&self, name: &str) -> Result<()> {
        self.check_writable()?;
        self.commit_change(|| {
            if !self.state.lock().holds.contains_key(name) {
                let message = format!("there is no hold named {name:?}");
                return Err(Error::new(ErrorKind::NotFound, message).with_hint("`taffrail hold list` shows those that there are"));
            }
            Ok(Some(CatalogChange { holds: vec![(name.to_owned(), None)], ..CatalogChange::default() }))
        })?;
        Ok(())
    }
}
