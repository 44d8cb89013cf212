//! What this server was built from, as it was when it was built.

/// Of the package.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Twelve hexadecimal digits, with `-dirty` behind them where the sources differed from that commit; `None` of what was built
/// outside its repository.
pub const COMMIT: Option<&str> = known(env!("SOURCE_COMMIT"));

/// Both in one line: `0.1.0 (0123456789ab)`.
pub const FULL: &str = env!("SOURCE_VERSION");

const fn known(commit: &str) -> Option<&str> {
    if commit.is_empty() {
        None
    } else {
        Some(commit)
    }
}
