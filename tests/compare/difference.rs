//! Two answers side by side: where they differ, as a list of places with both values.

use std::collections::BTreeSet;
use std::fmt;

use harness::Response;
use serde_json::Value;

/// Headers that clients act on. `Date`, `Server` and framing are nobody's business.
const HEADERS: &[&str] = &[
    "content-type",
    "location",
    "allow",
    "www-authenticate",
    "access-control-allow-origin",
    "access-control-allow-methods",
    "access-control-allow-headers",
    "access-control-allow-credentials",
    "access-control-max-age",
    "vary",
    "x-frame-options",
    "x-xss-protection",
    "cache-control",
];

/// One place at which two answers differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Difference {
    /// `status`, `header location`, or a path into the body: `body.configs[tasks.max].value.errors[0]`.
    pub(crate) at: String,
    /// Both statuses, as in `500/400`.
    pub(crate) statuses: String,
    pub(crate) java: String,
    pub(crate) ours: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let short = |text: &str| text.chars().take(400).collect::<String>();
        write!(f, "{}: java {} | ours {}", self.at, short(&self.java), short(&self.ours))
    }
}

const ABSENT: &str = "(absent)";

pub(crate) fn differences(java: &Response, ours: &Response) -> Vec<Difference> {
    let mut found = Found { statuses: format!("{}/{}", java.status, ours.status), list: Vec::new() };
    note(&mut found, "status", &java.status.to_string(), &ours.status.to_string());
    for &name in HEADERS {
        let of =
            |answer: &Response| answer.headers.get(name).map_or(ABSENT.to_owned(), |value| comparable(name, value));
        note(&mut found, &format!("header {name}"), &of(java), &of(ours));
    }
    match (serde_json::from_str::<Value>(&java.body), serde_json::from_str::<Value>(&ours.body)) {
        (Ok(java), Ok(ours)) => compare(&mut found, "body", Some(&java), Some(&ours)),
        _ => note(&mut found, "body", &text_body(java), &text_body(ours)),
    }
    found.list
}

struct Found {
    statuses: String,
    list: Vec<Difference>,
}

/// What is text is a list of methods, in any order.
fn text_body(answer: &Response) -> String {
    let is_text = answer.headers.get("content-type").is_some_and(|value| value.starts_with("text/plain"));
    if is_text { comparable("allow", &answer.body) } else { answer.body.clone() }
}

/// Lists in headers are sets, and so are the methods of `Allow`.
fn comparable(name: &str, value: &str) -> String {
    match name {
        "allow" | "access-control-allow-methods" | "vary" => {
            let items: BTreeSet<&str> = value.split(',').map(str::trim).collect();
            items.into_iter().collect::<Vec<_>>().join(",")
        }
        "content-type" => value.replace(' ', "").to_lowercase(),
        _ => value.to_owned(),
    }
}

fn note(found: &mut Found, at: &str, java: &str, ours: &str) {
    if java != ours {
        let statuses = found.statuses.clone();
        found.list.push(Difference { at: at.to_owned(), statuses, java: java.to_owned(), ours: ours.to_owned() });
    }
}

fn compare(found: &mut Found, at: &str, java: Option<&Value>, ours: Option<&Value>) {
    match (java, ours) {
        (Some(Value::Object(java)), Some(Value::Object(ours))) => {
            let keys: BTreeSet<&String> = java.keys().chain(ours.keys()).collect();
            for key in keys {
                compare(found, &format!("{at}.{key}"), java.get(key), ours.get(key));
            }
        }
        (Some(Value::Array(java)), Some(Value::Array(ours))) => match (by_name(java), by_name(ours)) {
            (Some(java), Some(ours)) => compare_named(found, at, &java, &ours),
            _ => {
                for index in 0..java.len().max(ours.len()) {
                    compare(found, &format!("{at}[{index}]"), java.get(index), ours.get(index));
                }
            }
        },
        (java, ours) => {
            let text = |value: Option<&Value>| value.map_or(ABSENT.to_owned(), Value::to_string);
            note(found, at, &text(java), &text(ours));
        }
    }
}

type Named<'a> = Vec<(String, &'a Value)>;

/// Entries that have names of their own are compared by those, so that one too many is one difference.
fn by_name(items: &[Value]) -> Option<Named<'_>> {
    let name = |item: &Value| {
        if let Value::String(text) = item {
            return Some(text.clone());
        }
        let own = item.get("name").or_else(|| item.get("value")?.get("name")).or_else(|| item.get("class"));
        own.and_then(Value::as_str).map(str::to_owned)
    };
    items.iter().map(|item| Some((name(item)?, item))).collect()
}

fn compare_named(found: &mut Found, at: &str, java: &Named<'_>, ours: &Named<'_>) {
    let get =
        |named: &Named<'_>, name: &str| named.iter().find(|(of, _)| of == name).map(|(_, value)| (*value).clone());
    let names: BTreeSet<&String> = java.iter().chain(ours).map(|(name, _)| name).collect();
    for name in names {
        compare(found, &format!("{at}[{name}]"), get(java, name).as_ref(), get(ours, name).as_ref());
    }
    // The order counts too, of those that both have.
    let common = |named: &Named<'_>, other: &Named<'_>| -> Vec<String> {
        named.iter().map(|(name, _)| name.clone()).filter(|name| get(other, name).is_some()).collect()
    };
    let (java, ours) = (common(java, ours), common(ours, java));
    let same = java.iter().zip(&ours).take_while(|(java, ours)| java == ours).count();
    note(found, &format!("{at} order"), &java[same..].join(","), &ours[same..].join(","));
}
