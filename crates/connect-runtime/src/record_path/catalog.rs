//! Every built-in transform, predicate and converter: its Java class, its keys with their defaults, and how it is made.

use connect_api::PluginKind;
use connect_api::config::{
    ConfigDef, ConfigKey, ConfigMap, ConfigProblem, ConfigType, DefaultValue, Importance, TypedConfig, Validator,
};
use connect_api::convert::{Converter, Predicate, Transformation};

use super::header::HeaderConverter;
use super::{converters, header, json, predicates, transforms};
use ConfigType::{Boolean, Int, List, String as Text};
use DefaultValue::{Null, Required};
use Importance::{High, Low, Medium};

/// What a header converter is when nobody says.
pub const DEFAULT_HEADER_CONVERTER: &str = "org.apache.kafka.connect.storage.SimpleHeaderConverter";

/// The version of Kafka whose plug-ins these are.
pub const VERSION: &str = "4.3.0";

const TRANSFORMS: &str = "org.apache.kafka.connect.transforms.";
const PREDICATES: &str = "org.apache.kafka.connect.transforms.predicates.";
const CONVERTERS: &str = "org.apache.kafka.connect.converters.";

/// A plug-in, ready for records.
pub enum Made {
    /// Changes records.
    Transformation(Box<dyn Transformation>),
    /// Decides about records.
    Predicate(Box<dyn Predicate>),
    /// Makes bytes of keys or values.
    Converter(Box<dyn Converter>),
    /// Makes bytes of header values.
    HeaderConverter(HeaderConverter),
}

/// Where something is wrong: in a plug-in's own key, or in its class (`key` empty).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    key: String,
    message: String,
}

impl Problem {
    pub(super) fn new(key: &str, message: impl Into<String>) -> Self {
        Self { key: key.to_owned(), message: message.into() }
    }

    /// The problem as the connector config has it: the plug-in's keys stand under `prefix`, its class under `class_key`.
    pub(crate) fn under(self, prefix: &str, class_key: &str) -> ConfigProblem {
        if self.key.is_empty() {
            return ConfigProblem::new(class_key.to_owned(), self.message.replace("{key}", class_key));
        }
        let key = format!("{prefix}{}", self.key);
        // Java names the whole key too.
        let named = |quote: &str, name: &str| format!("configuration {quote}{name}{quote}");
        let message = self.message.replace(&named("\"", &self.key), &named("\"", &key));
        let message = message.replace(&named("", &self.key), &named("", &key));
        ConfigProblem::new(key, message)
    }
}

type Make = fn(&TypedConfig, Side) -> Result<Made, Problem>;

/// Which part of the record a `$Key` or `$Value` class works on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// `$Key`, and whatever has no side.
    Key,
    /// `$Value`.
    Value,
}

/// One built-in plug-in.
pub struct Builtin {
    /// The Java class.
    pub class: String,
    /// What it is.
    pub kind: PluginKind,
    /// Its keys.
    pub def: ConfigDef,
    side: Side,
    make: Make,
}

/// Makes the plug-in of a class, by its full or simple name.
///
/// # Errors
/// There is no such class of this kind, or its config is wrong.
pub fn make(kind: PluginKind, class: &str, config: &ConfigMap) -> Result<Made, Vec<Problem>> {
    let builtin = all().into_iter().find(|builtin| builtin.kind == kind && builtin.is(class)).ok_or_else(|| {
        let message = format!("Invalid value {class} for configuration {{key}}: Class {class} could not be found.");
        vec![Problem::new("", message)]
    })?;
    let typed = builtin.def.parse(config).map_err(|problems| {
        problems.into_iter().map(|problem| Problem::new(&problem.key, problem.message)).collect::<Vec<_>>()
    })?;
    (builtin.make)(&typed, builtin.side).map_err(|problem| vec![problem])
}

/// The keys of a built-in plug-in, by its full or simple name.
#[must_use]
pub fn config_def(class: &str) -> Option<ConfigDef> {
    all().into_iter().find(|builtin| builtin.is(class)).map(|builtin| builtin.def)
}

impl Builtin {
    fn is(&self, class: &str) -> bool {
        let simple = self.class.rsplit('.').next().unwrap_or(&self.class);
        let short = simple.strip_suffix("Converter");
        class == self.class || class == simple || short == Some(class)
    }
}

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
        ConfigDef::new().define(required("headers", List, "The names of the headers to remove.")),
        transforms::headers::drop_headers,
    );
    plain(TRANSFORMS, "Filter", transformation, ConfigDef::new(), transforms::filter);
    plain(
        TRANSFORMS,
        "InsertHeader",
        transformation,
        ConfigDef::new()
            .define(required("header", Text, "The name of the header.").valid(Validator::NonEmpty))
            .define(required("value.literal", Text, "The value of the header; its type is inferred from the text.")),
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
        ConfigDef::new()
            .define(required("fields", List, "The fields of the value that become the key."))
            .define(null_default()),
        transforms::fields::value_to_key,
    );
    let predicate = PluginKind::Predicate;
    plain(
        PREDICATES,
        "HasHeaderKey",
        predicate,
        ConfigDef::new().define(required("name", Text, "The header name.").valid(Validator::NonEmpty)),
        predicates::has_header_key,
    );
    plain(PREDICATES, "RecordIsTombstone", predicate, ConfigDef::new(), predicates::record_is_tombstone);
    plain(
        PREDICATES,
        "TopicNameMatches",
        predicate,
        ConfigDef::new().define(required("pattern", Text, "Java regular expression that the topic has to match.")),
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
    use transforms::{fields, whole};
    vec![
        (
            "ExtractField",
            ConfigDef::new()
                .define(required("field", Text, "The field to extract."))
                .define(
                    key("field.syntax.version", Text, DefaultValue::is("V1"), High, "V1: the name of a field.")
                        .valid(Validator::OneOfIgnoringCase(&["V1"])),
                )
                .define(null_default()),
            fields::extract_field as Make,
        ),
        (
            "HeaderFrom",
            ConfigDef::new()
                .define(required("fields", List, "The fields to put into headers."))
                .define(required("headers", List, "The names of the headers, in the order of the fields."))
                .define(required("operation", Text, "move or copy.").valid(Validator::OneOf(&["move", "copy"])))
                .define(null_default()),
            fields::header_from,
        ),
        (
            "HoistField",
            ConfigDef::new().define(required("field", Text, "The name of the one field of the new struct or map.")),
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
                .define(required("fields", List, "The fields to mask."))
                .define(key("replacement", Text, Null, Low, "What numbers and text become instead of 0 and nothing."))
                .define(null_default()),
            fields::mask_field,
        ),
        (
            "ReplaceField",
            ConfigDef::new()
                .define(key("exclude", List, DefaultValue::is(""), Medium, "Fields to leave out."))
                .define(key("include", List, DefaultValue::is(""), Medium, "Fields to keep; all if empty."))
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
        key("converter.type", Text, Null, Low, "How this converter is used: key, value or header.")
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
                    .valid(Validator::OneOfIgnoringCase(&["UTF-8", "UTF8"])),
            ),
            converters::string,
            header::string,
        ),
        (
            "org.apache.kafka.connect.json.",
            "JsonConverter",
            ConfigDef::new()
                .define(kind())
                .define(key(
                    "schemas.enable",
                    Boolean,
                    DefaultValue::is("true"),
                    High,
                    "Whether the schema goes along.",
                ))
                .define(key("schemas.cache.size", Int, DefaultValue::is("1000"), High, "Has no effect here."))
                .define(key("schema.content", Text, Null, High, "For sink connectors only."))
                .define(
                    key("decimal.format", Text, DefaultValue::is("BASE64"), Low, "How decimals are written.")
                        .valid(Validator::OneOfIgnoringCase(&["BASE64", "NUMERIC"])),
                )
                .define(null_default()),
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
