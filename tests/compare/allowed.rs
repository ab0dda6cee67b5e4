//! What our worker may answer differently from Java's, and why. Nothing else may.

use crate::difference::Difference;

/// One tolerated difference. In all patterns `*` stands for any text.
pub(crate) struct Allowed {
    /// The request: method and path, as the script prints it.
    pub(crate) asked: &'static str,
    /// The statuses of both answers, Java's first.
    pub(crate) statuses: &'static str,
    /// The place in the answer.
    pub(crate) at: &'static str,
    /// Why it is better so, or why nobody minds.
    pub(crate) why: &'static str,
}

const fn allow(asked: &'static str, statuses: &'static str, at: &'static str, why: &'static str) -> Allowed {
    Allowed { asked, statuses, at, why }
}

/// The list.
pub(crate) const ALLOWED: &[Allowed] = &[
    allow("GET /", "200/200", "body.commit", "who we are; tools look at the version only"),
    allow("*", "500/400", "*", "a client's mistake is 400 with a sentence that names it, not 500 with an exception's text"),
    allow("*", "404/404", "header content-type", "JSON is declared as such also where Java forgets to"),
    allow("*", "405/405", "header content-type", "as above"),
    allow("*", "406/406", "header content-type", "as above"),
    allow("*", "415/415", "header content-type", "as above"),
    allow("*", "405/405", "header allow", "RFC 9110 wants 405 to say what is allowed"),
    allow("*", "*", "*.documentation", "our own words; same keys, types, defaults, groups, order and widths"),
    allow("*", "400/404", "*", "Jetty refuses paths that it finds ambiguous in HTML"),
    allow("* Upgrade:h2c", "400/200", "*", "Java's HTTP client offers h2c; Jetty refuses it without the other headers"),
];

impl Allowed {
    pub(crate) fn covers(&self, asked: &str, difference: &Difference) -> bool {
        matches(self.asked, asked) && matches(self.statuses, &difference.statuses) && matches(self.at, &difference.at)
    }
}

/// Whether `text` is of the form of `pattern`.
fn matches(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((start, rest)) => text.strip_prefix(start).is_some_and(|text| {
            rest.is_empty()
                || (0..=text.len()).filter(|&at| text.is_char_boundary(at)).any(|at| matches(rest, &text[at..]))
        }),
    }
}
