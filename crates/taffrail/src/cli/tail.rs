//! `taffrail tail`: events as they arrive, through a running server.

use super::client;
use super::exit::{Exit, Failure, Outcome};
use super::target::Place;
use super::terminal;
use crate::api::schema::{ErrorDetail, Field, ResultKind, Row};
use crate::app::World;
use crate::output::{self, Form, Style, Writer};
use futures::StreamExt;

const EXAMPLES: &str = "\
Examples:
  taffrail tail                                    everything, from the server at 127.0.0.1:8514
  taffrail tail --data logs 'sourcetype=syslog error'
  taffrail tail 'status>=500 | table _time, host, uri' --output json

Only commands that work event by event can be followed (search, where, eval, fields, table, rename, rex).
Ends with Ctrl-C, or when the server stops.";

/// Print events as they arrive.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// Which events; all of them when left out.
    #[arg(value_name = "QUERY", default_value = "*")]
    query: String,
    #[command(flatten)]
    place: Place,
    /// Form of the output.
    #[arg(long, value_enum, default_value_t = Form::Table, value_name = "FORM")]
    output: Form,
}

/// Runs the command.
pub async fn run(arguments: Arguments) -> Outcome {
    if arguments.output == Form::Csv {
        return Err(Failure::new(Exit::Usage, "csv needs to know all columns before the first row, which a live tail cannot")
            .with_hint("use json, table or raw"));
    }
    let client = arguments.place.server(&World::real()).await?;
    let colour = terminal::colours(terminal::stderr_is_terminal());
    let path = format!("/api/v1/tail?query={}", encode(&arguments.query));
    let response = match client.get_or_detail(&path).await? {
        Ok(response) => response,
        Err(detail) => return Err(client::query_failure(&arguments.query, detail, colour)),
    };
    let terminal = terminal::stdout_is_terminal();
    let style = Style { terminal, colours: terminal::colours(terminal) };
    let mut writer = output::writer(arguments.output, style, Box::new(std::io::stdout()));
    let raw = [Field { name: "_raw".into(), kind: "string".into() }];
    writer.start(ResultKind::Events, &raw).map_err(|e| Failure::output(&e))?;
    let mut lines = Box::pin(client::lines(client.base(), response));
    let mut event = String::new();
    loop {
        let line = tokio::select! {
            line = lines.next() => line,
            _ = tokio::signal::ctrl_c() => break,
        };
        let Some(line) = line else { break };
        let line = line?;
        let line = String::from_utf8_lossy(&line);
        let line = line.trim_end_matches('\r');
        if let Some(name) = line.strip_prefix("event:") {
            event = name.trim().to_owned();
        } else if let Some(data) = line.strip_prefix("data:") {
            message(&event, data.trim_start(), &mut *writer)?;
        }
    }
    writer.finish().map_err(|e| Failure::output(&e))
}

fn message(event: &str, data: &str, writer: &mut dyn Writer) -> Outcome {
    match event {
        "error" => {
            let detail: ErrorDetail = serde_json::from_str::<serde_json::Value>(data)
                .ok()
                .and_then(|v| serde_json::from_value(v.get("error").cloned().unwrap_or(v)).ok())
                .unwrap_or(ErrorDetail { kind: "io".into(), message: data.to_owned(), hint: None, span: None, suggestions: Vec::new() });
            Err(client::failure(detail))
        }
        "message" => {
            super::say(data);
            Ok(())
        }
        _ => {
            let row: Row =
                serde_json::from_str(data).map_err(|e| Failure::new(Exit::Runtime, format!("the server sent what is not a row: {e}")))?;
            writer.rows(&[row]).and_then(|()| writer.finish()).map_err(|e| Failure::output(&e))
        }
    }
}

/// Percent-encodes a query for an address.
pub(super) fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len() * 2);
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}
