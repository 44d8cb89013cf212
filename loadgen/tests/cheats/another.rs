//! Somebody else's server, measured by a map of its events: what it says is checked, and what it never says is not told.

use loadgen::{
    judge::{Check, Verdict},
    model::Metric,
    report::{Choice, Format},
    result::{Document, Report},
};

use crate::{
    SCENARIO,
    other::{self, Naming},
    report_on,
};

/// A run of somebody else's server, by a map of its events with these paths more.
async fn of_another(naming: Naming, fields: &str) -> Report {
    let url = other::start("member-of-7", naming).await;
    let token = "connections = { token = { template = \"member-of-7/{id}\" } }\npopulation =";
    let scenario = format!(
        "{}{}{fields}\n",
        SCENARIO.replace("population =", token),
        r#"
[server.events]
acknowledges_joins = false
acknowledges_messages = false
echoes = false

[server.events.room]
join = "enter"
send = "say"
received = "said"
id_field = "lobby"

[server.events.fields]
id = "msg.n"
body = "msg.text"
sender = ""
"#
    );
    report_on(url, &scenario, "\"lost\" = \"== 0\"").await
}

/// The sender is compared where the map has it, and nowhere else.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_sender_is_found_where_the_map_names_it() {
    let from = "from = \"msg.by.id\"";
    for naming in [Naming::Another, Naming::Nobody, Naming::AlwaysAnother] {
        let report = of_another(naming, from).await;
        let findings = &report.runs[0].findings;
        let checks: Vec<Check> = findings.iter().map(|finding| finding.check).collect();
        assert_eq!(checks, [Check::WrongSender], "{naming:?}");
        assert_eq!(report.verdict, Verdict::Fail);
        let all = findings[0].count == report.runs[0].totals.delivered;
        assert_eq!(all, naming == Naming::AlwaysAnother);
    }
    let report = of_another(Naming::Right, from).await;
    assert_eq!(report.verdict, Verdict::Pass, "{:?}", report.reasons);
    let report = of_another(Naming::AlwaysAnother, "").await;
    assert_eq!(report.verdict, Verdict::Pass, "{:?}", report.reasons);
}

/// Whoever says `dropped == 0` is never inconclusive for want of samples.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_servers_events_are_measured_by_a_map_of_them() {
    let report = of_another(Naming::Right, "").await;
    let run = &report.runs[0];
    assert_eq!(report.verdict, Verdict::Pass, "{:?}", report.reasons);
    assert!(run.totals.delivered > 1_000, "{:?}", run.totals);
    assert_eq!(run.totals.delivered, run.totals.expected);
    // What this server never says is neither a sample nor a statement.
    let joins = run
        .metrics
        .iter()
        .find(|result| result.metric == Metric::Join);
    assert!(joins.is_none_or(|joins| joins.n == 0), "{joins:?}");
    assert_eq!((run.totals.confirmed, run.totals.acknowledged), (0, 0));
    let document = Document::of(&report).unwrap();
    for format in [
        Format::Terminal,
        Format::Markdown,
        Format::Html,
        Format::Csv,
    ] {
        let text = format.render(&document, Choice::default()).unwrap();
        for never_said in ["optimistic", "0 confirmed", "connected and joined"] {
            assert!(!text.contains(never_said), "{format:?}: {never_said}");
        }
    }
}
