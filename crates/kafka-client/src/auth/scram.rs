//! SCRAM-SHA-256 and SCRAM-SHA-512 (RFC 5802, RFC 7677; KIP-84).
//!
//! Both sides prove that they know the password. We insist on our half of it: the server's nonce has
//! to begin with ours (CVE-2024-56128 is what happens if nobody looks), the iteration count has to be
//! within bounds (too low is weak, too high is a way to burn our CPU), and the server's signature has
//! to be right, compared in constant time.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256, Sha512};

use super::{Answer, Exchange};
use crate::config::Secret;
use crate::error::ClientError;

/// Kafka's own minimum; below it a stolen exchange is cheap to break.
const ITERATIONS_MIN: u32 = 4096;
/// About half a second of hashing.
const ITERATIONS_MAX: u32 = 1_000_000;
/// `n,,` in base64: no channel binding, which Kafka does not have.
const NO_CHANNEL_BINDING: &str = "biws";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hash {
    Sha256,
    Sha512,
}

/// Who we are.
#[derive(Debug, Clone)]
pub(super) struct Scram {
    pub(super) hash: Hash,
    pub(super) username: Secret,
    pub(super) password: Secret,
    /// The username is the id of a delegation token (KIP-48).
    pub(super) token_auth: bool,
}

/// What we have sent, and what the server has to prove.
struct ClientFinal {
    message: String,
    server_key: Vec<u8>,
    auth_message: String,
}

impl Scram {
    pub(super) async fn run(&self, exchange: &Exchange<'_>) -> Result<Answer, ClientError> {
        // 122 random bits from the operating system; '-' is a legal character of a nonce.
        let nonce = uuid::Uuid::new_v4().to_string();
        let first_bare = self.client_first_bare(&nonce);
        let server_first = exchange.send(format!("n,,{first_bare}").into_bytes()).await?;
        let this = self.clone();
        // Up to half a second of hashing has no place on the event loop.
        let last = tokio::task::spawn_blocking(move || this.client_final(&nonce, &first_bare, &server_first.bytes))
            .await
            .map_err(|error| exchange.refused(error.to_string()))?
            .map_err(|reason| exchange.refused(reason))?;
        let answer = exchange.send(last.message.into_bytes()).await?;
        self.hash
            .verify_server(&last.server_key, &last.auth_message, &answer.bytes)
            .map_err(|reason| exchange.refused(reason))?;
        Ok(answer)
    }

    fn client_first_bare(&self, nonce: &str) -> String {
        // Kafka does not apply SASLprep (ScramFormatter.normalize), so neither do we.
        let username = self.username.expose().replace('=', "=3D").replace(',', "=2C");
        let extension = if self.token_auth { ",tokenauth=true" } else { "" };
        format!("n={username},r={nonce}{extension}")
    }

    fn client_final(&self, nonce: &str, first_bare: &str, server_first: &[u8]) -> Result<ClientFinal, String> {
        let server_first = std::str::from_utf8(server_first).map_err(|_| "the server's message is not text")?;
        let mut fields = server_first.split(',');
        let mut field = |name: &str| {
            let field = fields.next().and_then(|field| field.strip_prefix(name)?.strip_prefix('='));
            field.ok_or_else(|| format!("the server's first message lacks {name}="))
        };
        let (server_nonce, salt, iterations) = (field("r")?, field("s")?, field("i")?);
        if !server_nonce.starts_with(nonce) || server_nonce.len() == nonce.len() {
            return Err("the server's nonce does not continue ours; somebody else may be answering".to_owned());
        }
        let salt = BASE64.decode(salt).map_err(|_| "the server's salt is not base64")?;
        let iterations = iterations.parse::<u32>().unwrap_or(0);
        if !(ITERATIONS_MIN..=ITERATIONS_MAX).contains(&iterations) {
            return Err(format!(
                "the server asks for {iterations} iterations, outside {ITERATIONS_MIN}..={ITERATIONS_MAX}"
            ));
        }
        let salted = self.hash.pbkdf2(self.password.expose().as_bytes(), &salt, iterations);
        let client_key = self.hash.hmac(&salted, b"Client Key");
        let without_proof = format!("c={NO_CHANNEL_BINDING},r={server_nonce}");
        let auth_message = format!("{first_bare},{server_first},{without_proof}");
        let signature = self.hash.hmac(&self.hash.digest(&client_key), auth_message.as_bytes());
        let proof: Vec<u8> = client_key.iter().zip(&signature).map(|(key, signed)| key ^ signed).collect();
        Ok(ClientFinal {
            message: format!("{without_proof},p={}", BASE64.encode(proof)),
            server_key: self.hash.hmac(&salted, b"Server Key"),
            auth_message,
        })
    }
}

/// The one place where the two hashes differ.
macro_rules! by_hash {
    ($hash:expr, $digest:ident => $body:expr) => {
        match $hash {
            Hash::Sha256 => {
                type $digest = Sha256;
                $body
            }
            Hash::Sha512 => {
                type $digest = Sha512;
                $body
            }
        }
    };
}

macro_rules! keyed {
    ($digest:ident, $key:expr) => {
        // Cannot fail: HMAC takes keys of any length (RFC 2104).
        Hmac::<$digest>::new_from_slice($key).expect("a key of any length")
    };
}

impl Hash {
    fn digest(self, data: &[u8]) -> Vec<u8> {
        by_hash!(self, D => D::digest(data).to_vec())
    }

    fn hmac(self, key: &[u8], data: &[u8]) -> Vec<u8> {
        by_hash!(self, D => keyed!(D, key).chain_update(data).finalize().into_bytes().to_vec())
    }

    fn pbkdf2(self, password: &[u8], salt: &[u8], iterations: u32) -> Vec<u8> {
        by_hash!(self, D => {
            let mut output = vec![0; <D as Digest>::output_size()];
            pbkdf2::pbkdf2_hmac::<D>(password, salt, iterations, &mut output);
            output
        })
    }

    /// `v=` and the signature of the whole conversation with a key that only the server can have.
    fn verify_server(self, server_key: &[u8], auth_message: &str, server_final: &[u8]) -> Result<(), String> {
        let text = std::str::from_utf8(server_final).map_err(|_| "the server's last message is not text")?;
        let first = text.split(',').next().unwrap_or_default();
        if let Some(error) = first.strip_prefix("e=") {
            return Err(format!("the server says {error}"));
        }
        let signature = first
            .strip_prefix("v=")
            .and_then(|signature| BASE64.decode(signature).ok())
            .ok_or("the server's last message holds no signature")?;
        by_hash!(self, D => keyed!(D, server_key).chain_update(auth_message).verify_slice(&signature))
            .map_err(|_| "the server's signature is wrong: it does not know the password".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scram(hash: Hash, username: &str, password: &str) -> Scram {
        Scram { hash, username: Secret::new(username), password: Secret::new(password), token_auth: false }
    }

    /// RFC 7677, section 3.
    const NONCE: &str = "rOprNGfwEbeRWgbNEkqO";
    const SERVER_FIRST: &str = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";

    fn rfc_7677() -> ClientFinal {
        let scram = scram(Hash::Sha256, "user", "pencil");
        let first = scram.client_first_bare(NONCE);
        assert_eq!(first, "n=user,r=rOprNGfwEbeRWgbNEkqO");
        scram.client_final(NONCE, &first, SERVER_FIRST.as_bytes()).unwrap()
    }

    #[test]
    fn the_proof_is_that_of_rfc_7677() {
        assert_eq!(
            rfc_7677().message,
            "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
        );
    }

    #[test]
    fn only_the_servers_signature_of_rfc_7677_is_accepted() {
        let last = rfc_7677();
        let verify = |text: &str| Hash::Sha256.verify_server(&last.server_key, &last.auth_message, text.as_bytes());

        assert_eq!(verify("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="), Ok(()));
        assert!(verify("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G5=").is_err());
        assert!(verify("v=").unwrap_err().contains("signature is wrong"));
        assert!(verify("").unwrap_err().contains("no signature"));
        assert!(verify("e=invalid-proof").unwrap_err().contains("invalid-proof"));
    }

    #[test]
    fn sha_512_gives_the_proof_that_an_independent_implementation_gives() {
        let scram = scram(Hash::Sha512, "user", "pencil");

        let last = scram.client_final(NONCE, &scram.client_first_bare(NONCE), SERVER_FIRST.as_bytes()).unwrap();

        // Computed with Python's hashlib and hmac.
        assert!(
            last.message.ends_with(
                "p=gMGXRcevScNtxZ6/8lQYpGtnsNAc3mGcmNomv+xnoOMw+3R2xNJdMNnzMlTN8PPC6wdp6dybEmDYXYTxwnYPJQ=="
            ),
            "{}",
            last.message
        );
        assert_eq!(
            Hash::Sha512.verify_server(
                &last.server_key,
                &last.auth_message,
                b"v=ZQnYEgWQMFmmsM8aQMF0nDDCy/AgCzkwk8CmMZYcMg0vSVlKDanekLtifDSeVGT4+5ZxXnJq199RVG2rR7N7Zw=="
            ),
            Ok(())
        );
    }

    #[test]
    fn a_nonce_that_does_not_continue_ours_is_refused() {
        let scram = scram(Hash::Sha256, "user", "pencil");
        for nonce in ["", "rOprNGfwEbeRWgbNEkqO", "xOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)"] {
            let server_first = format!("r={nonce},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096");
            let error = scram.client_final(NONCE, "", server_first.as_bytes()).err().unwrap();
            assert!(error.contains("nonce"), "{error}");
        }
    }

    #[test]
    fn iterations_outside_the_bounds_are_refused_before_any_hashing() {
        let scram = scram(Hash::Sha256, "user", "pencil");
        for iterations in ["0", "-1", "4095", "1000001", "4294967296", "x", ""] {
            let server_first = format!("r={NONCE}x,s=W22ZaJ0SNY7soEsUEjb6gQ==,i={iterations}");
            let error = scram.client_final(NONCE, "", server_first.as_bytes()).err().unwrap();
            assert!(error.contains("iterations"), "{error}");
        }
    }

    #[test]
    fn a_message_with_parts_missing_or_out_of_order_is_refused() {
        let scram = scram(Hash::Sha256, "user", "pencil");
        for server_first in ["", "e=other-error", "s=QQ==,r=x,i=4096", "m=ext,r=x,s=QQ==,i=4096", "r=x", "\u{ff}"] {
            assert!(scram.client_final(NONCE, "", server_first.as_bytes()).is_err(), "{server_first}");
        }
    }

    #[test]
    fn commas_and_equals_signs_in_a_username_are_escaped() {
        assert_eq!(scram(Hash::Sha256, "a,b=c", "p").client_first_bare("N"), "n=a=2Cb=3Dc,r=N");
    }
}
