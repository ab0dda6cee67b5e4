//! The list: classes, keys with their defaults, and what makes them.

use connect_api::PluginKind;
use connect_api::config::{ConfigDef, ConfigKey, ConfigType, DefaultValue, Importance, Parsed, Validator, Width};

use super::super::{converters, header, json, predicates, transforms};
use super::{Builtin, CONVERTER_TYPE, Make, Side};
use ConfigType::{Boolean, Int, List, String as Text};
use DefaultValue::{Null, Required};
use Importance::{High, Low, Medium};

const TRANSFORMS: &str = "org.apache.kafka.connect.transforms.";
const PREDICATES: &str = "org.apache.kafka.connect.transforms.predicates.";
const CONVERTERS: &str = "org.apache.kafka.connect.converters.";

fn key(
    name: &'static str,
    kind: ConfigType,
    default: DefaultValue,
    importance: Importance,
    doc: &'static str,
) -> ConfigKey {
    ConfigKey::new(name, kind, default, importance, doc)
}

fn required(name: &'static str, kind: ConfigType, doc: &'static str) -> ConfigKey {
    key(name, kind, Required, High, doc)
}

/// A list of at least one item, none twice.
fn some(name: &'static str, doc: &'static str) -> ConfigKey {
    required(name, List, doc).valid(Validator::SomeWithoutDuplicates)
}

fn not_empty() -> Validator {
    Validator::Check(|value| match value {
        Parsed::List(items) if items.is_empty() => Err("Empty list".to_owned()),
        _ => Ok(()),
    })
}

fn null_default() -> ConfigKey {
    key(
        "replace.null.with.default",
        Boolean,
        DefaultValue::is("true"),
        Medium,
        "Whether a field that is null and has a default counts as its default.",
    )
}

fn field_key(name: &'static str, doc: &'static str) -> ConfigKey {
    key(name, Text, Null, Medium, doc)
}

/// All of them: transforms, predicates, converters, header converters.
#[must_use]
pub fn all() -> Vec<Builtin> {
    let mut all = Vec::new();
    let mut plain = |prefix: &str, name: &str, kind, def: ConfigDef, make: Make| {
        all.push(Builtin { class: format!("{prefix}{name}"), kind, def, side: Side::Key, make });
    };
    let transformation = PluginKind::Transformation;
    plain(
        TRANSFORMS,
        "DropHeaders",
        transformation,
        ConfigDef::new().define(some("headers", "The names of the headers to remove.")),
        transforms::headers::drop_headers,
    );
    plain(TRANSFORMS, "Filter", transformation, ConfigDef::new(), transforms::filter);
    plain(
        TRANSFORMS,
        "InsertHeader",
        transformation,
        ConfigDef::new().define(required("header", Text, "The name of the header.")).define(required(
            "value.literal",
            Text,
            "The value of the header; its type is inferred from the text.",
        )),
        transforms::headers::insert_header,
    );
    plain(
        TRANSFORMS,
        "RegexRouter",
        transformation,
        ConfigDef::new()
            .define(required("regex", Text, "Regular expression that a topic has to match as a whole."))
            .define(required("replacement", Text, "What its first match becomes; $1 is the first group.")),
        transforms::routing::regex_router,
    );
    plain(
        TRANSFORMS,
        "TimestampRouter",
        transformation,
        ConfigDef::new()
            .define(key(
                "topic.format",
                Text,
                DefaultValue::is("${topic}-${timestamp}"),
                High,
                "The new topic; ${topic} and ${timestamp} stand for the old one and the record's time.",
            ))
            .define(key(
                "timestamp.format",
                Text,
                DefaultValue::is("yyyyMMdd"),
                High,
                "Format of the time, as java.text.SimpleDateFormat has it.",
            )),
        transforms::routing::timestamp_router,
    );
    plain(
        TRANSFORMS,
        "ValueToKey",
        transformation,
        ConfigDef::new().define(some("fields", "The fields of the value that become the key.")).define(null_default()),
        transforms::fields::value_to_key,
    );
    let predicate = PluginKind::Predicate;
    plain(
        PREDICATES,
        "HasHeaderKey",
        predicate,
        ConfigDef::new().define(key("name", Text, Required, Medium, "The header name.").valid(Validator::NonEmpty)),
        predicates::has_header_key,
    );
    plain(PREDICATES, "RecordIsTombstone", predicate, ConfigDef::new(), predicates::record_is_tombstone);
    plain(
        PREDICATES,
        "TopicNameMatches",
        predicate,
        ConfigDef::new().define(key(
            "pattern",
            Text,
            Required,
            Medium,
            "Java regular expression that the topic has to match.",
        )),
        predicates::topic_name_matches,
    );
    for (prefix, name, def, convert, headers) in converters_table() {
        plain(prefix, name, PluginKind::Converter, def.clone(), convert);
        plain(prefix, name, PluginKind::HeaderConverter, def, headers);
    }
    let simple = ("org.apache.kafka.connect.storage.", "SimpleHeaderConverter");
    plain(simple.0, simple.1, PluginKind::HeaderConverter, ConfigDef::new(), header::simple);
    for (name, def, make) in sided_table() {
        for (suffix, side) in [("$Key", Side::Key), ("$Value", Side::Value)] {
            let class = format!("{TRANSFORMS}{name}{suffix}");
            all.push(Builtin { class, kind: transformation, def: def.clone(), side, make });
        }
    }
    all
}

fn sided_table() -> Vec<(&'static str, ConfigDef, Make)> {
    use transforms::{extract, fields, timestamps, whole};
    vec![
        (
            "ExtractField",
            ConfigDef::new()
                .define(key("field", Text, Required, Medium, "The field to extract."))
                .define(null_default())
                .define(
                    key(
                        "field.syntax.version",
                        Text,
                        DefaultValue::is("V1"),
                        High,
                        "V1: the name of a field. V2: names from outside to inside, with dots between them.",
                    )
                    .valid(Validator::OneOfIgnoringCase(&["V1", "V2"])),
                ),
            extract::extract_field as Make,
        ),
        (
            "HeaderFrom",
            ConfigDef::new()
                .define(required("fields", List, "The fields to put into headers.").valid(not_empty()))
                .define(
                    required("headers", List, "The names of the headers, in the order of the fields.")
                        .valid(not_empty()),
                )
                .define(required("operation", Text, "move or copy.").valid(Validator::OneOf(&["move", "copy"])))
                .define(null_default()),
            fields::header_from,
        ),
        (
            "HoistField",
            ConfigDef::new().define(key(
                "field",
                Text,
                Required,
                Medium,
                "The name of the one field of the new struct or map.",
            )),
            whole::hoist_field,
        ),
        (
            "InsertField",
            ConfigDef::new()
                .define(field_key("topic.field", "Field for the topic. ! after the name: required, ?: optional."))
                .define(field_key("partition.field", "Field for the partition."))
                .define(field_key("offset.field", "Field for the offset; sink connectors only."))
                .define(field_key("timestamp.field", "Field for the record's time."))
                .define(field_key("static.field", "Field for static.value."))
                .define(field_key("static.value", "The value of static.field."))
                .define(null_default()),
            fields::insert_field,
        ),
        (
            "MaskField",
            ConfigDef::new()
                .define(some("fields", "The fields to mask."))
                .define(key("replacement", Text, Null, Low, "What numbers and text become instead of 0 and nothing."))
                .define(null_default()),
            fields::mask_field,
        ),
        (
            "ReplaceField",
            ConfigDef::new()
                .define(
                    key("exclude", List, DefaultValue::is(""), Medium, "Fields to leave out.")
                        .valid(Validator::NoDuplicates),
                )
                .define(
                    key("include", List, DefaultValue::is(""), Medium, "Fields to keep; all if empty.")
                        .valid(Validator::NoDuplicates),
                )
                .define(key("renames", List, DefaultValue::is(""), Medium, "old:new pairs."))
                .define(null_default()),
            fields::replace_field,
        ),
        (
            "SetSchemaMetadata",
            ConfigDef::new()
                .define(key("schema.name", Text, Null, High, "The new name of the schema."))
                .define(key("schema.version", Int, Null, High, "The new version of the schema."))
                .define(null_default()),
            whole::set_schema_metadata,
        ),
        (
            "Cast",
            ConfigDef::new()
                .define(required("spec", List, "field:type pairs, or one type for the whole key or value."))
                .define(null_default()),
            whole::cast,
        ),
        (
            "TimestampConverter",
            ConfigDef::new()
                .define(key("field", Text, DefaultValue::is(""), High, "The field to convert; the whole if empty."))
                .define(
                    required("target.type", Text, "string, unix, Date, Time or Timestamp.").valid(Validator::OneOf(&[
                        "string",
                        "unix",
                        "Date",
                        "Time",
                        "Timestamp",
                    ])),
                )
                .define(key(
                    "format",
                    Text,
                    DefaultValue::is(""),
                    Medium,
                    "Format of text, as java.text.SimpleDateFormat has it.",
                ))
                .define(
                    key("unix.precision", Text, DefaultValue::is("milliseconds"), Low, "What unix numbers count.")
                        .valid(Validator::OneOf(&["nanoseconds", "microseconds", "milliseconds", "seconds"])),
                )
                .define(null_default()),
            timestamps::timestamp_converter,
        ),
        (
            "Flatten",
            ConfigDef::new().define(key(
                "delimiter",
                Text,
                DefaultValue::is("."),
                Medium,
                "Between the names of the levels.",
            )),
            fields::flatten,
        ),
    ]
}

type ConverterRow = (&'static str, &'static str, ConfigDef, Make, Make);

fn converters_table() -> Vec<ConverterRow> {
    let kind = || {
        key(CONVERTER_TYPE, Text, Required, Low, "How this converter is used: key, value or header.")
            .valid(Validator::OneOf(&["key", "value", "header"]))
    };
    let number = |name: &'static str, convert: Make, headers: Make| -> ConverterRow {
        (CONVERTERS, name, ConfigDef::new().define(kind()), convert, headers)
    };
    vec![
        (
            CONVERTERS,
            "ByteArrayConverter",
            ConfigDef::new().define(kind()),
            converters::byte_array as Make,
            header::byte_array as Make,
        ),
        (
            "org.apache.kafka.connect.storage.",
            "StringConverter",
            ConfigDef::new().define(kind()).define(
                key("converter.encoding", Text, DefaultValue::is("UTF-8"), High, "The encoding of text.")
                    .valid(Validator::OneOfIgnoringCase(&["UTF-8", "UTF8"]))
                    .displayed(Width::Medium, "Encoding"),
            ),
            converters::string,
            header::string,
        ),
        (
            "org.apache.kafka.connect.json.",
            "JsonConverter",
            ConfigDef::new().define(kind()).merge(json_def()),
            json::converter,
            header::json,
        ),
        number("BooleanConverter", converters::boolean, header::boolean),
        number("DoubleConverter", converters::double, header::double),
        number("FloatConverter", converters::float, header::float),
        number("IntegerConverter", converters::integer, header::integer),
        number("LongConverter", converters::long, header::long),
        number("ShortConverter", converters::short, header::short),
    ]
}

fn json_def() -> ConfigDef {
    let schemas = |key: ConfigKey, place, name: &'static str| key.shown("Schemas", Width::Medium, name).placed(place);
    let written =
        |key: ConfigKey, place, name: &'static str| key.shown("Serialization", Width::Medium, name).placed(place);
    let envelope = key("schemas.enable", Boolean, DefaultValue::is("true"), High, "Whether the schema goes along.");
    let cache = key("schemas.cache.size", Int, DefaultValue::is("1000"), High, "Has no effect here.");
    let content = key("schema.content", Text, Null, High, "For sink connectors only.");
    let decimal = key("decimal.format", Text, DefaultValue::is("BASE64"), Low, "How decimals are written.")
        .valid(Validator::OneOfIgnoringCase(&["NUMERIC", "BASE64"]));
    let null = ConfigKey { importance: Low, ..null_default() };
    ConfigDef::new()
        .define(schemas(envelope, 0, "Enable Schemas"))
        .define(schemas(cache, 1, "Schema Cache Size"))
        .define(schemas(content, 2, "Schema Content"))
        .define(written(decimal, 0, "Decimal Format"))
        .define(written(null, 1, "Replace null with default"))
}
