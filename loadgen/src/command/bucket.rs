//! A bucket of an object store as the place of results, under addresses like `s3://bucket/folder/file`: S3, and what speaks as it does.

use std::path::{Path, PathBuf};

/// What an address begins with.
const SCHEME: &str = "s3://";

/// Why something could not be brought into a bucket, or fetched from there.
#[derive(Debug, thiserror::Error)]
pub enum BucketError {
    /// No bucket is named so.
    #[error("{address}: that is no place in a bucket: write it as in s3://bucket/folder")]
    Address {
        /// As it was given.
        address: String,
    },
    /// This program can't do it.
    #[cfg_attr(feature = "object-store", expect(dead_code))]
    #[error(
        "{address}: this program was built without object stores: name a folder, or build it with `--features object-store`"
    )]
    NotBuilt {
        /// As it was given.
        address: String,
    },
    /// The object store refuses, or is not to be reached.
    #[cfg_attr(not(feature = "object-store"), expect(dead_code))]
    #[error(
        "{address}: {detail} (the key and the place are of the environment: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION, AWS_ENDPOINT)"
    )]
    Refused {
        /// What was asked for.
        address: String,
        /// What was said.
        detail: String,
    },
    /// It lies somewhere else now.
    #[error("{source}; it is left in {} instead", path.display())]
    Left {
        /// Where.
        path: PathBuf,
        /// Why.
        source: Box<BucketError>,
    },
}

/// Whether that is an address in a bucket, and no path of this machine.
pub(super) fn is_address(path: &Path) -> bool {
    path.to_str().is_some_and(|path| path.starts_with(SCHEME))
}

/// Looks whether that can be a folder in a bucket, or a bucket; nobody is asked.
///
/// # Errors
/// [`BucketError::Address`].
pub(super) fn check_folder(address: &Path) -> Result<(), BucketError> {
    match Place::of(&address.join("file")) {
        Ok(_) => Ok(()),
        Err(_) => Err(BucketError::Address {
            address: address.display().to_string(),
        }),
    }
}

/// Puts a text there, whole or not at all. What could not be put there is left on this machine, if it takes it.
///
/// # Errors
/// [`BucketError`] with the address, and where the text is instead.
pub(super) fn put(address: &Path, text: &str) -> Result<(), BucketError> {
    let put = Place::of(address).and_then(|place| store::put(&place, text));
    put.map_err(|source| match left(address, text) {
        Some(path) => BucketError::Left {
            path,
            source: Box::new(source),
        },
        None => source,
    })
}

/// The text that lies there.
///
/// # Errors
/// [`BucketError`] with the address.
pub(super) fn get(address: &Path) -> Result<String, BucketError> {
    Place::of(address).and_then(|place| store::get(&place))
}

/// The same of what may not lie there: `None`, where nothing does.
///
/// # Errors
/// [`BucketError`] where that can't be said.
pub(super) fn find(address: &Path) -> Result<Option<String>, BucketError> {
    Place::of(address).and_then(|place| store::find(&place))
}

/// What it is told apart by from another text in its place; `None` where nothing lies there.
///
/// # Errors
/// [`BucketError`] where that can't be said.
pub(super) fn stamp(address: &Path) -> Result<Option<String>, BucketError> {
    Place::of(address).and_then(|place| store::stamp(&place))
}

/// Removes what lies there, if anything does; where nothing may be removed, an empty text takes its place.
///
/// # Errors
/// [`BucketError`] with the address.
pub(super) fn remove(address: &Path) -> Result<(), BucketError> {
    Place::of(address).and_then(|place| store::remove(&place))
}

/// Puts something into that folder, and removes it again where that is allowed.
///
/// # Errors
/// [`BucketError`] with the address.
pub(super) fn try_folder(address: &Path) -> Result<(), BucketError> {
    check_folder(address)?;
    let probe = format!(".loadgen-{:016x}", rand::random::<u64>());
    Place::of(&address.join(probe)).and_then(|place| {
        store::try_out(&Place {
            address: address.display().to_string(),
            ..place
        })
    })
}

/// Of the file that could not be put there: its place in the folder for what is temporary.
fn left(address: &Path, text: &str) -> Option<PathBuf> {
    let folder = tempfile::Builder::new().prefix("loadgen-").tempdir();
    let path = folder.ok()?.keep().join(address.file_name()?);
    std::fs::write(&path, text).ok()?;
    Some(path)
}

/// A file in a bucket.
#[derive(Debug, PartialEq, Eq)]
struct Place {
    address: String,
    bucket: String,
    key: String,
}

impl Place {
    fn of(address: &Path) -> Result<Self, BucketError> {
        let address = address.display().to_string();
        let parts = address
            .strip_prefix(SCHEME)
            .and_then(|rest| rest.split_once('/'));
        let is_plain = |part: &str| !part.is_empty() && part != "." && part != "..";
        match parts {
            Some((bucket, key)) if !bucket.is_empty() && key.split('/').all(is_plain) => Ok(Self {
                bucket: bucket.to_owned(),
                key: key.to_owned(),
                address,
            }),
            _ => Err(BucketError::Address { address }),
        }
    }
}

#[cfg(not(feature = "object-store"))]
mod store {
    use super::{BucketError, Place};

    fn not_built<T>(place: &Place) -> Result<T, BucketError> {
        Err(BucketError::NotBuilt {
            address: place.address.clone(),
        })
    }

    pub(super) fn put(place: &Place, _text: &str) -> Result<(), BucketError> {
        not_built(place)
    }

    pub(super) fn get(place: &Place) -> Result<String, BucketError> {
        not_built(place)
    }

    pub(super) fn find(place: &Place) -> Result<Option<String>, BucketError> {
        not_built(place)
    }

    pub(super) fn stamp(place: &Place) -> Result<Option<String>, BucketError> {
        not_built(place)
    }

    pub(super) fn remove(place: &Place) -> Result<(), BucketError> {
        not_built(place)
    }

    pub(super) fn try_out(place: &Place) -> Result<(), BucketError> {
        not_built(place)
    }
}

#[cfg(feature = "object-store")]
mod store {
    use std::{panic::resume_unwind, thread, time::Duration};

    use object_store::{
        Error, ObjectStoreExt as _, RetryConfig,
        aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey},
        path::Path,
    };

    use super::{BucketError, Place};

    /// A store that does not answer for so long has not answered. A run of hours ends with one request.
    const PATIENCE: Duration = Duration::from_secs(60);

    pub(super) fn put(place: &Place, text: &str) -> Result<(), BucketError> {
        let bytes = text.as_bytes().to_vec();
        ask(place, async |store, key| {
            store.put(&key, bytes.into()).await.map(drop)
        })
    }

    pub(super) fn get(place: &Place) -> Result<String, BucketError> {
        let bytes = ask(place, async |store, key| {
            store.get(&key).await?.bytes().await
        })?;
        text(place, bytes.into())
    }

    pub(super) fn find(place: &Place) -> Result<Option<String>, BucketError> {
        let bytes = ask(place, async |store, key| match store.get(&key).await {
            Ok(found) => Ok(Some(found.bytes().await?)),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        })?;
        bytes.map(|bytes| text(place, bytes.into())).transpose()
    }

    fn text(place: &Place, bytes: Vec<u8>) -> Result<String, BucketError> {
        String::from_utf8(bytes).map_err(|error| refused(place, &error.to_string()))
    }

    pub(super) fn stamp(place: &Place) -> Result<Option<String>, BucketError> {
        ask(place, async |store, key| match store.head(&key).await {
            Ok(found) => Ok(Some(format!(
                "{:?} {} {}",
                found.e_tag, found.size, found.last_modified
            ))),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        })
    }

    pub(super) fn remove(place: &Place) -> Result<(), BucketError> {
        ask(place, async |store, key| match store.delete(&key).await {
            Ok(()) | Err(Error::NotFound { .. }) => Ok(()),
            // Who may write and not delete.
            Err(_) => store.put(&key, "".into()).await.map(drop),
        })
    }

    pub(super) fn try_out(place: &Place) -> Result<(), BucketError> {
        ask(place, async |store, key| {
            store.put(&key, "tried".into()).await?;
            // Who may write and not delete leaves it there, and that is enough for a result.
            let _left = store.delete(&key).await;
            Ok(())
        })
    }

    /// On a thread and a runtime of its own, since who asks may be in a runtime, where nobody may wait for another one.
    fn ask<T: Send>(
        place: &Place,
        question: impl AsyncFnOnce(AmazonS3, Path) -> Result<T, Error> + Send,
    ) -> Result<T, BucketError> {
        thread::scope(|scope| {
            let asked = scope.spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()
                    .map_err(|error| refused(place, &error.to_string()))?;
                runtime.block_on(async {
                    let key = Path::parse(&place.key)
                        .map_err(|error| refused(place, &error.to_string()))?;
                    let store = open(place)?;
                    let answer = question(store, key).await;
                    answer.map_err(|error| refused(place, &error.to_string()))
                })
            });
            asked.join().unwrap_or_else(|panic| resume_unwind(panic))
        })
    }

    fn open(place: &Place) -> Result<AmazonS3, BucketError> {
        // Another part of this program may have chosen already, and the same.
        let _chosen = rustls::crypto::ring::default_provider().install_default();
        let retry = RetryConfig {
            retry_timeout: PATIENCE,
            ..RetryConfig::default()
        };
        let environment = AmazonS3Builder::from_env();
        let endpoint = environment.get_config_value(&AmazonS3ConfigKey::Endpoint);
        // Who writes an address without TLS wants none.
        let is_plain = endpoint.is_some_and(|endpoint| endpoint.starts_with("http://"));
        environment
            .with_allow_http(is_plain)
            .with_bucket_name(&place.bucket)
            .with_retry(retry)
            .build()
            .map_err(|error| refused(place, &error.to_string()))
    }

    fn refused(place: &Place, detail: &str) -> BucketError {
        BucketError::Refused {
            address: place.address.clone(),
            detail: in_one_line(detail),
        }
    }

    /// Stores answer in XML, with a sentence for people in it.
    fn in_one_line(detail: &str) -> String {
        let said = detail
            .split_once("<Message>")
            .and_then(|(_, rest)| rest.split_once("</Message>"));
        let before = detail.split_once("<?xml").map(|(before, _)| before);
        match (before, said) {
            (Some(before), Some((said, _))) => format!("{before}{said}"),
            _ => detail.split_whitespace().collect::<Vec<_>>().join(" "),
        }
    }

    #[cfg(test)]
    mod tests {
        use super::in_one_line;

        #[test]
        fn of_an_answer_in_xml_the_sentence_is_told() {
            let xml = "404 Not Found: <?xml version=\"1.0\"?>\n<Error><Code>NoSuchBucket</Code>\
                       <Message>There is none.</Message></Error>";
            assert_eq!(in_one_line(xml), "404 Not Found: There is none.");
            assert_eq!(in_one_line("nobody\n  answers"), "nobody answers");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_names_a_bucket_and_what_lies_in_it() {
        assert!(is_address(Path::new("s3://chat/load")));
        for path in ["reports/latest", "/s3://chat", "s3:/chat", "S3://chat"] {
            assert!(!is_address(Path::new(path)), "{path}");
        }
        for folder in ["s3://chat", "s3://chat/", "s3://chat/load"] {
            assert!(check_folder(Path::new(folder)).is_ok(), "{folder}");
        }
        for wrong in ["s3://", "s3:///load", "chat/load", "https://chat/load"] {
            let told = check_folder(Path::new(wrong)).unwrap_err().to_string();
            assert!(told.starts_with(&format!("{wrong}: ")), "{told}");
        }
        let place = Place::of(&Path::new("s3://chat/load/").join("a.json")).unwrap();
        assert_eq!((&*place.bucket, &*place.key), ("chat", "load/a.json"));
        for wrong in [
            "s3://",
            "s3://chat",
            "s3://chat/",
            "s3:///a",
            "s3://chat//a",
            "s3://chat/../a",
        ] {
            let told = Place::of(Path::new(wrong)).unwrap_err().to_string();
            assert!(told.contains("as in s3://bucket/folder"), "{told}");
        }
    }

    /// Both where the program can't do it, and where nobody answers.
    #[test]
    fn what_could_not_be_put_there_is_left_on_this_machine() {
        let told = put(Path::new("s3://chat/"), "a result").unwrap_err();
        let BucketError::Left { path, .. } = &told else {
            panic!("{told}")
        };
        assert!(
            told.to_string().contains("as in s3://bucket/folder"),
            "{told}"
        );
        assert_eq!(std::fs::read_to_string(path).unwrap(), "a result");
        std::fs::remove_dir_all(path.parent().unwrap()).unwrap();
    }
}
