//! JSON as Java Connect's `JsonConverter` reads and writes it, with `schemas.enable=false`.
//!
//! Writing is byte for byte what Jackson writes for the same fields in the same order. Reading is as lenient as Jackson:
//! what follows the first value is not looked at, and nothing but spaces, or a JSON `null`, is as good as a tombstone.

use std::io;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::ser::{CharEscape, Formatter, Serializer};

/// The value of a record; `None` for a tombstone and what is as good as one.
pub(crate) fn parse(value: Option<&[u8]>) -> Result<Option<Value>, serde_json::Error> {
    let Some(bytes) = value.filter(|bytes| !bytes.trim_ascii().is_empty()) else {
        return Ok(None);
    };
    let value = Value::deserialize(&mut serde_json::Deserializer::from_slice(bytes))?;
    Ok((!value.is_null()).then_some(value))
}

/// The text of a value, without spaces.
pub(crate) fn write(value: &Value) -> String {
    let mut text = Vec::new();
    // Neither can fail: a `Value` has only text keys and goes into memory, and serde_json writes UTF-8.
    value
        .serialize(&mut Serializer::with_formatter(&mut text, Jackson))
        .expect("a JSON value can be written to memory");
    String::from_utf8(text).expect("JSON text is UTF-8")
}

/// Compact, with what Jackson does otherwise: characters beyond the first 65,536 are escaped as two, and the hex digits of
/// escapes are capitals.
struct Jackson;

impl Formatter for Jackson {
    fn write_string_fragment<W: ?Sized + io::Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let mut rest = fragment;
        while let Some((at, wide)) = rest.char_indices().find(|(_, char)| char.len_utf16() == 2) {
            writer.write_all(&rest.as_bytes()[..at])?;
            for half in wide.encode_utf16(&mut [0; 2]) {
                write!(writer, "\\u{half:04X}")?;
            }
            rest = &rest[at + wide.len_utf8()..];
        }
        writer.write_all(rest.as_bytes())
    }

    fn write_char_escape<W: ?Sized + io::Write>(&mut self, writer: &mut W, escape: CharEscape) -> io::Result<()> {
        match escape {
            CharEscape::AsciiControl(byte) => write!(writer, "\\u{byte:04X}"),
            other => serde_json::ser::CompactFormatter.write_char_escape(writer, other),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn text_is_escaped_as_jackson_escapes_it() {
        // What connect-json 4.3.0 wrote for this text.
        let text = write(&json!({"k": "\u{1}\u{1f}\u{7f}\t\n\u{8}\u{c}\r\"\\/é\u{2028}😀\0"}));

        assert_eq!(text, "{\"k\":\"\\u0001\\u001F\u{7f}\\t\\n\\b\\f\\r\\\"\\\\/é\u{2028}\\uD83D\\uDE00\\u0000\"}");
    }

    #[test]
    fn keys_are_escaped_like_values_and_nothing_gets_lost() {
        let value = json!({"a😀b😀": ["😀", "x", ""]});

        let text = write(&value);

        assert_eq!(text, r#"{"a\uD83D\uDE00b\uD83D\uDE00":["\uD83D\uDE00","x",""]}"#);
        assert_eq!(parse(Some(text.as_bytes())).unwrap(), Some(value));
    }

    #[test]
    fn only_the_first_value_of_the_bytes_counts() {
        assert_eq!(parse(Some(b" {\"a\":1} trailing")).unwrap(), Some(json!({"a": 1})));
        assert_eq!(parse(Some(b"{}}")).unwrap(), Some(json!({})));
    }

    #[test]
    fn nothing_is_a_tombstone() {
        for nothing in [None, Some("null"), Some(""), Some(" \n")] {
            assert_eq!(parse(nothing.map(str::as_bytes)).unwrap(), None, "{nothing:?}");
        }
    }

    #[test]
    fn what_jackson_does_not_read_is_an_error() {
        for bad in ["{", "{'a':1}", "{\"a\":1,}", "{\"a\":NaN}", "// c\n{}", "{\"a\":\"\u{1}\"}"] {
            assert!(parse(Some(bad.as_bytes())).is_err(), "{bad}");
        }
    }
}
