//! `TimestampConverter`: a moment in another form. It is text in a format of `SimpleDateFormat`, a number of seconds to nanoseconds
//! since 1970, or one of Connect's `Date`, `Time` and `Timestamp`.

use std::sync::Arc;

use chrono::{Datelike, Utc};
use connect_api::ConnectError;
use connect_api::config::TypedConfig;
use connect_api::data::{DATE, Field, Schema, SchemaType, TIME, TIMESTAMP, Value};

use super::super::catalog::{Made, Problem, Side};
use super::super::java_date::Format;
use super::fields::lookup;
use super::{Fields, change, class_name, field_of, type_name, with_fields};

const DAY_MS: i64 = 86_400_000;

/// `TimestampConverter`.
pub(in super::super) fn timestamp_converter(config: &TypedConfig, side: Side) -> Result<Made, Problem> {
    let conversion = Conversion::from_config(config)?;
    let name = config.string("field").to_owned();
    let null_is_default = config.boolean("replace.null.with.default");
    change(move |record| {
        let (schema, value) = (side.schema(record).cloned(), side.value(record).clone());
        if name.is_empty() {
            let changed = conversion.apply(schema.as_deref(), &value)?;
            let schema = schema.map(|schema| Arc::new(conversion.schema(schema.optional)));
            side.set(record, schema, changed);
            return Ok(());
        }
        let (schema, value) = match Fields::of(schema.as_deref(), &value, "converting timestamp formats")? {
            Fields::Null => (schema.as_deref().map(|schema| conversion.retyped(schema, &name)), Value::Null),
            Fields::Map(entries) => {
                let changed = conversion.apply(None, lookup(entries, &name).unwrap_or(&Value::Null))?;
                let mut entries = entries.to_vec();
                entries.retain(|(key, _)| !matches!(key, Value::String(key) if *key == name));
                entries.push((Value::String(name.clone()), changed));
                (None, Value::Map(entries))
            }
            Fields::Struct(schema, declared, values) => {
                let field = |field: &Field| {
                    let value = field_of(field, values, null_is_default);
                    let hit = field.name == name;
                    let value = if hit { conversion.apply(Some(&field.schema), &value)? } else { value };
                    Ok((field.name.clone(), value))
                };
                let values = declared.iter().map(field).collect::<Result<_, ConnectError>>()?;
                (Some(conversion.retyped(schema, &name)), Value::Struct(values))
            }
        };
        side.set(record, schema, value);
        Ok(())
    })
}

#[derive(Debug, Clone, Copy)]
enum Target {
    Text,
    Unix,
    Date,
    Time,
    Timestamp,
}

#[derive(Debug)]
struct Conversion {
    target: Target,
    format: Option<Format>,
    precision: Precision,
}

/// What one step of a number of `unix` time is.
#[derive(Debug, Clone, Copy)]
enum Precision {
    Seconds,
    Milliseconds,
    Microseconds,
    Nanoseconds,
}

impl Conversion {
    fn from_config(config: &TypedConfig) -> Result<Self, Problem> {
        let target = match config.string("target.type") {
            "string" => Target::Text,
            "unix" => Target::Unix,
            "Date" => Target::Date,
            "Time" => Target::Time,
            // The key's rule lets nothing else through, here and below.
            _ => Target::Timestamp,
        };
        let pattern = config.string("format");
        if pattern.is_empty() && matches!(target, Target::Text) {
            let message = "TimestampConverter requires format option to be specified when using string timestamps";
            return Err(Problem::new("format", message));
        }
        let refused = |reason| {
            let message = "TimestampConverter requires a SimpleDateFormat-compatible pattern for string timestamps";
            Problem::new("format", format!("{message}: {pattern} ({reason})"))
        };
        let format = (!pattern.is_empty()).then(|| Format::parse(pattern).map_err(refused)).transpose()?;
        let precision = match config.string("unix.precision") {
            "seconds" => Precision::Seconds,
            "microseconds" => Precision::Microseconds,
            "nanoseconds" => Precision::Nanoseconds,
            _ => Precision::Milliseconds,
        };
        Ok(Self { target, format, precision })
    }

    /// The schema of what comes out.
    fn schema(&self, optional: bool) -> Schema {
        let schema = match self.target {
            Target::Text => Schema::new(SchemaType::String),
            Target::Unix => Schema::new(SchemaType::Int64),
            Target::Date => Schema::temporal(DATE),
            Target::Time => Schema::temporal(TIME),
            Target::Timestamp => Schema::temporal(TIMESTAMP),
        };
        Schema { optional, ..schema }
    }

    /// The same struct with the field of this name converted.
    fn retyped(&self, schema: &Schema, name: &str) -> Arc<Schema> {
        let SchemaType::Struct(declared) = &schema.kind else { return Arc::new(schema.clone()) };
        let field = |field: &Field| match field.name == name {
            true => Field { schema: Arc::new(self.schema(field.schema.optional)), ..field.clone() },
            false => field.clone(),
        };
        with_fields(schema, declared.iter().map(field).collect())
    }

    fn apply(&self, schema: Option<&Schema>, value: &Value) -> Result<Value, ConnectError> {
        if *value == Value::Null {
            return Ok(Value::Null);
        }
        let time_ms = self.read(schema, value)?;
        let out_of_range =
            || ConnectError::fatal(format!("timestamp {time_ms} ms is too far from 1970 to be converted"));
        Ok(match self.target {
            Target::Text => {
                let text = self.format.as_ref().and_then(|format| format.format(time_ms));
                Value::String(text.ok_or_else(out_of_range)?)
            }
            Target::Unix => Value::Int64(self.precision.number_of(time_ms)),
            Target::Date => Value::Date(time_ms - time_ms.rem_euclid(DAY_MS)),
            Target::Time => Value::Date(time_ms.rem_euclid(DAY_MS)),
            Target::Timestamp => Value::Date(time_ms),
        })
    }

    /// The moment that a value means: by its schema, or by what it is.
    fn read(&self, schema: Option<&Schema>, value: &Value) -> Result<i64, ConnectError> {
        match (schema, value) {
            (None, Value::Date(time_ms)) => Ok(*time_ms),
            (Some(schema), Value::Date(time_ms)) if is_temporal(schema) => Ok(*time_ms),
            (None, Value::Int64(number)) => Ok(self.precision.in_ms(*number)),
            (Some(schema), Value::Int64(number)) if schema.kind == SchemaType::Int64 && !is_temporal(schema) => {
                Ok(self.precision.in_ms(*number))
            }
            (None | Some(Schema { kind: SchemaType::String, .. }), Value::String(text)) => self.read_text(text),
            (None, other) => {
                let class = class_name(other);
                Err(ConnectError::fatal(format!(
                    "TimestampConverter does not support class {class} objects as timestamps"
                )))
            }
            (Some(schema), _) => {
                let kind = type_name(&schema.kind);
                let shown = schema.name.as_ref().map_or_else(|| kind.to_owned(), |name| format!("{name}:{kind}"));
                let message = format!("Schema Schema{{{shown}}} does not correspond to a known timestamp type format");
                Err(ConnectError::fatal(message))
            }
        }
    }

    fn read_text(&self, text: &str) -> Result<i64, ConnectError> {
        let format = self.format.as_ref().ok_or_else(|| {
            ConnectError::fatal(format!(
                "timestamp ({text}) is text, and TimestampConverter has no format to read it with"
            ))
        })?;
        format.read(text, Utc::now().year()).ok_or_else(|| {
            ConnectError::fatal(format!("Could not parse timestamp: value ({text}) does not match pattern ({format})"))
        })
    }
}

fn is_temporal(schema: &Schema) -> bool {
    schema.name.as_deref().is_some_and(|name| [DATE, TIME, TIMESTAMP].contains(&name))
}

impl Precision {
    fn in_ms(self, number: i64) -> i64 {
        match self {
            Precision::Seconds => number.saturating_mul(1_000),
            Precision::Milliseconds => number,
            Precision::Microseconds => number / 1_000,
            Precision::Nanoseconds => number / 1_000_000,
        }
    }

    fn number_of(self, time_ms: i64) -> i64 {
        match self {
            Precision::Seconds => time_ms / 1_000,
            Precision::Milliseconds => time_ms,
            Precision::Microseconds => time_ms.saturating_mul(1_000),
            Precision::Nanoseconds => time_ms.saturating_mul(1_000_000),
        }
    }
}
