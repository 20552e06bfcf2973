//! Lengths of functions: 70 lines, and a ratchet. A function that is longer stands in `tidy-ratchet.toml` with
//! its length, and may only become shorter.

use super::Finding;
use super::source::{Tree, is_test, is_test_file};
use anyhow::{Context, Result};
use std::collections::BTreeMap;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};

/// Lines that a function may have, from `fn` to the closing brace.
const LINES_MAX: usize = 70;

/// Where the exceptions stand.
const RATCHET: &str = "xtask/tidy-ratchet.toml";

/// The functions of a tree that are too long: their lengths and lines by file and name.
type Long = BTreeMap<String, (usize, usize)>;

/// Holds every function against the limit and the ratchet.
pub fn check(tree: &Tree) -> Result<Vec<Finding>> {
    let text = tree.files.get(RATCHET).map_or("", |file| file.text.as_str());
    Ok(compare(&long_functions(tree), &read_ratchet(text)?))
}

/// Writes the ratchet anew: lengths that became smaller, without those that are gone. Adds and raises nothing.
pub fn lower_ratchet(tree: &Tree) -> Result<()> {
    let text = tree.files.get(RATCHET).map_or("", |file| file.text.as_str());
    let long = long_functions(tree);
    let lowered: BTreeMap<String, usize> = read_ratchet(text)?
        .into_iter()
        .filter_map(|(name, recorded)| long.get(&name).map(|(lines, _)| (name, recorded.min(*lines))))
        .collect();
    let head: String = text.lines().take_while(|line| line.starts_with('#')).map(|line| format!("{line}\n")).collect();
    let entries: String = lowered.iter().map(|(name, lines)| format!("\"{name}\" = {lines}\n")).collect();
    std::fs::write(crate::workspace::root().join(RATCHET), format!("{head}\n[functions]\n{entries}"))?;
    println!("{RATCHET}: {} functions", lowered.len());
    Ok(())
}

fn read_ratchet(text: &str) -> Result<BTreeMap<String, usize>> {
    let table: toml::Table = text.parse().with_context(|| format!("{RATCHET} is not TOML"))?;
    let Some(functions) = table.get("functions") else { return Ok(BTreeMap::new()) };
    functions.clone().try_into().with_context(|| format!("{RATCHET}: [functions] holds names and numbers of lines"))
}

fn compare(long: &Long, ratchet: &BTreeMap<String, usize>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, (lines, line)) in long {
        let path = name.split("::").next().unwrap_or(name);
        let what = match ratchet.get(name) {
            None => format!("{name} has {lines} lines, {LINES_MAX} are the limit"),
            Some(recorded) if lines > recorded => format!("{name} grew from {recorded} to {lines} lines"),
            Some(_) => continue,
        };
        findings.push(Finding::new(path, *line, what, "take a step with a name out of it"));
    }
    for (name, recorded) in ratchet {
        let lines = long.get(name).map_or(0, |(lines, _)| *lines);
        if lines < *recorded {
            let what = format!("{name} is recorded with {recorded} lines and became shorter");
            findings.push(Finding::new(RATCHET, 0, what, "cargo xtask tidy --ratchet"));
        }
    }
    findings
}

fn long_functions(tree: &Tree) -> Long {
    let mut long = Long::new();
    for (name, _, rust) in tree.rust().filter(|(name, ..)| !is_test_file(name)) {
        let mut finder = Finder { prefix: vec![name.to_owned()], long: &mut long };
        finder.visit_file(&rust.syntax);
    }
    long
}

/// Walks a file, knows inside what it is, and notes functions that are too long.
struct Finder<'a> {
    prefix: Vec<String>,
    long: &'a mut Long,
}

impl Finder<'_> {
    fn note(&mut self, name: &syn::Ident, start: proc_macro2::Span, end: proc_macro2::Span) {
        let (first, last) = (start.start().line, end.end().line);
        let lines = last + 1 - first;
        if lines > LINES_MAX {
            let mut key = format!("{}::{name}", self.prefix.join("::"));
            while self.long.contains_key(&key) {
                key.push('\''); // the same name again: another `impl` of the same type
            }
            self.long.insert(key, (lines, first));
        }
    }

    fn inside(&mut self, name: String, visit: impl FnOnce(&mut Self)) {
        self.prefix.push(name);
        visit(self);
        self.prefix.pop();
    }
}

impl<'ast> Visit<'ast> for Finder<'_> {
    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        if !is_test(&module.attrs) {
            self.inside(module.ident.to_string(), |finder| visit::visit_item_mod(finder, module));
        }
    }

    fn visit_item_impl(&mut self, block: &'ast syn::ItemImpl) {
        let name = match &*block.self_ty {
            syn::Type::Path(path) => path.path.segments.last().map(|segment| segment.ident.to_string()),
            _ => None,
        };
        self.inside(name.unwrap_or_else(|| "impl".into()), |finder| visit::visit_item_impl(finder, block));
    }

    fn visit_item_trait(&mut self, item: &'ast syn::ItemTrait) {
        self.inside(item.ident.to_string(), |finder| visit::visit_item_trait(finder, item));
    }

    fn visit_item_fn(&mut self, function: &'ast syn::ItemFn) {
        if !is_test(&function.attrs) {
            self.note(&function.sig.ident, function.sig.span(), function.block.span());
            visit::visit_item_fn(self, function);
        }
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        self.note(&function.sig.ident, function.sig.span(), function.block.span());
        visit::visit_impl_item_fn(self, function);
    }

    fn visit_trait_item_fn(&mut self, function: &'ast syn::TraitItemFn) {
        if let Some(block) = &function.default {
            self.note(&function.sig.ident, function.sig.span(), block.span());
        }
        visit::visit_trait_item_fn(self, function);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn function(name: &str, lines: usize) -> String {
        format!("fn {name}() {{\n{}}}\n", "    let _ = 1;\n".repeat(lines - 2))
    }

    fn long(text: &str) -> Long {
        long_functions(&Tree::of(&[("a.rs", text)]))
    }

    #[test]
    fn long_functions_are_found_with_their_names() {
        let text = format!(
            "{}struct S;\nimpl S {{\n{}}}\n#[cfg(test)]\nmod tests {{\n{}}}\n",
            function("short", 70),
            function("long", 71),
            function("test", 99)
        );
        assert_eq!(long(&text), [("a.rs::S::long".to_owned(), (71, 73))].into());
    }

    #[test]
    fn the_ratchet_only_goes_down() {
        let long = long(&function("f", 80));
        let compare = |text: &str| compare(&long, &read_ratchet(text).unwrap()).into_iter().map(|finding| finding.what).collect::<Vec<_>>();
        assert_eq!(compare("[functions]\n\"a.rs::f\" = 80\n"), [""; 0]);
        assert_eq!(compare("[functions]\n\"a.rs::f\" = 79\n"), ["a.rs::f grew from 79 to 80 lines"]);
        assert_eq!(compare("[functions]\n\"a.rs::f\" = 81\n"), ["a.rs::f is recorded with 81 lines and became shorter"]);
        assert_eq!(compare(""), ["a.rs::f has 80 lines, 70 are the limit"]);
        assert!(read_ratchet("[functions]\nx = \"y\"\n").is_err());
    }
}
