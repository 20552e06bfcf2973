//! Settings that need no thought: this machine's own logs.

use crate::files::FileSettings;
use crate::input::InputSettings;
use crate::journald::JournaldSettings;

/// Everything below `/var/log` that is text and may be read, rotated and compressed files included, and the
/// systemd journal where there is one.
pub fn this_machine() -> Vec<InputSettings> {
    let files = FileSettings {
        paths: vec!["/var/log".into()],
        // Read by the other input; its files are binary anyway.
        exclude: vec!["/var/log/journal/**".into()],
        ..FileSettings::default()
    };
    vec![InputSettings::File(files), InputSettings::Journald(JournaldSettings::default())]
}
