//! Headers that every answer carries (`response.http.headers.config`; Jetty's `HeaderFilter`).
//!
//! A comma-separated list of `[action] [header name]:[value]`; a rule that has a comma in it stands in quotes. Actions are
//! `set`, `add`, and `setDate` and `addDate`, whose value is a number of milliseconds from now.

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use chrono::{DateTime, TimeDelta, Utc};
use thiserror::Error;

/// The rules, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ResponseHeaders(Vec<Rule>);

/// A rule that can't be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "\"{rule}\": {reason}; expected e.g. set X-Frame-Options:DENY, add Cache-Control:no-cache, setDate Expires:1000"
)]
pub struct ResponseHeadersError {
    /// As written.
    pub rule: String,
    /// What is wrong with it.
    pub reason: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Rule {
    replaces: bool,
    name: HeaderName,
    value: Value,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Value {
    Fixed(HeaderValue),
    MillisFromNow(TimeDelta),
}

impl ResponseHeaders {
    /// Reads the rules.
    ///
    /// # Errors
    /// One of them can't be used.
    pub fn parse(text: &str) -> Result<Self, ResponseHeadersError> {
        split(text).iter().map(|rule| Rule::parse(rule)).collect::<Result<_, _>>().map(Self)
    }

    pub(crate) fn add_to(&self, headers: &mut HeaderMap, now: DateTime<Utc>) {
        for rule in &self.0 {
            let value = match &rule.value {
                Value::Fixed(value) => Some(value.clone()),
                Value::MillisFromNow(delta) => now.checked_add_signed(*delta).and_then(http_date),
            };
            match value {
                Some(value) if rule.replaces => drop(headers.insert(rule.name.clone(), value)),
                Some(value) => drop(headers.append(rule.name.clone(), value)),
                None => {}
            }
        }
    }
}

fn http_date(moment: DateTime<Utc>) -> Option<HeaderValue> {
    HeaderValue::from_str(&moment.format("%a, %d %b %Y %H:%M:%S GMT").to_string()).ok()
}

impl Rule {
    fn parse(text: &str) -> Result<Self, ResponseHeadersError> {
        let wrong = |reason: &str| ResponseHeadersError { rule: text.to_owned(), reason: reason.to_owned() };
        let (action, header) = text.trim().split_once(char::is_whitespace).ok_or_else(|| wrong("no header"))?;
        let (replaces, is_date) = match action.to_ascii_lowercase().as_str() {
            "set" => (true, false),
            "add" => (false, false),
            "setdate" => (true, true),
            "adddate" => (false, true),
            _ => return Err(wrong("the action must be set, add, setDate or addDate")),
        };
        let (name, value) = header.split_once(':').ok_or_else(|| wrong("no value"))?;
        let (name, value) = (name.trim(), value.trim());
        let name = name.parse().map_err(|_| wrong("that is no header name"))?;
        let value = if is_date {
            let millis = value.parse().ok().and_then(TimeDelta::try_milliseconds);
            Value::MillisFromNow(millis.ok_or_else(|| wrong("the value must be a number of milliseconds"))?)
        } else {
            Value::Fixed(value.parse().map_err(|_| wrong("the value holds characters that a header can't"))?)
        };
        Ok(Self { replaces, name, value })
    }
}

/// Splits at commas outside of quotes, and takes the quotes away.
fn split(text: &str) -> Vec<String> {
    let mut rules = vec![String::new()];
    let mut is_quoted = false;
    for character in text.chars() {
        match (character, rules.last_mut()) {
            ('"', _) => is_quoted = !is_quoted,
            (',', _) if !is_quoted => rules.push(String::new()),
            (other, Some(rule)) => rule.push(other),
            (_, None) => {}
        }
    }
    rules.retain(|rule| !rule.trim().is_empty());
    rules
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_set_and_add_headers_and_dates() {
        let text = "add Cache-Control:no-cache, \"set Cache-Control: no-store, must-revalidate\", setDate Expires: 1500,\
                    add X-A:1, add X-A:2";
        let mut headers = HeaderMap::new();

        ResponseHeaders::parse(text).unwrap().add_to(&mut headers, DateTime::from_timestamp_millis(0).unwrap());

        assert_eq!(headers["cache-control"], "no-store, must-revalidate");
        assert_eq!(headers["expires"], "Thu, 01 Jan 1970 00:00:01 GMT");
        assert_eq!(headers.get_all("x-a").iter().count(), 2);
        assert_eq!(ResponseHeaders::parse(""), Ok(ResponseHeaders::default()));
    }

    #[test]
    fn a_wrong_rule_is_named() {
        for wrong in ["set", "set X", "put X:1", "set X Y:1", "setDate X:soon", "set X:\u{7}"] {
            let error = ResponseHeaders::parse(wrong).unwrap_err();
            assert_eq!(error.rule, wrong);
        }
    }
}
