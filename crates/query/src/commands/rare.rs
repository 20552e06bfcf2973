//! `rare`: the least frequent values, with count and percent. Everything else is as in `top`.

use super::{CommandInfo, top};

/// What `rare` is.
pub const INFO: CommandInfo = CommandInfo {
    name: "rare",
    aliases: &[],
    syntax: "rare [<count>] [limit=<count>] [showcount=<bool>] [showperc=<bool>] [countfield=<name>] [percentfield=<name>] [useother=<bool>] [otherstr=<text>] <field> [, <field>]... [BY <field>...]",
    summary: "The least frequent values (10 unless told otherwise, 0 for all), with count and percent.",
    examples: &["* | rare user", "* | rare 3 process BY host"],
    parse: |args| top::parse(args, true),
};
