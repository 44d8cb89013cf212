//! Sending a message: emitted in the synchronous part of the handler, saved and ended in the future it returns.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bson::{DateTime, oid::ObjectId};
use rustix::time::{ClockId, clock_gettime};
use serde_json::value::{RawValue, to_raw_value};
use tokio::time::Instant;
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::{
    call::Call,
    membership::JoinEverywhere,
    repeat::{self, Repeat, check_member},
};
use crate::{
    cluster::told::Told,
    config::DeliveryMode,
    delivery::{self, Delivered},
    idempotency::{EncodedAck, Seen, Ticket},
    message::{Kind, Message},
    protocol::{
        Refusal,
        inbound::{NewMessage, Payload},
        outbound::{self, Ack, Encoded, Phase, Timing, created},
    },
    session::Turn,
    socket_manager::User,
    store::{SaveOutcome, queue::PendingSave},
    telemetry::log_millis,
};

/// Why a message that found no place in the queue failed.
const QUEUE_FULL: &str = "save queue full";

/// How long a sender's answer waits for a bus that is to tell the members here first.
const TOLD_WITHIN: Duration = Duration::from_secs(10);

/// What is left to do once the handler has returned.
pub enum Pending {
    /// The message is delivered: wait for the save, then confirm or fail it.
    Confirm(Box<Confirm>),
    /// Nobody has the message yet: wait for the save, read it back, then deliver it.
    Deliver(Box<Deliver>),
    /// The client has sent it before and that is still on its way: answer when it has ended.
    Repeat(Box<Repeat>),
    /// Somebody has joined here: answer when what users of other servers say reaches them.
    Join(Box<JoinEverywhere>),
}

/// A message that was delivered under its temporary id.
pub struct Confirm {
    accepted: Accepted,
    temp_id: String,
    delivered: Delivered,
    emitted: Duration,
    save: Save,
}

/// A message that is saved first.
pub struct Deliver {
    accepted: Accepted,
    save: Save,
    turn: Turn,
}

/// A message that is let in: everything that its end needs.
struct Accepted {
    call: Call,
    message: Arc<Message>,
    sender: Arc<User>,
    received: Instant,
    ticket: Option<Ticket>,
    /// Keeps the drain waiting.
    _in_flight: TaskTrackerToken,
}

/// A save, or why there is none.
enum Save {
    Pending(PendingSave),
    Refused,
}

/// `roomMessage`, `NEW_MESSAGE_EVENT`, `NewMessage`.
pub fn send(call: Call, kind: Kind, payload: Option<Payload>) -> Option<Pending> {
    let received = Instant::now();
    let checked = match check(&call, kind, payload) {
        Ok(checked) => checked,
        Err(refusal) => {
            call.refuse(&refusal);
            return None;
        }
    };
    let (in_flight, message, sender) = checked;
    let ticket = match call.chat.client_messages.begin(&message) {
        None => None,
        Some(Seen::First(ticket)) => Some(ticket),
        Some(Seen::Pending(earlier)) => {
            return repeat::of_pending(call, message.conversation, earlier, in_flight);
        }
        Some(Seen::Ended(ack)) => {
            call.chat.telemetry.repeated.increment();
            call.reply(&*ack);
            return None;
        }
    };
    keep_busy(call.chat.busy_work);
    let accepted = Accepted {
        call,
        message: Arc::new(message),
        sender,
        received,
        ticket,
        _in_flight: in_flight,
    };
    match accepted.call.chat.mode {
        DeliveryMode::Optimistic => accepted.emit_now(),
        DeliveryMode::PersistFirst => accepted.save_first(),
    }
}

/// Uses so much of the thread's CPU, which in all servers is none but in those that tests want slower.
fn keep_busy(busy_work: Duration) {
    if busy_work.is_zero() {
        return;
    }
    let until = used().saturating_add(busy_work);
    while used() < until {
        std::hint::spin_loop();
    }
}

/// CPU that this thread has used.
fn used() -> Duration {
    let used = clock_gettime(ClockId::ThreadCPUTime);
    Duration::try_from(used).unwrap_or_default()
}

/// Everything that may refuse a message, apart from its conversation's turn.
fn check(
    call: &Call,
    kind: Kind,
    payload: Option<Payload>,
) -> Result<(TaskTrackerToken, Message, Arc<User>), Refusal> {
    call.begin()?;
    let in_flight = call.chat.admit()?;
    let new = payload
        .ok_or(Refusal::NotAnObject(kind))?
        .message(kind, call.chat.limits.max_body)?;
    let sender = sender(call, new.sender_id.as_deref())?;
    // Asked again in the turn, where it counts; here so that a stranger's message claims no `clientMsgId`.
    delivery::may_send(&call.chat.users.lock(), &new.conversation, call.session())?;
    let NewMessage {
        conversation,
        workspace_id,
        sender_id: _,
        body,
        image,
        image_key,
        client_msg_id,
    } = new;
    let message = Message {
        id: ObjectId::new(),
        conversation,
        workspace_id,
        sender_id: sender.id.to_string(),
        body,
        image,
        image_key,
        client_msg_id,
        created_at: DateTime::now(),
    };
    Ok((in_flight, message, sender))
}

/// The sender is the user of the token. Where tokens are not verified, it is whom the client names.
fn sender(call: &Call, named: Option<&str>) -> Result<Arc<User>, Refusal> {
    let user = &call.session().user;
    match named {
        Some(named) if named != &*user.id => {
            if call.chat.authenticator.verifies() {
                return Err(Refusal::InvalidSender);
            }
            Ok(Arc::new(User::unnamed(named)))
        }
        _ => Ok(Arc::clone(user)),
    }
}

impl Accepted {
    /// Emits first, then queues the save: no await, no store.
    fn emit_now(self) -> Option<Pending> {
        let chat = Arc::clone(&self.call.chat);
        let temp_id = delivery::temporary_id(self.message.created_at.timestamp_millis());
        let optimistic = self.encode(&self.message, Phase::Optimistic { temp_id: &temp_id })?;
        let delivered = match chat.delivery.deliver(
            &self.message.conversation,
            self.call.session(),
            &temp_id,
            &optimistic,
        ) {
            Ok(delivered) => delivered,
            Err(refusal) => {
                self.call.refuse(&refusal);
                return None;
            }
        };
        let emitted = delivery::log_emitted(self.kind(), self.received);
        chat.telemetry.emit.record(emitted);
        chat.telemetry.message(self.kind());
        let save = self.queue();
        Some(Pending::Confirm(Box::new(Confirm {
            accepted: self,
            temp_id,
            delivered,
            emitted,
            save,
        })))
    }

    fn save_first(self) -> Option<Pending> {
        let chat = Arc::clone(&self.call.chat);
        if let Err(refusal) = chat.delivery.may_order(&self.message.conversation) {
            self.call.refuse(&refusal);
            return None;
        }
        chat.telemetry.message(self.kind());
        let turn = self.call.session().queue_up();
        let save = self.queue();
        Some(Pending::Deliver(Box::new(Deliver {
            accepted: self,
            save,
            turn,
        })))
    }

    fn kind(&self) -> Kind {
        self.message.conversation.kind
    }

    fn queue(&self) -> Save {
        self.call
            .chat
            .queue
            .try_save(Arc::clone(&self.message))
            .map_or(Save::Refused, Save::Pending)
    }

    fn encode(&self, message: &Message, phase: Phase<'_>) -> Option<Encoded> {
        outbound::message(message, &self.sender, phase)
            .inspect_err(|error| tracing::error!("cannot encode a message: {error}"))
            .ok()
    }

    /// Records how long the save took and says so.
    fn saved(&self) -> Duration {
        let took = self.received.elapsed();
        self.call.chat.telemetry.save.record(took);
        tracing::debug!(
            "{} Message saved to DB in {}",
            self.kind().log_tag(),
            log_millis(took)
        );
        took
    }

    fn answer_stored(self, data: &RawValue, timing: Timing) {
        let kind = self.kind();
        self.call.chat.telemetry.confirmed.increment();
        let ack = Ack {
            timing: Some(timing),
            ..Ack::done(created(kind), data)
        };
        match self.ticket {
            None => self.call.reply(&ack),
            Some(ticket) => {
                if let Ok(ack) = to_raw_value(&ack) {
                    let ack: EncodedAck = Arc::from(ack);
                    ticket.stored(Arc::clone(&ack));
                    self.call.reply(&*ack);
                }
            }
        }
    }

    /// The answer to a message that was stored and delivered before (`persist-first`).
    fn answer_repeated(self, existing: &Message) {
        let took = self.saved();
        match check_member(&self.call, &self.message.conversation) {
            Ok(()) => {
                if let Some(message) = self.encode(existing, Phase::Persisted) {
                    self.answer_stored(&message, Timing::new(Duration::ZERO, took));
                }
            }
            Err(refusal) => self.call.refuse(&refusal),
        }
    }

    fn answer_not_stored(self, reason: &str) {
        self.call.chat.telemetry.failed.increment(reason);
        let id = &self.message.conversation.id;
        tracing::info!(
            "{} Message to {} {id} not saved: {reason}",
            self.kind().log_tag(),
            self.kind().noun()
        );
        let ack = Ack::not_saved(reason);
        if let Some(ticket) = self.ticket
            && let Ok(ack) = to_raw_value(&ack)
        {
            ticket.not_stored(Arc::from(ack));
        }
        self.call.reply(&ack);
    }
}

impl Pending {
    /// Runs in a task of its own.
    pub async fn finish(self) {
        match self {
            Self::Confirm(confirm) => confirm.finish().await,
            Self::Deliver(deliver) => deliver.finish().await,
            Self::Repeat(repeat) => repeat.finish().await,
            Self::Join(join) => join.finish().await,
        }
    }
}

impl Confirm {
    async fn finish(self: Box<Self>) {
        let Self {
            accepted,
            temp_id,
            delivered,
            emitted,
            save,
        } = *self;
        match save.await {
            SaveOutcome::Saved { .. } => {
                let message = Arc::clone(&accepted.message);
                confirm(accepted, &message, &temp_id, delivered, emitted).await;
            }
            // Stored before this server knew of it: that one is the message.
            SaveOutcome::AlreadySaved(existing) => {
                confirm(accepted, &existing, &temp_id, delivered, emitted).await;
            }
            SaveOutcome::Failed { reason } => {
                match outbound::failed(&temp_id, accepted.message.client_msg_id.as_deref()) {
                    Ok(failure) => {
                        let told = accepted.call.chat.delivery.fail(
                            &accepted.message.conversation,
                            &delivered.recipients,
                            &temp_id,
                            &failure,
                        );
                        hear(told).await;
                    }
                    Err(error) => tracing::error!("cannot encode a failure: {error}"),
                }
                accepted.answer_not_stored(&reason);
            }
        }
    }
}

async fn confirm(
    accepted: Accepted,
    stored: &Message,
    temp_id: &str,
    delivered: Delivered,
    emitted: Duration,
) {
    let took = accepted.saved();
    if let Some(confirmed) = accepted.encode(stored, Phase::Confirmed { temp_id }) {
        let Delivered { recipients, .. } = delivered;
        let delivery = &accepted.call.chat.delivery;
        let conversation = &accepted.message.conversation;
        let told = delivery.confirm(conversation, &recipients, temp_id, &confirmed);
        #[cfg(test)]
        if crate::simulation::planted::ends_twice(accepted.message.id) {
            delivery.confirm(conversation, &recipients, temp_id, &confirmed);
        }
        hear(told).await;
        accepted.answer_stored(&confirmed, Timing::new(emitted, took));
    }
}

/// Waits until the members here have been told, where that takes the bus; or until it takes too long, and then answers
/// all the same.
async fn hear(told: Option<Told>) {
    if let Some(told) = told {
        // Given up with the entry that it waits for, where that is lost.
        let _lost = tokio::time::timeout(TOLD_WITHIN, told).await;
    }
}

impl Deliver {
    async fn finish(self: Box<Self>) {
        let Self {
            accepted,
            save,
            mut turn,
        } = *self;
        let chat = Arc::clone(&accepted.call.chat);
        let stored = match save.await {
            SaveOutcome::Saved { .. } => {
                match chat.store.get(accepted.kind(), accepted.message.id).await {
                    Ok(Some(stored)) => Arc::new(stored),
                    // It is stored, so it is delivered, from the copy that we have.
                    Ok(None) | Err(_) => {
                        chat.telemetry.read_back_failed.increment();
                        Arc::clone(&accepted.message)
                    }
                }
            }
            SaveOutcome::AlreadySaved(existing) => {
                // Delivered when it was stored first.
                accepted.answer_repeated(&existing);
                // The next one must still wait for those before this one.
                return turn.come().await;
            }
            SaveOutcome::Failed { reason } => {
                accepted.answer_not_stored(&reason);
                return turn.come().await;
            }
        };
        let took = accepted.saved();
        // A save that was faster than the one before it must not overtake it.
        turn.come().await;
        if let Some(message) = accepted.encode(&stored, Phase::Persisted) {
            let delivered = chat.delivery.deliver_persisted(
                &stored.conversation,
                accepted.call.session(),
                &message,
            );
            hear(delivered.told).await;
            let emitted = delivery::log_emitted(accepted.kind(), accepted.received);
            chat.telemetry.emit.record(emitted);
            accepted.answer_stored(&message, Timing::new(emitted, took));
        }
    }
}

impl Future for Save {
    type Output = SaveOutcome;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<SaveOutcome> {
        match self.get_mut() {
            Self::Pending(save) => Pin::new(save).poll(context),
            Self::Refused => Poll::Ready(SaveOutcome::Failed {
                reason: QUEUE_FULL.to_owned(),
            }),
        }
    }
}
