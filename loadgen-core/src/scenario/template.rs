//! Texts with places for what each user has of its own: its id, its number, its token, a column of the users' file.

use std::{collections::BTreeMap, fmt};

use serde_json::{Map, Value};

/// A text in which `{id}`, `{index}`, `{token}` and columns of the users' file stand for a user's own.
///
/// Braces around anything but a word are text: `{"a":1}` stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Template(Vec<Piece>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Id,
    Index,
    Token,
    Column(String),
}

/// What a user puts into templates.
#[derive(Debug, Clone, Copy)]
pub struct Filling<'a> {
    /// Its id.
    pub id: &'a str,
    /// Its number in the plan, from 0.
    pub index: u32,
    /// What it shows when it logs in.
    pub token: &'a str,
    /// What the users' file says of it beside id and token, by column.
    pub columns: Option<&'a BTreeMap<String, String>>,
}

/// Which names a template may hold.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    /// Whether `{token}` is one: it is none inside of the token itself.
    pub token: bool,
    /// The columns of the users' file beside `id` and `token`.
    pub columns: &'a [String],
}

impl Template {
    /// Takes a text apart.
    ///
    /// # Errors
    /// A name that stands for nothing, and what there is.
    pub fn parse(text: &str, known: Known<'_>) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((before, name, after)) = next_name(rest) {
            pieces.push(Piece::Text(before.to_owned()));
            pieces.push(match name {
                "id" => Piece::Id,
                "index" => Piece::Index,
                "token" if known.token => Piece::Token,
                column if known.columns.iter().any(|known| known == column) => {
                    Piece::Column(column.to_owned())
                }
                unknown => return Err(known.refusal(unknown)),
            });
            rest = after;
        }
        pieces.push(Piece::Text(rest.to_owned()));
        pieces.retain(|piece| !matches!(piece, Piece::Text(text) if text.is_empty()));
        Ok(Self(pieces))
    }

    /// A text without places.
    pub fn plain(text: &str) -> Self {
        Self(vec![Piece::Text(text.to_owned())])
    }

    /// Whether it is the same for all users.
    pub fn is_plain(&self) -> bool {
        self.0.iter().all(|piece| matches!(piece, Piece::Text(_)))
    }

    /// The text of one user; each of the user's own values goes through `encode`, what is written in the file does not.
    pub fn fill_with(&self, filling: &Filling<'_>, encode: impl Fn(&str) -> String) -> String {
        let mut text = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(own) => text.push_str(own),
                Piece::Id => text.push_str(&encode(filling.id)),
                Piece::Index => text.push_str(&filling.index.to_string()),
                Piece::Token => text.push_str(&encode(filling.token)),
                Piece::Column(name) => {
                    let value = filling.columns.and_then(|columns| columns.get(name));
                    text.push_str(&encode(value.map_or("", String::as_str)));
                }
            }
        }
        text
    }

    /// The text of one user.
    pub fn fill(&self, filling: &Filling<'_>) -> String {
        self.fill_with(filling, str::to_owned)
    }

    /// What is written in the file and the same for all users.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|piece| match piece {
            Piece::Text(text) => Some(text.as_str()),
            _ => None,
        })
    }
}

impl Known<'_> {
    fn refusal(&self, unknown: &str) -> String {
        let mut names = vec!["{id}".to_owned(), "{index}".to_owned()];
        if self.token {
            names.push("{token}".to_owned());
        }
        names.extend(self.columns.iter().map(|column| format!("{{{column}}}")));
        let last = names.pop().unwrap_or_default();
        format!(
            "{{{unknown}}} is nothing: there are {} and {last}",
            names.join(", ")
        )
    }
}

/// The text before the next name in braces, the name, and the text behind it.
fn next_name(text: &str) -> Option<(&str, &str, &str)> {
    let is_word = |name: &str| {
        !name.is_empty()
            && name
                .chars()
                .all(|c| c.is_alphanumeric() || c == '_' || c == '-')
    };
    text.match_indices('{').find_map(|(at, _)| {
        let (name, after) = text[at + 1..].split_once('}')?;
        is_word(name).then(|| (&text[..at], name, after))
    })
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|piece| match piece {
            Piece::Text(text) => f.write_str(text),
            Piece::Id => f.write_str("{id}"),
            Piece::Index => f.write_str("{index}"),
            Piece::Token => f.write_str("{token}"),
            Piece::Column(name) => write!(f, "{{{name}}}"),
        })
    }
}

/// A JSON value whose texts are templates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pattern {
    /// The same for all users: a number, a switch.
    Fixed(Value),
    /// A text.
    Text(Template),
    /// A list.
    List(Vec<Pattern>),
    /// An object.
    Object(Vec<(String, Pattern)>),
}

impl Pattern {
    /// Reads the texts of a value as templates.
    ///
    /// # Errors
    /// A name that stands for nothing, and what there is.
    pub fn parse(value: &Value, known: Known<'_>) -> Result<Self, String> {
        Ok(match value {
            Value::String(text) => Self::Text(Template::parse(text, known)?),
            Value::Array(values) => {
                let values = values.iter().map(|value| Self::parse(value, known));
                Self::List(values.collect::<Result<_, _>>()?)
            }
            Value::Object(object) => {
                let pairs = object
                    .iter()
                    .map(|(key, value)| Ok((key.clone(), Self::parse(value, known)?)));
                Self::Object(pairs.collect::<Result<_, String>>()?)
            }
            fixed => Self::Fixed(fixed.clone()),
        })
    }

    /// The value of one user.
    pub fn fill(&self, filling: &Filling<'_>) -> Value {
        match self {
            Self::Fixed(value) => value.clone(),
            Self::Text(template) => Value::String(template.fill(filling)),
            Self::List(values) => values.iter().map(|value| value.fill(filling)).collect(),
            Self::Object(pairs) => Value::Object(
                pairs
                    .iter()
                    .map(|(key, value)| (key.clone(), value.fill(filling)))
                    .collect::<Map<_, _>>(),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const ALL: Known<'_> = Known {
        token: true,
        columns: &[],
    };

    fn filled(text: &str) -> Result<String, String> {
        let columns = BTreeMap::from([("space".to_owned(), "w1".to_owned())]);
        let known = Known {
            token: true,
            columns: &["space".to_owned()],
        };
        let filling = Filling {
            id: "ann",
            index: 3,
            token: "t&t",
            columns: Some(&columns),
        };
        Template::parse(text, known).map(|template| template.fill(&filling))
    }

    #[test]
    fn each_name_stands_for_the_users_own() {
        for (text, expected) in [
            ("", ""),
            ("plain", "plain"),
            ("Bearer {token}", "Bearer t&t"),
            ("{id}-{index}@{space}", "ann-3@w1"),
            (r#"{"a":{"b":1}}"#, r#"{"a":{"b":1}}"#),
            ("{{id}}", "{ann}"),
            ("a { b } {} {", "a { b } {} {"),
        ] {
            assert_eq!(filled(text), Ok(expected.to_owned()));
        }
        assert_eq!(
            filled("{name}"),
            Err("{name} is nothing: there are {id}, {index}, {token} and {space}".to_owned())
        );
    }

    #[test]
    fn only_the_users_own_values_are_encoded() {
        let template = Template::parse("a&{token}", ALL).unwrap();
        let filling = Filling {
            id: "",
            index: 0,
            token: "t&t",
            columns: None,
        };
        let encoded = template.fill_with(&filling, |own| own.replace('&', "%26"));
        assert_eq!(encoded, "a&t%26t");
    }

    #[test]
    fn an_object_of_any_shape_is_filled() {
        let value = json!({ "token": "Bearer {token}", "v": 2, "deep": [{ "who": "{id}" }, true] });
        let pattern = Pattern::parse(&value, ALL).unwrap();
        let filling = Filling {
            id: "ann",
            index: 0,
            token: "t",
            columns: None,
        };
        assert_eq!(
            pattern.fill(&filling),
            json!({ "token": "Bearer t", "v": 2, "deep": [{ "who": "ann" }, true] })
        );
        assert!(Pattern::parse(&json!([{ "a": "{nobody}" }]), ALL).is_err());
    }

    proptest! {
        #[test]
        fn what_was_written_is_shown(text in "[a-z {}\"]{0,20}") {
            if let Ok(template) = Template::parse(&text, ALL) {
                prop_assert_eq!(template.to_string(), text);
            }
        }
    }
}
