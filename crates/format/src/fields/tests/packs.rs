//! The format files that are built in: their samples, on events and on patterns.
//!
//! With `TAFFRAIL_FORMATS=packs/core/formats` (from the root of the repository) the files of that folder are tested as they
//! are, without compiling anything again.

#![allow(clippy::disallowed_methods)] // tests read the corpus and the packs where they lie

use super::*;
use crate::fields::file::File;

/// The files under test, and the formats that they make.
pub(super) fn under_test() -> (Vec<(String, File)>, Formats) {
    let Some(folder) = std::env::var_os("TAFFRAIL_FORMATS") else {
        return (builtin::built_in().map(|(name, file)| (name.to_owned(), file)).collect(), Formats::new());
    };
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(folder);
    let mut texts: Vec<(String, String)> = std::fs::read_dir(folder)
        .expect("the folder is there")
        .map(|entry| entry.expect("can be read").path())
        .map(|path| (path.file_stem().expect("a name").to_string_lossy().into_owned(), std::fs::read_to_string(&path).expect("text")))
        .collect();
    texts.sort();
    let read = || {
        texts.iter().filter_map(|(name, text)| match file::parse(text) {
            Ok(file) => Some((name.as_str(), file)),
            Err(fault) => {
                eprintln!("FAULT {name}: {fault}");
                None
            }
        })
    };
    let mut files = Vec::new();
    for (name, file) in read() {
        match FormatFile::compile(name, "", &file, false) {
            Ok(_) => {}
            Err(fault) => eprintln!("FAULT {name}: {fault}"),
        }
        if FormatFile::compile(name, "", &file, true).is_ok() {
            files.push((name, file));
        }
    }
    let ready = builtin::made_ready(files.into_iter());
    (read().map(|(name, file)| (name.to_owned(), file)).collect(), Formats::of(Arc::new(FileSet::new(ready)), Vec::new()))
}

#[test]
fn the_samples_of_the_built_in_formats() {
    let (files, formats) = under_test();
    let mut faults = Vec::new();
    for (name, file) in &files {
        if file.sample.is_empty() && file.stream.is_empty() {
            faults.push(format!("{name} has no samples"));
        }
        for sample in &file.sample {
            let sample = sample.get_ref();
            let wrong = samples::wrong_fields(&formats, file, sample);
            if !wrong.is_empty() {
                faults.push(format!("{name}: {wrong:?} of {:?}", sample.line));
            }
        }
    }
    let count: usize = files.iter().map(|(_, file)| file.sample.len()).sum();
    assert!(faults.is_empty(), "of {count} samples {} are wrong:\n{}", faults.len(), faults.join("\n"));
}

/// Which tokens are slots: those with a digit; all but the first four.
pub(super) fn chosen(line: &str, way: usize) -> impl FnMut(usize) -> bool + '_ {
    let (mut tokens, mut shape) = (Vec::new(), Vec::new());
    assert!(split::split(line.as_bytes(), &mut tokens, &mut shape, 100_000));
    move |number| match way {
        0 => tokens[number].of(line.as_bytes()).iter().any(u8::is_ascii_digit),
        _ => number > 3,
    }
}

#[test]
fn patterns_of_the_samples_say_what_the_events_say() {
    let (files, formats) = under_test();
    let mut faults = Vec::new();
    for (name, file) in &files {
        for sample in &file.sample {
            let sample = sample.get_ref();
            let sourcetype = samples::sourcetype_of(file, sample);
            for way in 0..2 {
                let (pattern, values) = pattern_of(sample.line.as_bytes(), chosen(&sample.line, way));
                if let Err(fault) = same_listed(&formats, &sourcetype, &sample.line, &pattern, &values) {
                    faults.push(format!("{name} ({way}): {fault}"));
                }
            }
        }
    }
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}
