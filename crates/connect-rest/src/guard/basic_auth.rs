//! Names and passwords from a file (Java: `BasicAuthSecurityRestExtension` with its `PropertyFileLoginModule`).

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use axum::http::{HeaderMap, header};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use thiserror::Error;

use super::jaas;

/// The class that switches it on, in `rest.extension.classes`.
pub const EXTENSION: &str = "org.apache.kafka.connect.rest.basic.auth.extension.BasicAuthSecurityRestExtension";
const LOGIN_MODULE: &str = "org.apache.kafka.connect.rest.basic.auth.extension.PropertyFileLoginModule";
const SECTION: &str = "KafkaConnect";

/// Why nobody could log in.
#[derive(Debug, Error)]
pub enum BasicAuthError {
    /// A file can't be read.
    #[error("cannot read {path}: {reason}")]
    Unreadable {
        /// The file.
        path: String,
        /// Why.
        reason: String,
    },
    /// The JAAS file does not say what is needed.
    #[error("{path}: {reason}; expected: {SECTION} {{ {LOGIN_MODULE} required file=\"credentials.properties\"; }};")]
    Jaas {
        /// The file.
        path: String,
        /// What is missing.
        reason: String,
    },
    /// Java lets everybody in then.
    #[error("{0} holds no user; write one a line, as in: name=password")]
    NoUser(String),
}

/// Who may ask.
pub struct BasicAuth {
    passwords: BTreeMap<String, String>,
}

impl BasicAuth {
    /// Reads a JAAS file, then the credentials file that it names. `parse` reads Java properties.
    ///
    /// # Errors
    /// A file can't be read, names something else, or holds no user.
    pub fn load(
        jaas_file: &Path,
        parse: impl FnOnce(&Path) -> Result<BTreeMap<String, String>, String>,
    ) -> Result<Self, BasicAuthError> {
        let path = jaas_file.display().to_string();
        let text = std::fs::read_to_string(jaas_file)
            .map_err(|error| BasicAuthError::Unreadable { path: path.clone(), reason: error.to_string() })?;
        let wrong = |reason: String| BasicAuthError::Jaas { path: path.clone(), reason };
        let sections = jaas::parse(&text).map_err(&wrong)?;
        let entry = sections.get(SECTION).ok_or_else(|| wrong(format!("it has no section {SECTION}")))?;
        if entry.module != LOGIN_MODULE {
            return Err(wrong(format!("{} is not a login module that is built in", entry.module)));
        }
        let file = entry.options.get("file").ok_or_else(|| wrong("the login module is given no file".to_owned()))?;
        let passwords =
            parse(Path::new(file)).map_err(|reason| BasicAuthError::Unreadable { path: file.clone(), reason })?;
        if passwords.is_empty() { Err(BasicAuthError::NoUser(file.clone())) } else { Ok(Self { passwords }) }
    }

    /// Whether a request brings a name and its password.
    pub(crate) fn accepts(&self, headers: &HeaderMap) -> bool {
        let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let credentials = given.and_then(|given| {
            let (scheme, credentials) = given.split_once(' ')?;
            scheme.eq_ignore_ascii_case("basic").then_some(credentials.trim())
        });
        let decoded = credentials.and_then(|text| STANDARD.decode(text).ok()).and_then(|it| String::from_utf8(it).ok());
        let Some((name, password)) = decoded.as_deref().and_then(|decoded| decoded.split_once(':')) else {
            return false;
        };
        // Compared to something also when there is no such user, so that the time does not tell.
        let (known, wanted) = self.passwords.get(name).map_or((false, ""), |wanted| (true, wanted.as_str()));
        same(wanted.as_bytes(), password.as_bytes()) & known
    }
}

/// Compares without stopping at the first difference.
fn same(a: &[u8], b: &[u8]) -> bool {
    let differing = a.iter().zip(b).fold(0, |differing, (a, b)| differing | (a ^ b));
    a.len() == b.len() && differing == 0
}

impl fmt::Debug for BasicAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BasicAuth").field("users", &self.passwords.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepts(authorization: &str) -> bool {
        let passwords = [("ann", "pass:word"), ("empty", "")];
        let auth = BasicAuth { passwords: passwords.map(|(name, word)| (name.to_owned(), word.to_owned())).into() };
        auth.accepts(&HeaderMap::from_iter([(header::AUTHORIZATION, authorization.parse().unwrap())]))
    }

    fn basic(credentials: &str) -> String {
        format!("Basic {}", STANDARD.encode(credentials))
    }

    #[test]
    fn only_a_name_with_its_password_gets_in() {
        assert!(accepts(&basic("ann:pass:word")));
        assert!(accepts(&basic("ann:pass:word").replace("Basic", "basic")));
        for wrong in ["ann:", "ann:pass", "ann:pass:words", "bob:pass:word", "bob:", "ann", ":", ""] {
            assert!(!accepts(&basic(wrong)), "{wrong}");
        }
        for wrong in ["", "Basic", "Basic !", "Bearer abc", &STANDARD.encode("ann:pass:word")] {
            assert!(!accepts(wrong), "{wrong}");
        }
    }

    #[test]
    fn passwords_are_not_printed() {
        let auth = BasicAuth { passwords: [("ann".to_owned(), "secret".to_owned())].into() };

        assert_eq!(format!("{auth:?}"), "BasicAuth { users: 1, .. }");
    }
}
