//! Who a principal of the source is on the target: rules in the form of Kafka's `ssl.principal.mapping.rules` (KIP-371),
//! tried in order on the whole principal (`User:alice`).
//!
//! `RULE:pattern/replacement/` replaces, with `$1` for the first group; a final `L` or `U` makes the result lower or upper
//! case. `DEFAULT` keeps the principal. One that no rule matches has no counterpart: its ACLs are not copied.

use std::str::FromStr;

use thiserror::Error;

use crate::java_regex::{JavaRegex, JavaRegexError};

/// A list of rules.
#[derive(Debug, Clone)]
pub struct PrincipalRules(Vec<Rule>);

#[derive(Debug, Clone)]
enum Rule {
    Keep,
    Replace { pattern: JavaRegex, replacement: String, case: Case },
}

#[derive(Debug, Clone, Copy)]
enum Case {
    AsItIs,
    Lower,
    Upper,
}

/// Rules that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum BadRules {
    /// Not a rule.
    #[error("expected DEFAULT or RULE:pattern/replacement/ with an optional L or U at {0:?}")]
    Syntax(String),
    /// A pattern that cannot be used.
    #[error(transparent)]
    Pattern(#[from] JavaRegexError),
    /// Nothing would ever be copied.
    #[error("no rule: write DEFAULT to keep principals as they are")]
    Empty,
}

impl PrincipalRules {
    /// The principal on the target; `None` if no rule is for it.
    pub fn apply(&self, principal: &str) -> Result<Option<String>, JavaRegexError> {
        for rule in &self.0 {
            match rule {
                Rule::Keep => return Ok(Some(principal.to_owned())),
                Rule::Replace { pattern, replacement, case } => {
                    if let Some(groups) = pattern.groups(principal)? {
                        let replaced = filled_in(replacement, &groups);
                        return Ok(Some(match case {
                            Case::AsItIs => replaced,
                            Case::Lower => replaced.to_lowercase(),
                            Case::Upper => replaced.to_uppercase(),
                        }));
                    }
                }
            }
        }
        Ok(None)
    }
}

impl FromStr for PrincipalRules {
    type Err = BadRules;

    fn from_str(text: &str) -> Result<Self, BadRules> {
        let mut rules = Vec::new();
        let mut rest = text.trim();
        while !rest.is_empty() {
            let bad = || BadRules::Syntax(rest.to_owned());
            let after = if let Some(after) = rest.strip_prefix("DEFAULT") {
                rules.push(Rule::Keep);
                after
            } else {
                let (pattern, after) = rest.strip_prefix("RULE:").and_then(until_slash).ok_or_else(bad)?;
                let (replacement, after) = until_slash(after).ok_or_else(bad)?;
                let (case, after) = match after.as_bytes().first() {
                    Some(b'L') => (Case::Lower, &after[1..]),
                    Some(b'U') => (Case::Upper, &after[1..]),
                    _ => (Case::AsItIs, after),
                };
                rules.push(Rule::Replace { pattern: JavaRegex::new(&pattern)?, replacement, case });
                after
            };
            rest = match after.trim_start() {
                "" => "",
                after => after.strip_prefix(',').ok_or_else(bad)?.trim_start(),
            };
        }
        if rules.is_empty() { Err(BadRules::Empty) } else { Ok(Self(rules)) }
    }
}

/// Splits at the first `/` that has no backslash before it; a backslash before one goes.
fn until_slash(text: &str) -> Option<(String, &str)> {
    let mut before = String::new();
    let mut chars = text.char_indices().peekable();
    while let Some((index, char)) = chars.next() {
        match (char, chars.peek()) {
            ('/', _) => return Some((before, &text[index + 1..])),
            ('\\', Some((_, '/'))) => {
                before.push('/');
                chars.next();
            }
            ('\\', Some(&(_, next))) => {
                before.extend([char, next]);
                chars.next();
            }
            _ => before.push(char),
        }
    }
    None
}

/// `$0` to `$9` become groups; a group that took no part is empty.
fn filled_in(replacement: &str, groups: &[String]) -> String {
    let mut filled = String::new();
    let mut chars = replacement.chars().peekable();
    while let Some(char) = chars.next() {
        let digit = chars.peek().and_then(|next| next.to_digit(10)).filter(|_| char == '$');
        match digit {
            Some(digit) => {
                chars.next();
                filled.push_str(groups.get(digit as usize).map_or("", String::as_str));
            }
            None => filled.push(char),
        }
    }
    filled
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mapped(rules: &str, principal: &str) -> Option<String> {
        rules.parse::<PrincipalRules>().unwrap().apply(principal).unwrap()
    }

    #[test]
    fn the_first_rule_that_matches_the_whole_principal_wins() {
        let rules = r"RULE:User:CN=([^,]+),.*/User:$1/L, RULE:User:(svc)-(.*)/User:$2.$1/U ,DEFAULT";

        assert_eq!(mapped(rules, "User:CN=Alice,OU=it").as_deref(), Some("user:alice"));
        assert_eq!(mapped(rules, "User:svc-pay").as_deref(), Some("USER:PAY.SVC"));
        assert_eq!(mapped(rules, "User:bob").as_deref(), Some("User:bob"));
    }

    #[test]
    fn without_a_rule_there_is_no_counterpart() {
        assert_eq!(mapped("RULE:User:a/User:b/", "User:a").as_deref(), Some("User:b"));
        assert_eq!(mapped("RULE:User:a/User:b/", "User:aa"), None);
    }

    #[test]
    fn slashes_are_written_with_a_backslash() {
        assert_eq!(mapped(r"RULE:User:a\/(\d+)/User:b\/$1/", "User:a/7").as_deref(), Some("User:b/7"));
    }

    #[test]
    fn what_is_no_rule_is_refused() {
        for text in ["User:a=User:b", "RULE:a", "RULE:a/b", "DEFAULT DEFAULT", "RULE:a/b/X"] {
            assert!(matches!(text.parse::<PrincipalRules>(), Err(BadRules::Syntax(_))), "{text}");
        }
        assert!(matches!("RULE:(/b/".parse::<PrincipalRules>(), Err(BadRules::Pattern(_))));
        assert!(matches!(" ".parse::<PrincipalRules>(), Err(BadRules::Empty)));
    }
}
