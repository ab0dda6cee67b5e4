//! What the plug-ins are and want to know, and configs that are right, wrong, and refused.

use serde_json::{Value, json};

use super::{Ask, CLASSES, Topics, ask, changed, send};
use crate::mirror;

const CONVERTERS: [&str; 10] = [
    "converters.Boolean",
    "converters.ByteArray",
    "converters.Double",
    "converters.Float",
    "converters.Integer",
    "converters.Long",
    "converters.Short",
    "json.Json",
    "storage.SimpleHeader",
    "storage.String",
];

const PREDICATES: [&str; 3] = ["HasHeaderKey", "RecordIsTombstone", "TopicNameMatches"];

const TRANSFORMS: [&str; 6] = ["DropHeaders", "Filter", "InsertHeader", "RegexRouter", "TimestampRouter", "ValueToKey"];

const SIDED_TRANSFORMS: [&str; 10] = [
    "Cast",
    "ExtractField",
    "Flatten",
    "HeaderFrom",
    "HoistField",
    "InsertField",
    "MaskField",
    "ReplaceField",
    "SetSchemaMetadata",
    "TimestampConverter",
];

pub(super) fn plugins() -> Vec<Ask> {
    let mut asks = vec![
        ask("GET", "/connector-plugins"),
        ask("GET", "/connector-plugins?connectorsOnly=true"),
        ask("GET", "/connector-plugins?connectorsOnly=True"),
        ask("GET", "/connector-plugins?connectorsOnly=false"),
        ask("GET", "/connector-plugins?connectorsOnly=False"),
        ask("GET", "/connector-plugins?connectorsOnly=nonsense"),
        ask("GET", "/connector-plugins/Nope/config"),
        ask("GET", "/connector-plugins/MirrorSourceConnector/config"),
        ask("GET", "/connector-plugins/MirrorSource/config"),
        ask("GET", "/connector-plugins/MirrorSource/config?version=4.3.0"),
        ask("GET", "/connector-plugins/MirrorSource/config?version=1.0.0"),
        ask("GET", "/connector-plugins/MirrorSource/config?version=latest"),
        ask("GET", "/connector-plugins/MirrorSource/config?version=nonsense"),
        ask("GET", "/connector-plugins/MirrorSource/config?version="),
    ];
    asks.extend(CLASSES.map(|class| ask("GET", &format!("/connector-plugins/{class}/config"))));
    let plugin = |class: String| ask("GET", &format!("/connector-plugins/{class}/config"));
    asks.extend(CONVERTERS.map(|class| plugin(format!("org.apache.kafka.connect.{class}Converter"))));
    asks.extend(PREDICATES.map(|class| plugin(format!("org.apache.kafka.connect.transforms.predicates.{class}"))));
    asks.extend(TRANSFORMS.map(|class| plugin(format!("org.apache.kafka.connect.transforms.{class}"))));
    for class in SIDED_TRANSFORMS {
        asks.extend(["Key", "Value"].map(|side| plugin(format!("org.apache.kafka.connect.transforms.{class}${side}"))));
    }
    asks
}

pub(super) fn validation(topics: &Topics) -> Vec<Ask> {
    let validate = |class: &str, body: Value| send("PUT", &format!("/connector-plugins/{class}/config/validate"), body);
    let with = |class: &str, changes: Value| validate(class, changed(mirror(topics), changes.clone())).note(&changes);
    let mut asks = vec![
        send("PUT", "/connector-plugins/MirrorSource/config/validate", ""),
        send("PUT", "/connector-plugins/MirrorSource/config/validate", "{"),
        validate("MirrorSource", json!({})),
        validate("MirrorSource", json!({"connector.class": "Nope"})),
        validate("Nope", json!({"connector.class": "Nope"})),
        validate("MirrorSource", json!({"connector.class": "MirrorHeartbeat"})),
        validate("MirrorSource", json!({"connector.class": CLASSES[0], "a": null})),
        with("MirrorSourceConnector", json!({"name": "a"})),
        with("MirrorSource", json!({"name": "a"})),
        with("MirrorSource", json!({"name": ""})),
        with(CLASSES[0], json!({"name": "a", "connector.class": "MirrorSource"})),
        with(CLASSES[0], json!({"name": "a", "unknown.key": "1"})),
        with(CLASSES[0], json!({"name": "a", "tasks.max": "0"})),
        with(CLASSES[0], json!({"name": "a", "tasks.max": "many"})),
        with(CLASSES[0], json!({"name": "a", "tasks.max": 3, "emit.heartbeats.enabled": true})),
        with(CLASSES[0], json!({"name": "a", "errors.tolerance": "some"})),
        with(CLASSES[0], json!({"name": "a", "errors.retry.timeout": "soon"})),
        with(CLASSES[0], json!({"name": "a", "emit.checkpoints.enabled": "maybe"})),
        with(CLASSES[0], json!({"name": "a", "replication.factor": "many"})),
        with(CLASSES[0], json!({"name": "a", "replication.policy.class": "Nope"})),
        with(CLASSES[0], json!({"name": "a", "key.converter": "Nope"})),
        with(CLASSES[0], json!({"name": "a", "transforms": "t"})),
        with(CLASSES[0], json!({"name": "a", "transforms": "t", "transforms.t.type": "Nope"})),
        with(CLASSES[0], json!({"name": "a", "transforms": "t,t"})),
        with(CLASSES[0], json!({"name": "a", "predicates": "p"})),
        with(CLASSES[0], json!({"name": "a", "topic.creation.groups": "g"})),
        with(CLASSES[0], json!({"name": "a", "exactly.once.support": "required"})),
        with(CLASSES[0], json!({"name": "a", "exactly.once.support": "never"})),
        with(CLASSES[0], json!({"name": "a", "transaction.boundary": "connector"})),
        with(CLASSES[0], json!({"name": "a", "producer.override.linger.ms": "5"})),
        with(CLASSES[0], json!({"name": "a", "source.cluster.sasl.jaas.config": "secret"})),
        with(CLASSES[0], json!({"name": "a", "config.action.reload": "never"})),
        with(CLASSES[0], json!({"name": "a", "offset.lag.max": "-1"})),
        validate(CLASSES[0], json!({"connector.class": CLASSES[0]})),
        // How AKHQ draws its page.
        validate(CLASSES[0], json!({"connector.class": CLASSES[0], "topics": "getPlugins"})),
    ];
    asks.extend(path_configs().into_iter().map(|changes| with(CLASSES[0], changes)));
    for class in CLASSES {
        asks.push(validate(class, json!({"connector.class": class})));
        asks.push(with(class, json!({"connector.class": class, "name": "a"})));
    }
    asks
}

pub(super) fn refused_configs(topics: &Topics) -> Vec<Ask> {
    let put =
        |changes: Value| send("PUT", "/connectors/x/config", changed(mirror(topics), changes.clone())).note(&changes);
    let create = |name: &str, changes: Value| {
        let config = changed(mirror(topics), changes.clone());
        send("POST", "/connectors", json!({"name": name, "config": config})).note(&json!([name, changes]))
    };
    vec![
        put(json!({"connector.class": null})),
        put(json!({"connector.class": "Nope"})),
        put(json!({"connector.class": ""})),
        put(json!({"tasks.max": "many"})),
        put(json!({"tasks.max": "0"})),
        put(json!({"tasks.max": "0", "errors.tolerance": "some"})),
        put(json!({"name": "y"})),
        put(json!({"source.cluster.alias": null})),
        put(json!({"key.converter": "Nope"})),
        create("x", json!({"tasks.max": "many"})),
        create("x", json!({"name": "y"})),
        create("a\u{7}b", json!({})),
        create("", json!({})),
        create("  ", json!({})),
        ask("GET", "/connectors"),
    ]
}

/// A config with one transform, of these keys.
fn transform(class: &str, keys: Value) -> Value {
    let class = format!("org.apache.kafka.connect.transforms.{class}");
    let mut config = json!({"name": "a", "transforms": "t", "transforms.t.type": class});
    for (key, value) in keys.as_object().into_iter().flatten() {
        config[format!("transforms.t.{key}")] = value.clone();
    }
    config
}

/// Configs of what happens to records on their way.
fn path_configs() -> Vec<Value> {
    let transforms = "org.apache.kafka.connect.transforms";
    let router = format!("{transforms}.RegexRouter");
    let matches = format!("{transforms}.predicates.TopicNameMatches");
    let json = "org.apache.kafka.connect.json.JsonConverter";
    vec![
        json!({"name": "a", "transforms": "t", "transforms.t.type": router, "transforms.t.regex": "a(.*)",
               "transforms.t.replacement": "$1"}),
        json!({"name": "a", "transforms": "t", "transforms.t.type": router}),
        json!({"name": "a", "transforms": "t", "transforms.t.type": format!("{transforms}.InsertHeader"),
               "transforms.t.header": ""}),
        json!({"name": "a", "transforms": "t", "transforms.t.type": format!("{transforms}.HeaderFrom$Value"),
               "transforms.t.fields": "a", "transforms.t.headers": "b", "transforms.t.operation": "steal"}),
        json!({"name": "a", "transforms": "t", "transforms.t.type": router, "transforms.t.regex": "a",
               "transforms.t.replacement": "b", "transforms.t.predicate": "p", "transforms.t.negate": "true",
               "predicates": "p", "predicates.p.type": matches, "predicates.p.pattern": "x.*"}),
        json!({"name": "a", "transforms": "t", "transforms.t.type": format!("{transforms}.Filter"),
               "transforms.t.negate": "true"}),
        transform("ExtractField$Value", json!({"field": "a.b", "field.syntax.version": "v2"})),
        transform("ExtractField$Value", json!({"field": "a.`b", "field.syntax.version": "V2"})),
        transform("ExtractField$Value", json!({"field": "a", "field.syntax.version": "V3"})),
        transform("Cast$Value", json!({"spec": "a:int8,b:string"})),
        transform("Cast$Value", json!({"spec": "a:int9"})),
        transform("Cast$Value", json!({})),
        transform("TimestampConverter$Value", json!({"target.type": "moment"})),
        transform("TimestampConverter$Value", json!({"target.type": "string"})),
        transform("TimestampConverter$Value", json!({"target.type": "unix", "unix.precision": "weeks"})),
        transform("ReplaceField$Value", json!({"renames": "a"})),
        transform("ReplaceField$Value", json!({"renames": "a:b", "exclude": "c"})),
        transform("MaskField$Value", json!({"fields": ""})),
        transform("MaskField$Value", json!({"fields": "a", "replacement": ""})),
        transform("InsertField$Value", json!({})),
        transform("InsertField$Value", json!({"static.field": "a"})),
        transform("HoistField$Key", json!({})),
        transform("SetSchemaMetadata$Value", json!({"schema.version": "one"})),
        transform("TimestampRouter", json!({"timestamp.format": "yyyy", "topic.format": ""})),
        transform("DropHeaders", json!({"headers": ""})),
        transform("Flatten$Value", json!({"delimiter": "_"})),
        json!({"name": "a", "predicates": "p", "predicates.p.type": matches}),
        json!({"name": "a", "predicates": "p", "predicates.p.type": "Nope"}),
        json!({"name": "a", "predicates": "p,p"}),
        json!({"name": "a", "value.converter": json}),
        json!({"name": "a", "value.converter": json, "value.converter.schemas.enable": "maybe"}),
        json!({"name": "a", "key.converter": "org.apache.kafka.connect.storage.StringConverter"}),
        json!({"name": "a", "header.converter": json, "header.converter.decimal.format": "ROUND"}),
        json!({"name": "a", "header.converter": "org.apache.kafka.connect.storage.SimpleHeaderConverter"}),
        json!({"name": "a", "topic.creation.groups": "g,g"}),
        json!({"name": "a", "errors.log.enable": "perhaps"}),
    ]
}
