//! Long work of one task in portions, between which others run: a message that comes in meanwhile waits for one portion, and not
//! for all of it.

use tokio::task;

/// Steps of a portion. Each one wakes the tasks of a whole conversation.
const STEPS: usize = 32;

/// Does this to each of them, in their order, and lets others run after each portion.
pub async fn in_portions<T>(all: impl IntoIterator<Item = T>, mut each: impl FnMut(T)) {
    for (done, one) in all.into_iter().enumerate() {
        if done > 0 && done % STEPS == 0 {
            task::yield_now().await;
        }
        each(one);
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::Cell, rc::Rc};

    use super::*;

    #[tokio::test]
    async fn others_run_between_two_portions_and_the_order_stays() {
        let local = task::LocalSet::new();
        let turns = Rc::new(Cell::new(0));
        local.spawn_local({
            let turns = Rc::clone(&turns);
            async move {
                loop {
                    turns.set(turns.get() + 1);
                    task::yield_now().await;
                }
            }
        });
        let mut seen = Vec::new();
        local
            .run_until(in_portions(0..100, |one| seen.push((one, turns.get()))))
            .await;
        let order: Vec<usize> = seen.iter().map(|(one, _)| *one).collect();
        assert_eq!(order, (0..100).collect::<Vec<_>>());
        let mut turns: Vec<usize> = seen.iter().map(|(_, turn)| *turn).collect();
        turns.dedup();
        assert_eq!(turns.len(), 100_usize.div_ceil(STEPS), "{turns:?}");
    }
}
