//! Tests that can't be made on a machine: each says so where it is passed over, and the last test target says all of them
//! again.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write as _},
    path::PathBuf,
    thread,
};

/// Where they are listed until they are said, by all packages of a build.
pub fn list() -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("passed-over")
}

/// Says that the test of this thread is passed over, and why. `eprintln!` would not be seen: libtest shows what is printed with
/// it by tests that fail.
#[allow(dead_code, reason = "the last test target only reads the list")]
pub fn passed_over(why: &str) {
    let thread = thread::current();
    let line = format!("{}: {why}\n", thread.name().unwrap_or("a test"));
    let _ = write!(io::stderr(), "PASSED OVER {line}");
    let list = list();
    let noted = list
        .parent()
        .map_or(Ok(()), fs::create_dir_all)
        .and_then(|()| OpenOptions::new().append(true).create(true).open(&list))
        // One write, so that lines of several processes do not mix.
        .and_then(|mut list| list.write_all(line.as_bytes()));
    if let Err(error) = noted {
        let _ = writeln!(io::stderr(), "{}: {error}", list.display());
    }
}
