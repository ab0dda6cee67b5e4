//! Signatures of the requests that workers send each other (KIP-507; Java: `InternalRequestSignature`).
//!
//! The MAC is over the body's bytes alone, with the session key that the leader put into the config topic. It is compared in
//! constant time. Checked in Java's order: headers, algorithm, encoding, permitted algorithms, key, and last the MAC.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use connect_herder::config_log::SessionKey;
use connect_herder::service::SignatureError;
use hmac::digest::InvalidLength;
use hmac::{Hmac, Mac};
use sha2::{Sha256, Sha384, Sha512};

/// A MAC that this worker knows, by Java's name of it. Java's lookup ignores case, so this does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MacAlgorithm {
    /// `HmacSHA256`, the default.
    HmacSha256,
    /// `HmacSHA384`.
    HmacSha384,
    /// `HmacSHA512`.
    HmacSha512,
}

/// The two headers of a signed request.
#[derive(Clone, PartialEq, Eq)]
pub struct Signature {
    /// `X-Connect-Authorization`: the MAC, base64.
    pub mac_base64: String,
    /// `X-Connect-Request-Signature-Algorithm`.
    pub algorithm: String,
}

/// A session key that no signature can be made with. Tells nothing of the key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the session key in the config topic is not base64; delete the record \"session-key\" and restart the leader")]
pub struct BadKey;

impl MacAlgorithm {
    const ALL: [Self; 3] = [Self::HmacSha256, Self::HmacSha384, Self::HmacSha512];

    /// The algorithm of that name.
    #[must_use]
    pub fn find(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.as_str().eq_ignore_ascii_case(name))
    }

    /// Java's name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::HmacSha256 => "HmacSHA256",
            Self::HmacSha384 => "HmacSHA384",
            Self::HmacSha512 => "HmacSHA512",
        }
    }

    /// The length of the keys that Java's `KeyGenerator` makes for it, in bytes.
    #[must_use]
    pub const fn key_bytes(self) -> usize {
        match self {
            Self::HmacSha256 => 32,
            Self::HmacSha384 => 48,
            Self::HmacSha512 => 64,
        }
    }

    fn mac(self, key: &[u8], body: &[u8]) -> Result<Vec<u8>, InvalidLength> {
        Ok(match self {
            Self::HmacSha256 => digest::<Hmac<Sha256>>(key, body)?,
            Self::HmacSha384 => digest::<Hmac<Sha384>>(key, body)?,
            Self::HmacSha512 => digest::<Hmac<Sha512>>(key, body)?,
        })
    }

    fn verify(self, key: &[u8], body: &[u8], mac: &[u8]) -> bool {
        match self {
            Self::HmacSha256 => matches::<Hmac<Sha256>>(key, body, mac),
            Self::HmacSha384 => matches::<Hmac<Sha384>>(key, body, mac),
            Self::HmacSha512 => matches::<Hmac<Sha512>>(key, body, mac),
        }
    }
}

fn digest<M: Mac + hmac::digest::KeyInit>(key: &[u8], body: &[u8]) -> Result<Vec<u8>, InvalidLength> {
    Ok(<M as Mac>::new_from_slice(key)?.chain_update(body).finalize().into_bytes().to_vec())
}

fn matches<M: Mac + hmac::digest::KeyInit>(key: &[u8], body: &[u8], mac: &[u8]) -> bool {
    // Constant time.
    <M as Mac>::new_from_slice(key).is_ok_and(|verifier| verifier.chain_update(body).verify_slice(mac).is_ok())
}

/// Signs a body.
///
/// # Errors
/// The key can't be used.
pub fn sign(key: &SessionKey, algorithm: MacAlgorithm, body: &[u8]) -> Result<Signature, BadKey> {
    let secret = STANDARD.decode(&key.key_base64).map_err(|_| BadKey)?;
    let mac = algorithm.mac(&secret, body).map_err(|_| BadKey)?;
    Ok(Signature { mac_base64: STANDARD.encode(mac), algorithm: algorithm.as_str().to_owned() })
}

/// Checks the signature of a body. `permitted` is `inter.worker.verification.algorithms`.
///
/// # Errors
/// Why the request is not believed.
pub fn verify(
    key: Option<&SessionKey>,
    permitted: &[String],
    body: &[u8],
    mac_base64: Option<&str>,
    algorithm: Option<&str>,
) -> Result<(), SignatureError> {
    let (Some(mac_base64), Some(name)) = (mac_base64, algorithm) else {
        return Err(malformed("Internal request missing required signature"));
    };
    let algorithm = MacAlgorithm::find(name).ok_or_else(|| malformed(format!("Algorithm {name} not available")))?;
    let mac = STANDARD.decode(mac_base64).map_err(|error| malformed(format!("Illegal base64 signature: {error}")))?;
    if !permitted.iter().any(|permitted| permitted.eq_ignore_ascii_case(name)) {
        return Err(malformed(format!(
            "This worker does not support the '{name}' key signing algorithm used by other workers. This worker is \
             currently configured to use: [{}]. Check that all workers' configuration files permit the same set of \
             signature algorithms, and correct any misconfigured worker and restart it.",
            permitted.join(", ")
        )));
    }
    let secret = key.and_then(|key| STANDARD.decode(&key.key_base64).ok()).ok_or(SignatureError::NotReady)?;
    if algorithm.verify(&secret, body, &mac) { Ok(()) } else { Err(SignatureError::Invalid) }
}

fn malformed(reason: impl Into<String>) -> SignatureError {
    SignatureError::Malformed(reason.into())
}

/// A fresh session key for an algorithm, base64. `bytes` is `inter.worker.key.size` over 8; the algorithm's own without.
///
/// # Errors
/// The system has no random numbers to give.
pub(crate) fn new_session_key(algorithm: MacAlgorithm, bytes: Option<usize>) -> Result<String, getrandom::Error> {
    let mut key = vec![0; bytes.unwrap_or(algorithm.key_bytes())];
    getrandom::fill(&mut key)?;
    Ok(STANDARD.encode(key))
}

impl std::fmt::Debug for Signature {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // A signature is as good as a key for this body: nothing binds it to a time.
        f.debug_struct("Signature").field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Captured from Java Connect 4.3.0.
    const KEY: &str = "AXr/Rjr96VcN/fjgGeDT6jn3iLQ9OduqZcAotV+iZLc=";
    const GOLDEN: [(&str, &str); 2] =
        [("[]", "9x6gy/WwUuf4mztucScCI9Jz9K9mGjwM6ruTuRvTZjU="), ("", "RnsYdczd4sFKE9T5ueS3eKk8AGcaP5CbtaErxLqOqW4=")];

    fn key() -> SessionKey {
        SessionKey { key_base64: KEY.to_owned(), algorithm: "HmacSHA256".to_owned(), created_ms: 0 }
    }

    fn check(body: &str, mac: Option<&str>, algorithm: Option<&str>) -> Result<(), SignatureError> {
        verify(Some(&key()), &["HmacSHA256".to_owned()], body.as_bytes(), mac, algorithm)
    }

    #[test]
    fn signatures_are_those_of_java() {
        for (body, mac) in GOLDEN {
            let signature = sign(&key(), MacAlgorithm::HmacSha256, body.as_bytes()).unwrap();

            assert_eq!((signature.mac_base64.as_str(), signature.algorithm.as_str()), (mac, "HmacSHA256"));
            assert_eq!(check(body, Some(mac), Some("HmacSHA256")), Ok(()));
        }
    }

    #[test]
    fn every_algorithm_verifies_what_it_signed() {
        for algorithm in MacAlgorithm::ALL {
            let key = SessionKey { key_base64: new_session_key(algorithm, None).unwrap(), ..key() };
            let permitted = [algorithm.as_str().to_owned()];

            let signed = sign(&key, algorithm, b"body").unwrap();

            let check = |body| verify(Some(&key), &permitted, body, Some(&signed.mac_base64), Some(&signed.algorithm));
            assert_eq!(check(b"body"), Ok(()));
            assert_eq!(check(b"bodY"), Err(SignatureError::Invalid));
        }
    }

    #[test]
    fn a_signature_of_another_body_or_a_part_of_one_is_invalid() {
        let (_, mac) = GOLDEN[0];

        assert_eq!(check("[{}]", Some(mac), Some("HmacSHA256")), Err(SignatureError::Invalid));
        assert_eq!(check("[]", Some("9x6g"), Some("HmacSHA256")), Err(SignatureError::Invalid));
        assert_eq!(check("[]", Some(""), Some("HmacSHA256")), Err(SignatureError::Invalid));
    }

    #[test]
    fn what_is_wrong_with_the_headers_is_said_in_java_s_order() {
        let missing = SignatureError::Malformed("Internal request missing required signature".to_owned());
        let unknown = SignatureError::Malformed("Algorithm Foo not available".to_owned());

        assert_eq!(check("", None, Some("HmacSHA256")), Err(missing.clone()));
        assert_eq!(check("", Some("!"), None), Err(missing));
        assert_eq!(check("", Some("!"), Some("Foo")), Err(unknown));
        assert!(
            matches!(check("", Some("!"), Some("HmacSHA512")), Err(SignatureError::Malformed(m)) if m.contains("base64"))
        );
        assert!(matches!(
            check("", Some("AAAA"), Some("HmacSHA512")),
            Err(SignatureError::Malformed(m)) if m.contains("configured to use: [HmacSHA256].")
        ));
    }

    #[test]
    fn without_a_session_key_nothing_can_be_checked() {
        let result = verify(None, &["HmacSHA256".to_owned()], b"", Some(GOLDEN[1].1), Some("HmacSHA256"));

        assert_eq!(result, Err(SignatureError::NotReady));
    }
}
