//! What was meant by a name that nobody knows.

/// The one of some names that is most like another, if any is.
pub(super) fn alike<'n>(given: &str, known: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    let distance = |name: &&str| strsim::damerau_levenshtein(given, name);
    let nearest = known.into_iter().min_by_key(distance)?;
    let most = given.len().max(nearest.len()) * 2 / 5;
    (distance(&nearest) <= most.max(1)).then_some(nearest)
}
