//! The bus that is a Redis: streams, and keys with a time to live.
//!
//! It keeps its own connections and not the library's manager, which reconnects without a word: who appends must know
//! when the Redis that took the last entries is not the one that takes the next.

mod portion;

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use redis::{
    AsyncConnectionConfig, Client, FromRedisValue, IntoConnectionInfo as _, Pipeline,
    aio::MultiplexedConnection, cmd, pipe,
};
use tokio::sync::Mutex;

use self::portion::Portion;
use super::{
    Beat, Bus, BusError, Claim, Claimed, Entry, FORGOTTEN_AFTER, KEPT_ENTRIES, Life, Login,
    NodeName, Position, Stream,
};
use crate::{config::Secret, message::Conversation};

/// How long connecting may take, and an answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long the answer of a reader may take once there is one: after a time without the bus it is all that has waited. One that
/// is given up is asked for again, in portions.
const READ_PATIENCE: Duration = Duration::from_secs(5);
/// How long an inbox is kept that nobody reads.
const INBOX_KEPT: Duration = Duration::from_secs(60);
const CLAIM: &str = include_str!("redis/claim.lua");
const RELEASE: &str = include_str!("redis/release.lua");
const COUNT: &str = include_str!("redis/count.lua");

/// A URL that is no Redis for us.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected a Redis like redis://127.0.0.1:6379 or redis://:password@host:6379/0 ({0})")]
pub struct UrlError(String);

/// A bus in a Redis.
pub struct RedisBus {
    client: Client,
    shown: String,
    /// What all keys begin with.
    chat: String,
    /// For everything but reading, which waits.
    asking: Mutex<Option<Link>>,
    reading: Mutex<Option<Link>>,
    portion: parking_lot::Mutex<Portion>,
}

/// A connection, and to which life of the Redis.
struct Link {
    connection: MultiplexedConnection,
    life: Life,
}

impl fmt::Debug for RedisBus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RedisBus").field(&self.shown).finish()
    }
}

impl RedisBus {
    /// The chat of this name in the Redis at this URL; nothing is connected yet.
    ///
    /// # Errors
    /// It is no URL of a Redis that is reached over TCP.
    pub fn new(Secret(url): &Secret, chat: &str) -> Result<Self, UrlError> {
        let wrong = |error: redis::RedisError| UrlError(error.to_string());
        if !url.starts_with("redis://") {
            return Err(UrlError("the URL begins with something else".to_owned()));
        }
        let info = url.as_str().into_connection_info().map_err(wrong)?;
        let shown = format!("redis://{}", info.addr());
        Ok(Self {
            client: Client::open(info).map_err(wrong)?,
            shown,
            chat: chat.to_owned(),
            asking: Mutex::default(),
            reading: Mutex::default(),
            portion: parking_lot::Mutex::default(),
        })
    }

    async fn connect(&self, patience: Duration) -> Result<Link, BusError> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(PATIENCE))
            .set_response_timeout(Some(patience));
        let connecting = self
            .client
            .get_multiplexed_async_connection_with_config(&config);
        let mut connection = connecting.await.map_err(unreachable)?;
        let info: String = cmd("INFO")
            .arg("server")
            .query_async(&mut connection)
            .await
            .map_err(unreachable)?;
        let life = info
            .lines()
            .find_map(|line| line.strip_prefix("run_id:"))
            .ok_or_else(|| BusError::Unreachable("it does not say its run_id".to_owned()))?;
        let life = Life(life.trim().into());
        Ok(Link { connection, life })
    }

    /// Takes the connection that is there, or makes a new one.
    async fn link(
        &self,
        place: &mut Option<Link>,
        patience: Duration,
        life: Option<&Life>,
    ) -> Result<Link, BusError> {
        let link = match place.take() {
            Some(link) => link,
            None => self.connect(patience).await?,
        };
        if life.is_some_and(|life| *life != link.life) {
            let now = link.life.clone();
            *place = Some(link);
            return Err(BusError::Reborn(now));
        }
        Ok(link)
    }

    /// Asks; a connection on which that fails is gone.
    async fn ask<T: FromRedisValue>(
        &self,
        life: Option<&Life>,
        question: &Pipeline,
    ) -> Result<T, BusError> {
        let mut place = self.asking.lock().await;
        let mut link = self.link(&mut place, PATIENCE, life).await?;
        let answer = question.query_async(&mut link.connection).await;
        if answer.is_ok() {
            *place = Some(link);
        }
        answer.map_err(unreachable)
    }

    /// Asks for news. Where the answer does not come in time, the next one is to be a smaller one.
    async fn ask_for_news(
        &self,
        life: &Life,
        wait: Duration,
        question: &Pipeline,
    ) -> Result<Streams, BusError> {
        let mut place = self.reading.lock().await;
        let patience = wait + READ_PATIENCE;
        let mut link = self.link(&mut place, patience, Some(life)).await?;
        let answer = question.query_async(&mut link.connection).await;
        let (streams,): (Streams,) = answer.map_err(|error| {
            self.portion.lock().give_up();
            unreachable(error)
        })?;
        *place = Some(link);
        Ok(streams)
    }

    fn key_of(&self, stream: &Stream) -> String {
        let chat = &self.chat;
        match stream {
            Stream::Partition(number) => format!("{chat}:stream:{number}"),
            Stream::Inbox(node) => format!("{chat}:inbox:{node}"),
        }
    }

    fn node_key(&self, node: &NodeName) -> String {
        format!("{}:node:{node}", self.chat)
    }

    fn user_key(&self, user: &str) -> String {
        format!("{}:user:{user}", self.chat)
    }

    fn nodes_key(&self) -> String {
        format!("{}:nodes", self.chat)
    }

    async fn ask_now<T: FromRedisValue>(&self, question: &Pipeline) -> Result<T, BusError> {
        self.ask(None, question).await
    }
}

fn unreachable(error: redis::RedisError) -> BusError {
    BusError::Unreachable(error.to_string())
}

/// `[stream, [[position, [field, value]]]]`, as XREAD answers.
type Streams = Option<Vec<(String, Vec<(String, Vec<Bytes>)>)>>;

fn entries(
    streams: Streams,
    keys: &[String],
    from: &[(Stream, Position)],
) -> Result<Vec<Entry>, BusError> {
    let mut read = Vec::new();
    for (key, entries) in streams.into_iter().flatten() {
        let of = keys.iter().position(|asked| *asked == key);
        let Some((stream, _)) = of.and_then(|of| from.get(of)) else {
            continue;
        };
        for (position, fields) in entries {
            read.push(Entry {
                stream: stream.clone(),
                position: position.parse()?,
                bytes: fields.into_iter().nth(1).unwrap_or_default(),
            });
        }
    }
    Ok(read)
}

#[async_trait]
impl Bus for RedisBus {
    fn describe(&self) -> String {
        self.shown.clone()
    }

    async fn life(&self) -> Result<Life, BusError> {
        let mut place = self.asking.lock().await;
        if place.is_none() {
            *place = Some(self.connect(PATIENCE).await?);
        }
        place
            .as_ref()
            .map(|link| link.life.clone())
            .ok_or_else(|| BusError::Unreachable("no connection".to_owned()))
    }

    async fn append(&self, life: &Life, entries: &[(Stream, Bytes)]) -> Result<(), BusError> {
        let mut question = pipe();
        for (stream, bytes) in entries {
            let key = self.key_of(stream);
            question
                .cmd("XADD")
                .arg(&key)
                .arg("MAXLEN")
                .arg("~")
                .arg(KEPT_ENTRIES)
                .arg("*")
                .arg("e")
                .arg(&bytes[..])
                .ignore();
            if let Stream::Inbox(_) = stream {
                question
                    .cmd("PEXPIRE")
                    .arg(&key)
                    .arg(millis(INBOX_KEPT))
                    .ignore();
            }
        }
        if entries.is_empty() {
            question.cmd("PING").ignore();
        }
        self.ask(Some(life), &question).await
    }

    async fn ends(&self, streams: &[Stream]) -> Result<Vec<Position>, BusError> {
        if streams.is_empty() {
            return Ok(Vec::new());
        }
        let mut question = pipe();
        for stream in streams {
            question
                .cmd("XREVRANGE")
                .arg(self.key_of(stream))
                .arg("+")
                .arg("-")
                .arg("COUNT")
                .arg(1);
        }
        let ends: Vec<Vec<(String, Vec<Bytes>)>> = self.ask_now(&question).await?;
        ends.iter()
            .map(|end| match end.first() {
                Some((position, _)) => position.parse(),
                None => Ok(Position::default()),
            })
            .collect()
    }

    async fn read(
        &self,
        life: &Life,
        from: &[(Stream, Position)],
        wait: Duration,
    ) -> Result<Vec<Entry>, BusError> {
        let keys: Vec<String> = from.iter().map(|(stream, _)| self.key_of(stream)).collect();
        loop {
            let portion = *self.portion.lock();
            let mut question = pipe();
            let read = question.cmd("XREAD");
            // All that there is, as long as that comes in time.
            if let Some(at_most) = portion.at_most() {
                read.arg("COUNT").arg(at_most);
            }
            // No time to wait means no end to Redis.
            read.arg("BLOCK").arg(millis(wait).max(1)).arg("STREAMS");
            for key in &keys {
                read.arg(key);
            }
            for (_, position) in from {
                read.arg(position.to_string());
            }
            let streams = self.ask_for_news(life, wait, &question).await?;
            let mut entries = entries(streams, &keys, from)?;
            let is_all = portion.cut(&mut entries);
            self.portion.lock().answered(is_all);
            if is_all || !entries.is_empty() {
                return Ok(entries);
            }
        }
    }

    async fn beat(&self, node: &NodeName, says: Bytes, lease: Duration) -> Result<Beat, BusError> {
        let mut question = pipe();
        question
            .cmd("SET")
            .arg(self.node_key(node))
            .arg(&says[..])
            .arg("PX")
            .arg(millis(lease))
            .arg("GET");
        question
            .cmd("SADD")
            .arg(self.nodes_key())
            .arg(node.as_str())
            .ignore();
        question.cmd("SMEMBERS").arg(self.nodes_key());
        let (before, known): (Option<Bytes>, Vec<String>) = self.ask_now(&question).await?;
        let mut question = pipe();
        for name in &known {
            question
                .cmd("GET")
                .arg(self.node_key(&name.as_str().into()));
        }
        let says: Vec<Option<Bytes>> = self.ask_now(&question).await?;
        let (mut nodes, mut gone) = (Vec::new(), pipe());
        let mut any_gone = false;
        for (name, says) in known.iter().zip(says) {
            match says {
                Some(says) => nodes.push((name.as_str().into(), says)),
                None => {
                    any_gone = true;
                    gone.cmd("SREM").arg(self.nodes_key()).arg(name).ignore();
                }
            }
        }
        if any_gone {
            self.ask_now::<()>(&gone).await?;
        }
        Ok(Beat {
            lapsed: before.is_none(),
            nodes,
        })
    }

    async fn part(&self, node: &NodeName) -> Result<(), BusError> {
        let mut question = pipe();
        question.cmd("DEL").arg(self.node_key(node)).ignore();
        let inbox = self.key_of(&Stream::Inbox(node.clone()));
        question.cmd("DEL").arg(inbox).ignore();
        question
            .cmd("SREM")
            .arg(self.nodes_key())
            .arg(node.as_str())
            .ignore();
        self.ask_now(&question).await
    }

    async fn claim(&self, claims: &[Claim]) -> Result<Vec<Claimed>, BusError> {
        if claims.is_empty() {
            return Ok(Vec::new());
        }
        let mut question = pipe();
        for claim in claims {
            question
                .cmd("EVAL")
                .arg(CLAIM)
                .arg(1)
                .arg(self.user_key(&claim.user))
                .arg(claim.login.node.as_str())
                .arg(claim.login.socket.to_string())
                .arg(claim.login.stamp)
                .arg(u8::from(claim.fresh))
                .arg(&claim.notice[0][..])
                .arg(&claim.notice[1][..])
                .arg(&self.chat)
                .arg(millis(FORGOTTEN_AFTER))
                .arg(millis(INBOX_KEPT));
        }
        let answers: Vec<(String, String, String, String)> = self.ask_now(&question).await?;
        answers
            .into_iter()
            .map(|(what, node, socket, stamp)| {
                if what == "won" {
                    return Ok(Claimed::Won { replaced: None });
                }
                let number = |_| BusError::Unreachable(format!("it says that {node} is wrong"));
                let login = Login {
                    node: node.as_str().into(),
                    socket: socket.parse().map_err(number)?,
                    stamp: stamp.parse().map_err(number)?,
                };
                Ok(if what == "lost" {
                    Claimed::Lost { to: login }
                } else {
                    Claimed::Won {
                        replaced: Some(login),
                    }
                })
            })
            .collect()
    }

    async fn release(&self, logins: &[(Arc<str>, Login)]) -> Result<(), BusError> {
        if logins.is_empty() {
            return Ok(());
        }
        let mut question = pipe();
        for (user, login) in logins {
            question
                .cmd("EVAL")
                .arg(RELEASE)
                .arg(1)
                .arg(self.user_key(user))
                .arg(login.node.as_str())
                .arg(login.socket.to_string())
                .ignore();
        }
        self.ask_now(&question).await
    }

    async fn count(
        &self,
        node: &NodeName,
        counts: &[(Arc<Conversation>, usize)],
    ) -> Result<Vec<usize>, BusError> {
        if counts.is_empty() {
            return Ok(Vec::new());
        }
        let mut question = pipe();
        for (conversation, count) in counts {
            let Conversation { kind, id } = &**conversation;
            question
                .cmd("EVAL")
                .arg(COUNT)
                .arg(1)
                .arg(format!("{}:{}:{id}", self.chat, kind.noun()))
                .arg(node.as_str())
                .arg(*count)
                .arg(&self.chat)
                .arg(millis(FORGOTTEN_AFTER));
        }
        self.ask_now(&question).await
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_that_is_none_is_told_what_would_be_right_and_a_password_is_not_shown() {
        let secret = |url: &str| Secret(url.to_owned());
        for wrong in [
            "",
            "memory",
            "http://h",
            "rediss://h",
            "redis://",
            "redis://h:port",
        ] {
            let error = RedisBus::new(&secret(wrong), "chat")
                .unwrap_err()
                .to_string();
            assert!(error.contains("redis://127.0.0.1:6379"), "{wrong}: {error}");
        }
        let bus = RedisBus::new(&secret("redis://:hunter2@h:7/1"), "chat").unwrap();
        let shown = format!("{} {bus:?}", bus.describe());
        assert!(
            shown.contains("h:7") && !shown.contains("hunter2"),
            "{shown}"
        );
    }
}
