//! What was seen of a server, as text for people.

use std::fmt;

use serde_json::Value;
use server::telemetry::log::escaped;

use super::{
    Came, Seen, Talk,
    fit::{self, Known},
};
use crate::model::shape;

/// Kinds of events that are shown of each stretch.
const MOST: usize = 20;

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.url)?;
        match &self.greeting {
            Some(greeting) => writeln!(
                f,
                "  speaks Socket.IO 5 (Engine.IO 4) over polling and {}; heartbeat every {} s, patience {} s",
                match &greeting.upgrades[..] {
                    [] => "a WebSocket of its own".to_owned(),
                    upgrades => escaped(&upgrades.join(", ")).into_owned(),
                },
                greeting.ping_interval / 1_000,
                greeting.ping_timeout / 1_000,
            )?,
            None => writeln!(f, "  speaks Socket.IO 5 (Engine.IO 4) over WebSocket alone")?,
        }
        for (transport, why) in &self.transports {
            match why {
                None => writeln!(f, "  {:<9}  connects", transport.name())?,
                Some(why) => writeln!(f, "  {:<9}  {}", transport.name(), escaped(why))?,
            }
        }
        let nothing = |_: &Value| None;
        match &self.talk {
            None => {
                writeln!(f, "  one user is connected over {}", self.transport.name())?;
                events(f, "came", &self.welcome, &nothing)?;
                writeln!(
                    f,
                    "\nwith --scenario FILE two users join and send a message, and the keys of the map are shown that would fit"
                )?;
            }
            Some(talk) => talk.show(f, self)?,
        }
        if self.unkept > 0 {
            writeln!(f, "\n{} more events came and are not shown", self.unkept)?;
        }
        for why in &self.closed {
            writeln!(f, "\nthe connection of {} ended", escaped(why))?;
        }
        Ok(())
    }
}

impl Talk {
    fn show(&self, f: &mut fmt::Formatter<'_>, seen: &Seen) -> fmt::Result {
        let welcome = &seen.welcome;
        let conversation = &self.plan.conversations[self.conversation];
        let users = [0, 1].map(|place| &self.plan.users[conversation.members[place] as usize]);
        let name = |value: &Value| {
            let text = value.as_str()?;
            let known = [
                (text.starts_with(&self.prefix), "THE TEXT"),
                (text == conversation.id, "THE CONVERSATION"),
                (text == users[0], "THE SENDER"),
                (text == users[1], "THE OTHER"),
            ];
            let found = known.into_iter().find(|(is, _)| *is);
            found.map(|(_, name)| name.to_owned())
        };
        writeln!(
            f,
            "  two users are connected over {}",
            seen.transport.name()
        )?;
        events(f, "came", welcome, &name)?;
        let answer = |answer: &Option<Vec<Value>>| match answer {
            Some(arguments) => format!("acknowledged: {}", shape::of(arguments, &name)),
            None => "not acknowledged".to_owned(),
        };
        let exchange = &self.exchange;
        match &self.join {
            Some(join) => writeln!(
                f,
                "\n`{}` is sent to join; {}",
                escaped(join),
                answer(&exchange.join_answer)
            )?,
            None => writeln!(f, "\nnothing is sent to join")?,
        }
        events(f, "came", &exchange.before[welcome.len()..], &name)?;
        writeln!(
            f,
            "\n`{}` is sent by the first; {}",
            escaped(&self.send),
            answer(&exchange.answer)
        )?;
        events(f, "came", &exchange.after, &name)?;
        let known = Known {
            kind: conversation.kind,
            conversation: &conversation.id,
            prefix: &self.prefix,
        };
        let came = |came: &Came| crate::drive::worker::text_at(&came.arguments, known.prefix);
        match exchange.after.iter().any(|one| came(one).is_some()) {
            true => {
                writeln!(f, "\nkeys that would fit")?;
                if seen.unfit.is_some() {
                    let fits = seen.transport.name();
                    writeln!(f, "[connections]\ntransport = \"{fits}\"")?;
                }
                f.write_str(&fit::keys(exchange, &known))
            }
            false => writeln!(
                f,
                "\nnothing that came has the text of the message in it: does the server know `{}`, and what is sent with it?",
                escaped(&self.send)
            ),
        }
    }
}

/// Events of one stretch, alike ones together.
fn events(
    f: &mut fmt::Formatter<'_>,
    what: &str,
    came: &[Came],
    name: &impl Fn(&Value) -> Option<String>,
) -> fmt::Result {
    let mut kinds: Vec<(String, usize)> = Vec::new();
    for one in came {
        let whom = if one.own { "first" } else { "second" };
        let shape = shape::of(&one.arguments, name);
        let kind = format!(
            "to the {whom}: `{}` {}",
            escaped(&one.event),
            escaped(&shape)
        );
        match kinds.iter_mut().find(|(known, _)| *known == kind) {
            Some((_, times)) => *times += 1,
            None => kinds.push((kind, 1)),
        }
    }
    if kinds.is_empty() {
        return writeln!(f, "  nothing {what}");
    }
    for (kind, times) in kinds.iter().take(MOST) {
        writeln!(f, "  {times} x {kind}")?;
    }
    match kinds.len().saturating_sub(MOST) {
        0 => Ok(()),
        more => writeln!(f, "  and {more} other kinds"),
    }
}
