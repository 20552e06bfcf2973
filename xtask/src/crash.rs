//! `cargo xtask crash`: the long forms of the tests that cut the power, kill, and fill disks up. Short forms of
//! all but those on real file systems are part of `cargo xtask test`.

use crate::Arguments;
use crate::run::{cargo, run as execute};
use anyhow::Result;

/// The variable that a test reads, the flag, what runs without it, and the test.
const LONG: [(&str, &str, u64, &str, &str); 4] = [
    ("TAFFRAIL_CUTS", "--cuts", 300, "store", "image::"),
    ("TAFFRAIL_STATES", "--states", 200_000, "store", "states::"),
    ("TAFFRAIL_KILLS", "--kills", 1_000, "store", "kill::"),
    ("TAFFRAIL_SERVER_KILLS", "--server-kills", 100, "taffrail", "crash::killed"),
];

/// The command.
pub fn run(mut arguments: Arguments) -> Result<()> {
    let mut counts = Vec::new();
    for (_, flag, usual, ..) in LONG {
        counts.push(arguments.value(flag)?.map_or(Ok(usual), |count| count.parse())?);
    }
    arguments.finish()?;
    for ((variable, _, _, package, tests), count) in LONG.into_iter().zip(counts) {
        if count == 0 {
            continue;
        }
        println!("\n=== {tests} {count}");
        // The whole workspace, so that its crates are built as all other tests build them.
        let filter = match package {
            "taffrail" => format!("package(taffrail) & test({tests})"),
            _ => format!("package(taffrail-{package}) & test({tests})"),
        };
        let words = ["nextest", "run", "--workspace", "--profile", "crash", "--run-ignored", "all", "--no-capture", "-E", &filter];
        execute(cargo(&words).env(variable, count.to_string()))?;
    }
    Ok(())
}
