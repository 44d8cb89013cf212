//! A server that is not this program's own: its delivery mode and its store are its own, unless it was told which.

use async_trait::async_trait;

use super::{Death, System};
use crate::{
    dial::{Caller, Endpoint, Target},
    rig::{
        audit::Audit,
        error::TargetError,
        mongo,
        probe::probe,
        status::{self, Late},
        vigil::Vigil,
    },
    scenario::{Documents, Transport},
};

/// A running server at a URL.
pub struct Running {
    target: Target,
    asker: Caller,
    transport: Transport,
    endpoint: Option<Endpoint>,
    audit: Option<(String, String)>,
    documents: Documents,
    vigil: Option<Vigil>,
    /// The store that it was told to save into; then its delivery mode is known, too.
    told: Option<String>,
}

impl Running {
    /// At a target, asked as `asker` asks, whose messages are looked up in a MongoDB where its connection string and its
    /// database are named, and are such documents.
    pub fn new(
        target: Target,
        asker: Caller,
        transport: Transport,
        audit: Option<(String, String)>,
        documents: Documents,
    ) -> Self {
        Self {
            target,
            asker,
            transport,
            endpoint: None,
            audit,
            documents,
            vigil: None,
            told: None,
        }
    }

    /// One that was told when to deliver and into which store to save, here in words.
    #[must_use]
    pub fn told(self, store: String) -> Self {
        Self {
            told: Some(store),
            ..self
        }
    }

    /// Whether a Socket.IO server answers there, whoever started it.
    pub(super) async fn answers(&self) -> bool {
        match Endpoint::resolve(self.target.clone(), self.asker.clone()).await {
            Ok(endpoint) => probe(&endpoint, self.transport).await.is_ok(),
            Err(_) => false,
        }
    }
}

#[async_trait(?Send)]
impl System for Running {
    async fn start(&mut self) -> Result<Endpoint, TargetError> {
        let endpoint = Endpoint::resolve(self.target.clone(), self.asker.clone())
            .await
            .map_err(|error| TargetError::of_dial(self.target.shown(), error))?;
        probe(&endpoint, self.transport).await?;
        if let Some((uri, _)) = &self.audit {
            let store = format!("MongoDB at {}", mongo::redacted(uri));
            self.vigil = Some(Vigil::start(uri, store).await?);
        }
        Ok(self.endpoint.insert(endpoint).clone())
    }

    fn endpoint(&self) -> Option<&Endpoint> {
        self.endpoint.as_ref()
    }

    fn address(&self) -> &str {
        self.target.shown()
    }

    fn store(&self) -> String {
        let own = || "the target's own".to_owned();
        self.told.clone().unwrap_or_else(own)
    }

    fn has_known_delivery(&self) -> bool {
        self.told.is_some()
    }

    async fn died(&mut self) -> Death {
        super::gone(self.vigil.as_ref()).await
    }

    fn excuse_store(&self, excused: bool) {
        if let Some(vigil) = &self.vigil {
            vigil.excuse(excused);
        }
    }

    async fn store_gone(&self) -> Option<Death> {
        self.vigil.as_ref()?.silent().await
    }

    /// Where the user says, or on its own page if it has one.
    async fn audit(&self) -> Result<Option<Audit>, Late> {
        if let Some((uri, database)) = &self.audit {
            return Ok(Some(Audit::mongo(uri, database, self.documents.clone())));
        }
        let Some(endpoint) = self.endpoint() else {
            return Ok(None);
        };
        let lists = status::lists_messages(endpoint).await?;
        Ok(lists.then(|| Audit::memory(endpoint)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        dial::Caller,
        rig::{Commanded, RunningStore, StoreChoice},
        scenario::Connections,
    };

    /// At a server that answers nothing.
    async fn silent() -> (tokio::net::TcpListener, Running) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let target = Target::started_here(&url, &Connections::default()).unwrap();
        let asker = Caller::nobody(&target);
        let endpoint = Endpoint::resolve(target.clone(), asker.clone()).await;
        let transport = Transport::default();
        let running = Running::new(target, asker, transport, None, Documents::default());
        let endpoint = Some(endpoint.unwrap());
        (
            listener,
            Running {
                endpoint,
                ..running
            },
        )
    }

    #[tokio::test]
    async fn what_was_told_to_keep_its_messages_itself_is_looked_up_whatever_it_answers() {
        let store = RunningStore::start(&StoreChoice::Memory, "", &mut |_| {})
            .await
            .unwrap();
        let (_held, running) = silent().await;
        tokio::time::pause();
        assert!(matches!(running.audit().await, Err(Late)));
        let told = Commanded::new("true", running).on(&store);
        assert!(matches!(told.audit().await, Ok(Some(_))));
        tokio::time::resume();
        store.stop().await.unwrap();
    }
}
