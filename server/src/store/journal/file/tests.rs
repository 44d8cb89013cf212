//! The journal's file, also torn, full, foreign and shared.

use proptest::prelude::*;

use super::*;

fn here() -> Origin {
    Origin {
        session: "chat-server-1-".to_owned(),
        place: "127.0.0.1:27017/chat".to_owned(),
    }
}

fn unknown(kind: Kind) -> Unknown {
    Unknown {
        id: ObjectId::new(),
        kind,
        origin: here(),
    }
}

fn ids(journal: &JournalFile) -> BTreeSet<ObjectId> {
    journal.live().map(|unknown| unknown.id).collect()
}

fn folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    (folder, path)
}

#[test]
fn what_is_not_settled_is_there_again() {
    let (_folder, path) = folder();
    let entries: Vec<_> = [Kind::Room, Kind::Channel, Kind::Room].map(unknown).into();
    let mut journal = JournalFile::open(&path, &here()).unwrap();
    journal.record(entries.clone()).unwrap();
    journal.settle([entries[1].id, ObjectId::new()]).unwrap();
    drop(journal);
    let journal = JournalFile::open(&path, &here()).unwrap();
    for entry in [&entries[0], &entries[2]] {
        assert_eq!(journal.live.get(&entry.id), Some(entry));
    }
    assert_eq!(journal.live.len(), 2);
}

#[test]
fn when_all_is_settled_the_file_is_empty() {
    let (_folder, path) = folder();
    let mut journal = JournalFile::open(&path, &here()).unwrap();
    for _ in 0..3 {
        let entries = [unknown(Kind::Room), unknown(Kind::Channel)];
        let ids = entries.each_ref().map(|entry| entry.id);
        journal.record(entries).unwrap();
        journal.settle(ids).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "");
    }
}

#[test]
fn the_file_stays_small_though_something_is_always_unsettled() {
    let (_folder, path) = folder();
    let mut journal = JournalFile::open(&path, &here()).unwrap();
    let mut before: Option<ObjectId> = None;
    for _ in 0..100 {
        let entries: Vec<_> = (0..100).map(|_| unknown(Kind::Room)).collect();
        let last = entries[99].id;
        journal.record(entries.clone()).unwrap();
        let settled = entries[..99].iter().map(|entry| entry.id).chain(before);
        journal.settle(settled).unwrap();
        before = Some(last);
        let length = std::fs::metadata(&path).unwrap().len();
        assert!(length < COMPACT_FROM + 20_000, "{length}");
    }
    drop(journal);
    let journal = JournalFile::open(&path, &here()).unwrap();
    assert_eq!(ids(&journal), before.into_iter().collect());
    assert!(
        std::fs::metadata(&path).unwrap().len() < 200,
        "an opening writes it anew"
    );
}

#[test]
fn one_server_has_it_at_a_time() {
    let (_folder, path) = folder();
    let first = JournalFile::open(&path, &here()).unwrap();
    let error = JournalFile::open(&path, &here()).err().unwrap().to_string();
    assert!(
        error.ends_with("is in use by another server; give each its own"),
        "{error}"
    );
    drop(first);
    JournalFile::open(&path, &here()).unwrap();
}

#[test]
fn another_stores_journal_is_refused_and_stays_as_it_is() {
    let (_folder, path) = folder();
    let mut journal = JournalFile::open(&path, &here()).unwrap();
    journal.record([unknown(Kind::Room)]).unwrap();
    drop(journal);
    let before = std::fs::read(&path).unwrap();
    let elsewhere = Origin {
        place: "127.0.0.1:27018/chat".to_owned(),
        ..here()
    };
    let error = JournalFile::open(&path, &elsewhere)
        .err()
        .unwrap()
        .to_string();
    assert!(
        error.contains("has 1 messages to settle in 127.0.0.1:27017/chat"),
        "{error}"
    );
    assert_eq!(std::fs::read(&path).unwrap(), before);
    let later = Origin {
        session: "chat-server-2-".to_owned(),
        ..here()
    };
    assert_eq!(JournalFile::open(&path, &later).unwrap().live.len(), 1);
}

#[test]
fn a_folder_that_is_not_there_is_told() {
    let path = Path::new("/nowhere at all/journal");
    let error = JournalFile::open(path, &here()).err().unwrap().to_string();
    assert!(
        error.starts_with("the journal /nowhere at all/journal can't be locked: "),
        "{error}"
    );
}

#[test]
fn what_could_not_be_written_is_written_when_there_is_room_again() {
    let (_folder, path) = folder();
    let mut journal = JournalFile::open(&path, &here()).unwrap();
    let [first, second, third] = [Kind::Room, Kind::Channel, Kind::Room].map(unknown);
    journal.record([first.clone()]).unwrap();
    let well = std::mem::replace(&mut journal.file, File::open(&path).unwrap());
    assert!(
        journal.record([second.clone()]).is_err(),
        "open for reading only"
    );
    assert!(journal.settle([first.id]).is_err());
    journal.file = well;
    // A part of the line had been written.
    journal.file.write_all(b"unknown room 507f").unwrap();
    journal.record([third.clone()]).unwrap();
    drop(journal);
    let journal = JournalFile::open(&path, &here()).unwrap();
    assert_eq!(ids(&journal), BTreeSet::from([second.id, third.id]));
}

/// Settles so much beside `kept` that the file is written anew.
fn compact(journal: &mut JournalFile, kept: &Unknown) -> io::Result<()> {
    let many: Vec<_> = (0..4_000).map(|_| unknown(Kind::Room)).collect();
    let ids: Vec<_> = many.iter().map(|entry| entry.id).collect();
    journal.record(many.into_iter().chain([kept.clone()]))?;
    assert!(journal.length > COMPACT_FROM, "{}", journal.length);
    journal.settle(ids)
}

#[test]
fn what_is_written_after_a_compaction_is_in_the_file_of_that_name() {
    let (_folder, path) = folder();
    let mut journal = JournalFile::open(&path, &here()).unwrap();
    let [first, second] = [Kind::Room, Kind::Channel].map(unknown);
    // What an earlier try has left is no part of it.
    std::fs::write(beside(&path, ".new"), "unknown room 507f").unwrap();
    compact(&mut journal, &first).unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), line(&first));
    journal.record([second.clone()]).unwrap();
    let both = line(&first) + &line(&second);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), both);
}

#[test]
fn a_name_that_may_not_be_on_the_disk_is_owed_until_it_is() {
    let (folder, path) = folder();
    let mut journal = JournalFile::open(&path, &here()).unwrap();
    let [first, second] = [Kind::Room, Kind::Channel].map(unknown);
    // A compaction after whose renaming the folder could not be opened.
    compact(&mut journal, &first).unwrap();
    journal.is_folder_owed = true;
    let nowhere = folder.path().join("nowhere").join("journal");
    let path = std::mem::replace(&mut journal.path, nowhere);
    assert!(journal.record([second.clone()]).is_err());
    journal.path = path.clone();
    journal.record([]).unwrap();
    assert!(!journal.is_folder_owed);
    // Written once, though it was said only the second time.
    let both = line(&first) + &line(&second);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), both);
}

proptest! {
    /// Wherever a write was torn, all lines before it count, and those after the next start too.
    #[test]
    fn a_torn_end_takes_nothing_with_it(cut in 0_usize..400, junk in prop::collection::vec(any::<u8>(), 0..30)) {
        let (_folder, path) = folder();
        let entries: Vec<_> = (0..4).map(|_| unknown(Kind::Room)).collect();
        let mut journal = JournalFile::open(&path, &here()).unwrap();
        journal.record(entries.clone()).unwrap();
        drop(journal);
        let mut text = std::fs::read(&path).unwrap();
        let cut = cut.min(text.len());
        let whole = text[..cut].iter().filter(|byte| **byte == b'\n').count();
        text.truncate(cut);
        text.extend(junk.iter().filter(|byte| **byte != b'\n'));
        std::fs::write(&path, &text).unwrap();
        let mut journal = JournalFile::open(&path, &here()).unwrap();
        let kept: BTreeSet<_> = entries[..whole].iter().map(|entry| entry.id).collect();
        prop_assert_eq!(ids(&journal), kept.clone());
        let next = unknown(Kind::Channel);
        journal.record([next.clone()]).unwrap();
        drop(journal);
        let journal = JournalFile::open(&path, &here()).unwrap();
        prop_assert_eq!(ids(&journal), kept.into_iter().chain([next.id]).collect());
    }
}
