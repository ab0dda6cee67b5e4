//! The word that was probably meant.

/// The candidate that a typing mistake in `word` is nearest to, if any is near.
pub(crate) fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let typed = word.to_ascii_lowercase();
    let limit = (typed.len() / 4).clamp(1, 4);
    let distances = candidates.into_iter().map(|known| (distance(&typed, &known.to_ascii_lowercase()), known));
    distances.filter(|(distance, _)| (1..=limit).contains(distance)).min().map(|(_, known)| known)
}

/// Levenshtein's distance, in bytes.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.bytes().enumerate() {
            let substituted = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

/// `; did you mean x?`, or nothing.
pub fn did_you_mean<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> String {
    nearest(word, candidates).map(|meant| format!("; did you mean {meant}?")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_near_is_meant() {
        let known = ["topics", "topics.exclude", "groups"];

        assert_eq!(nearest("topcis.exclude", known), Some("topics.exclude"));
        assert_eq!(nearest("Groops", known), Some("groups"));
        assert_eq!(nearest("whatever", known), None);
        assert_eq!(did_you_mean("topcs", known), "; did you mean topics?");
    }
}
