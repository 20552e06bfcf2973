//! `taffrail sql`: runs a statement of SQL on a data folder or through a server; a search in all but its language.

use super::exit::Outcome;
use super::search;
use super::target::Place;
use crate::output::Form;
use crate::settings::Size;

const EXAMPLES: &str = "\
Examples:
  taffrail sql --data logs 'SELECT host, count(*) AS n FROM events GROUP BY host ORDER BY n DESC'
  taffrail sql --data logs \"SELECT uri, sum(bytes) FROM web WHERE status >= 500 AND _time >= '-24h' GROUP BY uri\"
  taffrail sql --data logs 'SELECT * FROM events LIMIT 10' --output json
  taffrail sql --data logs 'SHOW TABLES'

Tables are events, each index and each lookup by its name. Any field of an event is a column. All time unless
--earliest, --latest or conditions on _time say otherwise. Statements only read.";

/// Run a statement of SQL over events and lookups.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// The statement.
    #[arg(value_name = "STATEMENT")]
    statement: String,
    #[command(flatten)]
    place: Place,
    /// Only events from this time on; all time when left out.
    #[arg(long, value_name = "T", allow_hyphen_values = true)]
    earliest: Option<String>,
    /// Only events up to but not at this time.
    #[arg(long, value_name = "T", allow_hyphen_values = true)]
    latest: Option<String>,
    /// At most so many rows; 0 means all. All when left out, 100 for a table on a terminal.
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
    /// Form of the output: table, json or csv.
    #[arg(long, value_enum, default_value_t = Form::Table, value_name = "FORM")]
    output: Form,
    /// Seconds that the statement may take.
    #[arg(long, value_name = "SECONDS")]
    timeout: Option<f64>,
    /// Memory that the statement may use, such as 64MB; beyond it, it uses the disk where it can.
    #[arg(long, value_name = "SIZE")]
    max_memory: Option<Size>,
}

/// Runs the command.
pub async fn run(arguments: Arguments) -> Outcome {
    let Arguments { statement, place, earliest, latest, limit, output, timeout, max_memory } = arguments;
    search::run(search::Arguments { query: statement, place, earliest, latest, limit, output, timeout, max_memory, sql: true }).await
}
