//! The word that was probably meant.

use strsim::levenshtein;

/// The candidate that a typing mistake in `word` is nearest to, if any is near.
pub(crate) fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let typed = word.to_ascii_lowercase();
    let limit = (typed.len() / 4).clamp(1, 4);
    let distances = candidates.into_iter().map(|known| (levenshtein(&typed, &known.to_ascii_lowercase()), known));
    distances.filter(|(distance, _)| (1..=limit).contains(distance)).min().map(|(_, known)| known)
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
