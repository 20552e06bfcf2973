//! Signed notes and checkpoints: a note made by another program, our own, and everything that must be refused.

use proptest::prelude::*;
use taffrail_base::SeededRandomness;
use taffrail_evidence::merkle::Hash;
use taffrail_evidence::{Checkpoint, Signer, Verifier};

/// The example of the package that defined the format.
const OTHERS_KEY: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
const OTHERS_NOTE: &str = "If you think cryptography is the answer to your problem,
then you don't know what your problem is.

\u{2014} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=
";

fn signer() -> Signer {
    Signer::generate("log.example", &SeededRandomness::new(1)).expect("the name is good")
}

#[test]
fn opens_a_note_of_another_program() {
    let key = Verifier::parse(OTHERS_KEY).expect("a public key");
    assert_eq!(key.to_string(), OTHERS_KEY);
    assert!(key.open(OTHERS_NOTE).expect("a valid note").ends_with("what your problem is.\n"));
    assert!(key.open(&OTHERS_NOTE.replace("cryptography", "Cryptography")).is_err());
}

#[test]
fn own_notes_round_trip() {
    let signer = signer();
    let checkpoint = Checkpoint { origin: "log.example".into(), size: 42, root: Hash::of_leaf(b"x") };
    let note = signer.sign(&checkpoint.text());
    let key = Verifier::parse(&signer.verifier().to_string()).expect("a public key");
    assert_eq!(Checkpoint::parse(key.open(&note).expect("valid")).expect("well-formed"), checkpoint);
    let again = Signer::from_secret("log.example", signer.secret()).expect("the same key");
    assert_eq!(again.sign(&checkpoint.text()), note);
    assert!(!format!("{signer:?}").contains("key"), "a key is not printed");
}

#[test]
fn signatures_of_other_keys_are_passed_over() {
    let (ours, text) = (signer(), "a\n1\n\n");
    let other = Signer::generate("witness.example", &SeededRandomness::new(2)).expect("the name is good");
    let same_name = Signer::generate("log.example", &SeededRandomness::new(3)).expect("the name is good");
    let line = |signer: &Signer| signer.sign(text).lines().last().expect("a signature").to_owned();
    let note = format!("{text}\n{}\n{}\n{}\n", line(&other), line(&same_name), line(&ours));
    assert_eq!(ours.verifier().open(&note).expect("ours is among them"), text);
    let note = format!("{text}\n{}\n", line(&other));
    assert!(ours.verifier().open(&note).is_err());
}

#[test]
fn names_that_break_the_line_are_refused() {
    for name in ["", "a b", "a+b", "a\nb"] {
        assert!(Signer::generate(name, &SeededRandomness::new(1)).is_err(), "{name:?}");
    }
}

#[test]
fn keys_are_checked() {
    for text in ["", "a+b", "PeterNeumann+c74f20a4+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW", "PeterNeumann+c74f20a3+AR=="] {
        assert!(Verifier::parse(text).is_err(), "{text:?}");
    }
}

#[test]
fn malformed_checkpoints_are_refused() {
    let good = Checkpoint { origin: "o".into(), size: 7, root: Hash::of_nothing() }.text();
    assert!(Checkpoint::parse(&good).is_ok());
    assert!(Checkpoint::parse(&format!("{good}an extension\n")).is_ok());
    for bad in [
        good.replace('7', "07"),
        good.replace('7', "+7"),
        good.replace('7', "-7"),
        good.replace('o', ""),
        "o\n7\n".into(),
        "o\n7\nAAAA\n".into(),
    ] {
        assert!(Checkpoint::parse(&bad).is_err(), "{bad:?}");
    }
}

proptest! {
    #[test]
    fn opening_never_panics(note in "[a\n \u{2014}+=x08go/ZJ]{0,80}") {
        let _ = signer().verifier().open(&note);
        let _ = Checkpoint::parse(&note);
        let _ = Verifier::parse(&note);
    }

    #[test]
    fn one_changed_character_breaks_a_note(at in any::<prop::sample::Index>()) {
        let signer = signer();
        let mut note = signer.sign("log.example\n42\nroot\n").into_bytes();
        let at = at.index(note.len());
        note[at] ^= 1;
        if let Ok(note) = String::from_utf8(note) {
            prop_assert!(signer.verifier().open(&note).is_err());
        }
    }
}
