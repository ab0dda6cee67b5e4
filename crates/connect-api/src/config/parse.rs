//! Text to value, by Java's rules and with Java's words (`ConfigDef.parseType`).

use super::def::ConfigType;
use super::typed::Parsed;

/// Parses the text of one key. Errors are whole sentences: `Invalid value x for configuration k: Not a number of type INT`.
pub fn parse_value(name: &str, text: &str, kind: ConfigType) -> Result<Parsed, String> {
    let trimmed = text.trim();
    let invalid = |why: &str| format!("Invalid value {text} for configuration {name}: {why}");
    let number = |min: i64, max: i64, type_name: &str| {
        trimmed
            .parse::<i64>()
            .ok()
            .filter(|value| (min..=max).contains(value))
            .ok_or_else(|| invalid(&format!("Not a number of type {type_name}")))
    };
    Ok(match kind {
        ConfigType::Boolean => match () {
            () if trimmed.eq_ignore_ascii_case("true") => Parsed::Boolean(true),
            () if trimmed.eq_ignore_ascii_case("false") => Parsed::Boolean(false),
            () => return Err(invalid("Expected value to be either true or false")),
        },
        ConfigType::String => Parsed::String(trimmed.to_owned()),
        ConfigType::Class => Parsed::Class(trimmed.to_owned()),
        ConfigType::Password => Parsed::Password(trimmed.to_owned()),
        ConfigType::Int => Parsed::Int(number(i32::MIN.into(), i32::MAX.into(), "INT")?),
        ConfigType::Short => Parsed::Int(number(i16::MIN.into(), i16::MAX.into(), "SHORT")?),
        ConfigType::Long => Parsed::Int(number(i64::MIN, i64::MAX, "LONG")?),
        ConfigType::Double => Parsed::Double(trimmed.parse().map_err(|_| invalid("Not a number of type DOUBLE"))?),
        ConfigType::List if trimmed.is_empty() => Parsed::List(Vec::new()),
        ConfigType::List => Parsed::List(trimmed.split(',').map(|item| item.trim().to_owned()).collect()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_split_at_commas_and_trimmed() {
        let parsed = parse_value("topics", " a , b\\.c ,d", ConfigType::List).unwrap();

        assert_eq!(parsed, Parsed::List(vec!["a".into(), "b\\.c".into(), "d".into()]));
        assert_eq!(parse_value("topics", "  ", ConfigType::List).unwrap(), Parsed::List(vec![]));
    }

    #[test]
    fn a_number_too_big_for_its_type_is_not_a_number_of_that_type() {
        let error = parse_value("rf", "40000", ConfigType::Short).unwrap_err();

        assert_eq!(error, "Invalid value 40000 for configuration rf: Not a number of type SHORT");
    }

    #[test]
    fn booleans_are_words_in_any_case() {
        assert_eq!(parse_value("b", "TRUE", ConfigType::Boolean).unwrap(), Parsed::Boolean(true));
        assert_eq!(
            parse_value("b", "yes", ConfigType::Boolean).unwrap_err(),
            "Invalid value yes for configuration b: Expected value to be either true or false"
        );
    }
}
