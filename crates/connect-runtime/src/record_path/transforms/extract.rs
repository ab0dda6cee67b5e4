//! `ExtractField`: one field instead of the whole, also one within others (`field.syntax.version=V2`, KIP-821).

use std::sync::Arc;

use connect_api::ConnectError;
use connect_api::config::TypedConfig;
use connect_api::data::{Field, Schema, SchemaType, Value};

use super::super::catalog::{Made, Problem, Side};
use super::fields::lookup;
use super::{Fields, change, field_of};

/// `ExtractField`.
pub(in super::super) fn extract_field(config: &TypedConfig, side: Side) -> Result<Made, Problem> {
    let (name, null_is_default) = (config.string("field").to_owned(), config.boolean("replace.null.with.default"));
    let nested = config.string("field.syntax.version").eq_ignore_ascii_case("V2");
    let path = if nested { Path::parse(&name)? } else { Path { outer: Vec::new(), last: name.clone() } };
    let unknown = move || ConnectError::fatal(format!("Unknown field: {name}"));
    change(move |record| {
        let (schema, value) = (side.schema(record).cloned(), side.value(record).clone());
        let (schema, value) = match Fields::of(schema.as_deref(), &value, "field extraction")? {
            Fields::Map(entries) => (None, path.in_map(entries)?),
            Fields::Struct(_, declared, values) => {
                let field = path.declared(declared)?.ok_or_else(&unknown)?;
                (Some(Arc::clone(&field.schema)), path.in_struct(declared, values, null_is_default))
            }
            Fields::Null => match schema.as_deref().map(|schema| &schema.kind) {
                Some(SchemaType::Struct(declared)) => {
                    (path.declared(declared)?.map(|field| Arc::clone(&field.schema)), Value::Null)
                }
                _ => (None, Value::Null),
            },
        };
        side.set(record, schema, value);
        Ok(())
    })
}

/// Where a field is: the fields around it, from outside to inside, and itself.
struct Path {
    outer: Vec<String>,
    last: String,
}

impl Path {
    /// Names with dots between them. In backticks a name may have dots, too; a backtick before a dot within such a name is
    /// escaped with a backslash.
    fn parse(text: &str) -> Result<Self, Problem> {
        let (mut outer, mut rest) = (Vec::new(), text);
        loop {
            let (name, after) = match rest.strip_prefix('`') {
                Some(quoted) => closed(quoted).ok_or_else(|| {
                    let at = text.len() - rest.len();
                    let why = "Incomplete backtick pair in path";
                    let remedy = format!("consider adding a backslash before backtick at position {at} to escape it");
                    Problem::new("field", format!("{why}: [{text}], {remedy}"))
                })?,
                None => match rest.split_once('.') {
                    Some((name, after)) => (name.to_owned(), Some(after)),
                    None => (rest.to_owned(), None),
                },
            };
            let Some(after) = after else { return Ok(Self { outer, last: name }) };
            outer.push(name);
            rest = after;
        }
    }

    fn in_map(&self, entries: &[(Value, Value)]) -> Result<Value, ConnectError> {
        let mut entries = entries;
        for name in &self.outer {
            entries = match lookup(entries, name) {
                None | Some(Value::Null) => return Ok(Value::Null),
                Some(Value::Map(inner)) => inner,
                Some(other) => {
                    return Err(ConnectError::fatal(format!(
                        "Only Map objects supported in absence of schema for [nested field access], found: {}",
                        super::class_name(other)
                    )));
                }
            };
        }
        Ok(lookup(entries, &self.last).cloned().unwrap_or(Value::Null))
    }

    /// The field as the schema has it, if it does.
    fn declared<'a>(&self, declared: &'a [Field]) -> Result<Option<&'a Field>, ConnectError> {
        let mut declared = declared;
        for name in &self.outer {
            let Some(field) = find(declared, name) else { return Ok(None) };
            declared = inner_fields(&field.schema)
                .ok_or_else(|| ConnectError::fatal("Cannot look up fields on non-struct type"))?;
        }
        Ok(find(declared, &self.last))
    }

    /// The value of a field that the schema has: null if something around it is null.
    fn in_struct(&self, declared: &[Field], values: &[(String, Value)], null_is_default: bool) -> Value {
        let (mut declared, mut values) = (declared, values.to_vec());
        for name in &self.outer {
            let field = find(declared, name);
            match field.map(|field| (inner_fields(&field.schema), field_of(field, &values, null_is_default))) {
                Some((Some(inner), Value::Struct(inner_values))) => (declared, values) = (inner, inner_values),
                _ => return Value::Null,
            }
        }
        find(declared, &self.last).map_or(Value::Null, |field| field_of(field, &values, null_is_default))
    }
}

/// A name up to its closing backtick, and what comes after the dot behind it. A backtick that no dot follows is part of the name.
fn closed(quoted: &str) -> Option<(String, Option<&str>)> {
    let (mut name, mut begin) = (String::new(), 0);
    for (at, _) in quoted.match_indices('`') {
        let escaped = quoted[..at].ends_with('\\');
        let after = &quoted[at + 1..];
        if after.is_empty() {
            return (!escaped).then(|| (name + &quoted[begin..at], None));
        }
        let Some(after) = after.strip_prefix('.') else { continue };
        if !escaped {
            return Some((name + &quoted[begin..at], Some(after)));
        }
        name.push_str(&quoted[begin..at - 1]);
        name.push('`');
        begin = at + 1;
    }
    None
}

fn find<'a>(declared: &'a [Field], name: &str) -> Option<&'a Field> {
    declared.iter().find(|field| field.name == name)
}

fn inner_fields(schema: &Schema) -> Option<&[Field]> {
    match &schema.kind {
        SchemaType::Struct(fields) => Some(fields),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> Result<Vec<String>, Problem> {
        Path::parse(text).map(|path| path.outer.into_iter().chain([path.last]).collect())
    }

    /// All by Java's `SingleFieldPath` of 4.3.0.
    #[test]
    fn paths_have_the_steps_that_java_finds() {
        for (text, steps) in [
            ("a", &["a"][..]),
            ("a.b.c", &["a", "b", "c"]),
            (".a", &["", "a"]),
            ("a.", &["a", ""]),
            ("a..b", &["a", "", "b"]),
            (".", &["", ""]),
            ("`a.b`", &["a.b"]),
            ("`a.b`.c", &["a.b", "c"]),
            ("a.`b.c`", &["a", "b.c"]),
            ("a`b", &["a`b"]),
            ("`a`b`", &["a`b"]),
            ("`a`b`.c", &["a`b", "c"]),
            ("`a\\`.b`", &["a`.b"]),
            ("a\\.b", &["a\\", "b"]),
            ("``", &[""]),
            ("``.a", &["", "a"]),
            ("`.`", &["."]),
            ("`a`.", &["a", ""]),
            ("a`.b", &["a`", "b"]),
        ] {
            assert_eq!(path(text).unwrap(), steps, "{text}");
        }
    }

    #[test]
    fn a_backtick_that_is_not_closed_is_named() {
        for (text, at) in [("`a", 0), ("`a`b", 0), ("a.`b", 2), ("`a\\`", 0)] {
            let wanted = format!(
                "Incomplete backtick pair in path: [{text}], consider adding a backslash before backtick at position {at} \
                 to escape it"
            );
            assert_eq!(path(text), Err(Problem::new("field", wanted)), "{text}");
        }
    }
}
