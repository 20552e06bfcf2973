//! `cargo xtask docs`: the generated parts of the manual. So far one: the list of commands, from the `INFO` of each
//! file in `crates/query/src/commands/`.

use crate::tidy::source::Tree;
use crate::{Arguments, workspace};
use anyhow::{Context, Result, bail};
use std::fmt::Write;
use syn::{Expr, Item, Lit};

/// The generated page.
const COMMANDS: &str = "docs/manual/commands.md";

/// The command.
pub fn run(mut arguments: Arguments) -> Result<()> {
    let check = arguments.flag("--check");
    arguments.finish()?;
    let tree = Tree::read(&workspace::root())?;
    if check {
        return match is_current(&tree) {
            true => Ok(()),
            false => bail!("{COMMANDS} is not what `cargo xtask docs` writes"),
        };
    }
    let path = workspace::root().join(COMMANDS);
    std::fs::write(&path, commands(&tree)).with_context(|| format!("{COMMANDS} cannot be written"))?;
    println!("written: {COMMANDS}");
    Ok(())
}

/// Whether the generated page is as it would be written now.
pub fn is_current(tree: &Tree) -> bool {
    tree.files.get(COMMANDS).is_some_and(|file| file.text == commands(tree))
}

/// The page of all commands.
fn commands(tree: &Tree) -> String {
    let mut text = String::from(
        "# Commands\n\nWritten by `cargo xtask docs` from the commands themselves. A pipeline is a search and any number of these, each behind a `|`.\n\n| command | what it does | how it is written |\n|---|---|---|\n",
    );
    for (name, _, rust) in tree.rust() {
        let is_command = |stem: &&str| !stem.contains('/');
        let Some(stem) = name.strip_prefix("crates/query/src/commands/").and_then(|file| file.strip_suffix(".rs")).filter(is_command)
        else {
            continue;
        };
        let Some(info) = rust.syntax.items.iter().find_map(info) else { continue };
        let [command, summary, syntax] = ["name", "summary", "syntax"].map(|field| string(info, field).replace('|', "\\|"));
        writeln!(text, "| [`{command}`](commands/{stem}.md) | {summary} | `{syntax}` |").expect("strings grow");
    }
    text
}

/// The fields of `const INFO: CommandInfo = CommandInfo { .. }`.
fn info(item: &Item) -> Option<&syn::ExprStruct> {
    match item {
        Item::Const(constant) if constant.ident == "INFO" => match &*constant.expr {
            Expr::Struct(fields) => Some(fields),
            _ => None,
        },
        _ => None,
    }
}

/// The text of a field; empty when it is not written out there.
fn string(info: &syn::ExprStruct, name: &str) -> String {
    let field = info.fields.iter().find(|field| matches!(&field.member, syn::Member::Named(member) if member == name));
    match field.map(|field| &field.expr) {
        Some(Expr::Lit(syn::ExprLit { lit: Lit::Str(text), .. })) => text.value(),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_listed_from_their_files() {
        let command = "//! X.\npub const INFO: CommandInfo = CommandInfo { name: \"head\", aliases: &[], syntax: \"head [<n>|x]\", summary: \"Keeps the first rows.\", examples: &[], parse };\n";
        let tree = Tree::of(&[("crates/query/src/commands/head.rs", command), ("crates/query/src/commands/words.rs", "//! Words.\n")]);
        let text = commands(&tree);
        assert!(text.ends_with("|---|---|---|\n| [`head`](commands/head.md) | Keeps the first rows. | `head [<n>\\|x]` |\n"), "{text}");
        assert!(!is_current(&tree));
        let tree = Tree::of(&[("crates/query/src/commands/head.rs", command), (COMMANDS, &text)]);
        assert!(is_current(&tree));
    }
}
