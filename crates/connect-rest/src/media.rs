//! What clients send and what they want back: JSON, both ways, as Java's resources declare it.

use axum::http::{HeaderMap, Method, StatusCode, header};

use crate::error::RestError;

/// 415 for a request that is declared as something else than JSON, or has a body and is not declared at all; 406 for a
/// client that does not take JSON.
pub(crate) fn check(method: &Method, headers: &HeaderMap, has_body: bool, answers_json: bool) -> Result<(), RestError> {
    let is_read = matches!(*method, Method::GET | Method::HEAD);
    let is_json = match headers.get(header::CONTENT_TYPE) {
        Some(content_type) => media(content_type.to_str().unwrap_or_default()) == "application/json",
        None => !has_body,
    };
    if !is_read && !is_json {
        return Err(RestError::plain(StatusCode::UNSUPPORTED_MEDIA_TYPE));
    }
    if !answers_json || takes_json(headers) { Ok(()) } else { Err(RestError::plain(StatusCode::NOT_ACCEPTABLE)) }
}

/// The type without its parameters.
fn media(text: &str) -> String {
    text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

fn takes_json(headers: &HeaderMap) -> bool {
    let mut wanted = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok()).peekable();
    let anything = wanted.peek().is_none();
    anything
        || wanted.flat_map(|value| value.split(',')).any(|range| {
            let refused = range.split(';').skip(1).any(|parameter| {
                parameter.trim().strip_prefix("q=").and_then(|q| q.parse::<f32>().ok()).is_some_and(|q| q <= 0.0)
            });
            !refused && matches!(media(range).as_str(), "*/*" | "application/*" | "application/json")
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(method: Method, headers: &[(header::HeaderName, &str)], has_body: bool) -> u16 {
        let headers = headers.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect();
        check(&method, &headers, has_body, true).err().map_or(200, |error| error.status.as_u16())
    }

    #[test]
    fn what_is_sent_must_be_declared_as_json() {
        let typed = |content_type| [(header::CONTENT_TYPE, content_type)];

        assert_eq!(answer(Method::PUT, &typed("application/json"), true), 200);
        assert_eq!(answer(Method::PUT, &typed("Application/JSON; charset=utf-8"), true), 200);
        assert_eq!(answer(Method::PUT, &typed("text/plain"), true), 415);
        assert_eq!(answer(Method::PUT, &typed("text/plain"), false), 415);
        assert_eq!(answer(Method::PUT, &[], true), 415);
        assert_eq!(answer(Method::PUT, &[], false), 200);
        assert_eq!(answer(Method::GET, &typed("text/plain"), false), 200);
    }

    #[test]
    fn json_is_what_there_is_to_have() {
        let wants = |range| [(header::ACCEPT, range)];

        assert_eq!(answer(Method::GET, &[], false), 200);
        for range in ["*/*", "application/*;q=0.1", "text/html, application/json;q=0.5", "text/html,*/*;q=0.8"] {
            assert_eq!(answer(Method::GET, &wants(range), false), 200, "{range}");
        }
        for range in ["text/plain", "application/json;q=0", "application/xml"] {
            assert_eq!(answer(Method::GET, &wants(range), false), 406, "{range}");
        }
    }
}
