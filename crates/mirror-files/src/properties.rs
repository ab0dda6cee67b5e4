//! Java's `.properties` files with line numbers: continuations, escapes, `=`, `:` or blank between key and value.
//!
//! A file that is valid UTF-8 is read as that, any other as ISO-8859-1, as the worker's own file is.

use std::io::Cursor;

use java_properties::{LineContent, PropertiesIter};

use crate::finding::FileError;
use crate::settings::Settings;

/// Reads the bytes of a file. The last of several lines with one key wins, as in Java.
///
/// # Errors
/// An escape that is none, with its line.
pub fn read(bytes: &[u8]) -> Result<Settings, FileError> {
    let encoding = if std::str::from_utf8(bytes).is_ok() { encoding_rs::UTF_8 } else { encoding_rs::WINDOWS_1252 };
    let mut settings = Settings::default();
    for line in PropertiesIter::new_with_encoding(Cursor::new(bytes), encoding) {
        let line = line.map_err(|error| FileError::at(error.line_number(), error.to_string()))?;
        let number = line.line_number();
        if let LineContent::KVPair(key, value) = line.consume_content() {
            settings.put(key, value, Some(number));
        }
    }
    Ok(settings)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_knows_the_line_in_which_it_begins() {
        let settings = read(b"# mm2\nclusters = A, \\\n  B\n\nA->B.enabled = true\n").unwrap();

        assert_eq!((settings.get("clusters"), settings.line("clusters")), (Some("A, B"), Some(2)));
        assert_eq!(settings.line("A->B.enabled"), Some(5));
    }

    #[test]
    fn a_bad_escape_is_named_with_its_line() {
        let error = read(b"a=1\nb=\\u00\n").unwrap_err();

        assert_eq!(error.line, Some(2), "{error}");
    }
}
