//! The indexes of the collections: made where they are missing, and that of an earlier version replaced.

use std::time::Duration;

use bson::{Bson, Document, doc, raw::RawDocumentBuf};
use futures::TryStreamExt as _;
use mongodb::{
    Collection, IndexModel,
    error::{Error, ErrorKind},
    options::IndexOptions,
};

use super::{
    super::{StoreError, document::conversation_field},
    failure,
};
use crate::message::Kind;

/// The collection is not there yet, so it has no indexes.
const NAMESPACE_NOT_FOUND: i32 = 26;
/// Another server has dropped it just now.
const INDEX_NOT_FOUND: i32 = 27;
/// An index of the collection is being built, by another server most likely.
const INDEX_BUILD_IN_PROGRESS: i32 = 12_587;
/// How often, and how many times, to ask again while one is being built.
const BUILD_PAUSE: Duration = Duration::from_secs(1);
const BUILD_PAUSES: usize = 600;

/// Makes sure that a collection has its indexes and none that forbids what may be.
///
/// An index that serves is taken whatever its name, as the collections are older than this server. The new unique index
/// is there before the old one goes, so that at no time a message can be stored twice; both steps are repeatable, and
/// several servers may take them at once. Only MongoDB itself reads the documents, and only to build what is missing.
pub(super) async fn ensure(
    collection: &Collection<RawDocumentBuf>,
    kind: Kind,
) -> Result<(), StoreError> {
    let name = collection.name();
    let cannot = |what: &str, error: &Error| {
        let StoreError(detail) = failure::of_store(error);
        StoreError(format!("the indexes of `{name}` can't be {what}: {detail}"))
    };
    let there = list(collection)
        .await
        .map_err(|error| cannot("listed", &error))?;
    let missing: Vec<IndexModel> = wanted(kind)
        .into_iter()
        .filter(|index| !there.iter().any(|other| serves(other, index)))
        .collect();
    if !missing.is_empty() {
        collection
            .create_indexes(missing)
            .await
            .map_err(|error| cannot("made", &error))?;
    }
    // Listed anew: another server may have been at it meanwhile.
    let there = list(collection)
        .await
        .map_err(|error| cannot("listed", &error))?;
    for index in there.iter().filter(|index| is_superseded(index)) {
        drop_index(collection, &name_of(index)).await?;
    }
    Ok(())
}

fn wanted(kind: Kind) -> [IndexModel; 2] {
    let conversation = conversation_field(kind).as_str();
    let once = IndexOptions::builder()
        .unique(true)
        .partial_filter_expression(doc! { "clientMsgId": { "$exists": true } })
        .build();
    [
        IndexModel::builder()
            .keys(doc! { conversation: 1, "createdAt": 1 })
            .build(),
        IndexModel::builder()
            .keys(doc! { "senderId": 1, conversation: 1, "clientMsgId": 1 })
            .options(once)
            .build(),
    ]
}

async fn list(collection: &Collection<RawDocumentBuf>) -> Result<Vec<IndexModel>, Error> {
    let listed = async { collection.list_indexes().await?.try_collect().await };
    match listed.await {
        Err(error) if code(&error) == Some(NAMESPACE_NOT_FOUND) => Ok(Vec::new()),
        listed => listed,
    }
}

/// Whether an index that is there does what a wanted one would.
fn serves(there: &IndexModel, wanted: &IndexModel) -> bool {
    let options = |index: &IndexModel| index.options.clone().unwrap_or_default();
    let (has, wants) = (options(there), options(wanted));
    keys(there) == keys(wanted)
        && has.unique.unwrap_or_default() == wants.unique.unwrap_or_default()
        && has.partial_filter_expression == wants.partial_filter_expression
        && !has.sparse.unwrap_or_default()
}

/// Whether it is what an earlier version made: one `clientMsgId` of a sender for all conversations.
fn is_superseded(index: &IndexModel) -> bool {
    let mut fields: Vec<&str> = index.keys.keys().map(String::as_str).collect();
    fields.sort_unstable();
    let is_unique = index.options.as_ref().and_then(|options| options.unique) == Some(true);
    is_unique && fields == ["clientMsgId", "senderId"]
}

/// The fields with their directions, which may have been written as any kind of number.
fn keys(index: &IndexModel) -> Vec<(&str, Option<i64>)> {
    let direction = |value: &Bson| match value {
        Bson::Int32(number) => Some(i64::from(*number)),
        Bson::Int64(number) => Some(*number),
        Bson::Double(number) => Some(*number as i64),
        _ => None,
    };
    let keys: &Document = &index.keys;
    keys.iter()
        .map(|(field, value)| (field.as_str(), direction(value)))
        .collect()
}

fn name_of(index: &IndexModel) -> String {
    let name = index
        .options
        .as_ref()
        .and_then(|options| options.name.clone());
    name.unwrap_or_default()
}

async fn drop_index(
    collection: &Collection<RawDocumentBuf>,
    index: &str,
) -> Result<(), StoreError> {
    let name = collection.name();
    for _ in 0..BUILD_PAUSES {
        let Err(error) = collection.drop_index(index).await else {
            tracing::info!(
                "replaced the unique index `{index}` of `{name}`: a clientMsgId counts within its conversation"
            );
            return Ok(());
        };
        match code(&error) {
            Some(INDEX_NOT_FOUND) => return Ok(()),
            Some(INDEX_BUILD_IN_PROGRESS) => tokio::time::sleep(BUILD_PAUSE).await,
            _ => {
                let StoreError(detail) = failure::of_store(&error);
                return Err(StoreError(format!(
                    "the index `{index}` of `{name}` makes a clientMsgId unique across conversations and can't be \
                     dropped: {detail}; allow this user `dropIndex`, or drop it yourself: \
                     db.getCollection(\"{name}\").dropIndex(\"{index}\")"
                )));
            }
        }
    }
    Err(StoreError(format!(
        "the index `{index}` of `{name}` can't be dropped while another index is being built; start again when it is"
    )))
}

fn code(error: &Error) -> Option<i32> {
    match &*error.kind {
        ErrorKind::Command(command) => Some(command.code),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(keys: Document, options: IndexOptions) -> IndexModel {
        IndexModel::builder().keys(keys).options(options).build()
    }

    fn unique() -> IndexOptions {
        IndexOptions::builder().unique(true).build()
    }

    #[test]
    fn an_index_serves_by_its_keys_and_not_by_its_name() {
        let [by_time, once] = wanted(Kind::Room);
        let named = IndexOptions::builder().name("mine".to_owned()).build();
        let keys = doc! { "roomId": 1.0, "createdAt": 1_i64 };
        assert!(serves(&index(keys.clone(), named), &by_time));
        assert!(!serves(&index(keys, unique()), &by_time));
        let descending = doc! { "roomId": 1, "createdAt": -1 };
        assert!(!serves(
            &index(descending, IndexOptions::default()),
            &by_time
        ));
        assert!(serves(&once, &once));
        assert!(
            !serves(&index(once.keys.clone(), unique()), &once),
            "not for messages without one"
        );
    }

    #[test]
    fn the_index_of_before_is_known_by_its_fields() {
        let superseded = |keys, options| is_superseded(&index(keys, options));
        assert!(superseded(
            doc! { "senderId": 1, "clientMsgId": 1 },
            unique()
        ));
        assert!(superseded(
            doc! { "clientMsgId": -1.0, "senderId": 1_i64 },
            unique()
        ));
        let plain = IndexOptions::default();
        assert!(!superseded(doc! { "senderId": 1, "clientMsgId": 1 }, plain));
        assert!(!superseded(doc! { "clientMsgId": 1 }, unique()));
        for kind in [Kind::Room, Kind::Channel] {
            assert!(!wanted(kind).iter().any(is_superseded));
        }
    }
}
