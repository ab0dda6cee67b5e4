//! Times in the formats of Java's `SimpleDateFormat`, in UTC, as far as digits go.

use chrono::{DateTime, Datelike, Timelike, Utc};

/// A format that has been checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Format(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    /// A letter of the pattern, and how often it stands there.
    Field(char, usize),
}

impl Format {
    /// Reads a pattern.
    ///
    /// # Errors
    /// It has a letter that is none of `yMdHhmsSDaZXz`, or an open quote. The sentence is Java's.
    pub fn parse(pattern: &str) -> Result<Self, String> {
        let mut parts: Vec<Part> = Vec::new();
        let mut chars = pattern.chars().peekable();
        while let Some(char) = chars.next() {
            let part = match char {
                '\'' if chars.peek() == Some(&'\'') => {
                    chars.next();
                    Part::Text("'".to_owned())
                }
                '\'' => {
                    let mut text = String::new();
                    loop {
                        match chars.next() {
                            Some('\'') if chars.peek() == Some(&'\'') => text.extend(chars.next()),
                            Some('\'') => break,
                            Some(other) => text.push(other),
                            None => return Err("Unterminated quote".to_owned()),
                        }
                    }
                    Part::Text(text)
                }
                letter if "yMdHhmsSDaZXz".contains(letter) => match parts.last_mut() {
                    Some(Part::Field(last, count)) if *last == letter => {
                        *count += 1;
                        continue;
                    }
                    _ => Part::Field(letter, 1),
                },
                other if other.is_ascii_alphabetic() => return Err(format!("Illegal pattern character '{other}'")),
                other => Part::Text(other.to_string()),
            };
            parts.push(part);
        }
        Ok(Self(parts))
    }

    /// A time in this format; `None` if it is out of reach.
    #[must_use]
    pub fn format(&self, timestamp_ms: i64) -> Option<String> {
        let time = DateTime::<Utc>::from_timestamp_millis(timestamp_ms)?;
        Some(self.0.iter().map(|part| part.format(&time)).collect())
    }
}

impl Part {
    fn format(&self, time: &DateTime<Utc>) -> String {
        let (letter, width) = match self {
            Part::Text(text) => return text.clone(),
            Part::Field(letter, width) => (*letter, *width),
        };
        let number = |number: u32| format!("{number:0width$}");
        match letter {
            'y' if width == 2 => format!("{:02}", time.year().rem_euclid(100)),
            'y' => format!("{:0width$}", time.year()),
            'M' if width >= 4 => time.format("%B").to_string(),
            'M' if width == 3 => time.format("%b").to_string(),
            'M' => number(time.month()),
            'd' => number(time.day()),
            'D' => number(time.ordinal()),
            'H' => number(time.hour()),
            'h' => number(time.hour12().1),
            'm' => number(time.minute()),
            's' => number(time.second()),
            'S' => number(time.timestamp_subsec_millis()),
            'a' => if time.hour12().0 { "PM" } else { "AM" }.to_owned(),
            'Z' => "+0000".to_owned(),
            'X' => "Z".to_owned(),
            // `z`; nothing else gets through `parse`.
            _ => "UTC".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_java_s() {
        let shown = |pattern: &str| Format::parse(pattern).unwrap().format(1_795_361_166_054).unwrap();

        for (pattern, expected) in [
            ("yyyyMMdd", "20261122"),
            ("yyyy-MM-dd'T'HH:mm:ss.SSSX", "2026-11-22T15:26:06.054Z"),
            ("yy D h a", "26 326 3 PM"),
            ("MMM ''d''", "Nov '22'"),
        ] {
            assert_eq!(shown(pattern), expected);
        }
        assert_eq!(Format::parse("yyyy-bb").unwrap_err(), "Illegal pattern character 'b'");
        assert!(Format::parse("'T").is_err());
    }
}
