//! Where in what a server sends a value stands: which argument of the event, and which fields inside of it.

use std::{collections::VecDeque, fmt, str::FromStr};

use serde_json::Value;

/// A path to a value: fields with dots between them, behind the number of the argument where it is not the first.
///
/// `message.text` is in the first argument, `1.data._id` in the second, `0` is the first argument itself. Inside, a number
/// is a place in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path {
    argument: usize,
    steps: Vec<String>,
}

/// A text that is no path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no path: write fields with dots between them, as in \"message.text\", behind the argument's number where it is not the first, as in \"1.data._id\""
)]
pub struct NoPath(String);

impl FromStr for Path {
    type Err = NoPath;

    fn from_str(text: &str) -> Result<Self, NoPath> {
        let mut steps: Vec<String> = text.split('.').map(str::to_owned).collect();
        if steps.iter().any(|step| step.trim().is_empty()) {
            return Err(NoPath(text.to_owned()));
        }
        let argument = match place(&steps[0]) {
            Some(number) => {
                steps.remove(0);
                number
            }
            None => 0,
        };
        Ok(Self { argument, steps })
    }
}

/// As it is written, without the number of the first argument where fields follow it.
impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fields = self.steps.join(".");
        // Fields that begin with a number would be taken for an argument's.
        let named = self
            .steps
            .first()
            .is_some_and(|first| place(first).is_none());
        match (self.argument, named) {
            (0, true) => f.write_str(&fields),
            (argument, _) if fields.is_empty() => write!(f, "{argument}"),
            (argument, _) => write!(f, "{argument}.{fields}"),
        }
    }
}

impl Path {
    /// To one of an event's arguments, and through these fields and places.
    pub fn new(argument: usize, steps: Vec<String>) -> Self {
        Self { argument, steps }
    }

    /// To a field inside of what stands there.
    pub fn inside(&self, field: &str) -> Self {
        let mut inside = self.clone();
        inside.steps.push(field.to_owned());
        inside
    }

    /// The last field, where the path has one that is no place in a list.
    pub fn last_field(&self) -> Option<&str> {
        let last = self.steps.last()?;
        place(last).is_none().then_some(last.as_str())
    }

    /// To the first value that is wanted, nearest first within each argument.
    pub fn to(arguments: &[Value], wanted: impl Fn(&Value) -> bool) -> Option<Self> {
        let mut open: VecDeque<(usize, Vec<String>, &Value)> = arguments
            .iter()
            .enumerate()
            .map(|(argument, value)| (argument, Vec::new(), value))
            .collect();
        while let Some((argument, steps, value)) = open.pop_front() {
            if wanted(value) {
                return Some(Self { argument, steps });
            }
            let inside = |step: String, value| {
                let steps = steps.iter().cloned().chain([step]).collect();
                (argument, steps, value)
            };
            match value {
                Value::Object(object) => {
                    open.extend(object.iter().map(|(key, value)| inside(key.clone(), value)));
                }
                Value::Array(list) => {
                    let list = list.iter().enumerate();
                    open.extend(list.map(|(index, value)| inside(index.to_string(), value)));
                }
                _ => {}
            }
        }
        None
    }

    /// What stands there among an event's arguments.
    pub fn find<'a>(&self, arguments: &'a [Value]) -> Option<&'a Value> {
        let argument = arguments.get(self.argument)?;
        self.steps.iter().try_fold(argument, |value, step| {
            let inside = value.get(step.as_str());
            inside.or_else(|| value.get(place(step)?))
        })
    }

    /// The text or the number that stands there.
    pub fn text(&self, arguments: &[Value]) -> Option<String> {
        match self.find(arguments)? {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        }
    }
}

/// A whole number, as a place in a list or an argument's number.
fn place(step: &str) -> Option<usize> {
    let digits = step.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| step.parse().ok()).flatten()
}

/// An event's arguments, from their JSON without the brackets.
///
/// # Errors
/// When it is no JSON.
pub fn arguments(payload: &str) -> Result<Vec<Value>, serde_json::Error> {
    serde_json::from_str(&format!("[{payload}]"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn each_shape_of_a_payload_has_its_path() {
        for (path, payload, found) in [
            ("text", r#"{"text":"hi"}"#, Some("hi")),
            ("message.text", r#"{"message":{"text":"hi"}}"#, Some("hi")),
            ("0", r#""hi""#, Some("hi")),
            ("1", r#""lobby","hi""#, Some("hi")),
            ("1.data._id", r#"null,{"data":{"_id":7}}"#, Some("7")),
            ("0.0.text", r#"[{"text":"hi"}]"#, Some("hi")),
            ("list.1", r#"{"list":["a","b"]}"#, Some("b")),
            ("0.7", r#"{"7":"seven"}"#, Some("seven")),
            ("text", r#"{"text":{}}"#, None),
            ("text", r#"{"text":null}"#, None),
            ("text", r#""text""#, None),
            ("text", "", None),
            ("3.text", r#"{"text":"hi"}"#, None),
        ] {
            let arguments = arguments(payload).unwrap();
            let path: Path = path.parse().unwrap();
            assert_eq!(
                path.text(&arguments).as_deref(),
                found,
                "{path} in {payload}"
            );
        }
        assert!(arguments("{").is_err());
    }

    #[test]
    fn a_value_that_is_wanted_is_found() {
        let arguments = arguments(r#""a",{"b":[1,{"c":"x"}],"d":"y"}"#).unwrap();
        let to = |wanted: &str| {
            let path = Path::to(&arguments, |value| value.as_str() == Some(wanted));
            path.map(|path| path.to_string())
        };
        assert_eq!(to("a").as_deref(), Some("0"));
        assert_eq!(to("x").as_deref(), Some("1.b.1.c"));
        assert_eq!(to("y").as_deref(), Some("1.d"));
        assert_eq!(to("z"), None);
    }

    #[test]
    fn what_is_no_path_is_refused_with_what_would_be() {
        for text in ["", ".", "a.", ".a", "a..b", "1. .b"] {
            let error = text.parse::<Path>().unwrap_err().to_string();
            assert!(error.contains("message.text"), "{error}");
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_is_read_again(argument in 0_usize..20, steps in proptest::collection::vec("[a-z_]{1,8}|[0-9]{1,3}", 0..4)) {
            let path = Path::new(argument, steps);
            prop_assert_eq!(path.to_string().parse(), Ok(path));
        }
    }
}
