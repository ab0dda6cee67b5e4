//! Pages of other sites that ask this API from a browser (`access.control.allow.origin`, `access.control.allow.methods`).

use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, header};

/// Which origins may ask, and with which methods.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cors {
    /// `*` for any.
    origins: Vec<String>,
    methods: Vec<String>,
}

impl Cors {
    /// From the two keys; `None` where no origin may.
    #[must_use]
    pub fn new(origins: &str, methods: &str) -> Option<Self> {
        let list = |text: &str| -> Vec<String> {
            text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect()
        };
        let (origins, mut methods) = (list(origins), list(methods));
        if methods.is_empty() {
            methods = ["GET", "POST", "HEAD"].map(str::to_owned).into();
        }
        (!origins.is_empty()).then_some(Self { origins, methods })
    }

    /// What to say to a request.
    pub(crate) fn judge(&self, method: &Method, headers: &HeaderMap) -> Verdict {
        let origin = headers.get(header::ORIGIN).filter(|origin| self.allows(origin));
        let asked_first = *method == Method::OPTIONS && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
        let mut allowed = Vec::new();
        if let Some(origin) = origin {
            allowed.push((header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone()));
            if asked_first {
                allowed.extend(self.preflight());
            }
        }
        Verdict(allowed)
    }

    fn allows(&self, origin: &HeaderValue) -> bool {
        let Ok(origin) = origin.to_str() else { return false };
        self.origins.iter().any(|allowed| allowed == "*" || allowed.eq_ignore_ascii_case(origin))
    }

    fn preflight(&self) -> Vec<(HeaderName, HeaderValue)> {
        let methods = HeaderValue::from_str(&self.methods.join(",")).ok();
        let methods = methods.map(|methods| (header::ACCESS_CONTROL_ALLOW_METHODS, methods));
        let fixed = [
            (header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("60")),
            (header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("Content-Type")),
        ];
        methods.into_iter().chain(fixed).collect()
    }
}

/// Headers for an answer.
pub(crate) struct Verdict(Vec<(HeaderName, HeaderValue)>);

impl Verdict {
    pub(crate) fn add_to(self, headers: &mut HeaderMap) {
        // What is said depends on who asks: caches must know.
        headers.append(header::VARY, HeaderValue::from_static("Origin"));
        headers.extend(self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(cors: &Cors, method: Method, origin: Option<&str>, preflight: bool) -> Vec<String> {
        let mut asked = HeaderMap::new();
        asked.extend(origin.map(|origin| (header::ORIGIN, origin.parse().unwrap())));
        asked.extend(preflight.then(|| (header::ACCESS_CONTROL_REQUEST_METHOD, "PUT".parse().unwrap())));
        let mut headers = HeaderMap::new();
        cors.judge(&method, &asked).add_to(&mut headers);
        headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect()
    }

    #[test]
    fn an_origin_that_may_ask_is_told_so_and_no_other() {
        let cors = Cors::new("https://a.example, http://b.example:80", "").unwrap();
        let allowed = ["vary: Origin", "access-control-allow-origin: https://a.example"];

        assert_eq!(said(&cors, Method::GET, Some("https://a.example"), false), allowed);
        assert_eq!(said(&cors, Method::GET, Some("https://evil.example"), false), ["vary: Origin"]);
        assert_eq!(said(&cors, Method::GET, None, false), ["vary: Origin"]);
        assert_eq!(Cors::new(" ", "GET"), None);
    }

    #[test]
    fn a_browser_that_asks_first_learns_the_methods() {
        let cors = Cors::new("*", "GET,PUT").unwrap();

        let said = said(&cors, Method::OPTIONS, Some("https://any.example"), true);

        assert!(said.contains(&"access-control-allow-origin: https://any.example".to_owned()), "{said:?}");
        assert!(said.contains(&"access-control-allow-methods: GET,PUT".to_owned()), "{said:?}");
    }
}
