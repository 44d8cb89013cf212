//! Shards that met another server, or that were told another start, are not one run.

use super::*;

/// A shard of a short run, of a target that says so much of itself.
fn met(which: &str, version: Option<&str>, durability: Option<&str>) -> Recording {
    let scenario = short();
    let plan = Plan::new(&scenario).unwrap();
    let part = Part::of(&plan, shard(which)).unwrap();
    let observed = Observed {
        version: version.map(str::to_owned),
        durability: durability.map(str::to_owned),
        ..seen(&scenario, &plan, &part, fast)
    };
    recording(&scenario, &plan, which, &observed)
}

#[test]
fn who_met_a_server_that_says_it_is_another_is_refused() {
    let one = met("1/2", Some("1.2 (abc)"), Some("on the disk"));
    for (version, durability, told) in [
        (
            Some("1.2 (abd)"),
            Some("on the disk"),
            "their versions of the target, as it says itself, differ (1.2 (abc) and 1.2 (abd))",
        ),
        (
            None,
            Some("in memory"),
            "their durabilities of the store, as the target says, differ (on the disk and in memory)",
        ),
    ] {
        let other = met("2/2", version, durability);
        let error = refused(vec![given(&one), given(&other)]);
        assert!(error.contains(told), "{error}");
    }
    // Who was too busy to answer one of them says nothing else, whichever that is.
    let three = |last: &str| {
        let said = [("1/3", Some("1")), ("2/3", None), ("3/3", Some(last))];
        said.map(|(which, version)| met(which, version, None))
    };
    let report = report(&three("1"));
    assert_eq!(report.runs[0].target_version.as_deref(), Some("1"));
    let error = refused(three("2").iter().map(given).collect());
    assert!(error.contains("differ (1 and 2)"), "{error}");
}

#[test]
fn shards_that_were_told_another_start_are_of_two_runs() {
    let mut all = recordings(3, fast);
    // Soon enough after the others to be in step with them.
    all[2].start.planned += 5_000_000;
    all[2].start.actual = all[2].start.actual.map(|at| at + 5_000_000);
    all[2].run_id = "0000002b".to_owned();
    let report = report(&all);
    assert_eq!(report.verdict, Verdict::Invalid);
    let reason = report.reasons[0].to_string();
    assert!(
        reason.contains(": shard 3 was told another start than shard 1, "),
        "{reason}"
    );
}

#[test]
fn a_clock_that_was_not_compared_among_those_that_were_is_not_believed() {
    let mut all = recordings(3, fast);
    let known = |ahead| ClockOffset {
        ahead,
        bound: 100_000,
    };
    all[0].start.clock = Some(known(0));
    all[2].start.clock = Some(known(0));
    let some = report(&all);
    assert_eq!(some.verdict, Verdict::Invalid);
    let reason = some.reasons[0].to_string();
    assert!(
        reason.contains(": the clock of shard 2 was not compared with that of shard 1, "),
        "{reason}"
    );
    all[1].start.clock = Some(known(0));
    assert_eq!(report(&all).verdict, Verdict::Pass);
}

#[test]
fn a_result_of_before_is_judged_as_it_was() {
    let mut all = recordings(2, fast);
    all[0].start.clock = Some(ClockOffset { ahead: 0, bound: 0 });
    let mut shards = report(&all).shards;
    assert!(matches!(
        gaps(&shards)[..],
        [Gap::Uncompared { shard: 2, .. }]
    ));
    for one in &mut shards {
        one.run_id = None;
    }
    assert_eq!(gaps(&shards), []);
}
