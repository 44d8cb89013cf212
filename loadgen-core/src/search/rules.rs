//! The versions of what a search records, and by which rules the searches of each of them went: a result is verified by those
//! that it was made by.

/// The version of the schema of [`super::Found`].
pub const SEARCH_VERSION: u32 = 7;
/// The first version whose rules are still known.
pub const RULES_SINCE: u32 = 2;
/// The first version that keeps what was seen of the holds that decide.
pub const SEEN_SINCE: u32 = 3;

/// By which rules a search goes, the oldest first: each but the first has those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rules {
    /// Whatever a second hold at a rate came to, it was a second opinion of the first one.
    HeldTwice,
    /// A failure at which a search ends is seen twice, or in one of three holds, unless a hold that decided nothing came after it.
    FailedTwice,
    /// Such a hold says nothing against a failure, and is no second opinion on a contradiction either. What piled up is drained
    /// before anything is confirmed, and who interrupts a search ends only what is not answered yet.
    SeenTwice,
    /// A failure that was seen once is asked again as soon as a full hold below it was kept, and not only where the search would end.
    DoubtedEarly,
    /// What a generator without time to spare let pile up, or missed of any limit, is not charged to the server, and neither is a
    /// limit that a bare relay misses too. Only what waited for a store was waiting for it, and a confirmation that can't be had
    /// ends a search.
    ChargedRightly,
}

impl Rules {
    /// Those of [`SEARCH_VERSION`].
    pub const LATEST: Self = Self::ChargedRightly;

    /// Those of a version since [`RULES_SINCE`].
    pub fn of(version: u32) -> Self {
        match version {
            ..4 => Self::HeldTwice,
            4 => Self::FailedTwice,
            5 => Self::SeenTwice,
            6 => Self::DoubtedEarly,
            _ => Self::ChargedRightly,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_version_has_the_rules_that_it_was_made_by() {
        let rules = [2, 3, 4, 5, 6, 7].map(Rules::of);
        use Rules::{ChargedRightly, DoubtedEarly, FailedTwice, HeldTwice, SeenTwice};
        assert_eq!(
            rules,
            [
                HeldTwice,
                HeldTwice,
                FailedTwice,
                SeenTwice,
                DoubtedEarly,
                ChargedRightly
            ]
        );
        assert_eq!(Rules::of(SEARCH_VERSION), Rules::LATEST);
    }
}
