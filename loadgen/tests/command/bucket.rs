//! Results in a bucket of an object store: what is wrong with it is told before the run. What is right is tried by
//! `interop/bucket`.

use std::net::TcpListener;

use crate::{Bench, SMALL, finish, loadgen};

/// Nobody listens there.
fn nowhere() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

#[test]
fn what_is_wrong_with_a_bucket_is_told_before_the_run() {
    let bench = Bench::new();
    let scenario = bench.scenario(SMALL);
    let why = if cfg!(feature = "object-store") {
        "AWS_ENDPOINT"
    } else {
        "built without object stores"
    };
    for (address, why) in [
        ("s3://chat/load", why),
        ("s3://", "as in s3://bucket/folder"),
        ("s3://chat/../load", "as in s3://bucket/folder"),
    ] {
        let mut command = loadgen();
        command
            .arg("run")
            .arg(&scenario)
            .args(["--store", "memory", "--out", address])
            .env("AWS_ENDPOINT", nowhere())
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "test");
        let ended = finish(command);
        assert_eq!(ended.code, Some(5), "{}", ended.stderr);
        let told = ended.stderr.trim_end();
        assert!(
            told.starts_with(&format!("error: {address}: ")) && told.contains(why),
            "{told}"
        );
        assert_eq!(told.lines().count(), 1, "{told}");
        assert_eq!(ended.stdout, "");
    }
}
