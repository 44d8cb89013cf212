//! Joins and leaves as they are asked for.

use crate::model::Nanos;

/// Acknowledgement ids from here on belong to joins and leaves; below it they are message numbers.
pub(super) const REQUESTS: u64 = 1 << 40;

/// Joins and leaves that were asked for and not yet answered.
#[derive(Default)]
pub(super) struct Requests {
    pub(super) open: Vec<Request>,
    pub(super) refused: Option<String>,
}

#[derive(Clone, Copy)]
pub(super) struct Request {
    pub(super) ack: u64,
    pub(super) asked: Nanos,
    pub(super) what: Asked,
    /// Before the schedule, when everybody who will be there is awaited: nobody needs to know since when.
    pub(super) logged: bool,
}

#[derive(Clone, Copy)]
pub(super) enum Asked {
    Join(u32),
    Leave(u32),
}
