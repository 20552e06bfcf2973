//! The project's own tool: `cargo xtask <command>`. One file (or folder) for each command; no product code.
// A tool for people at a terminal: it prints, reads the clock and touches files directly.
#![allow(clippy::disallowed_methods, clippy::print_stdout, clippy::print_stderr)]

mod bench;
mod clients;
mod crash;
mod demo;
mod docs;
mod python;
mod run;
mod test;
mod tidy;
mod web;
mod workspace;

use anyhow::{Result, bail};
use std::process::ExitCode;

const HELP: &str = "\
cargo xtask <command>

  demo    build the page and the program, then serve this machine's own logs
          --port N          listen on 127.0.0.1:N (default 8514)
          --data DIR        where to keep the data (default ./demo-data)
          --no-build        serve what is built already
  test    everything that is checked before a change is taken in
          --skip-page       leave out the page tests in a browser
          --only STEP       one step: format, tidy, clippy, test, doc, web, page
  tidy    the rules of the house: who may use whom, lengths, documents, words
          --ratchet         lower the recorded lengths of functions that became shorter
  bench   measure ingest, size and searches beside other programs; write benches/runs/
          --quick           a tenth of everything, in some minutes
          --binary FILE     measure this program instead of building one
          --megabytes N     size of the generated log (default 1000; the marks are for that)
          --no-yardsticks   leave out DuckDB and chdb
          --log-only        leave out all but the generated log and its questions
          --no-write        print only
          --generate FILE   write the generated log to a file and measure nothing
          --commands        the commands of the search language instead
          --collect         syslog as it arrives instead, beside rsyslog
          --soak            syslog over TCP for an hour instead
          --rate N          of these two: events a second over TCP (default 100000)
          --seconds N       of these two: seconds of sending
  clients install what others have written to send, for the tests that send with it, and say how to name it to them
  crash   power cuts, kills and full disks, many of them; as root, on real file systems too
          --cuts N          of a file system in a file (default 300)
          --states N        of the simulated disk (default 200000)
          --kills N         of a process that writes (default 1000)
          --server-kills N  of a server under load (default 100)
  docs    write the generated parts of the manual anew
          --check           fail if one is not up to date
";

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let command = arguments.next().unwrap_or_default();
    match dispatch(&command, Arguments(arguments.collect())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask {command}: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(command: &str, arguments: Arguments) -> Result<()> {
    match command {
        "demo" => demo::run(arguments),
        "test" => test::run(arguments),
        "tidy" => tidy::run(arguments),
        "bench" => bench::run(arguments),
        "clients" => clients::run(arguments),
        "crash" => crash::run(arguments),
        "docs" => docs::run(arguments),
        "" | "help" | "-h" | "--help" => {
            print!("{HELP}");
            Ok(())
        }
        other => bail!("there is no command {other:?}\n\n{HELP}"),
    }
}

/// The words behind the command.
struct Arguments(Vec<String>);

impl Arguments {
    /// Whether `name` was given; takes it out.
    fn flag(&mut self, name: &str) -> bool {
        let before = self.0.len();
        self.0.retain(|word| word != name);
        self.0.len() < before
    }

    /// The word behind `name`, as `--name value` or `--name=value`; takes both out.
    fn value(&mut self, name: &str) -> Result<Option<String>> {
        let with_equals = |word: &String| word.strip_prefix(name).is_some_and(|rest| rest.starts_with('='));
        if let Some(at) = self.0.iter().position(with_equals) {
            return Ok(Some(self.0.remove(at)[name.len() + 1..].to_owned()));
        }
        let Some(at) = self.0.iter().position(|word| word == name) else { return Ok(None) };
        if at + 1 >= self.0.len() {
            bail!("{name} needs a value behind it");
        }
        self.0.remove(at);
        Ok(Some(self.0.remove(at)))
    }

    /// Nothing may be left.
    fn finish(self) -> Result<()> {
        match self.0.first() {
            None => Ok(()),
            Some(word) => bail!("{word:?} is not known here\n\n{HELP}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Arguments;

    #[test]
    fn arguments_are_taken_out() {
        let mut arguments = Arguments(["--a", "1", "--flag", "--b=2"].map(str::to_owned).to_vec());
        assert_eq!(arguments.value("--a").unwrap().as_deref(), Some("1"));
        assert_eq!(arguments.value("--b").unwrap().as_deref(), Some("2"));
        assert!(arguments.flag("--flag") && !arguments.flag("--flag"));
        assert_eq!(arguments.value("--c").unwrap(), None);
        arguments.finish().unwrap();
        assert!(Arguments(vec!["--a".into()]).value("--a").is_err());
        assert!(Arguments(vec!["x".into()]).finish().is_err());
    }
}
