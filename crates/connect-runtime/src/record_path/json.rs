//! `JsonConverter`: values to JSON, with the schema around them or without (Java: `org.apache.kafka.connect.json`).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use connect_api::ConnectError;
use connect_api::config::TypedConfig;
use connect_api::convert::Converter;
use connect_api::data::{DATE, Schema, SchemaType, TIME, TIMESTAMP, Value};
use serde_json::{Map, Value as Json, json};

use super::catalog::{Made, Problem, Side};

/// The converter.
#[derive(Debug, Clone, Copy)]
pub struct JsonConverter {
    schemas: bool,
    null_is_default: bool,
}

impl JsonConverter {
    pub(super) fn from_config(config: &TypedConfig) -> Self {
        Self { schemas: config.boolean("schemas.enable"), null_is_default: config.boolean("replace.null.with.default") }
    }

    fn value(self, schema: Option<&Schema>, value: &Value) -> Result<Json, ConnectError> {
        Ok(match value {
            Value::Null => match schema {
                Some(Schema { default: Some(default), .. }) if self.null_is_default => {
                    return self.value(None, default);
                }
                Some(schema) if !schema.optional => {
                    return Err(ConnectError::fatal(
                        "Conversion error: null value for field that is required and has no default value",
                    ));
                }
                _ => Json::Null,
            },
            Value::Boolean(flag) => json!(flag),
            Value::Int8(number) => json!(number),
            Value::Int16(number) => json!(number),
            Value::Int32(number) => json!(number),
            Value::Int64(number) => json!(number),
            Value::Float32(number) => float(f64::from(*number), &format!("{number:?}")),
            Value::Float64(number) => float(*number, &format!("{number:?}")),
            Value::String(text) => json!(text),
            Value::Bytes(bytes) => json!(STANDARD.encode(bytes)),
            Value::Date(time_ms) => date(schema, *time_ms)?,
            Value::Array(items) => {
                let of = match schema.map(|schema| &schema.kind) {
                    Some(SchemaType::Array(of)) => Some(&**of),
                    _ => None,
                };
                Json::Array(items.iter().map(|item| self.value(of, item)).collect::<Result<_, _>>()?)
            }
            Value::Map(entries) => self.map(schema, entries)?,
            Value::Struct(fields) => {
                let Some(SchemaType::Struct(declared)) = schema.map(|schema| &schema.kind) else {
                    return Err(ConnectError::fatal("Mismatching schema."));
                };
                let mut object = Map::new();
                for field in declared {
                    let value =
                        fields.iter().find(|(name, _)| *name == field.name).map_or(&Value::Null, |(_, value)| value);
                    object.insert(field.name.clone(), self.value(Some(&field.schema), value)?);
                }
                Json::Object(object)
            }
        })
    }

    /// With text keys an object, else a list of pairs.
    fn map(self, schema: Option<&Schema>, entries: &[(Value, Value)]) -> Result<Json, ConnectError> {
        let (keys, values) = match schema.map(|schema| &schema.kind) {
            Some(SchemaType::Map(keys, values)) => (Some(&**keys), Some(&**values)),
            _ => (None, None),
        };
        let text = match keys {
            Some(keys) => keys.kind == SchemaType::String,
            None => entries.iter().all(|(key, _)| matches!(key, Value::String(_))),
        };
        if !text {
            let pair = |(key, value): &(Value, Value)| {
                Ok(Json::Array(vec![self.value(keys, key)?, self.value(values, value)?]))
            };
            return Ok(Json::Array(entries.iter().map(pair).collect::<Result<_, ConnectError>>()?));
        }
        let mut object = Map::new();
        for (key, value) in entries {
            let key = match key {
                Value::String(key) => key.clone(),
                other => super::header::to_text(other),
            };
            object.insert(key, self.value(values, value)?);
        }
        Ok(Json::Object(object))
    }
}

/// A moment as the number that its schema wants.
fn date(schema: Option<&Schema>, time_ms: i64) -> Result<Json, ConnectError> {
    const DAY_MS: i64 = 86_400_000;
    let unfit = |why: &str| Err(ConnectError::fatal(why));
    match schema.and_then(|schema| schema.name.as_deref()) {
        Some(TIMESTAMP) => Ok(json!(time_ms)),
        Some(DATE) if time_ms % DAY_MS == 0 => Ok(json!(time_ms / DAY_MS)),
        Some(DATE) => unfit("Kafka Connect Date type should not have any time fields set to non-zero values."),
        Some(TIME) if (0..=DAY_MS).contains(&time_ms) => Ok(json!(time_ms)),
        Some(TIME) => unfit("Kafka Connect Time type should not have any date fields set to non-zero values."),
        _ => unfit("Java class class java.util.Date does not have corresponding schema type."),
    }
}

/// As Java prints it: the shortest text that means the same number of its own width.
fn float(number: f64, text: &str) -> Json {
    text.parse::<f64>()
        .ok()
        .and_then(serde_json::Number::from_f64)
        .map_or_else(|| json!(format!("{number}")), Json::Number)
}

/// A schema as it stands in an envelope (Java: `asJsonSchema`).
fn schema_json(schema: &Schema) -> Json {
    let name = match &schema.kind {
        SchemaType::Boolean => "boolean",
        SchemaType::Int8 => "int8",
        SchemaType::Int16 => "int16",
        SchemaType::Int32 => "int32",
        SchemaType::Int64 => "int64",
        SchemaType::Float32 => "float",
        SchemaType::Float64 => "double",
        SchemaType::String => "string",
        SchemaType::Bytes => "bytes",
        SchemaType::Array(_) => "array",
        SchemaType::Map(..) => "map",
        SchemaType::Struct(_) => "struct",
    };
    let mut object = Map::from_iter([("type".to_owned(), json!(name))]);
    match &schema.kind {
        SchemaType::Array(of) => {
            object.insert("items".to_owned(), schema_json(of));
        }
        SchemaType::Map(keys, values) => {
            object.insert("keys".to_owned(), schema_json(keys));
            object.insert("values".to_owned(), schema_json(values));
        }
        SchemaType::Struct(fields) => {
            let field = |field: &connect_api::data::Field| {
                let mut json = schema_json(&field.schema);
                json["field"] = json!(field.name);
                json
            };
            object.insert("fields".to_owned(), Json::Array(fields.iter().map(field).collect()));
        }
        _ => {}
    }
    object.insert("optional".to_owned(), json!(schema.optional));
    if let Some(name) = &schema.name {
        object.insert("name".to_owned(), json!(name));
    }
    if let Some(version) = schema.version {
        object.insert("version".to_owned(), json!(version));
    }
    if let Some(doc) = &schema.doc {
        object.insert("doc".to_owned(), json!(doc));
    }
    if !schema.parameters.is_empty() {
        let parameters = schema.parameters.iter().map(|(key, value)| (key.clone(), json!(value)));
        object.insert("parameters".to_owned(), Json::Object(parameters.collect()));
    }
    Json::Object(object)
}

impl Converter for JsonConverter {
    fn encode(&self, _topic: &str, schema: Option<&Schema>, value: &Value) -> Result<Option<Bytes>, ConnectError> {
        if schema.is_none() && *value == Value::Null {
            return Ok(None);
        }
        let payload = self.value(schema, value)?;
        let json = if self.schemas {
            json!({"schema": schema.map_or(Json::Null, schema_json), "payload": payload})
        } else if payload.is_null() {
            return Ok(Some(Bytes::from_static(b"null")));
        } else {
            payload
        };
        Ok(Some(json.to_string().into()))
    }
}

pub(super) fn converter(config: &TypedConfig, _: Side) -> Result<Made, Problem> {
    Ok(Made::Converter(Box::new(JsonConverter::from_config(config))))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use connect_api::data::Field;

    use super::*;

    fn encode(schemas: bool, schema: Option<&Schema>, value: &Value) -> Option<String> {
        let bytes = JsonConverter { schemas, null_is_default: true }.encode("t", schema, value).unwrap();
        bytes.map(|bytes| String::from_utf8(bytes.to_vec()).unwrap())
    }

    #[test]
    fn bytes_of_a_mirror_are_base64_with_and_without_their_schema() {
        let (schema, bytes) = (Schema::new(SchemaType::Bytes).optional(), Value::Bytes(Bytes::from_static(b"hi")));

        let expected = r#"{"schema":{"type":"bytes","optional":true},"payload":"aGk="}"#;
        assert_eq!(encode(true, Some(&schema), &bytes).unwrap(), expected);
        assert_eq!(encode(false, Some(&schema), &bytes).unwrap(), "\"aGk=\"");
        assert_eq!(encode(true, None, &Value::Null), None);
        assert_eq!(encode(false, None, &Value::Null), None);
    }

    #[test]
    fn a_struct_has_its_fields_in_the_order_of_its_schema() {
        let field = |name: &str, kind| Field { name: name.to_owned(), schema: Arc::new(Schema::new(kind)) };
        let mut schema =
            Schema::new(SchemaType::Struct(vec![field("b", SchemaType::Int32), field("a", SchemaType::Float32)]));
        schema.name = Some("S".to_owned());
        let value = Value::Struct(vec![("a".to_owned(), Value::Float32(0.1)), ("b".to_owned(), Value::Int32(1))]);

        assert_eq!(encode(false, Some(&schema), &value).unwrap(), r#"{"b":1,"a":0.1}"#);
        assert_eq!(
            encode(true, Some(&schema), &value).unwrap(),
            r#"{"schema":{"type":"struct","fields":[{"type":"int32","optional":false,"field":"b"},{"type":"float","optional":false,"field":"a"}],"optional":false,"name":"S"},"payload":{"b":1,"a":0.1}}"#
        );
    }

    #[test]
    fn a_map_with_other_keys_than_text_is_a_list_of_pairs() {
        let map = |key| Value::Map(vec![(key, Value::Boolean(true))]);

        assert_eq!(encode(false, None, &map(Value::Int8(1))).unwrap(), "[[1,true]]");
        assert_eq!(encode(false, None, &map(Value::String("k".to_owned()))).unwrap(), r#"{"k":true}"#);
    }

    #[test]
    fn moments_are_the_numbers_of_their_schemas() {
        for (name, time_ms, expected) in
            [(TIMESTAMP, 1_704_164_645_678, "1704164645678"), (DATE, 1_704_153_600_000, "19724"), (TIME, 5, "5")]
        {
            let schema = Schema::temporal(name);
            assert_eq!(encode(false, Some(&schema), &Value::Date(time_ms)).unwrap(), expected);
        }
        let converter = JsonConverter { schemas: false, null_is_default: true };
        for (schema, time_ms) in [(Some(Schema::temporal(DATE)), 5), (Some(Schema::temporal(TIME)), -1), (None, 0)] {
            assert!(converter.encode("t", schema.as_ref(), &Value::Date(time_ms)).is_err(), "{schema:?}");
        }
    }

    #[test]
    fn null_is_refused_where_the_schema_requires_a_value() {
        let converter = JsonConverter { schemas: false, null_is_default: true };

        assert!(converter.encode("t", Some(&Schema::new(SchemaType::Bytes)), &Value::Null).is_err());
    }
}
