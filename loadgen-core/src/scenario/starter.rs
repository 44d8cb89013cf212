//! A commented scenario to begin one's own with.

use super::{LONGEST_NAME, is_name};

const TEXT: &str = include_str!("../../templates/starter.toml");
/// What it is called in its own text.
const NAME: &str = "starter";
/// Where its first line looks for the schema: beside it.
pub const SCHEMA_FILE: &str = "loadgen.schema.json";

/// The text of a scenario file to begin with, that is run as it is. `file` is the name it will have, as it is typed on a
/// command line; the scenario is called `name`, with a `-` for whatever a name can't have.
pub fn starter(file: &str, name: &str) -> String {
    let fit = |c: char| is_name(c.encode_utf8(&mut [0; 4])).then_some(c);
    let name = name.chars().map(|c| fit(c).unwrap_or('-'));
    let name: String = name.take(LONGEST_NAME).collect();
    let name = match name.trim_matches('-') {
        "" => NAME,
        name => name,
    };
    TEXT.replace(&format!("{NAME}.toml"), file).replacen(
        &format!("\"{NAME}\""),
        &format!("{name:?}"),
        1,
    )
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{
        super::{Scenario, schema},
        *,
    };

    #[test]
    fn it_is_a_scenario_of_that_name_and_names_its_schema() {
        for (asked, name) in [
            ("chat", "chat"),
            ("My chat, in März", "My-chat--in-M-rz"),
            ("", "starter"),
            ("…", "starter"),
            (&*"x".repeat(101), &*"x".repeat(100)),
        ] {
            let text = starter("folder/chat.toml", asked);
            let scenario = Scenario::parse(Path::new("chat.toml"), &text).unwrap();
            assert_eq!(scenario.name, name);
            assert!(text.starts_with(&format!("#:schema ./{SCHEMA_FILE}\n")));
            assert!(
                text.contains("loadgen run folder/chat.toml --set"),
                "{text}"
            );
            assert!(!text.contains("starter.toml"), "{text}");
        }
    }

    #[test]
    fn what_it_shows_as_comments_are_keys_that_there_are() {
        let known = schema().to_string();
        let keys = TEXT.lines().filter_map(|line| line.strip_prefix("# "));
        let keys = keys.filter_map(|line| line.split_once(" = "));
        let mut seen = 0;
        for (key, _) in keys.filter(|(key, _)| !key.contains([' ', '"'])) {
            assert!(known.contains(&format!("\"{key}\"")), "{key}");
            seen += 1;
        }
        assert!(seen > 5, "{seen}");
    }
}
