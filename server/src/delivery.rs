//! Gets messages to the members of a conversation: now, and Confirmed or Failed later.

use std::{collections::hash_map::RandomState, hash::BuildHasher, sync::Arc, time::Duration};

use parking_lot::{Mutex, MutexGuard};
use serde_json::value::RawValue;
use tokio::time::Instant;

use crate::{
    cluster::{
        post::{Post, Unheard},
        told::Told,
    },
    message::{Conversation, Kind},
    packet::Shared,
    protocol::{Dialect, Refusal},
    session::{Recipient, Sent, Session},
    socket_manager::{Member, SocketManager},
    telemetry::Telemetry,
};

/// Locks that conversations share: enough that two busy ones rarely meet.
const STRIPES: usize = 256;

/// Those who got a message, and so get its end.
pub type Recipients = Arc<[Member<Recipient>]>;

/// A message that was handed to those who are to get it.
#[derive(Debug)]
pub struct Delivered {
    /// Its members here.
    pub recipients: Recipients,
    /// Resolves once they have it, where that takes the bus. They are then known to whoever reads that.
    pub told: Option<Told>,
}

/// One order for each conversation. Whoever delivers to one, joins it or leaves it, holds its turn: so all members see
/// the same order, and nobody gets a message after the acknowledgement of having left.
#[derive(Debug)]
pub struct Sequencer {
    stripes: Box<[Mutex<()>]>,
    hasher: RandomState,
}

impl Default for Sequencer {
    fn default() -> Self {
        Self {
            stripes: (0..STRIPES).map(|_| Mutex::new(())).collect(),
            hasher: RandomState::new(),
        }
    }
}

impl Sequencer {
    /// Waits for the turn of this conversation. What is done in a turn is only queue pushes, so the wait is short and
    /// needs no runtime.
    pub fn turn(&self, conversation: &Conversation) -> MutexGuard<'_, ()> {
        let stripe = self.hasher.hash_one(conversation) as usize % self.stripes.len();
        self.stripes[stripe].lock()
    }
}

/// The way to the clients.
#[derive(Debug)]
pub struct Delivery {
    users: Arc<Mutex<SocketManager<Recipient>>>,
    sequencer: Sequencer,
    dialect: Dialect,
    telemetry: Arc<Telemetry>,
    /// The way to members on other servers, if there are any.
    post: Option<Arc<Post>>,
}

impl Delivery {
    /// Delivers to the users of this manager.
    #[must_use]
    pub fn new(
        users: Arc<Mutex<SocketManager<Recipient>>>,
        dialect: Dialect,
        telemetry: Arc<Telemetry>,
        post: Option<Arc<Post>>,
    ) -> Self {
        Self {
            users,
            sequencer: Sequencer::default(),
            dialect,
            telemetry,
            post,
        }
    }

    /// The order of the conversations, for those who change who is in one.
    #[must_use]
    pub const fn sequencer(&self) -> &Sequencer {
        &self.sequencer
    }

    /// Delivers a message to everybody in its conversation, if its sender may send there. No await, no store. `temp_id` is
    /// what its end will name.
    ///
    /// # Errors
    /// The sender has not joined, or has logged in elsewhere, or one order is promised and nobody gives it.
    pub fn deliver(
        &self,
        conversation: &Conversation,
        sender: &Session,
        temp_id: &str,
        message: &RawValue,
    ) -> Result<Delivered, Refusal> {
        let turn = self.sequencer.turn(conversation);
        let recipients = {
            let mut users = self.users.lock();
            may_send(&users, conversation, sender)?;
            users.users_in_room(conversation)
        };
        if self.ordered().is_some_and(|post| !post.is_up()) {
            return Err(Refusal::NoOrder);
        }
        let temp_id = Some(temp_id);
        self.deliver_in_turn(turn, conversation, recipients, sender, temp_id, message)
            .map_err(|Unheard| Refusal::NoOrder)
    }

    /// Whether a message to this conversation can be let in: always, but where one order is promised and nobody gives it now.
    ///
    /// # Errors
    /// Nobody does.
    pub fn may_order(&self, conversation: &Conversation) -> Result<(), Refusal> {
        let ordered = self.ordered();
        match ordered.is_none_or(|post| post.is_up() && post.is_heard(conversation)) {
            true => Ok(()),
            false => Err(Refusal::NoOrder),
        }
    }

    /// Delivers a message that was let in before to everybody who is in its conversation now.
    pub fn deliver_persisted(
        &self,
        conversation: &Conversation,
        sender: &Session,
        message: &RawValue,
    ) -> Delivered {
        let turn = self.sequencer.turn(conversation);
        let recipients = self.users.lock().users_in_room(conversation);
        self.deliver_in_turn(turn, conversation, recipients, sender, None, message)
            .unwrap_or_else(|Unheard| Delivered {
                recipients: Arc::new([]),
                told: None,
            })
    }

    fn deliver_in_turn(
        &self,
        turn: MutexGuard<'_, ()>,
        conversation: &Conversation,
        recipients: Recipients,
        sender: &Session,
        temp_id: Option<&str>,
        message: &RawValue,
    ) -> Result<Delivered, Unheard> {
        let sender = &*sender.user.id;
        if let Some(post) = &self.post {
            let told = post.message(conversation, temp_id, sender, message)?;
            if post.is_ordered() {
                let recipients = Arc::new([]);
                return Ok(Delivered { recipients, told });
            }
        }
        self.emit_message(turn, conversation, &recipients, sender, message);
        Ok(Delivered {
            recipients,
            told: None,
        })
    }

    /// Tells everybody who got the message that it is stored; where that takes the bus, what is given back resolves then.
    pub fn confirm(
        &self,
        conversation: &Conversation,
        recipients: &Recipients,
        temp_id: &str,
        message: &RawValue,
    ) -> Option<Told> {
        self.end(conversation, recipients, temp_id, true, message)
    }

    /// Tells everybody who got the message that it is not stored; as [`Self::confirm`].
    pub fn fail(
        &self,
        conversation: &Conversation,
        recipients: &Recipients,
        temp_id: &str,
        failure: &RawValue,
    ) -> Option<Told> {
        self.end(conversation, recipients, temp_id, false, failure)
    }

    /// Delivers a message from another server, or one that all servers wait for, to the members here. `remember` is told
    /// who they are before they get it. Says how many they are.
    pub fn relay(
        &self,
        conversation: &Conversation,
        sender: &str,
        message: &RawValue,
        remember: impl FnOnce(&Recipients),
    ) -> usize {
        let turn = self.sequencer.turn(conversation);
        let recipients = self.users.lock().users_in_room(conversation);
        if recipients.is_empty() {
            return 0;
        }
        remember(&recipients);
        self.emit_message(turn, conversation, &recipients, sender, message);
        recipients.len()
    }

    /// Delivers the end of such a message to those who got it.
    pub fn relay_end(
        &self,
        conversation: &Conversation,
        recipients: &Recipients,
        stored: bool,
        payload: &RawValue,
    ) {
        let turn = self.sequencer.turn(conversation);
        self.emit(turn, recipients, |_| end_of(conversation, stored), payload);
    }

    fn ordered(&self) -> Option<&Arc<Post>> {
        self.post.as_ref().filter(|post| post.is_ordered())
    }

    /// Accounts for one packet; a client without room for it is cut off.
    pub fn account(&self, recipient: &Recipient, sent: Sent) {
        match sent {
            Sent::Queued => self.telemetry.delivered.increment(),
            Sent::Gone => self.telemetry.dropped.increment(),
            Sent::Overflow => {
                self.telemetry.dropped.increment();
                self.cut_off(recipient);
            }
        }
    }

    fn emit_message(
        &self,
        turn: MutexGuard<'_, ()>,
        Conversation { kind, id }: &Conversation,
        recipients: &Recipients,
        sender: &str,
        message: &RawValue,
    ) {
        let (tag, noun) = (kind.log_tag(), kind.noun());
        tracing::debug!(
            "{tag} Emitting to {} users in {noun} {id}",
            recipients.len()
        );
        let event = self.dialect.received(*kind);
        match self.dialect.sent(*kind) {
            None => self.emit(turn, recipients, |_| event, message),
            Some(sent) => {
                let event_for = |member: &Member<Recipient>| {
                    if &*member.user.id == sender {
                        sent
                    } else {
                        event
                    }
                };
                self.emit(turn, recipients, event_for, message);
            }
        }
    }

    fn end(
        &self,
        conversation: &Conversation,
        recipients: &Recipients,
        temp_id: &str,
        stored: bool,
        payload: &RawValue,
    ) -> Option<Told> {
        let turn = self.sequencer.turn(conversation);
        if let Some(post) = &self.post {
            let told = post.end(conversation, temp_id, stored, payload);
            if post.is_ordered() {
                return told;
            }
        }
        self.emit(turn, recipients, |_| end_of(conversation, stored), payload);
        None
    }

    /// Hands one packet to each recipient's connection. The one place where packets for many are sent.
    fn emit(
        &self,
        turn: MutexGuard<'_, ()>,
        recipients: &Recipients,
        event_for: impl Fn(&Member<Recipient>) -> &'static str,
        payload: &RawValue,
    ) {
        let mut gone = 0;
        let payload = Shared::new(payload);
        let mut overflowed: Vec<&Recipient> = Vec::new();
        for member in recipients.iter() {
            match member.handle.emit(event_for(member), &payload) {
                Sent::Queued => {}
                Sent::Gone => gone += 1,
                Sent::Overflow => overflowed.push(&member.handle),
            }
        }
        // Cutting somebody off takes other locks and more time than the others should wait.
        drop(turn);
        self.telemetry
            .delivered
            .add((recipients.len() - gone - overflowed.len()) as u64);
        self.telemetry.dropped.add((gone + overflowed.len()) as u64);
        for recipient in overflowed {
            self.cut_off(recipient);
        }
    }

    /// Disconnects a client that has missed a packet: it must know. Its rooms are free of it at once.
    fn cut_off(&self, recipient: &Recipient) {
        if !recipient.mark_cut_off() {
            return;
        }
        self.telemetry.slow_consumers.increment();
        let user_id = &recipient.session.user.id;
        tracing::warn!("[Delivery] User {user_id} does not keep up: disconnecting");
        self.remove(recipient);
    }

    /// Disconnects a client that has been over its limit of events for too long.
    pub fn end_flood(&self, recipient: &Recipient) {
        if !recipient.mark_cut_off() {
            return;
        }
        self.telemetry.cut.increment("flood");
        let user_id = &recipient.session.user.id;
        tracing::warn!("[Delivery] User {user_id} sends too many events: disconnecting");
        self.remove(recipient);
    }

    fn remove(&self, recipient: &Recipient) {
        self.users.lock().remove_user(recipient.session.id);
        recipient.kill();
    }
}

const fn end_of(conversation: &Conversation, stored: bool) -> &'static str {
    if stored {
        conversation.kind.confirmed()
    } else {
        conversation.kind.failed()
    }
}

/// Whether this login may send to this conversation.
///
/// # Errors
/// Its user has not joined, or has logged in elsewhere.
pub fn may_send(
    users: &SocketManager<Recipient>,
    conversation: &Conversation,
    sender: &Session,
) -> Result<(), Refusal> {
    if !users.is_user_in_room(&sender.user.id, conversation) {
        return Err(Refusal::NotJoined(conversation.kind));
    }
    if !users.is_live(&sender.user.id, sender.id) {
        return Err(Refusal::LoggedInElsewhere);
    }
    Ok(())
}

/// `temp_1760000000000_k3x9a1b2c`: the milliseconds and nine random letters or digits.
#[must_use]
pub fn temporary_id(millis: i64) -> String {
    const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
    let mut random: u64 = rand::random();
    let mut id = format!("temp_{millis}_");
    for _ in 0..9 {
        id.push(char::from(DIGITS[(random % 36) as usize]));
        random /= 36;
    }
    id
}

/// Says how long the emits took, in the log's words.
pub fn log_emitted(kind: Kind, received: Instant) -> Duration {
    let took = received.elapsed();
    tracing::debug!(
        "{} Message emitted in {}",
        kind.log_tag(),
        crate::telemetry::log_millis(took)
    );
    took
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn temporary_ids_look_like_the_contract_and_differ() {
        let ids: std::collections::HashSet<_> =
            (0..1000).map(|_| temporary_id(1_760_000_000_000)).collect();
        assert_eq!(ids.len(), 1000);
        for id in ids {
            let random = id.strip_prefix("temp_1760000000000_").unwrap();
            assert!(
                random.len() == 9
                    && random
                        .bytes()
                        .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()),
                "{id}"
            );
        }
    }

    #[test]
    fn two_turns_of_one_conversation_never_overlap() {
        let sequencer = Sequencer::default();
        let room = Conversation {
            kind: Kind::Room,
            id: "r".into(),
        };
        let inside = std::sync::atomic::AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..1000 {
                        let _turn = sequencer.turn(&room);
                        assert_eq!(inside.fetch_add(1, std::sync::atomic::Ordering::SeqCst), 0);
                        inside.fetch_sub(1, std::sync::atomic::Ordering::SeqCst);
                    }
                });
            }
        });
    }
}
