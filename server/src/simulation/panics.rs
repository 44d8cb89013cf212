//! Panics of the server's tasks, which the runtime would swallow.

use std::{cell::RefCell, panic, sync::Once};

thread_local! {
    static SEEN: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// From now on panics are noted, each in its thread.
pub fn watch() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |panicked| {
            SEEN.set(Some(panicked.to_string()));
            before(panicked);
        }));
    });
    SEEN.set(None);
}

/// The last panic of this thread that nobody has asked for yet.
pub fn seen() -> Option<String> {
    SEEN.take()
}
