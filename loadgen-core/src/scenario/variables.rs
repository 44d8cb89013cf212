//! Variables: their defaults in `[variables]`, their values from the command line, and `${name}` where they are used.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
    path::Path,
};

use toml::{Spanned, de::DeValue};

use super::{
    Located, ScenarioError, is_name,
    sources::{Sources, Table, replaced},
};

/// The table of the defaults.
const TABLE: &str = "variables";

/// A variable set on the command line: its name and its value.
pub type Setting = (String, String);

/// The variables of a scenario.
#[derive(Debug, Default)]
pub(super) struct Variables<'a>(BTreeMap<String, Variable<'a>>);

#[derive(Debug)]
struct Variable<'a> {
    value: DeValue<'a>,
    /// Where its name stands.
    span: Range<usize>,
    /// Whether the command line gave the value.
    set: bool,
}

/// A part of a text.
#[derive(Debug, PartialEq)]
enum Piece<'a> {
    Text(&'a str),
    Variable(&'a str),
}

impl<'a> Variables<'a> {
    /// Takes the defaults out of a merged table and sets what the command line sets.
    pub(super) fn take(
        table: &mut Table<'a>,
        sources: &Sources,
        path: &Path,
        settings: &'a [Setting],
    ) -> Result<Self, ScenarioError> {
        let mut variables = Self::defaults(table, sources)?;
        for (name, text) in settings {
            variables
                .set(name, text)
                .map_err(|message| ScenarioError::Setting {
                    path: path.to_owned(),
                    setting: format!("{name}={text}"),
                    message,
                })?;
        }
        Ok(variables)
    }

    fn defaults(table: &mut Table<'a>, sources: &Sources) -> Result<Self, Located> {
        let Some(variables) = table.remove(TABLE) else {
            return Ok(Self::default());
        };
        let span = variables.span();
        let DeValue::Table(variables) = variables.into_inner() else {
            let is = "`variables` is a table of names and defaults: [variables]";
            return Err(sources.wrong(span, is));
        };
        let uses = uses(sources)?;
        variables
            .into_iter()
            .map(|(name, default)| {
                if !is_name(name.get_ref()) {
                    let other = "a variable's name has letters, digits, _ and - only";
                    return Err(sources.wrong(name.span(), other));
                }
                check_default(default.get_ref())
                    .map_err(|message| sources.wrong(default.span(), message))?;
                if !uses.contains(name.get_ref().as_ref()) {
                    return Err(sources.wrong(
                        name.span(),
                        format!("nothing uses this variable: write \"${{{}}}\" where it belongs, or leave it out", name.get_ref()),
                    ));
                }
                let variable = Variable {
                    value: default.into_inner(),
                    span: name.span(),
                    set: false,
                };
                Ok((name.into_inner().into_owned(), variable))
            })
            .collect::<Result<_, _>>()
            .map(Self)
    }

    fn set(&mut self, name: &str, text: &'a str) -> Result<(), String> {
        let known = self.names();
        let variable = self
            .0
            .get_mut(name)
            .ok_or_else(|| format!("no such variable; {known}"))?;
        if variable.set {
            return Err("it is set twice: give each variable one value".to_owned());
        }
        variable.value = same_type(&variable.value, text)?;
        variable.set = true;
        Ok(())
    }

    fn names(&self) -> String {
        match self.0.len() {
            0 => "the file has no [variables]".to_owned(),
            _ => {
                let names: Vec<&str> = self.0.keys().map(String::as_str).collect();
                format!("there are {}", names.join(", "))
            }
        }
    }

    /// Puts the values in the places of their names.
    pub(super) fn substitute(
        &self,
        table: Spanned<Table<'a>>,
        sources: &Sources,
        path: &Path,
    ) -> Result<Spanned<Table<'a>>, ScenarioError> {
        let mut substitution = Substitution {
            variables: self,
            sources,
            used: BTreeSet::new(),
        };
        let span = table.span();
        let table = replaced(table.into_inner(), &mut |text, span| {
            substitution.text(text, span)
        })?;
        let used = substitution.used;
        let mut set = self.0.iter().filter(|(_, variable)| variable.set);
        match set.find(|(name, _)| !used.contains(*name)) {
            Some((name, variable)) => Err(ScenarioError::Setting {
                path: path.to_owned(),
                setting: format!("{name}={}", text_of(&variable.value)),
                message: "it would change nothing: what used it in an included file is replaced"
                    .to_owned(),
            }),
            None => Ok(Spanned::new(span, table)),
        }
    }

    /// Names and values as text.
    pub(super) fn values(&self) -> BTreeMap<String, String> {
        self.0
            .iter()
            .map(|(name, variable)| (name.clone(), text_of(&variable.value)))
            .collect()
    }
}

struct Substitution<'s, 'a> {
    variables: &'s Variables<'a>,
    sources: &'s Sources,
    used: BTreeSet<String>,
}

impl<'a> Substitution<'_, 'a> {
    /// A whole value takes the variable's own type; inside of a longer text stands the variable's text.
    fn text(&mut self, text: &str, span: Range<usize>) -> Result<DeValue<'a>, Located> {
        let pieces = pieces(text).map_err(|message| self.sources.wrong(span.clone(), message))?;
        if let [Piece::Variable(name)] = pieces[..] {
            return self.look_up(name, &span);
        }
        let mut whole = String::with_capacity(text.len());
        for piece in pieces {
            match piece {
                Piece::Text(text) => whole.push_str(text),
                Piece::Variable(name) => whole.push_str(&text_of(&self.look_up(name, &span)?)),
            }
        }
        Ok(DeValue::String(whole.into()))
    }

    fn look_up(&mut self, name: &str, span: &Range<usize>) -> Result<DeValue<'a>, Located> {
        let Some(variable) = self.variables.0.get(name) else {
            let unknown = format!("no variable `{name}`; {}", self.variables.names());
            return Err(self.sources.wrong(span.clone(), unknown));
        };
        self.used.insert(name.to_owned());
        let from = match variable.set {
            true => "--set".to_owned(),
            false => self.sources.line(variable.span.clone()),
        };
        // Told with every mistake at this place, where the value itself is not to be seen.
        let note = format!("${{{name}}} is {} ({from})", text_of(&variable.value));
        self.sources.note(span.clone(), note);
        Ok(variable.value.clone())
    }
}

/// The names of all variables that any of the files uses, overruled or not, outside of `[variables]` itself.
fn uses(sources: &Sources) -> Result<BTreeSet<String>, Located> {
    let mut uses = BTreeSet::new();
    for file in sources.each() {
        let mut table = file?.into_inner();
        table.remove(TABLE);
        replaced(table, &mut |text, _| {
            uses.extend(names(text).map(str::to_owned));
            Ok(DeValue::Boolean(false))
        })?;
    }
    Ok(uses)
}

/// The variables in a text.
fn names(text: &str) -> impl Iterator<Item = &str> {
    let pieces = pieces(text).unwrap_or_default().into_iter();
    pieces.filter_map(|piece| match piece {
        Piece::Variable(name) => Some(name),
        Piece::Text(_) => None,
    })
}

/// `a ${name} b`; `$${` stands for `${` itself.
fn pieces(text: &str) -> Result<Vec<Piece<'_>>, String> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        if rest[..at].ends_with('$') {
            pieces.push(Piece::Text(&rest[..at - 1]));
            pieces.push(Piece::Text(&rest[at..at + 2]));
            rest = &rest[at + 2..];
            continue;
        }
        let name = rest[at + 2..]
            .split_once('}')
            .map(|(name, _)| name)
            .ok_or_else(|| {
                "`${` without its `}`: write \"${name}\", or \"$${\" for these characters themselves"
                    .to_owned()
            })?;
        pieces.push(Piece::Text(&rest[..at]));
        pieces.push(Piece::Variable(name));
        rest = &rest[at + 2 + name.len() + 1..];
    }
    pieces.push(Piece::Text(rest));
    pieces.retain(|piece| *piece != Piece::Text(""));
    Ok(pieces)
}

fn check_default(value: &DeValue<'_>) -> Result<(), &'static str> {
    match value {
        DeValue::String(text) if names(text).next().is_some() => Err(
            "a variable's default holds no other variable: write \"${a}${b}\" where both are used",
        ),
        DeValue::Table(_) | DeValue::Array(_) | DeValue::Datetime(_) => {
            Err("a variable is a text, a number, true or false")
        }
        _ => Ok(()),
    }
}

/// Reads a value from the command line in the type of the default.
fn same_type<'a>(default: &DeValue<'_>, text: &'a str) -> Result<DeValue<'a>, String> {
    if let DeValue::String(_) = default {
        return Ok(DeValue::String(text.into()));
    }
    let value = DeValue::parse(text.trim())
        .map(Spanned::into_inner)
        .unwrap_or_else(|_| DeValue::String(text.into()));
    let fits = matches!(
        (default, &value),
        (DeValue::Integer(_), DeValue::Integer(_))
            | (DeValue::Float(_), DeValue::Float(_) | DeValue::Integer(_))
            | (DeValue::Boolean(_), DeValue::Boolean(_))
    );
    if fits {
        return Ok(value);
    }
    let wanted = match default {
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number",
        _ => "true or false",
    };
    Err(format!(
        "the variable is {wanted}, as its default {} is",
        text_of(default)
    ))
}

fn text_of(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => text.to_string(),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map_or_else(|_| number.to_string(), |number| number.to_string()),
        DeValue::Float(number) => number.to_string(),
        DeValue::Boolean(yes) => yes.to_string(),
        other => format!("{other:?}"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_text_is_taken_apart_at_its_variables() {
        use Piece::{Text, Variable};
        assert_eq!(pieces("200/s"), Ok(vec![Text("200/s")]));
        assert_eq!(pieces("${users}"), Ok(vec![Variable("users")]));
        assert_eq!(
            pieces("${a}-${b}/s"),
            Ok(vec![Variable("a"), Text("-"), Variable("b"), Text("/s")])
        );
        assert_eq!(pieces("$${a}"), Ok(vec![Text("${"), Text("a}")]));
        assert_eq!(pieces("5 $ {a}"), Ok(vec![Text("5 $ {a}")]));
        assert!(pieces("${a").is_err());
    }

    #[test]
    fn a_setting_has_the_type_of_its_default() {
        let default = |text| DeValue::parse(text).unwrap().into_inner();
        for (type_of, text, accepted) in [
            ("100", "200", true),
            ("100", "2_000", true),
            ("100", "200.5", false),
            ("100", "many", false),
            ("1.5", "2", true),
            ("1.5", "2.5", true),
            ("1.5", "x", false),
            ("true", "false", true),
            ("true", "no", false),
            ("\"10s\"", "1m", true),
            ("\"10s\"", "12", true),
            ("100", "", false),
        ] {
            let read = same_type(&default(type_of), text);
            assert_eq!(read.is_ok(), accepted, "{type_of} {text}: {read:?}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text in ".*") {
            let _ = pieces(&text);
            let _ = same_type(&DeValue::Boolean(true), &text);
        }

        #[test]
        fn escaped_text_comes_back_as_it_was(text in "[a-z${} ]*") {
            let escaped = text.replace("${", "$${");
            let whole: String = pieces(&escaped)
                .unwrap()
                .into_iter()
                .map(|piece| match piece {
                    Piece::Text(text) => text,
                    Piece::Variable(name) => panic!("{name}"),
                })
                .collect();
            prop_assert_eq!(whole, text);
        }
    }
}
