//! The format files that are built in.

use super::file::{self, FormatFile};
use std::sync::Arc;

macro_rules! built_in {
    ($($name:literal)*) => {
        /// The files, by name.
        const BUILT_IN: &[(&str, &str)] = &[$(($name, include_str!(concat!("../../../../packs/core/formats/", $name, ".toml")))),*];
    };
}

built_in! {
    "sshd" "pam" "su" "sudo" "accounts" "apache_error" "auditd" "azure" "cisco_asa" "cisco_ios" "cisco_nxos"
    "cloudtrail" "cron" "dhcp" "dovecot" "esx" "exim" "fortigate" "gcp" "haproxy" "juniper" "kea" "kubernetes"
    "login" "microsoft365" "mysql" "named" "netfilter" "netscreen" "nginx_error" "packages" "paloalto" "pfsense" "postfix"
    "postgresql_logins" "proftpd" "pureftpd" "resolvers" "salesforce" "snare" "squid" "suricata" "systemd" "unbound" "vsftpd"
    "web_access" "windows" "windows_system" "windows_event_xml" "sysmon" "iis" "mssql" "oracle" "checkpoint" "containers" "docker_events" "xferlog" "zeek" "cef" "leef" "cee" "xdas" "programs" "text" "java" "python" "postgresql" "json"
}

/// The built-in files with their samples.
#[cfg(test)]
pub(crate) fn built_in() -> impl Iterator<Item = (&'static str, file::File)> {
    BUILT_IN.iter().map(|(name, text)| (*name, file::parse(text).unwrap_or_else(|e| panic!("built-in format {name}: {e}"))))
}

/// A built-in file without its samples, which stand behind all else: they are only for the tests.
fn without_samples(text: &str) -> &str {
    let first = ["\n[[sample]]", "\n[[stream]]"].into_iter().filter_map(|head| text.find(head)).min();
    &text[..first.unwrap_or(text.len())]
}

/// What the built-in files say, without their samples.
#[cfg(test)]
pub(super) fn texts() -> impl Iterator<Item = (&'static str, &'static str)> {
    BUILT_IN.iter().map(|(name, text)| (*name, without_samples(text)))
}

/// What a built-in file says of the lines of events.
pub(crate) fn built_in_events() -> impl Iterator<Item = (&'static str, file::File)> {
    BUILT_IN
        .iter()
        .map(|(name, text)| (*name, file::parse(without_samples(text)).unwrap_or_else(|e| panic!("built-in format {name}: {e}"))))
}

/// The built-in files that give fields, made ready.
pub(super) fn built_in_fields() -> Vec<Arc<FormatFile>> {
    made_ready(built_in_events())
}

/// The files that give fields, made ready.
pub(super) fn made_ready<'a>(files: impl Iterator<Item = (&'a str, file::File)>) -> Vec<Arc<FormatFile>> {
    let compiled = files.map(|(name, file)| {
        // The sourcetypes of a file with [event] are those of that table.
        let apart = file.event.is_some();
        let file = FormatFile::compile(name, "", &file, true);
        let mut file = file.unwrap_or_else(|fault| panic!("built-in format {name}: {fault}"));
        if apart {
            file.sourcetypes.clear();
        }
        Arc::new(file)
    });
    compiled.filter(|file| !file.rules.is_empty()).collect()
}
