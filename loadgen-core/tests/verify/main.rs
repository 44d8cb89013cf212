//! Results that were changed, be it by one value or by several that go together, are found; what was written as it was seen is not.

#![allow(
    clippy::unwrap_used,
    reason = "clippy knows test functions, but not the functions that they call"
)]

mod cycles;
mod experiments;
mod held;
mod leaves;
mod planted;
mod simulated;
