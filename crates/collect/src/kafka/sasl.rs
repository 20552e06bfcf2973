//! Saying who we are: PLAIN (RFC 4616), and SCRAM (RFC 5802, 7677), where the password is proved and the other side has to prove that it
//! knows it as well. Pure: the words that are exchanged.

use super::{Mechanism, Sasl};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use ring::{digest, hmac, pbkdf2};
use std::num::NonZeroU32;

/// Rounds that a broker may ask for: more would only cost us time.
const ROUNDS_MAX: u32 = 1_000_000;

/// An exchange.
pub(super) struct Exchange<'a> {
    who: &'a Sasl,
    nonce: String,
    stage: Stage,
}

enum Stage {
    Begin,
    /// What was said first.
    Said(String),
    /// What the other side has to prove.
    Proved(Vec<u8>),
    Done,
}

impl Mechanism {
    /// Its name on the wire.
    pub(super) fn wire_name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::ScramSha512 => "SCRAM-SHA-512",
        }
    }
}

impl<'a> Exchange<'a> {
    /// Of somebody, with bytes of chance.
    pub fn new(who: &'a Sasl, chance: [u8; 24]) -> Self {
        Self { who, nonce: BASE64.encode(chance), stage: Stage::Begin }
    }

    /// Whether all is said.
    pub fn is_done(&self) -> bool {
        matches!(self.stage, Stage::Done)
    }

    /// What is said next, given what the other side has said. An error says what is wrong with that.
    pub fn say(&mut self, heard: &[u8]) -> Result<Vec<u8>, &'static str> {
        let (name, password) = (&self.who.username, self.who.password.reveal());
        match &self.stage {
            Stage::Begin if self.who.mechanism == Mechanism::Plain => {
                self.stage = Stage::Done;
                Ok(format!("\0{name}\0{password}").into_bytes())
            }
            Stage::Begin => {
                let bare = format!("n={},r={}", name.replace('=', "=3D").replace(',', "=2C"), self.nonce);
                self.stage = Stage::Said(bare.clone());
                Ok(format!("n,,{bare}").into_bytes())
            }
            Stage::Said(bare) => {
                let (answer, proof) = self.prove(bare, heard, password)?;
                self.stage = Stage::Proved(proof);
                Ok(answer)
            }
            Stage::Proved(proof) => {
                let heard = std::str::from_utf8(heard).ok().and_then(|text| text.strip_prefix("v="));
                let shown = heard.and_then(|text| BASE64.decode(text.split(',').next().unwrap_or_default()).ok());
                // The whole of it is compared, in a time that tells nothing.
                if shown.is_none_or(|shown| blake3::hash(&shown) != blake3::hash(proof)) {
                    return Err("the broker does not prove that it knows the password");
                }
                self.stage = Stage::Done;
                Ok(Vec::new())
            }
            Stage::Done => Err("the broker asks for more than there is to say"),
        }
    }

    /// Our proof, and what has to come for it.
    fn prove(&self, bare: &str, heard: &[u8], password: &str) -> Result<(Vec<u8>, Vec<u8>), &'static str> {
        let heard = std::str::from_utf8(heard).map_err(|_| "the broker does not speak SCRAM")?;
        let part = |key: &str| heard.split(',').find_map(|part| part.strip_prefix(key));
        let nonce = part("r=").filter(|nonce| nonce.starts_with(&self.nonce) && nonce.len() > self.nonce.len());
        let salt = part("s=").and_then(|salt| BASE64.decode(salt).ok());
        let rounds = part("i=").and_then(|rounds| rounds.parse().ok()).filter(|rounds| *rounds <= ROUNDS_MAX).and_then(NonZeroU32::new);
        let (Some(nonce), Some(salt), Some(rounds)) = (nonce, salt, rounds) else { return Err("the broker does not speak SCRAM") };
        let (derive, sign, hash) = match self.who.mechanism {
            Mechanism::ScramSha256 => (pbkdf2::PBKDF2_HMAC_SHA256, hmac::HMAC_SHA256, &digest::SHA256),
            _ => (pbkdf2::PBKDF2_HMAC_SHA512, hmac::HMAC_SHA512, &digest::SHA512),
        };
        let mac = |key: &[u8], text: &[u8]| hmac::sign(&hmac::Key::new(sign, key), text).as_ref().to_vec();
        let mut salted = vec![0; hash.output_len()];
        pbkdf2::derive(derive, rounds, &salt, password.as_bytes(), &mut salted);
        let without = format!("c=biws,r={nonce}");
        let all = format!("{bare},{heard},{without}");
        let key = mac(&salted, b"Client Key");
        let signature = mac(digest::digest(hash, &key).as_ref(), all.as_bytes());
        let proof: Vec<u8> = key.iter().zip(&signature).map(|(a, b)| a ^ b).collect();
        let wanted = mac(&mac(&salted, b"Server Key"), all.as_bytes());
        Ok((format!("{without},p={}", BASE64.encode(proof)).into_bytes(), wanted))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn who(mechanism: &str, name: &str, password: &str) -> Sasl {
        toml::from_str(&format!("mechanism = \"{mechanism}\"\nusername = \"{name}\"\npassword = \"{password}\"")).expect("is right")
    }

    /// The example of RFC 7677, but for its nonce, which is not made by us: so the exchange is played from its second step on.
    #[test]
    fn the_example_of_the_standard() {
        let who = who("scram-sha-256", "user", "pencil");
        let mut exchange = Exchange { who: &who, nonce: "rOprNGfwEbeRWgbNEkqO".into(), stage: Stage::Begin };
        assert_eq!(exchange.say(b""), Ok(b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO".to_vec()));
        let heard = b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
        let said = exchange.say(heard).map(|said| String::from_utf8(said).expect("is text"));
        assert_eq!(
            said.as_deref(),
            Ok("c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=")
        );
        assert!(!exchange.is_done());
        assert_eq!(exchange.say(b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="), Ok(Vec::new()));
        assert!(exchange.is_done() && exchange.say(b"").is_err());
    }

    #[test]
    fn what_a_false_broker_says() {
        let who = who("scram-sha-512", "a,b", "x");
        let nonce = BASE64.encode([7; 24]);
        for heard in [
            "",
            "r=other,s=AAAA,i=1",
            &format!("r={nonce},s=AAAA,i=1"),
            &format!("r={nonce}x,s=?,i=1"),
            &format!("r={nonce}x,s=AAAA,i=0"),
            &format!("r={nonce}x,s=AAAA,i=99999999"),
        ] {
            let mut exchange = Exchange::new(&who, [7; 24]);
            assert_eq!(exchange.say(b""), Ok(format!("n,,n=a=2Cb,r={nonce}").into_bytes()));
            assert!(exchange.say(heard.as_bytes()).is_err(), "{heard}");
        }
        let mut exchange = Exchange::new(&who, [7; 24]);
        let _ = exchange.say(b"");
        assert!(exchange.say(format!("r={nonce}x,s=AAAA,i=1").as_bytes()).is_ok());
        assert!(exchange.say(b"v=AAAA").is_err() && !exchange.is_done());
    }
}
