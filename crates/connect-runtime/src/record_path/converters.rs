//! Values to bytes: `ByteArrayConverter`, `StringConverter` and the primitive ones (Java: `org.apache.kafka.connect.converters`
//! and `.storage`).

use bytes::Bytes;
use connect_api::ConnectError;
use connect_api::config::TypedConfig;
use connect_api::convert::Converter;
use connect_api::data::{Schema, SchemaType, Value};

use super::catalog::{Made, Problem, Side};
use super::java_date::Format;
use super::transforms::type_name;

/// How a value becomes bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Primitive {
    /// Bytes as they are.
    ByteArray,
    /// Text in UTF-8. Bytes stay as they are; Java writes the name and address of the array.
    Text,
    /// One byte, 0 or 1.
    Boolean,
    /// Two bytes, big-endian.
    Short,
    /// Four bytes, big-endian.
    Integer,
    /// Eight bytes, big-endian.
    Long,
    /// Four bytes, IEEE 754.
    Float,
    /// Eight bytes, IEEE 754.
    Double,
}

impl Primitive {
    fn name(self) -> &'static str {
        match self {
            Primitive::ByteArray => "ByteArrayConverter",
            Primitive::Text => "StringConverter",
            Primitive::Boolean => "BooleanConverter",
            Primitive::Short => "ShortConverter",
            Primitive::Integer => "IntegerConverter",
            Primitive::Long => "LongConverter",
            Primitive::Float => "FloatConverter",
            Primitive::Double => "DoubleConverter",
        }
    }

    fn takes(self, kind: &SchemaType) -> bool {
        matches!(
            (self, kind),
            (Primitive::Text, _)
                | (Primitive::ByteArray, SchemaType::Bytes)
                | (Primitive::Boolean, SchemaType::Boolean)
                | (Primitive::Short, SchemaType::Int16)
                | (Primitive::Integer, SchemaType::Int32)
                | (Primitive::Long, SchemaType::Int64)
                | (Primitive::Float, SchemaType::Float32)
                | (Primitive::Double, SchemaType::Float64)
        )
    }
}

/// A value as Java's `toString` shows it; bytes in base64, since Java shows where they are in its memory.
fn java_string(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Date(time_ms) => {
            let format = Format::parse("EEE MMM dd HH:mm:ss zzz yyyy").ok();
            format.and_then(|format| format.format(*time_ms)).unwrap_or_else(|| time_ms.to_string())
        }
        Value::Array(items) => format!("[{}]", items.iter().map(java_string).collect::<Vec<_>>().join(", ")),
        Value::Map(entries) => {
            let entry = |(key, value): &(Value, Value)| format!("{}={}", java_string(key), java_string(value));
            format!("{{{}}}", entries.iter().map(entry).collect::<Vec<_>>().join(", "))
        }
        Value::Struct(fields) => {
            let given = fields.iter().filter(|(_, value)| *value != Value::Null);
            let field = |(name, value): &(String, Value)| format!("{name}={}", java_string(value));
            format!("Struct{{{}}}", given.map(field).collect::<Vec<_>>().join(","))
        }
        other => super::header::to_text(other),
    }
}

impl Converter for Primitive {
    fn encode(&self, _topic: &str, schema: Option<&Schema>, value: &Value) -> Result<Option<Bytes>, ConnectError> {
        if let Some(schema) = schema
            && !self.takes(&schema.kind)
        {
            let found = type_name(&schema.kind);
            return Err(ConnectError::fatal(format!("Invalid schema type for {}: {found}", self.name())));
        }
        let bytes = match (self, value) {
            (_, Value::Null) => return Ok(None),
            (Primitive::ByteArray | Primitive::Text, Value::Bytes(bytes)) => bytes.clone(),
            (Primitive::Text, other) => Bytes::from(java_string(other)),
            (Primitive::Boolean, Value::Boolean(flag)) => Bytes::copy_from_slice(&[u8::from(*flag)]),
            (Primitive::Short, Value::Int16(number)) => Bytes::copy_from_slice(&number.to_be_bytes()),
            (Primitive::Integer, Value::Int32(number)) => Bytes::copy_from_slice(&number.to_be_bytes()),
            (Primitive::Long, Value::Int64(number)) => Bytes::copy_from_slice(&number.to_be_bytes()),
            (Primitive::Float, Value::Float32(number)) => Bytes::copy_from_slice(&number.to_be_bytes()),
            (Primitive::Double, Value::Float64(number)) => Bytes::copy_from_slice(&number.to_be_bytes()),
            (_, other) => {
                let class = super::transforms::class_name(other);
                return Err(ConnectError::fatal(format!(
                    "{} is not compatible with objects of type class {class}",
                    self.name()
                )));
            }
        };
        Ok(Some(bytes))
    }

    fn passes_bytes(&self) -> bool {
        matches!(self, Primitive::ByteArray | Primitive::Text)
    }
}

macro_rules! made {
    ($($function:ident: $primitive:ident),* $(,)?) => {
        $(pub(super) fn $function(_: &TypedConfig, _: Side) -> Result<Made, Problem> {
            Ok(Made::Converter(Box::new(Primitive::$primitive)))
        })*
    };
}

made! {
    byte_array: ByteArray, string: Text, boolean: Boolean, short: Short, integer: Integer, long: Long, float: Float,
    double: Double,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encode(primitive: Primitive, kind: Option<SchemaType>, value: Value) -> Result<Option<Bytes>, ConnectError> {
        primitive.encode("t", kind.map(Schema::new).as_ref(), &value)
    }

    #[test]
    fn numbers_are_big_endian_and_null_is_null() {
        for (primitive, kind, value, bytes) in [
            (Primitive::Boolean, SchemaType::Boolean, Value::Boolean(true), &[1][..]),
            (Primitive::Short, SchemaType::Int16, Value::Int16(-2), &[0xff, 0xfe]),
            (Primitive::Integer, SchemaType::Int32, Value::Int32(258), &[0, 0, 1, 2]),
            (Primitive::Long, SchemaType::Int64, Value::Int64(1), &[0, 0, 0, 0, 0, 0, 0, 1]),
            (Primitive::Float, SchemaType::Float32, Value::Float32(1.0), &[0x3f, 0x80, 0, 0]),
            (Primitive::Double, SchemaType::Float64, Value::Float64(1.0), &[0x3f, 0xf0, 0, 0, 0, 0, 0, 0]),
            (Primitive::Text, SchemaType::String, Value::String("ä".to_owned()), "ä".as_bytes()),
            (Primitive::ByteArray, SchemaType::Bytes, Value::Bytes(Bytes::from_static(b"x")), b"x"),
        ] {
            assert_eq!(encode(primitive, Some(kind.clone()), value).unwrap().unwrap(), bytes);
            assert_eq!(encode(primitive, Some(kind), Value::Null).unwrap(), None);
        }
    }

    #[test]
    fn text_of_anything_is_java_s_to_string() {
        let name = |name: &str| Value::String(name.to_owned());
        let list = Value::Array(vec![Value::Int8(1), name("a"), Value::Null]);
        for (value, expected) in [
            (Value::Map(vec![(name("k"), list)]), "{k=[1, a, null]}"),
            (Value::Struct(vec![("a".into(), Value::Float32(1e7)), ("b".into(), Value::Null)]), "Struct{a=1.0E7}"),
            (Value::Date(1_795_361_166_054), "Sun Nov 22 15:26:06 UTC 2026"),
        ] {
            assert_eq!(encode(Primitive::Text, None, value).unwrap().unwrap(), expected);
        }
    }

    #[test]
    fn what_a_mirror_hands_out_is_not_for_number_converters() {
        let error = encode(Primitive::Integer, Some(SchemaType::Bytes), Value::Null).unwrap_err();
        assert_eq!(error.message(), "Invalid schema type for IntegerConverter: BYTES");

        let error = encode(Primitive::ByteArray, None, Value::String("x".to_owned())).unwrap_err();
        assert!(error.message().contains("java.lang.String"), "{error}");
    }
}
