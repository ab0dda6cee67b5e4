//! Header values to bytes (Java: `HeaderConverter`s), and literals to header values (Java: `Values.parseString`).
//!
//! Bytes go through whatever the converter is: they are what the source sent, and Java's default turns them into base64 text.

use bytes::Bytes;
use connect_api::ConnectError;
use connect_api::config::TypedConfig;
use connect_api::convert::Converter;
use connect_api::data::{Schema, SchemaType, Value};

use super::catalog::{Made, Problem, Side};
use super::converters::Primitive;

/// Turns header values into bytes.
pub enum HeaderConverter {
    /// `SimpleHeaderConverter`: text.
    Simple,
    /// One of the others.
    Other(Box<dyn Converter>),
}

impl HeaderConverter {
    /// The bytes of one header value.
    ///
    /// # Errors
    /// The converter does not take values of this type.
    pub fn encode(&self, topic: &str, schema: Option<&Schema>, value: &Value) -> Result<Option<Bytes>, ConnectError> {
        match (self, value) {
            (_, Value::Null) => Ok(None),
            (_, Value::Bytes(bytes)) => Ok(Some(bytes.clone())),
            (HeaderConverter::Simple, other) => Ok(Some(to_text(other).into())),
            (HeaderConverter::Other(converter), other) => converter.encode(topic, schema, other),
        }
    }
}

pub(super) fn simple(_: &TypedConfig, _: Side) -> Result<Made, Problem> {
    Ok(Made::HeaderConverter(HeaderConverter::Simple))
}

pub(super) fn json(config: &TypedConfig, _: Side) -> Result<Made, Problem> {
    Ok(Made::HeaderConverter(HeaderConverter::Other(Box::new(super::json::JsonConverter::from_config(config)))))
}

macro_rules! made {
    ($($function:ident: $primitive:ident),* $(,)?) => {
        $(pub(super) fn $function(_: &TypedConfig, _: Side) -> Result<Made, Problem> {
            Ok(Made::HeaderConverter(HeaderConverter::Other(Box::new(Primitive::$primitive))))
        })*
    };
}

made! {
    byte_array: ByteArray, string: Text, boolean: Boolean, short: Short, integer: Integer, long: Long, float: Float,
    double: Double,
}

/// A value as text (Java: `Values.convertToString`): strings bare at the top, quoted within others.
#[must_use]
pub fn to_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => {
            let mut out = String::new();
            append(&mut out, other);
            out
        }
    }
}

fn append(out: &mut String, value: &Value) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Boolean(flag) => out.push_str(&flag.to_string()),
        Value::Int8(number) => out.push_str(&number.to_string()),
        Value::Int16(number) => out.push_str(&number.to_string()),
        Value::Int32(number) => out.push_str(&number.to_string()),
        Value::Int64(number) => out.push_str(&number.to_string()),
        Value::Float32(number) => out.push_str(&format!("{number:?}")),
        Value::Float64(number) => out.push_str(&format!("{number:?}")),
        Value::String(text) => {
            out.push('"');
            out.push_str(&text.replace('\\', "\\\\").replace('"', "\\\""));
            out.push('"');
        }
        Value::Bytes(bytes) => {
            use base64::Engine as _;
            out.push_str(&base64::engine::general_purpose::STANDARD.encode(bytes));
        }
        Value::Array(items) => list(out, ('[', ']'), items, append),
        Value::Map(entries) => list(out, ('{', '}'), entries, |out, (key, value)| {
            append(out, key);
            out.push(':');
            append(out, value);
        }),
        Value::Struct(fields) => list(out, ('{', '}'), fields, |out, (name, value)| {
            append(out, &Value::String(name.clone()));
            out.push(':');
            append(out, value);
        }),
    }
}

fn list<T>(out: &mut String, (open, close): (char, char), items: &[T], mut item: impl FnMut(&mut String, &T)) {
    out.push(open);
    for (index, each) in items.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        item(out, each);
    }
    out.push(close);
}

/// A literal with the type that its text suggests: null, booleans, the smallest integer that holds it, floating point numbers,
/// else text, without quotes around it. Lists and maps stay text.
#[must_use]
pub fn parse_literal(text: &str) -> (Option<Schema>, Value) {
    let trimmed = text.trim();
    let typed = |kind, value| (Some(Schema::new(kind)), value);
    match trimmed {
        "null" => return (None, Value::Null),
        "true" => return typed(SchemaType::Boolean, Value::Boolean(true)),
        "false" => return typed(SchemaType::Boolean, Value::Boolean(false)),
        _ => {}
    }
    if let Ok(number) = trimmed.parse::<i64>() {
        return if let Ok(small) = i8::try_from(number) {
            typed(SchemaType::Int8, Value::Int8(small))
        } else if let Ok(small) = i16::try_from(number) {
            typed(SchemaType::Int16, Value::Int16(small))
        } else if let Ok(small) = i32::try_from(number) {
            typed(SchemaType::Int32, Value::Int32(small))
        } else {
            typed(SchemaType::Int64, Value::Int64(number))
        };
    }
    let looks_like_a_number = trimmed.starts_with(|char: char| char.is_ascii_digit() || "+-.".contains(char));
    if let (true, Ok(number)) = (looks_like_a_number, trimmed.parse::<f64>()) {
        let single = number as f32;
        if single.is_finite() && format!("{single:?}") == format!("{number:?}") {
            return typed(SchemaType::Float32, Value::Float32(single));
        }
        if number.is_finite() {
            return typed(SchemaType::Float64, Value::Float64(number));
        }
    }
    let inner = trimmed.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).filter(|_| trimmed.len() >= 2);
    let text = inner.map_or_else(|| text.to_owned(), |inner| inner.replace("\\\"", "\"").replace("\\\\", "\\"));
    typed(SchemaType::String, Value::String(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_have_the_type_that_they_look_like() {
        for (text, expected) in [
            ("true", Value::Boolean(true)),
            ("17", Value::Int8(17)),
            ("-300", Value::Int16(-300)),
            ("70000", Value::Int32(70_000)),
            ("5000000000", Value::Int64(5_000_000_000)),
            ("1.5", Value::Float32(1.5)),
            ("1.23456789012", Value::Float64(1.234_567_890_12)),
            ("\"17\"", Value::String("17".to_owned())),
            ("a b", Value::String("a b".to_owned())),
            ("inf", Value::String("inf".to_owned())),
            ("null", Value::Null),
        ] {
            assert_eq!(parse_literal(text).1, expected, "{text}");
        }
    }

    #[test]
    fn text_is_bare_at_the_top_and_quoted_within() {
        let text = || Value::String("a\"b".to_owned());
        let map = Value::Map(vec![(Value::String("k".to_owned()), Value::Array(vec![text(), Value::Int8(1)]))]);

        assert_eq!(to_text(&text()), "a\"b");
        assert_eq!(to_text(&map), r#"{"k":["a\"b",1]}"#);
        assert_eq!(to_text(&Value::Float32(1.0)), "1.0");
    }

    #[test]
    fn bytes_of_the_source_are_never_rewritten() {
        let bytes = Value::Bytes(Bytes::from_static(&[0xff, 0]));

        for converter in [HeaderConverter::Simple, HeaderConverter::Other(Box::new(Primitive::Integer))] {
            assert_eq!(converter.encode("t", None, &bytes).unwrap().unwrap(), &[0xff, 0][..]);
            assert_eq!(converter.encode("t", None, &Value::Null).unwrap(), None);
        }
        assert_eq!(HeaderConverter::Simple.encode("t", None, &Value::Int8(7)).unwrap().unwrap(), "7");
    }
}
