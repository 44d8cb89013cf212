//! What a server says before anything is measured: one user connects, or two who join and send one message.

mod fit;
mod show;

use std::{cell::RefCell, rc::Rc, sync::Arc, time::Duration};

use tokio::task::LocalSet;

use self::fit::{Came, Exchange};
use super::RunError;
use crate::{
    dial::{Caller, Endpoint, Target},
    drive::{
        Client, Connection, Driver,
        client::{Incoming, Observer, native::Shared},
        token::Tokens,
    },
    model::{Blank, Clock, Form, Nanos, RunId, body, path},
    observed::Closed,
    plan::Plan,
    rig::{self, Greeting, TargetError},
    scenario::{Filling, Scenario, Transport},
};

/// How long a server may take to let a user in.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long it is listened to after a connect and after a join.
const LISTEN: Duration = Duration::from_millis(1_500);
/// How long it is listened to after a message: some save it first.
const ANSWERED: Duration = Duration::from_secs(3);
/// The token of a user that no scenario names.
const TOKEN: &str = "probe";

/// Acknowledgement ids of the joins, by user, and of the message.
const JOINS: [u64; 2] = [1, 2];
const MESSAGE: u64 = 3;

/// All that was seen of a server.
pub struct Seen {
    url: String,
    /// What it says over polling; `None`: it speaks WebSocket alone.
    greeting: Option<Greeting>,
    /// What came before anybody joined, to the first user.
    welcome: Vec<Came>,
    /// Of a scenario's conversation, the rest.
    talk: Option<Talk>,
    /// Why the connections ended, if they did before their time.
    closed: Vec<String>,
}

/// A join and a message of two users.
struct Talk {
    plan: Plan,
    conversation: usize,
    join: Option<String>,
    send: String,
    prefix: String,
    exchange: Exchange,
}

/// Connects one user to a server, or the first two of a scenario who share a conversation.
///
/// # Errors
/// [`RunError`] when nobody can be connected, or the scenario can't be planned.
pub async fn probe(
    target: &Target,
    scenario: Option<&Scenario>,
    token: Option<&str>,
) -> Result<Seen, RunError> {
    let url = target.shown();
    let caller = match scenario {
        Some(scenario) => {
            let tokens = Tokens::new(&scenario.connections);
            tokens.caller(&Plan::new(scenario)?, 0, target, Arc::default())
        }
        None => {
            let filling = Filling {
                id: TOKEN,
                index: 0,
                token: token.unwrap_or(TOKEN),
                columns: None,
            };
            Caller::new(target, &filling, Arc::default())
        }
    };
    let transport = scenario.map_or(Transport::Websocket, |scenario| {
        scenario.connections.transport
    });
    let endpoint = Endpoint::resolve(target.clone(), caller.clone())
        .await
        .map_err(|error| TargetError::of_dial(url, error))?;
    rig::probe(&endpoint, transport).await?;
    let greeting = rig::greeting(&endpoint).await;
    LocalSet::new()
        .run_until(async {
            let line = Line::to(url, endpoint, transport);
            match scenario {
                Some(scenario) => talk(&line, scenario, greeting).await,
                None => welcome(&line, caller, greeting).await,
            }
        })
        .await
}

async fn welcome(
    line: &Line<'_>,
    caller: Caller,
    greeting: Option<Greeting>,
) -> Result<Seen, RunError> {
    let user = line.connect(0, caller).await?;
    tokio::time::sleep(LISTEN).await;
    user.close();
    Ok(Seen {
        url: line.url.to_owned(),
        greeting,
        welcome: line.take(),
        talk: None,
        closed: line.closed(),
    })
}

async fn talk(
    line: &Line<'_>,
    scenario: &Scenario,
    greeting: Option<Greeting>,
) -> Result<Seen, RunError> {
    let plan = Plan::new(scenario)?;
    let vocabulary = scenario.vocabulary();
    // Each has two members or more.
    let conversation = &plan.conversations[0];
    let members = [conversation.members[0], conversation.members[1]];
    let (names, shapes) = (
        vocabulary.names(conversation.kind),
        vocabulary.shapes(conversation.kind),
    );
    let tokens = Tokens::new(&scenario.connections);
    let run = RunId::new(rand::random());
    let mut text = String::new();
    body::write(&mut text, &run, 0, 120, &scenario.messages.text);
    let fill = |form: &Form, user: u32| {
        let mut out = Vec::new();
        form.fill(&mut out, |blank| match blank {
            Blank::Conversation => conversation.id.as_str().into(),
            Blank::Body => text.as_str().into(),
            Blank::Message => run.as_str().into(),
            Blank::Id => plan.users[user as usize].as_str().into(),
            Blank::Index => user.to_string().into(),
            Blank::Token => tokens.of(&plan, user).into(),
        });
        String::from_utf8(out).unwrap_or_default()
    };
    let mut users = Vec::new();
    for (place, user) in members.into_iter().enumerate() {
        let target = line.endpoint.target();
        let caller = tokens.caller(&plan, user, target, Arc::default());
        let connection = line.connect(place as u32, caller).await?;
        users.push((connection, user));
    }
    tokio::time::sleep(LISTEN).await;
    let welcome = line.take();
    if let Some(join) = &names.join {
        for ((connection, user), ack) in users.iter().zip(JOINS) {
            connection.emit(join, &fill(&shapes.join, *user), Some(ack));
        }
    }
    tokio::time::sleep(LISTEN).await;
    let before = line.take();
    let (sender, user) = &users[0];
    sender.emit(&names.send, &fill(&shapes.send, *user), Some(MESSAGE));
    tokio::time::sleep(ANSWERED).await;
    for (connection, _) in &users {
        connection.close();
    }
    let exchange = Exchange {
        before: welcome.iter().cloned().chain(before).collect(),
        after: line.take(),
        join_answer: line.answer(JOINS[1]),
        answer: line.answer(MESSAGE),
    };
    let (join, send) = (names.join.clone(), names.send.clone());
    Ok(Seen {
        url: line.url.to_owned(),
        greeting,
        welcome,
        talk: Some(Talk {
            join,
            send,
            prefix: run.body_prefix(),
            exchange,
            conversation: 0,
            plan,
        }),
        closed: line.closed(),
    })
}

/// The way to a server, and all that it said.
struct Line<'a> {
    url: &'a str,
    endpoint: Endpoint,
    transport: Transport,
    shared: Rc<Shared>,
    ear: Ear,
}

impl<'a> Line<'a> {
    fn to(url: &'a str, endpoint: Endpoint, transport: Transport) -> Self {
        Self {
            url,
            endpoint,
            transport,
            shared: Shared::new(Clock::start()),
            ear: Ear::default(),
        }
    }

    /// Connects a user under another number than the plan's: the first one is the sender.
    async fn connect(&self, user: u32, mut caller: Caller) -> Result<Connection, RunError> {
        caller.user = user;
        let opened: Result<(Connection, Incoming), _> = Connection::open(
            Driver::Native,
            &self.endpoint,
            caller,
            self.transport,
            Rc::clone(&self.shared),
            PATIENCE,
        )
        .await;
        let (connection, incoming) = opened.map_err(|error| refused(self.url, user, error))?;
        tokio::task::spawn_local(connection.clone().run(incoming, self.ear.clone()));
        Ok(connection)
    }

    /// What came since it was last asked.
    fn take(&self) -> Vec<Came> {
        std::mem::take(&mut self.ear.0.borrow_mut().came)
    }

    fn answer(&self, ack: u64) -> Option<Vec<serde_json::Value>> {
        let heard = self.ear.0.borrow();
        let answer = heard.answers.iter().find(|(id, _)| *id == ack)?;
        path::arguments(&answer.1).ok()
    }

    fn closed(&self) -> Vec<String> {
        self.ear.0.borrow().closed.clone()
    }
}

fn refused(url: &str, user: u32, error: crate::drive::ConnectError) -> RunError {
    RunError::Connect {
        user,
        url: url.to_owned(),
        error,
    }
}

/// Hears what comes to any of the users.
#[derive(Clone, Default)]
struct Ear(Rc<RefCell<HeardSoFar>>);

#[derive(Default)]
struct HeardSoFar {
    came: Vec<Came>,
    answers: Vec<(u64, String)>,
    closed: Vec<String>,
}

impl Observer for Ear {
    fn event(&self, user: u32, _: Nanos, name: &str, payload: &str) -> bool {
        let arguments = path::arguments(payload);
        let read = arguments.is_ok();
        self.0.borrow_mut().came.push(Came {
            own: user == 0,
            event: name.to_owned(),
            arguments: arguments.unwrap_or_default(),
        });
        read
    }

    fn ignored(&self, _: u32, _: &str) {}

    fn ack(&self, _: u32, _: Nanos, id: u64, payload: &str) -> bool {
        self.0.borrow_mut().answers.push((id, payload.to_owned()));
        false
    }

    fn closed(&self, user: u32, _: Nanos, why: Closed) {
        let why = format!("user {user}: {why}");
        self.0.borrow_mut().closed.push(why);
    }
}
