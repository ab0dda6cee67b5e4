//! Java's `.properties` files: continuations, escapes, `=`, `:` or blank between key and value.
//!
//! Java reads such files as ISO-8859-1. A file that is valid UTF-8 is read as that here, because that is what people
//! mean; any other is read as Java does.

use std::collections::BTreeMap;
use std::io::Cursor;
use std::path::Path;

use java_properties::PropertiesIter;

use super::WorkerConfigError;

/// Reads a file. The last of several lines with one key wins, as in Java.
pub fn read_properties(path: &Path) -> Result<BTreeMap<String, String>, WorkerConfigError> {
    let bytes = std::fs::read(path).map_err(|error| WorkerConfigError::Unreadable {
        path: path.display().to_string(),
        reason: error.to_string(),
    })?;
    parse_properties(&bytes)
        .map_err(|reason| WorkerConfigError::Unreadable { path: path.display().to_string(), reason })
}

/// Parses the bytes of a file.
pub fn parse_properties(bytes: &[u8]) -> Result<BTreeMap<String, String>, String> {
    let encoding = if std::str::from_utf8(bytes).is_ok() { encoding_rs::UTF_8 } else { encoding_rs::WINDOWS_1252 };
    let mut properties = BTreeMap::new();
    PropertiesIter::new_with_encoding(Cursor::new(bytes), encoding)
        .read_into(|key, value| {
            properties.insert(key, value);
        })
        .map_err(|error| error.to_string())?;
    Ok(properties)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Vec<(String, String)> {
        parse_properties(text.as_bytes()).unwrap().into_iter().collect()
    }

    fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
        expected.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn lines_continue_after_a_backslash_without_the_next_lines_indent() {
        assert_eq!(parse("topics=a,\\\n    b,\\\n\tc\n"), pairs(&[("topics", "a,b,c")]));
    }

    #[test]
    fn equals_colon_and_blank_separate() {
        assert_eq!(
            parse("a=1\nb : 2\nc 3\nd\n# no\n! neither\n"),
            pairs(&[("a", "1"), ("b", "2"), ("c", "3"), ("d", "")])
        );
    }

    #[test]
    fn escapes_are_resolved() {
        assert_eq!(
            parse("a\\=b=c\\td\ntopics=x\\\\.y\nu=\\u00e4\n"),
            pairs(&[("a=b", "c\td"), ("topics", "x\\.y"), ("u", "ä")])
        );
    }

    #[test]
    fn the_arrow_of_a_flow_is_part_of_the_key() {
        assert_eq!(parse("A->B.enabled = true\n"), pairs(&[("A->B.enabled", "true")]));
    }

    #[test]
    fn the_last_of_equal_keys_wins() {
        assert_eq!(parse("a=1\na=2\n"), pairs(&[("a", "2")]));
    }

    #[test]
    fn text_is_utf_8_where_it_can_be_and_latin_1_elsewhere() {
        assert_eq!(parse("k=grün"), pairs(&[("k", "grün")]));
        let latin = parse_properties(b"k=gr\xfcn").unwrap();
        assert_eq!(latin["k"], "grün");
    }
}
