//! The page: as it was, self-contained, and small.

use std::{fs, path::Path};

use base64::{Engine, engine::general_purpose::STANDARD};
use loadgen::{
    judge::{Reason, Verdict},
    report::{Choice, Format},
    result::{self, Document},
};

use sha2::{Digest, Sha256};

use crate::fixtures::{self, parts::judged};

fn page(document: &Document) -> String {
    Format::Html.render(document, Choice::default()).unwrap()
}

/// Without the style sheet, which a snapshot says nothing about, and with embedded files by their length.
fn stripped(page: &str) -> String {
    let (before, rest) = page.split_once("<style>").unwrap();
    let (_, after) = rest.split_once("</style>").unwrap();
    let (after, _) = after.split_once("<script>").unwrap();
    let mut stripped = before.to_owned();
    let mut rest = after;
    while let Some((before, data)) = rest.split_once("base64,") {
        stripped.push_str(before);
        let (data, after) = data.split_once('"').unwrap();
        stripped.push_str(&format!("base64,[{} bytes]\"", data.len()));
        rest = after;
    }
    stripped + rest
}

#[test]
fn pages() {
    for (name, document) in fixtures::all() {
        insta::assert_snapshot!(format!("html-{name}"), stripped(&page(document)));
    }
}

/// What tools of others read in `interop/reports`.
#[test]
fn results_for_other_tools() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("results");
    // Those of another version of these tests are no results of ours.
    if folder.exists() {
        fs::remove_dir_all(&folder).unwrap();
    }
    for (name, document) in fixtures::all() {
        result::write(&folder.join(format!("{name}.json")), document.text()).unwrap();
    }
    let slower = Document::of(&fixtures::slower()).unwrap();
    result::write(&folder.join("slower.json"), slower.text()).unwrap();
    assert_eq!(fs::read_dir(folder).unwrap().count(), 5);
}

#[test]
fn a_page_names_nothing_outside_of_itself() {
    for (name, document) in fixtures::all() {
        let page = page(document);
        assert!(page.len() < 500_000, "{name}: {} bytes", page.len());
        for reference in [
            "<script ",
            "<link rel=\"stylesheet",
            "http:",
            "https:",
            "@import",
            "url(",
        ] {
            // The target's address is text, not a reference.
            let text = page.replace("http://127.0.0.1:46507", "");
            assert!(!text.contains(reference), "{name}: {reference}");
        }
    }
}

#[test]
fn what_a_server_sent_stays_text() {
    let page = page(fixtures::named("fail"));
    assert!(page.contains("&#60;script&#62;alert"));
    // One script is the page's own, and its policy allows that one alone, by its hash.
    assert_eq!(page.matches("<script>").count(), 1);
    let (_, script) = page.split_once("<script>").unwrap();
    let (script, _) = script.split_once("</script>").unwrap();
    let hash = STANDARD.encode(Sha256::digest(script));
    let policy = format!(
        "default-src &#39;none&#39;; style-src &#39;unsafe-inline&#39;; img-src data:; script-src &#39;sha256-{hash}&#39;"
    );
    assert!(page.contains(&format!("content=\"{policy}\"")), "{policy}");
}

/// 2 million deliveries in 100 seconds; how long that takes is measured by hand (`docs/REPORTS.md`).
#[test]
fn a_run_of_two_million_deliveries_is_one_page_too() {
    let document = Document::of(&fixtures::large()).unwrap();
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("large.json");
    result::write(&path, document.text()).unwrap();
    let page = page(&document);
    assert!(page.len() < 500_000, "{} bytes", page.len());
    assert!(page.contains("2,000,000 deliveries"));
}

#[test]
fn what_does_not_fit_is_left_out_with_a_word() {
    let mut report = fixtures::fail();
    // Random histograms of many seconds, which don't compress.
    let windows = report.runs[0].windows.clone();
    report.runs[0].windows = (0..900)
        .map(|second| {
            let mut window = windows[second % windows.len()].clone();
            window.second = second;
            window
        })
        .collect();
    report.command = (0..60_000u64)
        .map(|n| format!("{:x}", n.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
        .collect();
    let whole = page(&Document::of(&report).unwrap());
    assert!(whole.contains("too large for this page"));
}

/// What every reader of a number has to know beside it stands at the top, with what the user says of it.
#[test]
fn the_setting_is_always_in_sight() {
    let page = page(fixtures::named("pass"));
    let (_, strip) = page.split_once("<p class=\"strip\">").unwrap();
    let (strip, _) = strip.split_once("</p>").unwrap();
    for part in [
        "one machine, loopback, 2 cores shared by server, generator and database",
        "store: MongoDB 6.0.5 (testcontainers) (w: majority, j: true)",
        "version 0.1.0",
        "2026-03-01 12:00 UTC",
        "2 of 22 seconds disturbed",
        "build=nightly",
    ] {
        assert!(strip.contains(part), "{part} in {strip}");
    }
}

/// Disturbed seconds can be left in because no limit was missed for them, and because what was missed does not rest on them.
#[test]
fn limits_that_were_missed_are_not_said_to_be_kept() {
    for (name, kept) in [("pass", true), ("fail", false)] {
        let mut report = fixtures::named(name).report().clone();
        let run = report.runs.last_mut().unwrap();
        for judged in &mut run.judgement.thresholds {
            judged.left_out = Some(0);
        }
        let window = run.windows.last_mut().unwrap();
        window.machine.as_mut().unwrap().disturbed = true;
        let page = page(&Document::of(&report).unwrap());
        assert!(page.contains("nothing is left out"), "{name}");
        assert_eq!(
            page.contains("The limits were kept with them"),
            kept,
            "{name}"
        );
    }
}

/// Which seconds the numbers are of is said of each limit where limits differ in it.
#[test]
fn limits_that_rest_on_other_seconds_are_told_apart() {
    let said = |kept: Verdict| {
        let mut report = fixtures::named("pass").report().clone();
        let run = report.runs.last_mut().unwrap();
        let mut of_all = judged("confirm.p99 < 1s", kept, "6.60 ms (n = 13244)");
        of_all.left_out = Some(0);
        run.judgement.thresholds[0].left_out = Some(2);
        run.judgement.thresholds.push(of_all);
        page(&Document::of(&report).unwrap())
    };
    let told = "2 of 22 seconds were disturbed: something outside held the run up. ";
    let kept = "Limits that were kept with them are over all their seconds, the others leave them out; charts";
    let page = said(Verdict::Pass);
    assert!(page.contains(&format!("{told}{kept}")), "{page}");
    let some = "Some limits are over all their seconds, the others leave them out; charts";
    let page = said(Verdict::Inconclusive);
    assert!(page.contains(&format!("{told}{some}")), "{page}");
}

/// Several runs have a baseline, whose broken promises are no doing of the one that is judged.
#[test]
fn what_a_baseline_broke_is_told_as_its_own() {
    let mut report = fixtures::named("pass").report().clone();
    report.runs[0].findings = fixtures::fail().runs[0].findings.clone();
    let document = Document::of(&report).unwrap();
    let whose = "persist-first delivery (the baseline):";
    let text = page(&document);
    assert!(
        text.contains(&format!("<h3>{whose} deliveries lost: 3</h3>")),
        "{text}"
    );
    let terminal = Format::Terminal
        .render(&document, Choice::default())
        .unwrap();
    assert!(
        terminal.contains(&format!("\n{whose}\ndeliveries lost (3)")),
        "{terminal}"
    );
    // Alone it is nobody else's.
    let alone = page(fixtures::named("fail"));
    assert!(alone.contains("<h3>deliveries lost: 3</h3>"));
}

/// The sentence tells the first reason of what is INVALID; what was found besides stands in no place of it.
#[test]
fn every_reason_of_an_invalid_run_is_told() {
    let mut report = fixtures::fail();
    report.verdict = Verdict::Invalid;
    let reasons = [
        "3 receipts before their send: the generator's clock is wrong",
        "2 samples are longer than can be kept",
    ];
    report.reasons = reasons
        .map(|reason| Reason::from(reason.to_owned()))
        .into_iter()
        .chain(report.reasons)
        .collect();
    let text = page(&Document::of(&report).unwrap());
    let (_, banner) = text.split_once("<ul class=\"small\">").unwrap();
    let (banner, _) = banner.split_once("</ul>").unwrap();
    assert!(banner.contains(reasons[1]), "{banner}");
    assert!(banner.contains("deliveries lost: 3"), "{banner}");
}

/// The same in all formats, with its thousands apart.
#[test]
fn large_conversations_are_counted_as_everything_else() {
    let mut report = fixtures::fail();
    let size = report.runs[0].sizes.last_mut().unwrap();
    (size.least, size.most) = (1_000, 1_000);
    let document = Document::of(&report).unwrap();
    let terminal = Format::Terminal
        .render(&document, Choice::default())
        .unwrap();
    for text in [page(&document), terminal] {
        assert!(text.contains("1,000 members"), "{text}");
    }
}

#[test]
fn every_limit_has_a_tile_that_says_what_is_left_of_it() {
    let page = page(fixtures::named("fail"));
    let (_, tiles) = page.split_once("<div class=\"tiles FAIL\">").unwrap();
    let (tiles, _) = tiles.split_once("<ol").unwrap();
    assert!(tiles.contains(
        "<div class=\"FAIL\"><span>delivery latency within 5 ms</span><b>91.01 %</b><span>limit: at least 99 %</span>\
         <i class=\"used\"><i style=\"width:100%\"></i></i><em>missed</em></div>"
    ), "{tiles}");
    assert!(
        tiles.contains("<b>3</b><span>limit: none</span><em>missed</em>"),
        "{tiles}"
    );
    assert!(tiles.contains("<em>97 % left</em>"), "{tiles}");
}

/// Looks of lines and areas that the style sheet of a page does not have, so that nothing is seen of them.
pub fn unseen(page: &str) -> Vec<&str> {
    let (_, rest) = page.split_once("<style>").unwrap();
    let (style, body) = rest.split_once("</style>").unwrap();
    let paths = body.split("<path class=\"").skip(1);
    let looks = paths.filter_map(|path| path.split(['"', ' ']).next());
    let known = |look: &&str| style.contains(&format!(".{look} {{"));
    looks.filter(|look| !known(look)).collect()
}

#[test]
fn every_line_and_area_is_seen() {
    for (name, document) in fixtures::all() {
        assert_eq!(unseen(&page(document)), [""; 0], "{name}");
    }
}
