//! A server that somebody else started: its delivery mode and its store are its own.

use async_trait::async_trait;

use super::{Death, System};
use crate::rig::{audit::Audit, error::TargetError, mongo, probe::probe, status, vigil::Vigil};

/// A running server at a URL.
pub struct Running {
    url: String,
    audit: Option<(String, String)>,
    vigil: Option<Vigil>,
}

impl Running {
    /// At a URL, whose messages are looked up in a MongoDB where its connection string and its database are named.
    pub fn new(url: &str, audit: Option<(String, String)>) -> Self {
        Self {
            url: url.to_owned(),
            audit,
            vigil: None,
        }
    }
}

#[async_trait(?Send)]
impl System for Running {
    async fn start(&mut self) -> Result<(), TargetError> {
        probe(&self.url).await?;
        if let Some((uri, _)) = &self.audit {
            let store = format!("MongoDB at {}", mongo::redacted(uri));
            self.vigil = Some(Vigil::start(uri, store).await?);
        }
        Ok(())
    }

    fn address(&self) -> &str {
        &self.url
    }

    fn store(&self) -> String {
        "the target's own".to_owned()
    }

    fn has_known_delivery(&self) -> bool {
        false
    }

    async fn died(&mut self) -> Death {
        super::gone(self.vigil.as_ref()).await
    }

    async fn store_gone(&self) -> Option<Death> {
        self.vigil.as_ref()?.silent().await
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
