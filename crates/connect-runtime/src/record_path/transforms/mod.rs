//! The built-in transforms (Java: `org.apache.kafka.connect.transforms`), and what they share.
//!
//! Records of the mirror connectors have bytes for keys and values: transforms of fields are for what `HoistField` has made of
//! them, and fail with Java's sentence on bytes.

pub mod extract;
pub mod fields;
pub mod headers;
pub mod routing;
pub mod timestamps;
pub mod whole;

use std::sync::Arc;

use connect_api::ConnectError;
use connect_api::config::TypedConfig;
use connect_api::convert::Transformation;
use connect_api::data::{Field, Schema, SchemaType, Value};
use connect_api::record::SourceRecord;

use super::catalog::{Made, Problem, Side};

impl Side {
    fn value(self, record: &SourceRecord) -> &Value {
        match self {
            Side::Key => &record.key,
            Side::Value => &record.value,
        }
    }

    fn schema(self, record: &SourceRecord) -> Option<&Arc<Schema>> {
        match self {
            Side::Key => record.key_schema.as_ref(),
            Side::Value => record.value_schema.as_ref(),
        }
    }

    fn set(self, record: &mut SourceRecord, schema: Option<Arc<Schema>>, value: Value) {
        match self {
            Side::Key => (record.key_schema, record.key) = (schema, value),
            Side::Value => (record.value_schema, record.value) = (schema, value),
        }
    }
}

/// Fields and their values, with or without a schema.
enum Fields<'a> {
    /// A map with text keys.
    Map(&'a [(Value, Value)]),
    /// A struct.
    Struct(&'a Schema, &'a [Field], &'a [(String, Value)]),
    /// No value.
    Null,
}

impl<'a> Fields<'a> {
    /// The fields of a value, in Java's words if it has none (`Requirements.requireMap`, `requireStruct`).
    fn of(schema: Option<&'a Schema>, value: &'a Value, purpose: &str) -> Result<Self, ConnectError> {
        match (schema.map(|schema| (schema, &schema.kind)), value) {
            (_, Value::Null) => Ok(Self::Null),
            (None, Value::Map(entries)) => Ok(Self::Map(entries)),
            (Some((schema, SchemaType::Struct(declared))), Value::Struct(fields)) => {
                Ok(Self::Struct(schema, declared, fields))
            }
            (None, other) => Err(ConnectError::fatal(format!(
                "Only Map objects supported in absence of schema for [{purpose}], found: {}",
                class_name(other)
            ))),
            (Some(_), other) => Err(ConnectError::fatal(format!(
                "Only Struct objects supported for [{purpose}], found: {}",
                class_name(other)
            ))),
        }
    }
}

/// A field of a struct; with `null_is_default` its default stands for null.
fn field_of(declared: &Field, fields: &[(String, Value)], null_is_default: bool) -> Value {
    let value = fields.iter().find(|(name, _)| *name == declared.name).map_or(&Value::Null, |(_, value)| value);
    match (value, &declared.schema.default) {
        (Value::Null, Some(default)) if null_is_default => default.clone(),
        (value, _) => value.clone(),
    }
}

/// The same schema with other fields.
fn with_fields(schema: &Schema, fields: Vec<Field>) -> Arc<Schema> {
    Arc::new(Schema { kind: SchemaType::Struct(fields), ..schema.clone() })
}

/// The Java class of a value, as Java's sentences name it.
pub(super) fn class_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Boolean(_) => "java.lang.Boolean",
        Value::Int8(_) => "java.lang.Byte",
        Value::Int16(_) => "java.lang.Short",
        Value::Int32(_) => "java.lang.Integer",
        Value::Int64(_) => "java.lang.Long",
        Value::Float32(_) => "java.lang.Float",
        Value::Float64(_) => "java.lang.Double",
        Value::String(_) => "java.lang.String",
        Value::Bytes(_) => "[B",
        Value::Date(_) => "java.util.Date",
        Value::Array(_) => "java.util.ArrayList",
        Value::Map(_) => "java.util.HashMap",
        Value::Struct(_) => "org.apache.kafka.connect.data.Struct",
    }
}

/// Java's name of a type.
pub(super) fn type_name(kind: &SchemaType) -> &'static str {
    match kind {
        SchemaType::Boolean => "BOOLEAN",
        SchemaType::Int8 => "INT8",
        SchemaType::Int16 => "INT16",
        SchemaType::Int32 => "INT32",
        SchemaType::Int64 => "INT64",
        SchemaType::Float32 => "FLOAT32",
        SchemaType::Float64 => "FLOAT64",
        SchemaType::String => "STRING",
        SchemaType::Bytes => "BYTES",
        SchemaType::Array(_) => "ARRAY",
        SchemaType::Map(..) => "MAP",
        SchemaType::Struct(_) => "STRUCT",
    }
}

struct Filter;

impl Transformation for Filter {
    fn apply(&mut self, _: SourceRecord) -> Result<Option<SourceRecord>, ConnectError> {
        Ok(None)
    }
}

/// `Filter`: drops every record that it is applied to.
pub(super) fn filter(_: &TypedConfig, _: Side) -> Result<Made, Problem> {
    Ok(Made::Transformation(Box::new(Filter)))
}

/// A transform that changes a record and never drops it.
struct Change<F>(F);

impl<F: FnMut(&mut SourceRecord) -> Result<(), ConnectError> + Send> Transformation for Change<F> {
    fn apply(&mut self, mut record: SourceRecord) -> Result<Option<SourceRecord>, ConnectError> {
        (self.0)(&mut record)?;
        Ok(Some(record))
    }
}

fn change(change: impl FnMut(&mut SourceRecord) -> Result<(), ConnectError> + Send + 'static) -> Result<Made, Problem> {
    Ok(Made::Transformation(Box::new(Change(change))))
}

#[cfg(test)]
mod tests;
