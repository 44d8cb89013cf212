//! Which arm comes when.

use super::arm::{Arm, Part};

/// The places of the arms in the order in which they are measured: the floor, if there is one, before the first of the
/// others and after each.
pub(super) fn order(arms: &[Arm<'_>]) -> Vec<usize> {
    let is_floor = |place: &usize| arms[*place].part == Part::Floor;
    let (floor, others): (Vec<usize>, Vec<usize>) = (0..arms.len()).partition(is_floor);
    let after = others
        .into_iter()
        .flat_map(|arm| std::iter::once(arm).chain(floor.clone()));
    floor.iter().copied().chain(after).collect()
}
