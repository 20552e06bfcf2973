//! Fingerprints of text, for comparing with lists of them.

use super::super::compile::Node;
use super::{Call, Function};
use crate::language::QueryError;
use sha2::Digest;

pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        name: "md5",
        syntax: "md5(text)",
        summary: "The MD5 of the text, in hexadecimal.",
        arity: (1, 1),
        build: digest::<md5::Md5>,
    },
    Function {
        name: "sha1",
        syntax: "sha1(text)",
        summary: "The SHA-1 of the text, in hexadecimal.",
        arity: (1, 1),
        build: digest::<sha1::Sha1>,
    },
    Function {
        name: "sha256",
        syntax: "sha256(text)",
        summary: "The SHA-256 of the text, in hexadecimal.",
        arity: (1, 1),
        build: digest::<sha2::Sha256>,
    },
    Function {
        name: "sha512",
        syntax: "sha512(text)",
        summary: "The SHA-512 of the text, in hexadecimal.",
        arity: (1, 1),
        build: digest::<sha2::Sha512>,
    },
];

fn digest<D: Digest + 'static>(call: &Call<'_>) -> Result<Node, QueryError> {
    Ok(Node::texts(call.args()?, |values, row| {
        let text = values[0].text(row)?;
        Some(D::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect())
    }))
}
