//! The one script of a page, and the policy that allows it and nothing else.

use base64::{Engine, engine::general_purpose::STANDARD};
use sha2::{Digest, Sha256};

/// Shows the same second in all charts, and unfolds what is folded for paper. Everything can be read without it.
pub(crate) const SCRIPT: &str = include_str!("../../templates/page.js");
/// The same, and puts what comes of a run that goes on in its place.
pub(crate) const LIVE_SCRIPT: &str = concat!(
    include_str!("../../templates/page.js"),
    include_str!("../../templates/live.js")
);

/// The page's Content-Security-Policy: this very script, the style sheet inside of the page, nothing from elsewhere.
pub(crate) fn policy() -> String {
    allowing(SCRIPT)
}

/// The same of the live page, which asks where it came from, and nobody else, for what is new.
pub(crate) fn live_policy() -> String {
    format!("{}; connect-src 'self'", allowing(LIVE_SCRIPT))
}

fn allowing(script: &str) -> String {
    let hash = STANDARD.encode(Sha256::digest(script));
    format!(
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src 'sha256-{hash}'"
    )
}
