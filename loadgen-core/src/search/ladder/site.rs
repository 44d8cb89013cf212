//! A ladder on a site: its files, its lines on the index, and the place in a page that tells of the newest.

use super::{Headline, Ladder, LadderFormat, headline, headline::range, show::standings};
use crate::report::{
    RenderError,
    publish::{Comparison, SiteFile},
    setting::date,
};

/// The folder of ladders in a site.
const FOLDER: &str = "systems";
/// The picture of the newest ladder, from the root of the site.
pub const PICTURE: &str = "systems/headline.svg";
/// The lines between which a page tells of the newest ladder.
pub const README_MARKS: [&str; 2] = ["<!-- ladder -->", "<!-- /ladder -->"];

/// Where a file of a ladder lies, from the root of the site.
pub(super) fn place(ladder: &Ladder, ending: &str) -> String {
    format!("{FOLDER}/{}.{ending}", ladder.name())
}

/// The files of a ladder: its JSON `text` as it was recorded, which is kept, and the page that is made of it.
///
/// # Errors
/// [`RenderError`] when the page can't be made.
pub fn files(ladder: &Ladder, text: &str) -> Result<[SiteFile; 2], RenderError> {
    let file = |ending: &str, text: String| SiteFile {
        path: place(ladder, ending).into(),
        text,
    };
    Ok([
        file("json", text.to_owned()),
        file("html", LadderFormat::Html.render(ladder)?),
    ])
}

/// A ladder as the index of a site names it.
pub fn of_index(ladder: &Ladder) -> Comparison {
    let scenarios = ladder.searches.iter().map(|found| &*found.scenario.name);
    let scenarios: Vec<_> = scenarios.collect();
    let told = headline(ladder);
    Comparison {
        page: place(ladder, "html"),
        day: date(&ladder.started),
        verdict: ladder.verdict_on_own(),
        standings: standings(ladder),
        title: format!("{}: {}", scenarios.join(", "), ladder.systems().join(", ")),
        sentences: told.map_or_else(Vec::new, |told| told.sentences()),
    }
}

/// What the newest ladder with this server comes to, and its picture as a file of the site.
pub fn newest<'l>(
    ladders: impl Iterator<Item = &'l Ladder> + Clone,
) -> Option<(Option<SiteFile>, Headline)> {
    let all = ladders.clone();
    let told = ladders.filter_map(|ladder| Some((ladder, headline(ladder)?)));
    let (ladder, mut told) = told.max_by_key(|(ladder, _)| ladder.started.clone())?;
    told.range = range(ladder, all);
    let picture = told.picture.clone().map(|text| SiteFile {
        path: PICTURE.into(),
        text,
    });
    Some((picture, told))
}

/// A page with this between its marks; `None` where it has none.
pub fn between_marks(page: &str, told: &str) -> Option<String> {
    let [from, to] = README_MARKS;
    let (before, rest) = page.split_once(from)?;
    let (_, after) = rest.split_once(to)?;
    let told = match told {
        "" => String::new(),
        told => format!("\n{told}\n"),
    };
    Some(format!("{before}{from}\n{told}{to}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_between_the_marks_is_replaced_and_nothing_else() {
        let page = "# T\n\n<!-- ladder -->\nold\n<!-- /ladder -->\n\nmore\n";
        let told = between_marks(page, "new\n").unwrap();
        assert_eq!(
            told,
            "# T\n\n<!-- ladder -->\n\nnew\n\n<!-- /ladder -->\n\nmore\n"
        );
        assert_eq!(between_marks(&told, "new\n").unwrap(), told);
        let nothing = between_marks(&told, "").unwrap();
        assert_eq!(
            nothing,
            "# T\n\n<!-- ladder -->\n<!-- /ladder -->\n\nmore\n"
        );
        assert_eq!(between_marks("<!-- /ladder --><!-- ladder -->", ""), None);
    }
}
