//! Literals to values of the type that they look like (Java: `Values.parseString`): numbers, booleans, dates and times, lists,
//! maps, and text.
//!
//! Whatever does not end where its value ends is text as a whole, where Java drops the rest (`17,5` is not 17), and quotes within
//! a quoted text lose their backslash, where Java gives it another one. Numbers beyond 64 bits stay text: Java's decimals look the
//! same in a header.

use std::sync::Arc;

use connect_api::data::{DATE, Schema, SchemaType, TIME, TIMESTAMP, Value};

use super::java_date::Format;

/// A value and, if it has one, its schema.
type Typed = (Option<Schema>, Value);

/// The value of a literal. Lists of values without a common type, and null, have no schema.
#[must_use]
pub fn parse(text: &str) -> Typed {
    let mut rest = text;
    // Quotes count within lists and maps only.
    let found = if text.trim_start().starts_with('"') { None } else { value(&mut rest, DEPTH) };
    let whole = found.filter(|_| rest.trim().is_empty());
    whole.unwrap_or_else(|| typed(SchemaType::String, Value::String(text.to_owned())))
}

fn typed(kind: SchemaType, value: Value) -> Typed {
    (Some(Schema::new(kind)), value)
}

/// How deep lists and maps may stand in each other.
const DEPTH: usize = 64;

/// Takes one value from the start; `None` if there is none.
fn value(rest: &mut &str, depth: usize) -> Option<Typed> {
    let depth = depth.checked_sub(1)?;
    *rest = rest.trim_start();
    match rest.chars().next()? {
        '"' => quoted(rest),
        '[' => list(rest, depth),
        '{' => map(rest, depth),
        _ => {
            // Times hold colons, which end everything else.
            let with_colons = &rest[..rest.find(DELIMITERS).unwrap_or(rest.len())];
            if let Some(found) = temporal(with_colons.trim_end()).filter(|_| with_colons.contains(':')) {
                *rest = &rest[with_colons.len()..];
                return Some(found);
            }
            let word = with_colons.split(':').next().unwrap_or(with_colons);
            *rest = &rest[word.len()..];
            plain(word.trim_end())
        }
    }
}

const DELIMITERS: [char; 6] = [',', '[', ']', '{', '}', '"'];

fn takes(rest: &mut &str, char: char) -> bool {
    let after = rest.trim_start().strip_prefix(char);
    if let Some(after) = after {
        *rest = after;
    }
    after.is_some()
}

fn plain(word: &str) -> Option<Typed> {
    match word {
        "null" => Some((None, Value::Null)),
        "true" => Some(typed(SchemaType::Boolean, Value::Boolean(true))),
        "false" => Some(typed(SchemaType::Boolean, Value::Boolean(false))),
        _ => temporal(word).or_else(|| number(word)),
    }
}

fn quoted(rest: &mut &str) -> Option<Typed> {
    let mut text = String::new();
    let mut chars = rest.char_indices().skip(1);
    while let Some((at, char)) = chars.next() {
        match char {
            '"' => {
                *rest = &rest[at + 1..];
                let text = typed(SchemaType::String, Value::String(text));
                return Some(match &text.1 {
                    Value::String(inner) => temporal(inner).unwrap_or(text),
                    _ => text,
                });
            }
            '\\' => text.extend(chars.next().map(|(_, escaped)| escaped)),
            other => text.push(other),
        }
    }
    None
}

fn list(rest: &mut &str, depth: usize) -> Option<Typed> {
    takes(rest, '[');
    let mut items = Vec::new();
    while !takes(rest, ']') {
        items.push(value(rest, depth)?);
        if !takes(rest, ',') && !rest.trim_start().starts_with(']') {
            return None;
        }
    }
    let (of, items) = aligned(items)?;
    Some((of.map(|of| Schema::new(SchemaType::Array(Arc::new(of)))), Value::Array(items)))
}

fn map(rest: &mut &str, depth: usize) -> Option<Typed> {
    takes(rest, '{');
    let (mut keys, mut values) = (Vec::new(), Vec::new());
    while !takes(rest, '}') {
        let key = value(rest, depth).filter(|(_, key)| *key != Value::Null)?;
        if !takes(rest, ':') {
            return None;
        }
        let value = value(rest, depth)?;
        takes(rest, ',');
        // A key that stands twice has its last value.
        match keys.iter().position(|known| *known == key) {
            Some(at) => values[at] = value,
            None => {
                keys.push(key);
                values.push(value);
            }
        }
    }
    let ((of_keys, keys), (of_values, values)) = (aligned(keys)?, aligned(values)?);
    let schema = of_keys.zip(of_values).map(|(keys, values)| SchemaType::Map(Arc::new(keys), Arc::new(values)));
    Some((schema.map(Schema::new), Value::Map(keys.into_iter().zip(values).collect())))
}

/// Values and the schema that fits them all, if there is one: numbers become as wide as the widest. `None` if one of several
/// typed values is null.
fn aligned(items: Vec<Typed>) -> Option<(Option<Schema>, Vec<Value>)> {
    let schemas = || items.iter().filter_map(|(schema, _)| schema.as_ref());
    let first = schemas().next().cloned();
    let common = first.and_then(|first| schemas().skip(1).try_fold(first, |common, next| merged(&common, next)));
    let nulls = items.iter().any(|(_, value)| *value == Value::Null);
    match common {
        Some(_) if nulls => None,
        Some(common) => {
            let values = items.into_iter().map(|(_, value)| widened(value, &common.kind)).collect();
            Some((Some(common), values))
        }
        None => Some((None, items.into_iter().map(|(_, value)| value).collect())),
    }
}

fn merged(one: &Schema, other: &Schema) -> Option<Schema> {
    let rank = |schema: &Schema| {
        let order = [
            SchemaType::Int8,
            SchemaType::Int16,
            SchemaType::Int32,
            SchemaType::Int64,
            SchemaType::Float32,
            SchemaType::Float64,
        ];
        order.iter().position(|kind| schema.name.is_none() && *kind == schema.kind)
    };
    match (rank(one), rank(other)) {
        (Some(low), Some(high)) => Some(if low >= high { one.clone() } else { other.clone() }),
        (None, None) if one == other => Some(other.clone()),
        // Lists and maps of whatever.
        (None, None) if std::mem::discriminant(&one.kind) == std::mem::discriminant(&other.kind) => {
            (one.name == other.name).then(|| other.clone())
        }
        _ => None,
    }
}

fn widened(value: Value, kind: &SchemaType) -> Value {
    let whole = match value {
        Value::Int8(number) => i64::from(number),
        Value::Int16(number) => i64::from(number),
        Value::Int32(number) => i64::from(number),
        Value::Int64(number) => number,
        Value::Float32(number) if *kind == SchemaType::Float64 => return Value::Float64(number.into()),
        other => return other,
    };
    match kind {
        // `aligned` has chosen a type that is wide enough.
        SchemaType::Int16 => Value::Int16(whole as i16),
        SchemaType::Int32 => Value::Int32(whole as i32),
        SchemaType::Int64 => Value::Int64(whole),
        SchemaType::Float32 => Value::Float32(whole as f32),
        SchemaType::Float64 => Value::Float64(whole as f64),
        _ => value,
    }
}

/// A date, a time of day or both, by the length of its text.
fn temporal(text: &str) -> Option<Typed> {
    if !text.starts_with(|first: char| first.is_ascii_digit()) {
        return None;
    }
    let text = text.replace("\\:", ":");
    let (name, pattern) = match text.len() {
        10 => (DATE, "yyyy-MM-dd"),
        13 => (TIME, "HH:mm:ss.SSS'Z'"),
        24 => (TIMESTAMP, "yyyy-MM-dd'T'HH:mm:ss.SSS'Z'"),
        _ => return None,
    };
    // No year here has two digits, so this one does not matter.
    let time_ms = Format::parse(pattern).ok()?.read(&text, 2000)?;
    Some((Some(Schema::temporal(name)), Value::Date(time_ms)))
}

/// The smallest integer that holds it, or a floating point number; `None` for what is neither.
fn number(word: &str) -> Option<Typed> {
    let unsigned = word.strip_prefix(['+', '-']).unwrap_or(word);
    let digits_first = word.starts_with(|first: char| first.is_ascii_digit() || first == '+' || first == '-');
    if !digits_first || !unsigned.chars().all(|char| char.is_ascii_digit() || ".eE+-".contains(char)) {
        return None;
    }
    let number: f64 = word.parse().ok()?;
    let whole = whole(word);
    if whole.is_none() && !word.contains(['.', 'e', 'E']) {
        return None;
    }
    let Some(whole) = whole else {
        let single = number as f32;
        return if single.is_finite() {
            Some(typed(SchemaType::Float32, Value::Float32(single)))
        } else {
            number.is_finite().then(|| typed(SchemaType::Float64, Value::Float64(number)))
        };
    };
    Some(if let Ok(small) = i8::try_from(whole) {
        typed(SchemaType::Int8, Value::Int8(small))
    } else if let Ok(small) = i16::try_from(whole) {
        typed(SchemaType::Int16, Value::Int16(small))
    } else if let Ok(small) = i32::try_from(whole) {
        typed(SchemaType::Int32, Value::Int32(small))
    } else {
        typed(SchemaType::Int64, Value::Int64(whole))
    })
}

/// The number that `12`, `1.20e1` and `120e-1` are, if it has 64 bits.
fn whole(word: &str) -> Option<i64> {
    let (mantissa, exponent) = word.split_once(['e', 'E']).unwrap_or((word, "0"));
    let (before, after) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let after = after.trim_end_matches('0');
    let zeros = exponent.parse::<i64>().ok()?.checked_sub(i64::try_from(after.len()).ok()?)?;
    let digits: i128 = format!("{before}{after}").parse().ok()?;
    if digits == 0 {
        return Some(0);
    }
    let number = match u32::try_from(zeros) {
        Ok(zeros) => digits.checked_mul(10_i128.checked_pow(zeros)?)?,
        Err(_) => {
            let power = 10_i128.checked_pow(u32::try_from(-zeros).ok()?)?;
            (digits % power == 0).then_some(digits / power)?
        }
    };
    i64::try_from(number).ok()
}

#[cfg(test)]
mod tests {
    use super::super::header::to_text;
    use super::super::transforms::type_name;
    use super::*;

    fn shown(schema: &Schema) -> String {
        match &schema.kind {
            SchemaType::Array(of) => format!("ARRAY<{}>", shown(of)),
            SchemaType::Map(keys, values) => format!("MAP<{},{}>", shown(keys), shown(values)),
            kind => match &schema.name {
                Some(name) => name.rsplit('.').next().unwrap().to_owned(),
                None => type_name(kind).to_owned(),
            },
        }
    }

    /// Asked of Java's `Values.parseString` and `convertToString`, 4.3.0.
    #[test]
    fn literals_have_the_types_that_java_gives_them() {
        for (literal, schema, text) in [
            ("true", "BOOLEAN", "true"),
            ("True", "STRING", "True"),
            (" true ", "BOOLEAN", "true"),
            ("17", "INT8", "17"),
            (" 17 ", "INT8", "17"),
            ("+5", "INT8", "5"),
            ("-0", "INT8", "0"),
            ("-300", "INT16", "-300"),
            ("70000", "INT32", "70000"),
            ("1234567890", "INT32", "1234567890"),
            ("9223372036854775807", "INT64", "9223372036854775807"),
            ("1.", "INT8", "1"),
            ("1e3", "INT16", "1000"),
            ("1200e-2", "INT8", "12"),
            ("1e16", "INT64", "10000000000000000"),
            ("0.00", "INT8", "0"),
            ("1.5", "FLOAT32", "1.5"),
            ("-0.5", "FLOAT32", "-0.5"),
            ("0.0001", "FLOAT32", "1.0E-4"),
            ("10000000.5", "FLOAT32", "1.0E7"),
            ("1.23456789012", "FLOAT32", "1.2345679"),
            ("1e19", "FLOAT32", "1.0E19"),
            ("1e300", "FLOAT64", "1.0E300"),
            ("null", "", "null"),
            (".5", "STRING", ".5"),
            ("-", "STRING", "-"),
            ("1d", "STRING", "1d"),
            ("1_000", "STRING", "1_000"),
            ("NaN", "STRING", "NaN"),
            ("\"17\"", "STRING", "\"17\""),
            ("null x", "STRING", "null x"),
            ("true}", "STRING", "true}"),
            ("17 apples", "STRING", "17 apples"),
            ("", "STRING", ""),
            ("  ", "STRING", "  "),
            ("2024-01-02", "Date", "2024-01-02"),
            ("15:26:06.054Z", "Time", "15:26:06.054Z"),
            ("2024-01-02T15:26:06.054Z", "Timestamp", "2024-01-02T15:26:06.054Z"),
            ("[1,2]", "ARRAY<INT8>", "[1,2]"),
            ("[1, 300]", "ARRAY<INT16>", "[1,300]"),
            ("[1,2.5]", "ARRAY<FLOAT32>", "[1.0,2.5]"),
            ("[1,]", "ARRAY<INT8>", "[1]"),
            ("[\"a\",\"b\"]", "ARRAY<STRING>", "[\"a\",\"b\"]"),
            ("[[1],[2]]", "ARRAY<ARRAY<INT8>>", "[[1],[2]]"),
            ("[2024-01-02,2024-01-03]", "ARRAY<Date>", "[2024-01-02,2024-01-03]"),
            ("[\"2024-01-02\"]", "ARRAY<Date>", "[2024-01-02]"),
            ("[15:26:06.054Z]", "ARRAY<Time>", "[15:26:06.054Z]"),
            ("[1,\"a\"]", "", "[1,\"a\"]"),
            ("[ ]", "", "[]"),
            ("[null]", "", "[null]"),
            ("[null,1]", "STRING", "[null,1]"),
            ("[a]", "STRING", "[a]"),
            ("[,1]", "STRING", "[,1]"),
            ("[1", "STRING", "[1"),
            ("{\"a\":1,\"b\":300}", "MAP<STRING,INT16>", "{\"a\":1,\"b\":300}"),
            ("{\"a\":1 \"b\":2}", "MAP<STRING,INT8>", "{\"a\":1,\"b\":2}"),
            ("{1:2}", "MAP<INT8,INT8>", "{1:2}"),
            ("{\"a\":{\"b\":[true]}}", "MAP<STRING,MAP<STRING,ARRAY<BOOLEAN>>>", "{\"a\":{\"b\":[true]}}"),
            ("{\"t\":15:26:06.054Z}", "MAP<STRING,Time>", "{\"t\":15:26:06.054Z}"),
            ("{}", "", "{}"),
            ("{\"a\":null}", "", "{\"a\":null}"),
            ("{a:1}", "STRING", "{a:1}"),
            ("{null:1}", "STRING", "{null:1}"),
        ] {
            let (found, value) = parse(literal);
            assert_eq!(
                (found.as_ref().map(shown).unwrap_or_default().as_str(), to_text(&value).as_str()),
                (schema, text),
                "{literal}"
            );
        }
    }

    #[test]
    fn what_java_cuts_or_doubles_stays_as_it_is() {
        for literal in ["17,5", "[1,2] tail", "2024-01-02 noon", "[\"a\\\"b\"]", "99999999999999999999", "1-2-3-4567é"]
        {
            assert_eq!(to_text(&parse(literal).1), literal);
        }
    }

    #[test]
    fn no_literal_goes_too_deep() {
        let literal = "[".repeat(100_000);

        assert_eq!(parse(&literal).1, Value::String(literal));
    }
}
