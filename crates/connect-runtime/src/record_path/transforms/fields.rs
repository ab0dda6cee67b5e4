//! Transforms of the fields of a struct or map.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use connect_api::ConnectError;
use connect_api::config::TypedConfig;
use connect_api::data::{Field, Schema, SchemaType, TIMESTAMP, Value};
use connect_api::record::RecordHeader;

use super::super::catalog::{Made, Problem, Side};
use super::{Fields, change, field_of, with_fields};

/// The value under a text key.
pub(super) fn lookup<'a>(entries: &'a [(Value, Value)], name: &str) -> Option<&'a Value> {
    entries.iter().find(|(key, _)| matches!(key, Value::String(key) if key == name)).map(|(_, value)| value)
}

/// `HeaderFrom`: fields as headers, moved or copied.
pub(in super::super) fn header_from(config: &TypedConfig, side: Side) -> Result<Made, Problem> {
    let (fields, headers) = (config.list("fields").to_vec(), config.list("headers").to_vec());
    if fields.len() != headers.len() {
        return Err(Problem::new(
            "headers",
            "'fields' config must have the same number of elements as 'headers' config.",
        ));
    }
    let pairs: BTreeMap<String, String> = fields.into_iter().zip(headers).collect();
    let moves = config.string("operation") == "move";
    let null_is_default = config.boolean("replace.null.with.default");
    change(move |record| {
        let (schema, value) = (side.schema(record).cloned(), side.value(record).clone());
        let header = |name: &str, schema: Option<Arc<Schema>>, value: Value| RecordHeader {
            name: Bytes::from(pairs[name].clone()),
            schema,
            value,
        };
        let mut headers = Vec::new();
        let changed = match Fields::of(schema.as_deref(), &value, "HeaderFrom")? {
            Fields::Null => return Ok(()),
            Fields::Map(entries) => {
                for name in pairs.keys() {
                    headers.push(header(name, None, lookup(entries, name).cloned().unwrap_or(Value::Null)));
                }
                let kept =
                    entries.iter().filter(|(key, _)| !matches!(key, Value::String(key) if pairs.contains_key(key)));
                (None, Value::Map(kept.cloned().collect()))
            }
            Fields::Struct(schema, declared, values) => {
                for name in pairs.keys() {
                    let field = declared.iter().find(|field| field.name == *name);
                    let field = field.ok_or_else(|| ConnectError::fatal(format!("Unknown field: {name}")))?;
                    let value = field_of(field, values, null_is_default);
                    headers.push(header(name, Some(Arc::clone(&field.schema)), value));
                }
                let kept: Vec<Field> =
                    declared.iter().filter(|field| !pairs.contains_key(&field.name)).cloned().collect();
                let values = kept.iter().map(|field| (field.name.clone(), field_of(field, values, null_is_default)));
                let values = values.collect();
                (Some(with_fields(schema, kept)), Value::Struct(values))
            }
        };
        if moves {
            side.set(record, changed.0, changed.1);
        }
        record.headers.extend(headers);
        Ok(())
    })
}

/// A field to insert: its name, and whether null is allowed.
fn wanted(config: &TypedConfig, key: &str) -> Option<(String, bool)> {
    let text = config.optional_string(key)?;
    Some(match (text.strip_suffix('!'), text.strip_suffix('?')) {
        (Some(name), _) => (name.to_owned(), false),
        (_, Some(name)) => (name.to_owned(), true),
        _ => (text.to_owned(), true),
    })
}

/// `InsertField`: facts about the record as fields.
pub(in super::super) fn insert_field(config: &TypedConfig, side: Side) -> Result<Made, Problem> {
    let keys = ["topic.field", "partition.field", "timestamp.field", "static.field"];
    let wanted = keys.map(|key| wanted(config, key));
    let fixed = config.optional_string("static.value").map(str::to_owned);
    if wanted.iter().all(Option::is_none) && config.optional_string("offset.field").is_none() {
        return Err(Problem::new("topic.field", "No field insertion configured"));
    }
    if wanted[3].is_some() && fixed.is_none() {
        let message =
            "Invalid value null for configuration static.value: No value specified for static field: static.field";
        return Err(Problem::new("static.value", message));
    }
    let offset = config.optional_string("offset.field").is_some();
    let null_is_default = config.boolean("replace.null.with.default");
    change(move |record| {
        if offset {
            return Err(ConnectError::fatal(
                "Only SinkRecord supported for [field insertion], found: org.apache.kafka.connect.source.SourceRecord",
            ));
        }
        // Without a schema it is a plain number.
        let moment = if side.schema(record).is_some() { Value::Date } else { Value::Int64 };
        let facts = [
            (Schema::new(SchemaType::String), Value::String(record.topic.to_string())),
            (Schema::new(SchemaType::Int32), record.partition.map_or(Value::Null, Value::Int32)),
            (Schema::temporal(TIMESTAMP), record.timestamp_ms.map_or(Value::Null, moment)),
            (Schema::new(SchemaType::String), fixed.clone().map_or(Value::Null, Value::String)),
        ];
        let facts = wanted.iter().zip(facts).filter_map(|(wanted, fact)| Some((wanted.as_ref()?, fact)));
        let (schema, value) = (side.schema(record).cloned(), side.value(record).clone());
        let changed = match Fields::of(schema.as_deref(), &value, "field insertion")? {
            Fields::Null => return Ok(()),
            Fields::Map(entries) => {
                let mut entries = entries.to_vec();
                for ((name, _), (_, value)) in facts {
                    entries.retain(|(key, _)| !matches!(key, Value::String(key) if key == name));
                    entries.push((Value::String(name.clone()), value));
                }
                (None, Value::Map(entries))
            }
            Fields::Struct(schema, declared, values) => {
                let mut fields = declared.to_vec();
                let mut values: Vec<_> = declared
                    .iter()
                    .map(|field| (field.name.clone(), field_of(field, values, null_is_default)))
                    .collect();
                for ((name, optional), (schema, value)) in facts {
                    let schema = if *optional { schema.optional() } else { schema };
                    fields.push(Field { name: name.clone(), schema: Arc::new(schema) });
                    values.push((name.clone(), value));
                }
                (Some(with_fields(schema, fields)), Value::Struct(values))
            }
        };
        side.set(record, changed.0, changed.1);
        Ok(())
    })
}

/// `MaskField`: nothing, or a replacement, where something was.
pub(in super::super) fn mask_field(config: &TypedConfig, side: Side) -> Result<Made, Problem> {
    let fields = config.list("fields").to_vec();
    let replacement = config.optional_string("replacement").map(str::to_owned);
    if replacement.as_deref() == Some("") {
        return Err(Problem::new(
            "replacement",
            "Invalid value  for configuration replacement: String must be non-empty",
        ));
    }
    let null_is_default = config.boolean("replace.null.with.default");
    change(move |record| {
        let (schema, value) = (side.schema(record).cloned(), side.value(record).clone());
        let mask = |value: &Value| masked(value, replacement.as_deref());
        let changed = match Fields::of(schema.as_deref(), &value, "mask fields")? {
            Fields::Null => return Ok(()),
            Fields::Map(entries) => {
                let entry = |(key, value): &(Value, Value)| {
                    let hit = matches!(key, Value::String(key) if fields.contains(key));
                    Ok((key.clone(), if hit { mask(value)? } else { value.clone() }))
                };
                Value::Map(entries.iter().map(entry).collect::<Result<_, ConnectError>>()?)
            }
            Fields::Struct(_, declared, values) => {
                let field = |field: &Field| {
                    let value = field_of(field, values, null_is_default);
                    Ok((field.name.clone(), if fields.contains(&field.name) { mask(&value)? } else { value }))
                };
                Value::Struct(declared.iter().map(field).collect::<Result<_, ConnectError>>()?)
            }
        };
        side.set(record, schema.clone(), changed);
        Ok(())
    })
}

fn masked(value: &Value, replacement: Option<&str>) -> Result<Value, ConnectError> {
    let text = replacement.unwrap_or("0");
    let unfit = || ConnectError::fatal(format!("Unable to convert {text} to {}", super::class_name(value)));
    macro_rules! parsed {
        ($kind:ident) => {
            Value::$kind(text.parse().map_err(|_| unfit())?)
        };
    }
    Ok(match value {
        Value::Null => Value::Null,
        Value::Int8(_) => parsed!(Int8),
        Value::Int16(_) => parsed!(Int16),
        Value::Int32(_) => parsed!(Int32),
        Value::Int64(_) => parsed!(Int64),
        Value::Float32(_) => parsed!(Float32),
        Value::Float64(_) => parsed!(Float64),
        Value::String(_) => Value::String(replacement.unwrap_or("").to_owned()),
        other if replacement.is_some() => {
            let class = super::class_name(other);
            return Err(ConnectError::fatal(format!(
                "Cannot mask value of type class {class} with custom replacement."
            )));
        }
        Value::Boolean(_) => Value::Boolean(false),
        Value::Date(_) => Value::Date(0),
        Value::Array(_) => Value::Array(Vec::new()),
        Value::Map(_) => Value::Map(Vec::new()),
        other => {
            let class = super::class_name(other);
            return Err(ConnectError::fatal(format!("Cannot mask value of type: class {class}")));
        }
    })
}

/// `ReplaceField`: fewer fields, or other names.
pub(in super::super) fn replace_field(config: &TypedConfig, side: Side) -> Result<Made, Problem> {
    let (exclude, include) = (config.list("exclude").to_vec(), config.list("include").to_vec());
    let mut renames = BTreeMap::new();
    for pair in config.list("renames") {
        let Some((old, new)) = pair.split_once(':') else {
            let list = config.list("renames").join(",");
            let message = format!("Invalid value {list} for configuration renames: Invalid rename mapping: {pair}");
            return Err(Problem::new("renames", message));
        };
        renames.insert(old.to_owned(), new.to_owned());
    }
    let keeps = move |name: &String| !exclude.contains(name) && (include.is_empty() || include.contains(name));
    let null_is_default = config.boolean("replace.null.with.default");
    change(move |record| {
        let renamed = |name: &String| renames.get(name).unwrap_or(name).clone();
        let (schema, value) = (side.schema(record).cloned(), side.value(record).clone());
        let changed = match Fields::of(schema.as_deref(), &value, "field replacement")? {
            Fields::Null => return Ok(()),
            Fields::Map(entries) => {
                let entry = |(key, value): &(Value, Value)| match key {
                    Value::String(name) => keeps(name).then(|| (Value::String(renamed(name)), value.clone())),
                    other => Some((other.clone(), value.clone())),
                };
                (None, Value::Map(entries.iter().filter_map(entry).collect()))
            }
            Fields::Struct(schema, declared, values) => {
                let kept = || declared.iter().filter(|field| keeps(&field.name));
                let fields =
                    kept().map(|field| Field { name: renamed(&field.name), schema: Arc::clone(&field.schema) });
                let values = kept().map(|field| (renamed(&field.name), field_of(field, values, null_is_default)));
                (Some(with_fields(schema, fields.collect())), Value::Struct(values.collect()))
            }
        };
        side.set(record, changed.0, changed.1);
        Ok(())
    })
}

/// `Flatten`: nested fields as fields of the whole, their names put together.
pub(in super::super) fn flatten(config: &TypedConfig, side: Side) -> Result<Made, Problem> {
    let delimiter = config.string("delimiter").to_owned();
    change(move |record| {
        let (schema, value) = (side.schema(record).cloned(), side.value(record).clone());
        let changed = match Fields::of(schema.as_deref(), &value, "flattening")? {
            Fields::Null => return Ok(()),
            Fields::Map(entries) => {
                let mut flat = Vec::new();
                flatten_map("", &delimiter, entries, &mut flat);
                (None, Value::Map(flat))
            }
            Fields::Struct(schema, declared, values) => {
                let (mut fields, mut flat) = (Vec::new(), Vec::new());
                flatten_struct("", &delimiter, (declared, false), Some(values), &mut fields, &mut flat);
                (Some(with_fields(schema, fields)), Value::Struct(flat))
            }
        };
        side.set(record, changed.0, changed.1);
        Ok(())
    })
}

fn joined(prefix: &str, delimiter: &str, name: &str) -> String {
    if prefix.is_empty() { name.to_owned() } else { format!("{prefix}{delimiter}{name}") }
}

fn flatten_map(prefix: &str, delimiter: &str, entries: &[(Value, Value)], flat: &mut Vec<(Value, Value)>) {
    for (key, value) in entries {
        let name = joined(prefix, delimiter, &super::super::header::to_text(key));
        match value {
            Value::Map(inner) => flatten_map(&name, delimiter, inner, flat),
            other => flat.push((Value::String(name), other.clone())),
        }
    }
}

fn flatten_struct(
    prefix: &str,
    delimiter: &str,
    (declared, optional): (&[Field], bool),
    values: Option<&[(String, Value)]>,
    fields: &mut Vec<Field>,
    flat: &mut Vec<(String, Value)>,
) {
    for field in declared {
        let name = joined(prefix, delimiter, &field.name);
        let value = values.map_or(Value::Null, |values| field_of(field, values, false));
        match &field.schema.kind {
            SchemaType::Struct(inner) => {
                let values = match &value {
                    Value::Struct(values) => Some(values.as_slice()),
                    _ => None,
                };
                let optional = optional || field.schema.optional;
                flatten_struct(&name, delimiter, (inner, optional), values, fields, flat);
            }
            _ => {
                // A field of something that may be absent may be absent itself.
                let schema = if optional && !field.schema.optional {
                    Arc::new(field.schema.as_ref().clone().optional())
                } else {
                    Arc::clone(&field.schema)
                };
                fields.push(Field { name: name.clone(), schema });
                flat.push((name, value));
            }
        }
    }
}

/// `ValueToKey`: the key is made of fields of the value.
pub(in super::super) fn value_to_key(config: &TypedConfig, _: Side) -> Result<Made, Problem> {
    let names = config.list("fields").to_vec();
    let null_is_default = config.boolean("replace.null.with.default");
    change(move |record| {
        let (schema, value) = (record.value_schema.clone(), record.value.clone());
        let (schema, key) = match Fields::of(schema.as_deref(), &value, "copying fields from value to key")? {
            Fields::Null => {
                let what = if schema.is_some() {
                    "Struct objects supported"
                } else {
                    "Map objects supported in absence of schema"
                };
                let text = format!("Only {what} for [copying fields from value to key], found: null");
                return Err(ConnectError::fatal(text));
            }
            Fields::Map(entries) => {
                let entry = |name: &String| {
                    (Value::String(name.clone()), lookup(entries, name).cloned().unwrap_or(Value::Null))
                };
                (None, Value::Map(names.iter().map(entry).collect()))
            }
            Fields::Struct(_, declared, values) => {
                let (mut fields, mut key) = (Vec::new(), Vec::new());
                for name in &names {
                    let field = declared.iter().find(|field| field.name == *name);
                    let field = field.ok_or_else(|| ConnectError::fatal(format!("Field does not exist: {name}")))?;
                    fields.push(Field { name: name.clone(), schema: Arc::clone(&field.schema) });
                    key.push((name.clone(), field_of(field, values, null_is_default)));
                }
                (Some(Arc::new(Schema::new(SchemaType::Struct(fields)))), Value::Struct(key))
            }
        };
        (record.key_schema, record.key) = (schema, key);
        Ok(())
    })
}
