//! Times in the formats of Java's `SimpleDateFormat`: to text here, from text in [`read`]; in UTC, with English names, by the
//! Gregorian calendar.
//!
//! Weeks of the year and month (`w`, `W`, `Y`) depend on the country that a JVM believes to be in, and are refused.

mod read;

use std::fmt;

use chrono::{DateTime, Datelike, Timelike, Utc};

/// A format that has been checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Format {
    pattern: String,
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    /// A letter of the pattern, and how often it stands there.
    Field(char, usize),
}

/// The letters that stand for something.
const LETTERS: &str = "GyMLdDFEuHkKhmsSaZXz";

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

impl Format {
    /// Reads a pattern.
    ///
    /// # Errors
    /// It has a letter that is none of `GyMLdDFEuHkKhmsSaZXz`, or an open quote. The sentence is Java's.
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
                letter if LETTERS.contains(letter) => match parts.last_mut() {
                    Some(Part::Field(last, count)) if *last == letter => {
                        *count += 1;
                        continue;
                    }
                    _ => Part::Field(letter, 1),
                },
                'w' | 'W' | 'Y' => {
                    return Err(format!(
                        "pattern character '{char}' is not supported: weeks differ from country to country"
                    ));
                }
                other if other.is_ascii_alphabetic() => return Err(format!("Illegal pattern character '{other}'")),
                other => Part::Text(other.to_string()),
            };
            parts.push(part);
        }
        match parts.iter().find(|part| matches!(part, Part::Field('X', 4..))) {
            Some(Part::Field(_, count)) => Err(format!("invalid ISO 8601 format: length={count}")),
            _ => Ok(Self { pattern: pattern.to_owned(), parts }),
        }
    }

    /// A time in this format; `None` if it is out of reach (262,000 years).
    #[must_use]
    pub fn format(&self, timestamp_ms: i64) -> Option<String> {
        let time = DateTime::<Utc>::from_timestamp_millis(timestamp_ms)?;
        Some(self.parts.iter().map(|part| part.format(&time)).collect())
    }
}

impl fmt::Display for Format {
    /// The pattern.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.pattern)
    }
}

impl Part {
    fn format(&self, time: &DateTime<Utc>) -> String {
        let (letter, width) = match self {
            Part::Text(text) => return text.clone(),
            Part::Field(letter, width) => (*letter, *width),
        };
        let number = |number: u32| format!("{number:0width$}");
        let name = |name: &str| if width >= 4 { name.to_owned() } else { name[..3].to_owned() };
        let (afternoon, hour_of_half) = time.hour12();
        let (after_christ, year) = time.year_ce();
        match letter {
            'G' => if after_christ { "AD" } else { "BC" }.to_owned(),
            'y' if width == 2 => format!("{:02}", year % 100),
            'y' => number(year),
            'M' | 'L' if width >= 3 => name(MONTHS[time.month0() as usize]),
            'M' | 'L' => number(time.month()),
            'd' => number(time.day()),
            'D' => number(time.ordinal()),
            'F' => number(time.day0() / 7 + 1),
            'E' => name(DAYS[time.weekday().num_days_from_monday() as usize]),
            'u' => number(time.weekday().number_from_monday()),
            'H' => number(time.hour()),
            'k' => number(if time.hour() == 0 { 24 } else { time.hour() }),
            'K' => number(hour_of_half % 12),
            'h' => number(hour_of_half),
            'm' => number(time.minute()),
            's' => number(time.second()),
            'S' => number(time.timestamp_subsec_millis()),
            'a' => if afternoon { "PM" } else { "AM" }.to_owned(),
            'Z' => "+0000".to_owned(),
            'X' => "Z".to_owned(),
            // `z`; nothing else gets through `parse`.
            _ if width >= 4 => "Coordinated Universal Time".to_owned(),
            _ => "UTC".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What Java 17 prints of 2026-11-22T15:26:06.054Z, 1970-01-01T00:00Z and 1969-12-31T23:59:59.999Z.
    #[test]
    fn times_are_printed_as_java_prints_them() {
        for (pattern, expected) in [
            ("yyyyMMdd", "20261122 | 19700101 | 19691231"),
            (
                "yyyy-MM-dd'T'HH:mm:ss.SSSX",
                "2026-11-22T15:26:06.054Z | 1970-01-01T00:00:00.000Z | 1969-12-31T23:59:59.999Z",
            ),
            ("yyyy''MM'o''clock'", "2026'11o'clock | 1970'01o'clock | 1969'12o'clock"),
            ("G yyyyy", "AD 02026 | AD 01970 | AD 01969"),
            ("yy y", "26 2026 | 70 1970 | 69 1969"),
            ("M MMM MMMM L LLL", "11 Nov November 11 Nov | 1 Jan January 1 Jan | 12 Dec December 12 Dec"),
            ("d D DDD F", "22 326 326 4 | 1 1 001 1 | 31 365 365 5"),
            ("E EEE EEEE u", "Sun Sun Sunday 7 | Thu Thu Thursday 4 | Wed Wed Wednesday 3"),
            ("H k K h HHH", "15 15 3 3 015 | 0 24 0 12 000 | 23 23 11 11 023"),
            ("m s S SS SSSS a", "26 6 54 54 0054 PM | 0 0 0 00 0000 AM | 59 59 999 999 0999 PM"),
            ("z Z X XXX", "UTC +0000 Z Z | UTC +0000 Z Z | UTC +0000 Z Z"),
        ] {
            let format = Format::parse(pattern).unwrap();
            let shown = [1_795_361_166_054, 0, -1].map(|time| format.format(time).unwrap());
            assert_eq!(shown.join(" | "), expected, "{pattern}");
        }
    }

    #[test]
    fn a_pattern_that_can_not_be_followed_is_refused() {
        for (pattern, reason) in [
            ("yyyy-bb", "Illegal pattern character 'b'"),
            ("'T", "Unterminated quote"),
            ("XXXX", "invalid ISO 8601 format: length=4"),
            ("YYYY-'W'ww", "pattern character 'Y' is not supported: weeks differ from country to country"),
        ] {
            assert_eq!(Format::parse(pattern).unwrap_err(), reason, "{pattern}");
        }
    }
}
