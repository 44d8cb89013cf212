//! A server that somebody else started: its delivery mode and its store are its own.

use async_trait::async_trait;

use super::System;
use crate::rig::{audit::Audit, error::TargetError, probe::probe, status};

/// A running server at a URL.
pub struct Running {
    url: String,
    audit: Option<(String, String)>,
}

impl Running {
    /// At a URL, whose messages are looked up in a MongoDB where its connection string and its database are named.
    pub fn new(url: &str, audit: Option<(String, String)>) -> Self {
        Self {
            url: url.to_owned(),
            audit,
        }
    }
}

#[async_trait(?Send)]
impl System for Running {
    async fn start(&mut self) -> Result<(), TargetError> {
        probe(&self.url).await
    }

    fn address(&self) -> &str {
        &self.url
    }

    fn store(&self) -> String {
        "the target's own".to_owned()
    }

    /// Where the user says, or on its own page if it has one.
    async fn audit(&self) -> Option<Audit> {
        match &self.audit {
            Some((uri, database)) => Some(Audit::mongo(uri, database)),
            None => status::lists_messages(&self.url)
                .await
                .then(|| Audit::memory(&self.url)),
        }
    }
}
