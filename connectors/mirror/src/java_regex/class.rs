//! Character classes: `[…]` with ranges, nesting, negation and intersection, by the rules of `Pattern.clazz`.

use std::fmt::Write;

use super::JavaRegexError;
use super::translate::Parser;

pub(super) const ASCII_WORD: &str = "0-9A-Za-z_";
pub(super) const HORIZONTAL_SPACE: &str = r"\x{20}\x{9}\x{a0}\x{1680}\x{180e}\x{2000}-\x{200a}\x{202f}\x{205f}\x{3000}";
pub(super) const VERTICAL_SPACE: &str = r"\x{a}-\x{d}\x{85}\x{2028}\x{2029}";

const MAX_NESTING: usize = 32;

/// A set of characters.
#[derive(Debug, Clone)]
pub(super) enum Set {
    /// One.
    Char(char),
    /// From the first to the last.
    Range(char, char),
    /// What stands between the brackets of a class of the target syntax. Case is its own matter.
    Text {
        text: String,
        negated: bool,
    },
    Union(Vec<Set>),
    And(Box<Set>, Box<Set>),
    Not(Box<Set>),
}

impl Set {
    /// The set in the target syntax. `ignore_case` adds the other case of ASCII letters, as Java does without `(?u)`.
    pub(super) fn to_pattern(&self, ignore_case: bool) -> String {
        match self {
            Set::Char(char) if !(ignore_case && char.is_ascii_alphabetic()) => {
                let mut text = String::new();
                push_char(&mut text, *char);
                text
            }
            _ => self.to_class(ignore_case),
        }
    }

    fn to_class(&self, ignore_case: bool) -> String {
        let mut text = String::from("[");
        match self {
            Set::Char(char) => push_range(&mut text, *char, *char, ignore_case),
            Set::Range(first, last) => push_range(&mut text, *first, *last, ignore_case),
            Set::Text { text: inner, negated } => {
                text.push_str(if *negated { "^" } else { "" });
                text.push_str(inner);
            }
            Set::Union(sets) => sets.iter().for_each(|set| text.push_str(&set.to_class(ignore_case))),
            Set::And(left, right) => {
                text.push_str(&left.to_class(ignore_case));
                text.push_str("&&");
                text.push_str(&right.to_class(ignore_case));
            }
            Set::Not(set) => {
                text.push('^');
                text.push_str(&set.to_class(ignore_case));
            }
        }
        text.push(']');
        text
    }
}

fn push_char(text: &mut String, char: char) {
    if char.is_ascii_alphanumeric() {
        text.push(char);
    } else {
        // Writing to a String cannot fail.
        let _ = write!(text, r"\x{{{:x}}}", u32::from(char));
    }
}

fn push_range(text: &mut String, first: char, last: char, ignore_case: bool) {
    let mut push = |first: char, last: char| {
        push_char(text, first);
        text.push('-');
        push_char(text, last);
    };
    push(first, last);
    if ignore_case {
        for (lower, upper) in [('a'..='z', 'A'..='Z'), ('A'..='Z', 'a'..='z')] {
            let (start, end) = (first.max(*lower.start()), last.min(*lower.end()));
            if start <= end {
                let other = |char: char| {
                    let distance = u32::from(char) - u32::from(*lower.start());
                    char::from_u32(u32::from(*upper.start()) + distance).unwrap_or(char)
                };
                push(other(start), other(end));
            }
        }
    }
}

impl Parser<'_> {
    /// What follows `[`, with the `]` that ends it.
    pub(super) fn class(&mut self, depth: usize) -> Result<Set, JavaRegexError> {
        if depth > MAX_NESTING {
            return Err(self.unsupported("classes nested more than 32 deep"));
        }
        let negated = self.take('^');
        let set = self.class_items(depth)?;
        if !self.take(']') {
            return Err(self.syntax("unclosed character class"));
        }
        Ok(if negated { Set::Not(Box::new(set)) } else { set })
    }

    /// The items of a class up to its `]`, which stays. A `]` in front of all items is one.
    fn class_items(&mut self, depth: usize) -> Result<Set, JavaRegexError> {
        let mut all: Option<Set> = None;
        let mut last: Option<Set> = None;
        loop {
            let set = match self.plain(0) {
                Some(']') if all.is_some() => break,
                Some('[') => {
                    self.skip();
                    self.class(depth + 1)?
                }
                Some('&') if self.plain(1) == Some('&') => {
                    self.skip();
                    self.skip();
                    let right = self.right_of_and(depth)?;
                    let right = right.or_else(|| last.clone()).ok_or_else(|| self.syntax("bad class syntax"))?;
                    all = Some(match all.take() {
                        Some(left) => Set::And(Box::new(left), Box::new(right)),
                        None => right,
                    });
                    continue;
                }
                _ if self.peek().is_none() => return Err(self.syntax("unclosed character class")),
                _ => self.class_item()?,
            };
            last = Some(set.clone());
            all = Some(match all.take() {
                Some(Set::Union(mut sets)) => {
                    sets.push(set);
                    Set::Union(sets)
                }
                Some(other) => Set::Union(vec![other, set]),
                None => Set::Union(vec![set]),
            });
        }
        all.ok_or_else(|| self.syntax("unclosed character class"))
    }

    /// What stands behind `&&`: classes side by side, or all the rest of the class; nothing before `]` or another `&`.
    fn right_of_and(&mut self, depth: usize) -> Result<Option<Set>, JavaRegexError> {
        let mut right: Option<Set> = None;
        loop {
            match self.plain(0) {
                Some(']' | '&') => return Ok(right),
                _ if self.peek().is_none() => return Err(self.syntax("unclosed character class")),
                Some('[') => {
                    self.skip();
                    let class = self.class(depth + 1)?;
                    right = Some(match right {
                        Some(right) => Set::Union(vec![right, class]),
                        None => class,
                    });
                }
                // As in Java, this forgets classes that stand before it.
                _ => {
                    if depth > MAX_NESTING {
                        return Err(self.unsupported("classes nested more than 32 deep"));
                    }
                    right = Some(self.class_items(depth + 1)?);
                }
            }
        }
    }

    /// A character, a range or a set such as `\d`.
    fn class_item(&mut self) -> Result<Set, JavaRegexError> {
        let item = self.class_char()?;
        let Set::Char(first) = item else {
            return Ok(item);
        };
        if self.plain(0) != Some('-') || matches!(self.plain(1), Some('[' | ']')) {
            return Ok(Set::Char(first));
        }
        self.skip();
        match self.class_char()? {
            Set::Char(last) if first <= last => Ok(Set::Range(first, last)),
            _ => Err(self.syntax("illegal character range")),
        }
    }

    fn class_char(&mut self) -> Result<Set, JavaRegexError> {
        let unclosed = "unclosed character class";
        let token = self.next().ok_or_else(|| self.syntax(unclosed))?;
        if token.quoted || token.char != '\\' {
            return Ok(Set::Char(token.char));
        }
        let escaped = self.next().ok_or_else(|| self.syntax(unclosed))?;
        self.escaped(escaped, true)
    }
}
