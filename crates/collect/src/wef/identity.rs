//! Who a source is by its certificate: the names that stand in it. That the certificate is good was found out before, by TLS.

use crate::snmp::ber::{OCTETS, OID, Reader, SEQUENCE};

/// Parts of certificates that are looked for.
const COMMON_NAME: &str = "2.5.4.3";
const ALTERNATIVE_NAMES: &str = "2.5.29.17";
const VERSION: u8 = 0xa0;
const EXTENSIONS: u8 = 0xa3;
const DNS_NAME: u8 = 0x82;
const UTF8_STRING: u8 = 0x0c;
const PRINTABLE_STRING: u8 = 0x13;
const TELETEX_STRING: u8 = 0x14;
const IA5_STRING: u8 = 0x16;
const WIDE_STRING: u8 = 0x1e;

/// Bytes of a name of the domain name system.
const NAME_BYTES_MAX: usize = 255;

/// The machine that a certificate was made for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Its names in lower case, those of the domain name system first; at least one.
    names: Vec<String>,
}

impl Identity {
    /// Reads the names of a certificate. One without any is called by its check sum.
    pub fn of(certificate: &[u8]) -> Self {
        let mut names = Vec::new();
        let mut common = Vec::new();
        // What cannot be read has no names.
        let _ = read(certificate, &mut names, &mut common);
        names.append(&mut common);
        let mut known: Vec<String> = Vec::with_capacity(names.len());
        for name in names.iter().filter_map(|name| clean(name)) {
            if !known.contains(&name) {
                known.push(name);
            }
        }
        if known.is_empty() {
            known.push(format!("certificate-{}", &blake3::hash(certificate).to_hex()[..16]));
        }
        Self { names: known }
    }

    /// The first of its names.
    pub fn name(&self) -> &str {
        &self.names[0]
    }

    /// All its names.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Whether a machine of this name is the one.
    pub fn is(&self, machine: &str) -> bool {
        self.names.iter().any(|name| is_same(name, machine))
    }

    /// The name of its account when it calls itself `machine`: what it says stands behind who it is, where it is another name,
    /// so that machines which share a certificate are told apart and none of them is taken for anybody else.
    pub fn account(&self, machine: &str) -> String {
        match clean(machine) {
            Some(machine) if !self.is(&machine) => format!("{} ({machine})", self.name()),
            _ => self.name().to_owned(),
        }
    }
}

/// Whether two names are of one machine. A name without a domain is the same as one with it.
pub fn is_same(one: &str, other: &str) -> bool {
    let (Some(one), Some(other)) = (clean(one), clean(other)) else { return false };
    let short = |name: &str| name.split('.').next().unwrap_or_default().to_owned();
    one == other || (one.contains('.') != other.contains('.') && short(&one) == short(&other))
}

/// A name as it is compared; `None` if it is none.
fn clean(name: &str) -> Option<String> {
    let name = name.trim().trim_end_matches('.');
    let fits = !name.is_empty() && name.len() <= NAME_BYTES_MAX && name.chars().all(|c| !c.is_control() && !c.is_whitespace());
    fits.then(|| name.to_lowercase())
}

/// Certificate ::= { { [0] version, serial, signature, issuer, validity, subject, key, ..., [3] extensions }, ... }
fn read(certificate: &[u8], names: &mut Vec<String>, common: &mut Vec<String>) -> Option<()> {
    let mut fields = Reader::new(certificate).expect(SEQUENCE)?.reader().expect(SEQUENCE)?.reader();
    if fields.next()?.tag == VERSION {
        fields.next()?;
    }
    let (_signature, _issuer, _validity) = (fields.next()?, fields.next()?, fields.next()?);
    let mut subject = fields.expect(SEQUENCE)?.reader();
    while let Some(part) = subject.next() {
        let mut pairs = part.reader();
        while let Some(pair) = pairs.next() {
            let mut pair = pair.reader();
            if pair.expect(OID)?.oid()? == COMMON_NAME {
                let value = pair.next()?;
                common.extend(text(value.tag, value.bytes));
            }
        }
    }
    while let Some(field) = fields.next() {
        if field.tag != EXTENSIONS {
            continue;
        }
        let mut extensions = field.reader().expect(SEQUENCE)?.reader();
        while let Some(extension) = extensions.next() {
            let mut extension = extension.reader();
            let wanted = extension.expect(OID)?.oid()? == ALTERNATIVE_NAMES;
            // Whether it is critical may stand before its value.
            let Some(value) = std::iter::from_fn(|| extension.next()).find(|value| wanted && value.tag == OCTETS) else { continue };
            let mut all = value.reader().expect(SEQUENCE)?.reader();
            while let Some(name) = all.next() {
                if name.tag == DNS_NAME {
                    names.extend(text(IA5_STRING, name.bytes));
                }
            }
        }
    }
    Some(())
}

fn text(tag: u8, bytes: &[u8]) -> Option<String> {
    match tag {
        UTF8_STRING | PRINTABLE_STRING | IA5_STRING | TELETEX_STRING => String::from_utf8(bytes.to_vec()).ok(),
        WIDE_STRING => {
            let units: Vec<u16> = bytes.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect();
            String::from_utf16(&units).ok()
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject;

    fn sender() -> Vec<u8> {
        CertificateDer::from_pem_slice(include_bytes!("../../tests/it/tls/client.pem")).unwrap().to_vec()
    }

    #[test]
    fn names_of_a_certificate() {
        let sender = Identity::of(&sender());
        assert_eq!(sender.names(), ["localhost", "sender"], "alternative names before the common name");
        assert!(sender.is("LOCALHOST") && sender.is("sender.example.org.") && !sender.is("other") && !sender.is(""));
        assert_eq!(
            (sender.account("Sender"), sender.account("WS7.example.org")),
            ("localhost".into(), "localhost (ws7.example.org)".into())
        );
        assert_eq!(sender.account("a\nb"), "localhost");
        let full = Identity { names: vec!["ws7.example.org".into()] };
        assert!(full.is("WS7") && full.is("ws7.EXAMPLE.org") && !full.is("ws7.example.com") && !full.is("ws"));
    }

    #[test]
    fn damaged_certificates_have_a_name_all_the_same() {
        let whole = sender();
        assert!(Identity::of(b"").name().starts_with("certificate-"));
        for at in 0..whole.len() {
            assert!(!Identity::of(&whole[..at]).name().is_empty());
            let mut changed = whole.clone();
            changed[at] ^= 0x5a;
            assert!(!Identity::of(&changed).name().is_empty());
        }
    }
}
