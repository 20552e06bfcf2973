//! `taffrail fsck`: checks everything that a data folder holds, and changes nothing.

use super::exit::{Exit, Failure, Outcome};
use super::terminal;
use crate::app::{World, require_folder};
use crate::serve::blocking;
use crate::server_file::ServerFile;
use indicatif::{HumanBytes, HumanCount, ProgressBar, ProgressStyle};
use std::io::Write;
use std::path::{Path, PathBuf};
use taffrail_base::{ErrorKind, Result, limits};
use taffrail_store::check::{self, CheckOptions, Checked, Finding, Severity};

const EXAMPLES: &str = "\
Examples:
  taffrail fsck --data logs
  taffrail fsck --data logs --quick --index main
  taffrail fsck --data logs --output json | jq -r '.findings[].file' | sort -u

Works on a folder that a server is using, and on a stopped one; nothing is changed in either.
Exit codes: 0 nothing is wrong, 1 something is (what and where is printed), others as everywhere.";

/// Check everything that a data folder holds, and name what is wrong and how to mend it.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// Data folder.
    #[arg(long, value_name = "DIR", env = "TAFFRAIL_DATA")]
    data: PathBuf,
    /// Only segments of this index; journal, catalog and evidence are checked all the same.
    #[arg(long, value_name = "NAME")]
    index: Option<String>,
    /// Form of the output.
    #[arg(long, value_enum, default_value_t = Form::Text, value_name = "FORM")]
    output: Form,
    /// Checksums and figures only: pages are not decoded, sealed files are not hashed.
    #[arg(long)]
    quick: bool,
}

/// The forms of output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Form {
    /// For people: each finding as it is found, then what was looked at.
    Text,
    /// One object when all is done.
    Json,
}

/// What the evidence holds.
#[derive(Debug, Default, serde::Serialize)]
struct Evidence {
    seals: u64,
    checkpoints: u64,
    files_intact: u64,
}

/// Everything that was found, for `--output json`.
#[derive(Debug, Default, serde::Serialize)]
struct Report {
    ok: bool,
    checked: Checked,
    evidence: Evidence,
    /// Damage and warnings together.
    problems: u64,
    notes: u64,
    /// The first `CHECK_FINDINGS_MAX`; the counts are of all.
    findings: Vec<Finding>,
}

/// Runs the command.
pub async fn run(arguments: Arguments) -> Outcome {
    let world = World::real();
    require_folder(&*world.vfs, &arguments.data)?;
    let (form, data) = (arguments.output, arguments.data.clone());
    let report = tokio::select! {
        report = blocking(move || look(&world, &arguments)) => report?,
        _ = tokio::signal::ctrl_c() => return Err(Failure::new(Exit::Interrupted, "interrupted")),
    };
    print(&report, form).map_err(|e| Failure::output(&e))?;
    if report.problems == 0 {
        return Ok(());
    }
    let things = if report.problems == 1 { "problem" } else { "problems" };
    Err(Failure::new(Exit::Runtime, format!("{}: {} {things}", data.display(), HumanCount(report.problems))))
}

fn look(world: &World, arguments: &Arguments) -> Result<Report> {
    let mut watcher = Watcher { form: arguments.output, report: Report::default(), bar: None };
    let options = CheckOptions { index: arguments.index.clone(), quick: arguments.quick };
    watcher.report.checked = check::check(world.vfs.clone(), &arguments.data, options, &check::real_catalog, &mut watcher)?;
    evidence(world, arguments, &mut watcher)?;
    owner(world, &arguments.data, &mut watcher);
    if let Some(bar) = watcher.bar.take() {
        bar.finish_and_clear();
    }
    watcher.report.ok = watcher.report.problems == 0;
    Ok(watcher.report)
}

/// Counts, keeps and prints what is found.
struct Watcher {
    form: Form,
    report: Report,
    bar: Option<ProgressBar>,
}

impl check::Watch for Watcher {
    fn finding(&mut self, finding: Finding) {
        match finding.severity {
            Severity::Note => self.report.notes += 1,
            Severity::Warning | Severity::Damage => self.report.problems += 1,
        }
        if self.report.findings.len() >= limits::CHECK_FINDINGS_MAX {
            return;
        }
        if self.form == Form::Text {
            let text = text(&finding);
            let print = || drop(writeln!(std::io::stdout(), "{text}"));
            match &self.bar {
                Some(bar) => bar.suspend(print),
                None => print(),
            }
        }
        self.report.findings.push(finding);
    }

    fn progress(&mut self, done: u64, total: u64) {
        if !terminal::stderr_is_terminal() {
            return;
        }
        let bar = self.bar.get_or_insert_with(|| {
            let style = ProgressStyle::with_template("{bar:30} {bytes} of {total_bytes} of segments");
            ProgressBar::new(total).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        });
        bar.set_position(done);
    }
}

/// A finding for people.
fn text(finding: &Finding) -> String {
    let severity = match finding.severity {
        Severity::Note => "note",
        Severity::Warning => "warning",
        Severity::Damage => "damage",
    };
    let mut text = format!("{severity:8} {}", terminal::neutral(&finding.file));
    if let Some(bytes) = finding.bytes {
        text += &format!(", bytes {} to {}", bytes.start, bytes.end);
    }
    if let Some(events) = &finding.events {
        text += &match events.count {
            1 => format!(", event {} of {}", events.first, events.index),
            count if count == events.last - events.first + 1 => format!(", events {} to {} of {}", events.first, events.last, events.index),
            count => format!(", {count} of the events {} to {} of {}", events.first, events.last, events.index),
        };
    }
    text += &format!("\n         {}\n         what to do: {}", terminal::neutral(&finding.what), finding.remedy);
    text
}

/// The signed log, the sealed files, and the keys.
fn evidence(world: &World, arguments: &Arguments, watcher: &mut Watcher) -> Result<()> {
    use check::Watch;
    let (vfs, data) = (&*world.vfs, &*arguments.data);
    if vfs.metadata(&data.join("evidence")).is_err() {
        return Ok(());
    }
    let mut findings = taffrail_evidence::check_keys(vfs, data)?;
    let options = taffrail_evidence::verify::Options { skip_files: arguments.quick, ..Default::default() };
    match taffrail_evidence::verify(vfs, data, options) {
        Ok(report) => {
            watcher.report.evidence = Evidence { seals: report.seals, checkpoints: report.checkpoints, files_intact: report.files_intact };
            let more = report.findings_total - report.findings.len() as u64;
            findings.extend(report.findings);
            watcher.report.problems += more;
        }
        // Told with the keys.
        Err(error) if matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::Invalid | ErrorKind::NotFound) => {}
        Err(error) => return Err(error),
    }
    for finding in findings {
        if finding.unfinished && watcher.report.checked.in_use {
            continue;
        }
        let place = finding.place.replace(&format!("{}/", data.display()), "");
        let (file, detail) = place.split_once(", ").map_or((place.as_str(), None), |(file, detail)| (file, Some(detail)));
        let what = detail.map_or(finding.what.clone(), |detail| format!("{detail}: {}", finding.what));
        let (severity, remedy) = match finding.unfinished {
            true => {
                (Severity::Warning, "nothing, if the program or the power was cut off here: the next start takes it away and seals again")
            }
            false => (Severity::Damage, "restore the file from a copy; if there is no reason for it, somebody may have changed it"),
        };
        watcher.finding(Finding { severity, file: file.to_owned(), bytes: None, events: None, what, remedy: remedy.to_owned() });
    }
    Ok(())
}

/// A `server.json` that no server stands behind.
fn owner(world: &World, data: &Path, watcher: &mut Watcher) {
    use check::Watch;
    let path = data.join(crate::server_file::NAME);
    if watcher.report.checked.in_use || world.vfs.metadata(&path).is_err() {
        return;
    }
    let what = match ServerFile::read(&*world.vfs, data) {
        Some(file) => format!("it names the server {} (process {}), which does not hold the folder any more", file.url, file.pid),
        None => "it cannot be read, and no server holds the folder".to_owned(),
    };
    let remedy = "nothing: a crash left it, and the next server writes it anew".to_owned();
    let file = crate::server_file::NAME.to_owned();
    watcher.finding(Finding { severity: Severity::Note, file, bytes: None, events: None, what, remedy });
}

fn print(report: &Report, form: Form) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    if form == Form::Json {
        serde_json::to_writer_pretty(&mut out, report)?;
        writeln!(out)?;
        return out.flush();
    }
    let Checked { in_use, segments, events, pages, segment_bytes, journal_files, journal_records, .. } = report.checked;
    let (events, pages, records) = (HumanCount(events), HumanCount(pages), HumanCount(journal_records));
    writeln!(out, "segments  {segments} files, {} with {events} events, {pages} pages decoded", HumanBytes(segment_bytes))?;
    writeln!(out, "journal   {journal_files} files with {records} records")?;
    let evidence = &report.evidence;
    writeln!(out, "evidence  {} seals, {} files as they were sealed", HumanCount(evidence.seals), HumanCount(evidence.files_intact))?;
    if in_use {
        writeln!(out, "A server was using the folder meanwhile.")?;
    }
    let hidden = (report.problems + report.notes).saturating_sub(report.findings.len() as u64);
    if hidden > 0 {
        writeln!(out, "{} further findings are not shown.", HumanCount(hidden))?;
    }
    if report.ok {
        writeln!(out, "Nothing is wrong.")?;
    }
    out.flush()
}
