//! What a server says before anything is measured: one user connects, or two who join and send one message.

mod fit;
mod show;

use std::{cell::RefCell, rc::Rc, sync::Arc, time::Duration};

use tokio::task::{JoinSet, LocalSet};

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
/// How long connections may take to end after their goodbyes.
const GOODBYE: Duration = Duration::from_secs(2);
/// More events than this are counted and not kept.
const MOST_HEARD: usize = 1_000;
/// More answers than there are questions.
const MOST_ANSWERS: usize = 10;
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
    /// Each transport, and why nobody could connect over it.
    transports: [(Transport, Option<String>); 3],
    /// Over which of them the rest was seen.
    transport: Transport,
    /// The transport of the scenario, over which nobody could connect.
    unfit: Option<Transport>,
    /// What came before anybody joined, to the first user.
    welcome: Vec<Came>,
    /// Of a scenario's conversation, the rest.
    talk: Option<Talk>,
    /// Events that came beside those that were kept.
    unkept: u64,
    /// Why the connections ended, if they did before their time.
    closed: Vec<String>,
}

/// What was seen before anybody talked.
struct Way {
    greeting: Option<Greeting>,
    transports: [(Transport, Option<String>); 3],
    unfit: Option<Transport>,
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
    let wanted = scenario.map_or(Transport::Websocket, |scenario| {
        scenario.connections.transport
    });
    let endpoint = Endpoint::resolve(target.clone(), caller.clone())
        .await
        .map_err(|error| TargetError::of_dial(url, error))?;
    rig::probe(&endpoint, Transport::Websocket).await?;
    let greeting = rig::greeting(&endpoint).await;
    LocalSet::new()
        .run_until(async {
            let mut line = Line::to(url, endpoint, wanted);
            let transports = line.try_all(&caller).await?;
            let way = Way {
                greeting,
                transports,
                unfit: (line.transport != wanted).then_some(wanted),
            };
            match scenario {
                Some(scenario) => talk(&line, scenario, way).await,
                None => welcome(&line, caller, way).await,
            }
        })
        .await
}

async fn welcome(line: &Line<'_>, caller: Caller, way: Way) -> Result<Seen, RunError> {
    let user = line.connect(0, caller).await?;
    tokio::time::sleep(LISTEN).await;
    line.leave([&user]).await;
    Ok(line.seen(way, line.take(), None))
}

async fn talk(line: &Line<'_>, scenario: &Scenario, way: Way) -> Result<Seen, RunError> {
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
    line.leave(users.iter().map(|(connection, _)| connection))
        .await;
    let exchange = Exchange {
        before: welcome.iter().cloned().chain(before).collect(),
        after: line.take(),
        join_answer: line.answer(JOINS[1]),
        answer: line.answer(MESSAGE),
    };
    let (join, send) = (names.join.clone(), names.send.clone());
    let talk = Talk {
        join,
        send,
        prefix: run.body_prefix(),
        exchange,
        conversation: 0,
        plan,
    };
    Ok(line.seen(way, welcome, Some(talk)))
}

/// The way to a server, and all that it said.
struct Line<'a> {
    url: &'a str,
    endpoint: Endpoint,
    transport: Transport,
    shared: Rc<Shared>,
    ear: Ear,
    readers: RefCell<JoinSet<()>>,
}

impl<'a> Line<'a> {
    fn to(url: &'a str, endpoint: Endpoint, transport: Transport) -> Self {
        Self {
            url,
            endpoint,
            transport,
            shared: Shared::new(Clock::start()),
            ear: Ear::default(),
            readers: RefCell::default(),
        }
    }

    /// Connects a user over each transport in turn, and goes on over one that can be had: the one that is wanted, if it is
    /// one of these. Each that fails is told with its reason.
    async fn try_all(
        &mut self,
        caller: &Caller,
    ) -> Result<[(Transport, Option<String>); 3], RunError> {
        let wanted = self.transport;
        let mut found = None;
        let mut failed = None;
        let mut told = Transport::ALL.map(|transport| (transport, None));
        for (transport, why) in &mut told {
            self.transport = *transport;
            match self.connect(0, caller.clone()).await {
                Ok(user) => {
                    self.leave([&user]).await;
                    if found.is_none() || *transport == wanted {
                        found = Some(*transport);
                    }
                }
                Err(error) => {
                    *why = Some(match &error {
                        RunError::Connect { error, .. } => error.to_string(),
                        error => error.to_string(),
                    });
                    if failed.is_none() || *transport == wanted {
                        failed = Some(error);
                    }
                }
            }
        }
        match (found, failed) {
            (None, Some(error)) => Err(error),
            (found, _) => {
                self.transport = found.unwrap_or(wanted);
                // What came to these users comes to the others again.
                self.ear.0.take();
                Ok(told)
            }
        }
    }

    /// Says goodbye, and waits a little for the server's.
    async fn leave<'u>(&self, users: impl IntoIterator<Item = &'u Connection>) {
        for user in users {
            user.close();
        }
        let mut readers = self.readers.take();
        let gone = async { while readers.join_next().await.is_some() {} };
        // What is still open then ends here.
        let _ = tokio::time::timeout(GOODBYE, gone).await;
    }

    fn seen(&self, way: Way, welcome: Vec<Came>, talk: Option<Talk>) -> Seen {
        let heard = self.ear.0.borrow();
        Seen {
            url: self.url.to_owned(),
            greeting: way.greeting,
            transports: way.transports,
            transport: self.transport,
            unfit: way.unfit,
            welcome,
            talk,
            unkept: heard.unkept,
            closed: heard.closed.clone(),
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
        let reader = connection.clone().run(incoming, self.ear.clone());
        self.readers.borrow_mut().spawn_local(reader);
        Ok(connection)
    }

    /// What came since it was last asked.
    fn take(&self) -> Vec<Came> {
        let mut heard = self.ear.0.borrow_mut();
        heard.times = 0;
        std::mem::take(&mut heard.came)
    }

    fn answer(&self, ack: u64) -> Option<Vec<serde_json::Value>> {
        let heard = self.ear.0.borrow();
        let answer = heard.answers.iter().find(|(id, _)| *id == ack)?;
        path::arguments(&answer.1).ok()
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
    /// How many came in all.
    times: usize,
    unkept: u64,
    answers: Vec<(u64, String)>,
    closed: Vec<String>,
}

impl Observer for Ear {
    fn event(&self, user: u32, _: Nanos, name: &str, payload: &str) -> bool {
        let mut heard = self.0.borrow_mut();
        if heard.times == MOST_HEARD {
            heard.unkept += 1;
            return false;
        }
        heard.times += 1;
        let arguments = path::arguments(payload);
        let read = arguments.is_ok();
        heard.came.push(Came {
            own: user == 0,
            event: name.to_owned(),
            arguments: arguments.unwrap_or_default(),
        });
        read
    }

    fn ignored(&self, _: u32, _: &str) {}

    fn ack(&self, _: u32, _: Nanos, id: u64, payload: &str) -> bool {
        // To each question one answer.
        let mut heard = self.0.borrow_mut();
        if heard.answers.iter().all(|(known, _)| *known != id) && heard.answers.len() < MOST_ANSWERS
        {
            heard.answers.push((id, payload.to_owned()));
        }
        false
    }

    fn closed(&self, user: u32, _: Nanos, why: Closed) {
        let why = format!("user {user}: {why}");
        self.0.borrow_mut().closed.push(why);
    }
}
