//! JSON as Java Connect's `JsonConverter` reads and writes it, with `schemas.enable=false`.
//!
//! Writing is byte for byte what Jackson writes for the same fields in the same order. Reading is as lenient as Jackson:
//! what follows the first value is not looked at, and a JSON `null` is as good as a tombstone.

use std::io;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::ser::{CharEscape, Formatter, Serializer};

/// The value of a record; `None` for a tombstone and for JSON's `null`.
pub(crate) fn parse(value: Option<&[u8]>) -> Result<Option<Value>, serde_json::Error> {
    let Some(bytes) = value else {
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

/// Compact, with the one thing Jackson does otherwise: the hex digits of escaped control characters are capitals.
struct Jackson;

impl Formatter for Jackson {
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
        let text = write(&json!({"k": "\u{1}\u{1f}\u{7f}\t\n\"\\/é\u{2028}😀"}));

        assert_eq!(text, "{\"k\":\"\\u0001\\u001F\u{7f}\\t\\n\\\"\\\\/é\u{2028}😀\"}");
    }

    #[test]
    fn only_the_first_value_of_the_bytes_counts() {
        assert_eq!(parse(Some(b"{\"a\":1} trailing")).unwrap(), Some(json!({"a": 1})));
    }

    #[test]
    fn a_json_null_is_a_tombstone() {
        assert_eq!(parse(Some(b"null")).unwrap(), None);
        assert_eq!(parse(None).unwrap(), None);
    }
}
