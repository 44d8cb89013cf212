//! The site: an index over all results, each a click away.

use std::{fs, path::Path, process::Command};

use loadgen::{
    judge::{Judged, Measured, Verdict},
    report::publish,
    result::{Document, FaultResult, Report},
    scenario::FaultKind,
};

use crate::fixtures::{self, parts::judged};

#[test]
fn the_index_leads_to_every_result() {
    let slower = Document::of(&fixtures::slower()).unwrap();
    let mut reports: Vec<&Report> = fixtures::all().iter().map(|(_, d)| d.report()).collect();
    reports.push(slower.report());
    let index = publish::index(&reports, &[]).unwrap();
    let mut documents: Vec<Document> = fixtures::all().iter().map(|(_, d)| d.clone()).collect();
    documents.push(slower.clone());
    let site = publish::site(&documents, &[]).unwrap();
    assert_eq!(site.len(), 11);
    for file in &site[..10] {
        let path = file.path.display().to_string();
        assert!(index.text.contains(&format!("href=\"{path}\"")), "{path}");
    }
    assert_eq!(site[10], index);
    let (head, rest) = index.text.split_once("<style>").unwrap();
    let (_, body) = rest.split_once("</style>").unwrap();
    let (body, _) = body.split_once("<script>").unwrap();
    insta::assert_snapshot!("site-index", head.to_owned() + body);
}

#[test]
fn what_faults_cost_is_on_one_page_that_the_index_leads_to() {
    let mut broken = fixtures::slower();
    let run = broken.runs.last_mut().unwrap();
    run.faults.push(FaultResult {
        name: "out<age".to_owned(),
        kind: FaultKind::StoreFrozen,
        what: "store-frozen".to_owned(),
        planned: [5_000_000_000, 9_000_000_000],
        start: Some(5_000_000_000),
        end: Some(9_250_000_000),
        proof: Some("it stood still".to_owned()),
        trouble: None,
    });
    let documents = [
        Document::of(&broken).unwrap(),
        fixtures::named("pass").clone(),
    ];
    let site = publish::site(&documents, &[]).unwrap();
    let text = |path: &str| {
        let file = site.iter().find(|file| file.path == Path::new(path));
        file.map(|file| file.text.clone()).unwrap_or_default()
    };
    assert!(text("index.html").contains("href=\"faults.html\""));
    let page = text("faults.html");
    for told in [
        "out&#60;age",
        "store-frozen",
        "it stood still",
        "from 5.00 s for 4.25 s",
    ] {
        assert!(page.contains(told), "{told} is not in {page}");
    }
    // What had no fault is not on it, and each limit of what had one is.
    assert_eq!(page.matches("<h3>").count(), 1);
    for judged in &broken.runs.last().unwrap().judgement.thresholds {
        let limit = judged.threshold.replace('<', "&#60;").replace('>', "&#62;");
        assert!(page.contains(&limit), "{limit}");
    }
    assert!(!page.contains("<th>server</th>"), "there is no other");

    // Beside another server each is told by itself, and its numbers are its own.
    let mut peer = broken.clone();
    let run = peer.runs.last_mut().unwrap();
    (run.own, run.target) = (false, "peer:node".to_owned());
    run.totals.lost = 7;
    let both = [Document::of(&broken).unwrap(), Document::of(&peer).unwrap()];
    let site = publish::site(&both, &[]).unwrap();
    let page = faults_page(&site);
    assert_eq!(page.matches("<h3>").count(), 2);
    assert_eq!(page.matches("data-of=\"server\">peer:node<").count(), 1);
    assert_eq!(
        page.matches("; 7 deliveries were lost;").count(),
        1,
        "{page}"
    );
    // Servers that were measured on one machine need not name it, and those of two machines do.
    assert!(!page.contains("is not to be held against"), "{page}");
    peer.environment.cpu = Some("Another Processor".to_owned());
    let both = [Document::of(&broken).unwrap(), Document::of(&peer).unwrap()];
    let site = publish::site(&both, &[]).unwrap();
    let page = faults_page(&site);
    assert!(page.contains("is not to be held against"), "{page}");
    assert_eq!(page.matches("Another Processor").count(), 2, "{page}");
    // What was measured on another machine is told apart by that and nothing else, and the scenario counts once.
    let mut elsewhere = broken.clone();
    elsewhere.environment.cpu = Some("Another Processor".to_owned());
    elsewhere.runs.last_mut().unwrap().totals.lost = 7;
    elsewhere.started = "2020-01-01T00:00:00Z".to_owned();
    let both = [
        Document::of(&elsewhere).unwrap(),
        Document::of(&broken).unwrap(),
    ];
    let site = publish::site(&both, &[]).unwrap();
    let page = faults_page(&site);
    assert!(page.contains("The latest runs of 1 scenario with 1 fault: "));
    assert!(
        !page.contains("; 7 deliveries were lost;"),
        "the newest is what counts"
    );
    let told: Vec<&str> = page
        .split("<span class=\"quiet small\">")
        .skip(1)
        .filter_map(|rest| rest.split_once("</span>").map(|(told, _)| told))
        .collect();
    // In the table and in the part of its own, the newest first.
    assert_eq!(told.len(), 4, "{told:?}");
    for (told, is_elsewhere) in told.iter().zip([false, true, false, true]) {
        assert_eq!(told.contains("Another Processor"), is_elsewhere, "{told}");
        assert!(!told.contains(&broken.runs.last().unwrap().store), "{told}");
    }
    // Each case counts, and not each promise that was broken.
    let cases = |report: &Report| {
        let findings = report.runs.last().unwrap().findings.iter();
        findings.map(|finding| finding.count).sum::<u64>()
    };
    let mut failed = fixtures::named("fail").report().clone();
    failed.runs.last_mut().unwrap().faults = broken.runs.last().unwrap().faults.clone();
    let expected = cases(&failed);
    assert!(expected > failed.runs.last().unwrap().findings.len() as u64);
    let site = publish::site(&[Document::of(&failed).unwrap()], &[]).unwrap();
    let page = site
        .iter()
        .find(|file| file.path == Path::new("faults.html"));
    let told = format!("{} cases of a broken promise", expected);
    assert!(page.unwrap().text.contains(&told), "{told}");

    let without = publish::site(&documents[1..], &[]).unwrap();
    assert!(
        without
            .iter()
            .all(|file| file.path != Path::new("faults.html"))
    );
}

/// The page of what faults cost.
fn faults_page(site: &[publish::SiteFile]) -> &str {
    let mut files = site.iter();
    let page = files.find(|file| file.path == Path::new("faults.html"));
    &page.unwrap().text
}

fn publish(results: &[&Path], site: &Path) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_loadgen"))
        .arg("publish")
        .args(results)
        .arg("--to")
        .arg(site)
        .output()
        .unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    (output.status.code(), stderr)
}

/// Brought up to the present version it would be one that lacks its seal and its evidence.
#[test]
fn a_result_of_an_older_version_is_kept_as_it_is() {
    let old = include_str!("version-1.json");
    let folder = tempfile::tempdir().unwrap();
    let (result, site) = (folder.path().join("old.json"), folder.path().join("site"));
    fs::write(&result, old).unwrap();
    for _ in 0..2 {
        assert_eq!(publish(&[&result], &site).0, Some(0));
        let document = Document::parse(old.to_owned()).unwrap();
        let kept = site.join(publish::kept(&document).path);
        assert_eq!(fs::read_to_string(kept).unwrap(), old);
    }
}

#[test]
fn what_was_published_stays_and_twice_is_once() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (folder.path().join("1.json"), folder.path().join("2.json"));
    fs::write(&first, fixtures::named("pass").text()).unwrap();
    let slower = Document::of(&fixtures::slower()).unwrap();
    fs::write(&second, slower.text()).unwrap();
    let site = folder.path().join("site");
    assert_eq!(publish(&[&first], &site).0, Some(0));
    assert_eq!(publish(&[&second, &first], &site).0, Some(0));
    let index = fs::read_to_string(site.join("index.html")).unwrap();
    assert_eq!(index.matches(">JSON</a>").count(), 2);
    assert!(index.contains("From run to run"));
    // Every page leads back, and to its neighbours.
    let page = |json: &Path| {
        let kept = Document::read(json).unwrap();
        let files = publish::site(&[kept], &[]).unwrap();
        fs::read_to_string(site.join(&files[1].path)).unwrap()
    };
    let (one, other) = (page(&first), page(&second));
    assert!(one.contains("<a href=\"../index.html\">all results</a>"));
    assert!(one.contains("rel=\"next\"") && !one.contains("rel=\"prev\""));
    assert!(other.contains("rel=\"prev\"") && !other.contains("rel=\"next\""));
    let published = fs::read_dir(site.join("before-and-after")).unwrap();
    assert_eq!(published.count(), 4);
}

/// What is kept is JSON: the site is made of it again, elsewhere too, the same to the byte.
#[test]
fn the_site_is_made_of_the_json_alone() {
    let folder = tempfile::tempdir().unwrap();
    let result = folder.path().join("1.json");
    fs::write(&result, fixtures::named("pass").text()).unwrap();
    let (kept, site) = (folder.path().join("kept"), folder.path().join("site"));
    let add = ["--site", site.to_str().unwrap()].map(Path::new);
    assert_eq!(publish(&[&result, add[0], add[1]], &kept).0, Some(0));
    let files = |of: &Path| {
        let found = fs::read_dir(of.join("before-and-after")).unwrap();
        let mut names: Vec<_> = found.map(|file| file.unwrap().file_name()).collect();
        names.sort();
        names
    };
    assert_eq!(files(&kept).len(), 1);
    assert!(!kept.join("index.html").exists());
    assert_eq!(files(&site).len(), 2);
    assert_eq!(publish(&[], &kept).0, Some(0));
    assert_eq!(files(&kept), files(&site));
    for name in files(&site) {
        let read = |of: &Path| fs::read(of.join("before-and-after").join(&name)).unwrap();
        assert!(read(&kept) == read(&site), "{name:?}");
    }
    let nowhere = folder.path().join("nowhere");
    let (code, stderr) = publish(&[], &nowhere);
    assert_eq!(code, Some(2));
    assert!(stderr.contains("name some"), "{stderr}");
}

#[test]
fn what_is_no_result_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let wrong = folder.path().join("wrong.json");
    fs::write(&wrong, "{}").unwrap();
    let site = folder.path().join("site");
    let (code, stderr) = publish(&[&wrong], &site);
    assert_eq!(code, Some(2));
    assert!(stderr.contains("wrong.json"), "{stderr}");
    assert!(!site.exists());
}

/// The heads of the trends and the claims of an index, and how many charts it has.
fn apart(reports: &[&Report]) -> (usize, usize, usize) {
    let text = publish::index(reports, &[]).unwrap().text;
    (
        text.matches("<p class=\"on\">").count(),
        text.matches("The latest runs of").count(),
        text.matches("From run to run</h2>").count(),
    )
}

#[test]
fn other_targets_stores_machines_and_labels_have_trends_and_claims_of_their_own() {
    let first = fixtures::named("pass").report();
    let slower = fixtures::slower();
    assert_eq!(apart(&[first, &slower]), (0, 1, 1));
    let edits: [fixtures::Edit; 4] = [
        ("target", |report| report.runs[1].own = false),
        ("store", |report| {
            report.runs[1].store = "MongoDB 8.0".into()
        }),
        ("machine", |report| report.environment.cores = 64),
        ("label", |report| report.labels.clear()),
    ];
    for (what, edit) in edits {
        let mut other = fixtures::slower();
        edit(&mut other);
        assert_eq!(apart(&[first, &other]), (2, 2, 0), "{what}");
        let mut again = other.clone();
        again.started = "2026-03-03T12:00:00.000Z".into();
        assert_eq!(
            apart(&[first, &other, &again, &slower]),
            (2, 2, 2),
            "{what}"
        );
    }
    // The port of a server of our own says nothing.
    let mut other = fixtures::slower();
    other.runs[1].target = "http://127.0.0.1:1".into();
    assert_eq!(apart(&[first, &other]), (0, 1, 1));
}

#[test]
fn of_two_machines_the_one_that_was_measured_on_last_comes_first() {
    let on = |cores: usize, started: &str| {
        let mut report = fixtures::slower();
        report.environment.cores = cores;
        report.started = started.to_owned();
        report
    };
    let (before, after) = ("2026-03-02T12:00:00.000Z", "2026-03-04T12:00:00.000Z");
    for (first, last) in [(before, after), (after, before)] {
        let reports = [on(32, first), on(64, last)];
        let text = publish::index(&[&reports[0], &reports[1]], &[])
            .unwrap()
            .text;
        let place = |cores: &str| text.find(cores).unwrap();
        assert_eq!(place("32 cores") < place("64 cores"), first > last);
    }
}

/// What is promised outside of faults only is not counted over the seconds inside of them.
#[test]
fn the_claim_counts_what_the_limits_are_on() {
    let mut report = fixtures::slower();
    let run = report.runs.last_mut().unwrap();
    let promise = |place: &str, within: f64, due: u64| Judged {
        threshold: format!("delivery.within_5ms{}", place),
        verdict: Verdict::Pass,
        measured: String::new(),
        numbers: Some(Measured {
            value: Some(within),
            n: due,
            this_run: None,
            runs_like_this: None,
            long_run: None,
        }),
        left_out: Some(0),
    };
    run.judgement.thresholds = vec![
        promise("@outage >= 10%", 0.2, 5_000),
        promise(" >= 99% (outside the faults)", 0.9995, 20_000),
    ];
    let claim = |report: &Report| {
        let text = publish::index(&[report], &[]).unwrap().text;
        let (_, claim) = text
            .split_once("In the 1 valid run that asks for it, ")
            .unwrap_or_default();
        claim
            .split_once(" of their")
            .unwrap_or_default()
            .0
            .to_owned()
    };
    assert_eq!(
        claim(&report),
        "99.95 % of 20,000 deliveries outside of faults arrived within 5 ms"
    );
    // Inside of a fault nobody promised it for all of the run.
    report
        .runs
        .last_mut()
        .unwrap()
        .judgement
        .thresholds
        .truncate(1);
    assert_eq!(claim(&report), "");
}

/// The worst run is no less one of them for being without an end.
#[test]
fn the_spread_reaches_to_what_never_came() {
    let on = |day: u32, lost: u64| {
        let mut report = fixtures::repeated(day, 1.0);
        report.scenario.asks = Some("delivery.p99".to_owned());
        let run = &mut report.runs[0];
        run.metrics[0].lost = lost;
        run.judgement.thresholds = vec![Judged {
            left_out: Some(0),
            ..judged("delivery.p99 < 5ms", Verdict::Pass, "")
        }];
        report
    };
    let reports = [on(1, 0), on(2, 0), on(3, 1_000)];
    let index = publish::index(&reports.iter().collect::<Vec<_>>(), &[]).unwrap();
    let (_, spread) = index.text.split_once("3 runs of this version").unwrap();
    let (spread, _) = spread.split_once("</p>").unwrap();
    assert!(spread.contains(" ms to never, median "), "{spread}");
}

/// Runs of which something else was asked are in one trend, but no line and no spread joins them.
#[test]
fn a_trend_does_not_join_runs_of_which_something_else_was_asked() {
    let on = |day: u32, sha256: &str| {
        let mut report = fixtures::slower();
        report.started = format!("2026-03-{day:02}T12:00:00.000Z");
        report.scenario.sha256 = sha256.to_owned();
        report
    };
    let lines = |reports: &[Report]| {
        let reports: Vec<&Report> = reports.iter().collect();
        let text = publish::index(&reports, &[]).unwrap().text;
        let spread = text.contains("runs of this version");
        (
            text.matches("<title>delivery latency, median</title>")
                .count(),
            spread,
        )
    };
    let (drawn, spread) = lines(&[on(2, "a"), on(3, "a"), on(4, "a")]);
    assert!(drawn > 0 && spread);
    assert_eq!(lines(&[on(2, "a"), on(3, "b"), on(4, "c")]), (0, false));
    // What was lost has a mark, where a percentile is one of what never came.
    let mut lost = on(3, "a");
    let run = lost.runs.last_mut().unwrap();
    for window in &mut run.windows {
        window.lost = Some(window.deliveries + 1_000);
    }
    let text = publish::index(&[&on(2, "a"), &lost, &on(4, "a")], &[])
        .unwrap()
        .text;
    assert!(
        text.contains("delivery latency, median never: 2026-03-03"),
        "no mark"
    );
}
