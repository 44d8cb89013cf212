//! Bugs that are planted to see that the simulation finds them. They exist in this crate's own tests only.

use std::{
    cell::{Cell, RefCell},
    collections::HashSet,
};

use bson::oid::ObjectId;

/// What is wrong with the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bug {
    /// A message is told as confirmed when its save begins.
    ConfirmBeforeStore,
    /// The writer sleeps without looking at what waits for company or for its next attempt.
    LostWakeUp,
    /// A message that needed several attempts is told its end twice.
    EndTwiceAfterRetry,
}

thread_local! {
    // A simulation has its thread for itself.
    static PLANTED: Cell<Option<Bug>> = const { Cell::new(None) };
    static RETRIED: RefCell<HashSet<ObjectId>> = RefCell::default();
}

/// From now on this thread's servers have this bug.
pub fn plant(bug: Option<Bug>) {
    PLANTED.set(bug);
}

/// Whether this thread's servers have it.
pub fn has(bug: Bug) -> bool {
    PLANTED.get() == Some(bug)
}

/// A message is tried once more.
pub fn note_retry(id: ObjectId) {
    if has(Bug::EndTwiceAfterRetry) {
        RETRIED.with_borrow_mut(|retried| retried.insert(id));
    }
}

/// Whether it ends twice.
pub fn ends_twice(id: ObjectId) -> bool {
    has(Bug::EndTwiceAfterRetry) && RETRIED.with_borrow(|retried| retried.contains(&id))
}
