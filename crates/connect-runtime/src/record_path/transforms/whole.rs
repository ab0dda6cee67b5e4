//! Transforms of a whole key or value: `HoistField`, `SetSchemaMetadata`, `Cast`.

use std::collections::BTreeMap;
use std::sync::Arc;

use connect_api::ConnectError;
use connect_api::config::{Parsed, TypedConfig};
use connect_api::data::{DATE, Field, Schema, SchemaType, Value};

use super::super::catalog::{Made, Problem, Side};
use super::super::header::to_text;
use super::{Fields, change, field_of, type_name, with_fields};

/// `HoistField`: a struct (or, without a schema, a map) with the value as its one field.
pub(in super::super) fn hoist_field(config: &TypedConfig, side: Side) -> Result<Made, Problem> {
    let name = config.string("field").to_owned();
    change(move |record| {
        let value = side.value(record).clone();
        match side.schema(record).cloned() {
            None => side.set(record, None, Value::Map(vec![(Value::String(name.clone()), value)])),
            Some(schema) => {
                let hoisted = Schema::new(SchemaType::Struct(vec![Field { name: name.clone(), schema }]));
                side.set(record, Some(Arc::new(hoisted)), Value::Struct(vec![(name.clone(), value)]));
            }
        }
        Ok(())
    })
}

/// `SetSchemaMetadata`: another name or version for the schema.
pub(in super::super) fn set_schema_metadata(config: &TypedConfig, side: Side) -> Result<Made, Problem> {
    let name = config.optional_string("schema.name").map(str::to_owned);
    let version = match config.get("schema.version") {
        Some(Parsed::Int(version)) => i32::try_from(*version).ok(),
        _ => None,
    };
    let null_is_default = config.boolean("replace.null.with.default");
    change(move |record| {
        let value = side.value(record).clone();
        match side.schema(record) {
            None if value == Value::Null => Ok(()),
            None => Err(ConnectError::fatal("Schema required for [updating schema metadata]")),
            Some(schema) => {
                let value = match (value, &schema.kind) {
                    (Value::Struct(values), SchemaType::Struct(declared)) => {
                        let field = |field: &Field| (field.name.clone(), field_of(field, &values, null_is_default));
                        Value::Struct(declared.iter().map(field).collect())
                    }
                    (other, _) => other,
                };
                let changed = Schema {
                    name: name.clone().or_else(|| schema.name.clone()),
                    version: version.or(schema.version),
                    ..schema.as_ref().clone()
                };
                side.set(record, Some(Arc::new(changed)), value);
                Ok(())
            }
        }
    })
}

/// `Cast`: fields, or the whole, to another primitive type.
pub(in super::super) fn cast(config: &TypedConfig, side: Side) -> Result<Made, Problem> {
    let (mut whole, mut fields) = (None, BTreeMap::new());
    for entry in config.list("spec") {
        let (name, kind) = match entry.rsplit_once(':') {
            Some((name, kind)) => (Some(name.trim()), kind.trim()),
            None => (None, entry.trim()),
        };
        let kind = target(kind).ok_or_else(|| {
            let list = config.list("spec").join(",");
            Problem::new(
                "spec",
                format!("Invalid value {list} for configuration spec: Unsupported casting type {kind}"),
            )
        })?;
        match name {
            Some(name) => drop(fields.insert(name.to_owned(), kind)),
            None => whole = Some(kind),
        }
    }
    if whole.is_some() && !fields.is_empty() {
        let message = "Cast transformations that specify a type to cast the entire value to may ony cast a single value in \
                       their spec";
        return Err(Problem::new("spec", message));
    }
    let null_is_default = config.boolean("replace.null.with.default");
    change(move |record| {
        let (schema, value) = (side.schema(record).cloned(), side.value(record).clone());
        if let Some(kind) = &whole {
            side.set(
                record,
                schema.as_deref().map(|schema| retyped(schema, kind)),
                to_type(schema.as_deref(), &value, kind)?,
            );
            return Ok(());
        }
        let (schema, value) = match Fields::of(schema.as_deref(), &value, "cast types")? {
            Fields::Null => return Ok(()),
            Fields::Map(entries) => {
                let entry = |(key, value): &(Value, Value)| {
                    let kind = match key {
                        Value::String(name) => fields.get(name),
                        _ => None,
                    };
                    Ok((key.clone(), kind.map_or_else(|| Ok(value.clone()), |kind| to_type(None, value, kind))?))
                };
                (None, Value::Map(entries.iter().map(entry).collect::<Result<_, ConnectError>>()?))
            }
            Fields::Struct(schema, declared, values) => {
                let (mut new_fields, mut new_values) = (Vec::new(), Vec::new());
                for field in declared {
                    let value = field_of(field, values, null_is_default);
                    let (schema, value) = match fields.get(&field.name) {
                        Some(kind) => (retyped(&field.schema, kind), to_type(Some(&field.schema), &value, kind)?),
                        None => (Arc::clone(&field.schema), value),
                    };
                    new_fields.push(Field { name: field.name.clone(), schema });
                    new_values.push((field.name.clone(), value));
                }
                (Some(with_fields(schema, new_fields)), Value::Struct(new_values))
            }
        };
        side.set(record, schema, value);
        Ok(())
    })
}

fn target(name: &str) -> Option<SchemaType> {
    Some(match name.to_ascii_lowercase().as_str() {
        "boolean" => SchemaType::Boolean,
        "int8" => SchemaType::Int8,
        "int16" => SchemaType::Int16,
        "int32" => SchemaType::Int32,
        "int64" => SchemaType::Int64,
        "float32" => SchemaType::Float32,
        "float64" => SchemaType::Float64,
        "string" => SchemaType::String,
        _ => return None,
    })
}

/// The type changes, whether null is allowed does not.
fn retyped(schema: &Schema, kind: &SchemaType) -> Arc<Schema> {
    let default = schema.default.as_ref().and_then(|default| to_type(Some(schema), default, kind).ok());
    Arc::new(Schema { optional: schema.optional, default, ..Schema::new(kind.clone()) })
}

/// A number, boolean or text as another of these. Numbers are cut as Java cuts them.
fn to_type(schema: Option<&Schema>, value: &Value, kind: &SchemaType) -> Result<Value, ConnectError> {
    if let (Value::Date(time_ms), Some(name)) = (value, schema.and_then(|schema| schema.name.as_deref()))
        && *kind != SchemaType::String
    {
        const DAY_MS: i64 = 86_400_000;
        let number = if name == DATE { time_ms.div_euclid(DAY_MS) } else { *time_ms };
        return to_type(None, &Value::Int64(number), kind);
    }
    if *value == Value::Null {
        return Ok(Value::Null);
    }
    if *kind == SchemaType::String {
        return Ok(Value::String(to_text(value)));
    }
    let unfit = || {
        let class = super::class_name(value);
        ConnectError::fatal(format!("Unexpected type in Cast transformation: {class} to {}", type_name(kind)))
    };
    if *kind == SchemaType::Boolean {
        return Ok(Value::Boolean(match value {
            Value::String(text) => match text.trim().to_ascii_lowercase().as_str() {
                "true" => true,
                "false" => false,
                _ => return Err(ConnectError::fatal(format!("Invalid value for cast to boolean: {text}"))),
            },
            other => number(other).ok_or_else(unfit)?.as_float() != 0.0,
        }));
    }
    let number = number(value).ok_or_else(unfit)?;
    Ok(match kind {
        SchemaType::Int8 => Value::Int8(number.as_int() as i8),
        SchemaType::Int16 => Value::Int16(number.as_int() as i16),
        SchemaType::Int32 => Value::Int32(number.as_int() as i32),
        SchemaType::Int64 => Value::Int64(number.as_int()),
        SchemaType::Float32 => Value::Float32(number.as_float() as f32),
        SchemaType::Float64 => Value::Float64(number.as_float()),
        _ => return Err(unfit()),
    })
}

#[derive(Clone, Copy)]
enum Number {
    Int(i64),
    Float(f64),
}

impl Number {
    fn as_int(self) -> i64 {
        match self {
            Number::Int(number) => number,
            Number::Float(number) => number as i64,
        }
    }

    fn as_float(self) -> f64 {
        match self {
            Number::Int(number) => number as f64,
            Number::Float(number) => number,
        }
    }
}

fn number(value: &Value) -> Option<Number> {
    Some(match value {
        Value::Boolean(flag) => Number::Int(i64::from(*flag)),
        Value::Int8(number) => Number::Int((*number).into()),
        Value::Int16(number) => Number::Int((*number).into()),
        Value::Int32(number) => Number::Int((*number).into()),
        Value::Int64(number) => Number::Int(*number),
        Value::Float32(number) => Number::Float((*number).into()),
        Value::Float64(number) => Number::Float(*number),
        Value::String(text) => match text.trim().parse() {
            Ok(number) => Number::Int(number),
            Err(_) => Number::Float(text.trim().parse().ok()?),
        },
        _ => return None,
    })
}
