//! Connect's data model: a value and, optionally, its schema (Java: `org.apache.kafka.connect.data`).
//!
//! Mirroring carries bytes and never looks inside; converters and transforms need the rest.

use std::sync::Arc;

use bytes::Bytes;

/// The logical name of a day; `INT32`, days since 1970 where it is written.
pub const DATE: &str = "org.apache.kafka.connect.data.Date";
/// The logical name of a time of day; `INT32`, ms since midnight where it is written.
pub const TIME: &str = "org.apache.kafka.connect.data.Time";
/// The logical name of a moment; `INT64`, ms since 1970 where it is written.
pub const TIMESTAMP: &str = "org.apache.kafka.connect.data.Timestamp";

/// A value of Connect's data model. Order of map entries and struct fields is kept.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// No value: a tombstone, a null key, an absent optional field.
    Null,
    /// `BOOLEAN`.
    Boolean(bool),
    /// `INT8`.
    Int8(i8),
    /// `INT16`.
    Int16(i16),
    /// `INT32`.
    Int32(i32),
    /// `INT64`.
    Int64(i64),
    /// `FLOAT32`.
    Float32(f32),
    /// `FLOAT64`.
    Float64(f64),
    /// `STRING`.
    String(String),
    /// `BYTES`.
    Bytes(Bytes),
    /// A moment, in ms since 1970 (Java: `java.util.Date`). What it means is up to its schema: [`DATE`], [`TIME`], [`TIMESTAMP`].
    Date(i64),
    /// `ARRAY`.
    Array(Vec<Value>),
    /// `MAP`.
    Map(Vec<(Value, Value)>),
    /// `STRUCT`: field values by name, in schema order.
    Struct(Vec<(String, Value)>),
}

impl From<Option<Bytes>> for Value {
    fn from(bytes: Option<Bytes>) -> Self {
        bytes.map_or(Value::Null, Value::Bytes)
    }
}

/// The type part of a [`Schema`].
#[derive(Debug, Clone, PartialEq)]
pub enum SchemaType {
    /// One byte, true or false.
    Boolean,
    /// 8-bit signed integer.
    Int8,
    /// 16-bit signed integer.
    Int16,
    /// 32-bit signed integer.
    Int32,
    /// 64-bit signed integer.
    Int64,
    /// 32-bit IEEE 754.
    Float32,
    /// 64-bit IEEE 754.
    Float64,
    /// Unicode text.
    String,
    /// Opaque bytes.
    Bytes,
    /// A list of one element schema.
    Array(Arc<Schema>),
    /// A map of one key schema to one value schema.
    Map(Arc<Schema>, Arc<Schema>),
    /// Named fields, in order.
    Struct(Vec<Field>),
}

/// A field of a struct schema.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    /// The field's name, unique in its struct.
    pub name: String,
    /// What it holds.
    pub schema: Arc<Schema>,
}

/// What a [`Value`] is (Java: `ConnectSchema`).
#[derive(Debug, Clone, PartialEq)]
pub struct Schema {
    /// The type.
    pub kind: SchemaType,
    /// Whether null is allowed.
    pub optional: bool,
    /// The logical name, such as `org.apache.kafka.connect.data.Decimal`.
    pub name: Option<String>,
    /// The version of the schema.
    pub version: Option<i32>,
    /// Words for people.
    pub doc: Option<String>,
    /// The value that stands for an absent one.
    pub default: Option<Value>,
    /// Logical types' parameters, in order.
    pub parameters: Vec<(String, String)>,
}

impl Schema {
    /// A required schema of a type, without name, version, doc, default or parameters.
    #[must_use]
    pub fn new(kind: SchemaType) -> Self {
        Self { kind, optional: false, name: None, version: None, doc: None, default: None, parameters: Vec::new() }
    }

    /// The required schema of [`Value::Date`]s under one of their logical names.
    #[must_use]
    pub fn temporal(name: &str) -> Self {
        let kind = if name == TIMESTAMP { SchemaType::Int64 } else { SchemaType::Int32 };
        Self { name: Some(name.to_owned()), version: Some(1), ..Self::new(kind) }
    }

    /// The same schema, null allowed.
    #[must_use]
    pub fn optional(mut self) -> Self {
        self.optional = true;
        self
    }
}
