//! Header values to bytes (Java: `HeaderConverter`s), and values to text.
//!
//! Bytes go through whatever the converter is: they are what the source sent, and Java's default turns them into base64 text.

use base64::Engine as _;
use bytes::Bytes;
use connect_api::ConnectError;
use connect_api::config::TypedConfig;
use connect_api::convert::Converter;
use connect_api::data::{Schema, Value};

use super::catalog::{Made, Problem, Side};
use super::converters::Primitive;
use super::java_date::Format;

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

/// A value as text (Java: `Values.convertToString`): strings, and bytes in base64, bare at the top, quoted within others.
#[must_use]
pub fn to_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Bytes(bytes) => base64::engine::general_purpose::STANDARD.encode(bytes),
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
        Value::Float32(number) => out.push_str(&float_text(format!("{number:?}"), format!("{number:E}"))),
        Value::Float64(number) => out.push_str(&float_text(format!("{number:?}"), format!("{number:E}"))),
        Value::String(text) => {
            out.push('"');
            out.push_str(&text.replace('\\', "\\\\").replace('"', "\\\""));
            out.push('"');
        }
        Value::Bytes(bytes) => {
            out.push('"');
            out.push_str(&base64::engine::general_purpose::STANDARD.encode(bytes));
            out.push('"');
        }
        Value::Date(time_ms) => out.push_str(&time_text(*time_ms)),
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

/// A floating point number as Java prints it, of its plain and its scientific form: between a thousandth and ten millions
/// without an exponent.
pub(super) fn float_text(plain: String, scientific: String) -> String {
    match scientific.split_once('E') {
        Some((digits, exponent)) if !(-3..7).contains(&exponent.parse().unwrap_or(0)) => {
            let point = if digits.contains('.') { "" } else { ".0" };
            format!("{digits}{point}E{exponent}")
        }
        Some(_) => plain,
        // No number at all.
        None => plain.replace("inf", "Infinity"),
    }
}

/// A moment, a day, or, within the first day, a time of day (Java: `Values.dateFormatFor`). What lies before 1970 keeps its date,
/// which Java takes away.
pub(super) fn time_text(time_ms: i64) -> String {
    const DAY_MS: i64 = 86_400_000;
    let pattern = match time_ms {
        0..DAY_MS => "HH:mm:ss.SSS'Z'",
        _ if time_ms % DAY_MS == 0 => "yyyy-MM-dd",
        _ => "yyyy-MM-dd'T'HH:mm:ss.SSS'Z'",
    };
    let format = Format::parse(pattern).ok();
    format.and_then(|format| format.format(time_ms)).unwrap_or_else(|| time_ms.to_string())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_bare_at_the_top_and_quoted_within() {
        let text = || Value::String("a\"b".to_owned());
        let map = Value::Map(vec![(Value::String("k".to_owned()), Value::Array(vec![text(), Value::Int8(1)]))]);

        assert_eq!(to_text(&text()), "a\"b");
        assert_eq!(to_text(&map), r#"{"k":["a\"b",1]}"#);
        assert_eq!(to_text(&Value::Float32(1.0)), "1.0");
        assert_eq!(to_text(&Value::Bytes(Bytes::from_static(b"hi"))), "aGk=");
        assert_eq!(to_text(&Value::Array(vec![Value::Bytes(Bytes::from_static(b"hi"))])), "[\"aGk=\"]");
    }

    /// Asked of Java 17.
    #[test]
    fn floating_point_numbers_have_an_exponent_where_java_writes_one() {
        let numbers = [1.0, 1e7, 9_999_999.0, 1e-3, 1e-4, 123_456.79, 1e300, f64::MAX];
        let shown = numbers.map(|number| to_text(&Value::Float64(number)));
        let expected =
            ["1.0", "1.0E7", "9999999.0", "0.001", "1.0E-4", "123456.79", "1.0E300", "1.7976931348623157E308"];
        assert_eq!(shown, expected);
        assert_eq!(to_text(&Value::Float32(f32::NEG_INFINITY)), "-Infinity");
        assert_eq!(to_text(&Value::Float32(1e-4)), "1.0E-4");
    }

    #[test]
    fn moments_are_written_as_what_they_look_like() {
        for (time_ms, text) in [
            (55_566_054, "15:26:06.054Z"),
            (1_704_153_600_000, "2024-01-02"),
            (1_704_164_645_678, "2024-01-02T03:04:05.678Z"),
            (-20_736_000_000, "1969-05-06"),
        ] {
            assert_eq!(to_text(&Value::Date(time_ms)), text);
        }
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
