//! The one script of a page, and the policy that allows it and nothing else.

use base64::{Engine, engine::general_purpose::STANDARD};
use sha2::{Digest, Sha256};

/// Shows the same second in all charts, and unfolds what is folded for paper. Everything can be read without it.
pub(crate) const SCRIPT: &str = include_str!("../../templates/page.js");
/// The page's Content-Security-Policy: this very script, the style sheet inside of the page, nothing from elsewhere.
pub(crate) fn policy() -> String {
    let hash = STANDARD.encode(Sha256::digest(SCRIPT));
    format!(
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src 'sha256-{hash}'"
    )
}
