//! Checks of how another server keeps its messages: the audit needs a place to look at, and names for what it looks for.

use super::Checker;
use crate::scenario::{Documents, Located, file::FileStore, written::Placed};

impl Checker<'_> {
    pub(super) fn store(&self, store: FileStore) -> Result<Documents, Located> {
        let own = Documents::default();
        Ok(Documents {
            collections: store
                .collections
                .map(|collections| self.collections(collections))
                .transpose()?,
            body: self.document_path("body", store.body)?.unwrap_or(own.body),
            id: self.document_path("id", store.id)?.unwrap_or(own.id),
            id_type: store.id_type.unwrap_or(own.id_type),
            sender: self.document_path("sender", store.sender)?,
            conversation: self.document_path("conversation", store.conversation)?,
        })
    }

    fn collections(&self, named: Placed<Vec<String>>) -> Result<Vec<String>, Located> {
        let Placed { value, span } = named;
        if value.is_empty() || value.iter().any(String::is_empty) {
            let what = "name at least one collection that holds messages, as in [\"messages\"]";
            return Err(self.wrong(&span, what));
        }
        let mut seen = std::collections::BTreeSet::new();
        match value.iter().find(|name| !seen.insert(*name)) {
            // Its messages would seem to be stored twice.
            Some(twice) => Err(self.wrong(
                &span,
                format!("{twice:?} is named twice: name each collection once"),
            )),
            None => Ok(value),
        }
    }

    fn document_path(
        &self,
        key: &str,
        path: Option<Placed<String>>,
    ) -> Result<Option<String>, Located> {
        match path {
            Some(path)
                if path.value.split('.').any(str::is_empty) || path.value.starts_with('$') =>
            {
                let what = format!(
                    "`{key}` is a field, or a path of fields with dots between them, as in \"message.text\""
                );
                Err(self.wrong(&path.span, what))
            }
            path => Ok(path.map(|path| path.value)),
        }
    }
}
