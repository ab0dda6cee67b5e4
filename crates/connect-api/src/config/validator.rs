//! Rules beyond a key's type, in Java's words.

use std::fmt;

use super::typed::Parsed;

/// A rule on one value.
#[derive(Clone, Copy)]
pub enum Validator {
    /// A number in a range, both ends included.
    Range {
        /// The smallest allowed, if any.
        min: Option<i64>,
        /// The largest allowed, if any.
        max: Option<i64>,
    },
    /// One of these texts; for a list, every item (Java: `ValidString`, `ValidList`).
    OneOf(&'static [&'static str]),
    /// One of these texts in any case (Java: `CaseInsensitiveValidString`).
    OneOfIgnoringCase(&'static [&'static str]),
    /// Text that is not empty (Java: `NonEmptyString`).
    NonEmpty,
    /// Text that is not empty and holds no ISO control character (Java: `NonEmptyStringWithoutControlChars`).
    NonEmptyWithoutControlChars,
    /// A list without an item twice and without empty items (Java 4.x: `ValidList.anyNonDuplicateValues`).
    NoDuplicates,
    /// A list of at least one item, none twice and none empty (Java 4.x: `ValidList.anyNonDuplicateValues(false, …)`).
    SomeWithoutDuplicates,
    /// A list of aliases, none twice (Java: `ConnectorConfig.aliasValidator`).
    UniqueAliases,
    /// A list of some of these texts, at least one, none twice (Java 4.x: `ValidList.in(false, …)`).
    SomeOf(&'static [&'static str]),
    /// Anything a function allows; it answers with the sentence after `Invalid value … for configuration …: `.
    Check(fn(&Parsed) -> Result<(), String>),
}

impl Validator {
    /// A number of at least `min`.
    #[must_use]
    pub const fn at_least(min: i64) -> Self {
        Validator::Range { min: Some(min), max: None }
    }

    /// A number from `min` to `max`.
    #[must_use]
    pub const fn between(min: i64, max: i64) -> Self {
        Validator::Range { min: Some(min), max: Some(max) }
    }

    /// Checks a parsed value. Null passes, except where the rule says "not empty".
    pub fn check(&self, name: &str, value: &Parsed) -> Result<(), String> {
        let why = match self {
            // These speak whole sentences.
            Validator::NoDuplicates => return valid_list(name, None, value),
            Validator::SomeWithoutDuplicates => return some_without_duplicates(name, value),
            Validator::SomeOf(allowed) => return valid_list(name, Some(allowed), value),
            Validator::UniqueAliases => return unique_aliases(name, value),
            Validator::Range { min, max } => range(*min, *max, value),
            Validator::OneOf(allowed) => one_of(allowed, value),
            Validator::OneOfIgnoringCase(allowed) => one_of_ignoring_case(allowed, value),
            Validator::NonEmpty => non_empty(value),
            Validator::NonEmptyWithoutControlChars => match value {
                Parsed::String(text) if text.is_empty() => Some("String may not be empty".to_owned()),
                value => control_chars(value),
            },
            Validator::Check(check) => check(value).err(),
        };
        match why {
            None => Ok(()),
            Some(why) => {
                let shown = value.to_text().unwrap_or_else(|| "null".to_owned());
                Err(format!("Invalid value {shown} for configuration {name}: {why}"))
            }
        }
    }
}

impl fmt::Debug for Validator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Validator::Range { min, max } => write!(f, "[{min:?},...,{max:?}]"),
            Validator::OneOf(allowed) | Validator::OneOfIgnoringCase(allowed) => write!(f, "{allowed:?}"),
            Validator::NonEmpty | Validator::NonEmptyWithoutControlChars => f.write_str("non-empty string"),
            Validator::NoDuplicates | Validator::SomeWithoutDuplicates => f.write_str(""),
            Validator::UniqueAliases => f.write_str("unique aliases"),
            Validator::SomeOf(allowed) => write!(f, "{allowed:?}"),
            Validator::Check(_) => f.write_str("check"),
        }
    }
}

fn unique_aliases(name: &str, value: &Parsed) -> Result<(), String> {
    let Parsed::List(items) = value else { return Ok(()) };
    match items.iter().enumerate().any(|(index, item)| items[..index].contains(item)) {
        true => {
            Err(format!("Invalid value [{}] for configuration {name}: Duplicate alias provided.", items.join(", ")))
        }
        false => Ok(()),
    }
}

fn range(min: Option<i64>, max: Option<i64>, value: &Parsed) -> Option<String> {
    let Parsed::Int(number) = value else { return None };
    if let Some(min) = min.filter(|min| number < min) {
        return Some(format!("Value must be at least {min}"));
    }
    max.filter(|max| number > max).map(|max| format!("Value must be no more than {max}"))
}

fn one_of(allowed: &[&str], value: &Parsed) -> Option<String> {
    let fits = |text: &String| allowed.contains(&text.as_str());
    match value {
        Parsed::String(text) if !fits(text) => Some(format!("String must be one of: {}", allowed.join(", "))),
        Parsed::List(items) if !items.iter().all(fits) => {
            Some(format!("String must be one of: {}", allowed.join(", ")))
        }
        _ => None,
    }
}

fn one_of_ignoring_case(allowed: &[&str], value: &Parsed) -> Option<String> {
    match value {
        Parsed::String(text) if !allowed.iter().any(|word| word.eq_ignore_ascii_case(text)) => {
            Some(format!("String must be one of (case insensitive): {}", allowed.join(", ")))
        }
        _ => None,
    }
}

fn non_empty(value: &Parsed) -> Option<String> {
    match value {
        Parsed::String(text) if text.is_empty() => Some("String must be non-empty".to_owned()),
        _ => None,
    }
}

fn control_chars(value: &Parsed) -> Option<String> {
    let Parsed::String(text) = value else { return None };
    let found: Vec<String> = text.chars().filter(|c| c.is_control()).map(|c| u32::from(c).to_string()).collect();
    (!found.is_empty()).then(|| {
        format!("String may not contain control sequences but had the following ASCII chars: {}", found.join(", "))
    })
}

fn some_without_duplicates(name: &str, value: &Parsed) -> Result<(), String> {
    match value {
        Parsed::List(items) if items.is_empty() => {
            Err(format!("Configuration '{name}' must not be empty. Valid values include: any non-empty value"))
        }
        _ => valid_list(name, None, value),
    }
}

/// Java: `ValidList.ensureValid`.
fn valid_list(name: &str, allowed: Option<&[&str]>, value: &Parsed) -> Result<(), String> {
    let items = match value {
        Parsed::List(items) => items,
        Parsed::Null => return Err(format!("Configuration '{name}' values must not be null.")),
        _ => return Ok(()),
    };
    if let Some(allowed) = allowed.filter(|_| items.is_empty()) {
        let allowed = allowed.join(", ");
        return Err(format!("Configuration '{name}' must not be empty. Valid values include: [{allowed}]"));
    }
    if items.iter().enumerate().any(|(index, item)| items[..index].contains(item)) {
        return Err(format!("Configuration '{name}' values must not be duplicated."));
    }
    for item in items {
        if item.is_empty() {
            return Err(format!("Configuration '{name}' values must not be empty."));
        }
        if let Some(allowed) = allowed.filter(|allowed| !allowed.contains(&item.as_str())) {
            let allowed = allowed.join(", ");
            return Err(format!("Invalid value {item} for configuration {name}: String must be one of: {allowed}"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(validator: Validator, items: &[&str]) -> Option<String> {
        validator.check("l", &Parsed::List(items.iter().map(|item| (*item).to_owned()).collect())).err()
    }

    #[test]
    fn lists_are_refused_in_the_words_of_java() {
        let formats = Validator::SomeOf(&["legacy", "new"]);

        assert_eq!(list(Validator::UniqueAliases, &["a", "b"]), None);
        assert_eq!(list(Validator::NoDuplicates, &[]), None);
        assert_eq!(
            list(Validator::SomeWithoutDuplicates, &[]).as_deref(),
            Some("Configuration 'l' must not be empty. Valid values include: any non-empty value")
        );
        assert_eq!(
            list(Validator::SomeWithoutDuplicates, &["a", "a"]).as_deref(),
            Some("Configuration 'l' values must not be duplicated.")
        );
        assert_eq!(
            list(Validator::UniqueAliases, &["t", "t"]).as_deref(),
            Some("Invalid value [t, t] for configuration l: Duplicate alias provided.")
        );

        assert_eq!(list(Validator::NoDuplicates, &[]), None);
        assert_eq!(
            list(Validator::NoDuplicates, &["a", "b", "a"]).as_deref(),
            Some("Configuration 'l' values must not be duplicated.")
        );
        assert_eq!(
            list(Validator::NoDuplicates, &["a", ""]).as_deref(),
            Some("Configuration 'l' values must not be empty.")
        );
        assert_eq!(
            list(formats, &[]).as_deref(),
            Some("Configuration 'l' must not be empty. Valid values include: [legacy, new]")
        );
        assert_eq!(
            list(formats, &["legacy", "old"]).as_deref(),
            Some("Invalid value old for configuration l: String must be one of: legacy, new")
        );
        assert_eq!(list(formats, &["new", "legacy"]), None);
    }
}
