//! The ways to cheat.

use std::time::Duration;

/// How a server cheats. The faults that concern one message in many take every `EVERY`th.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It doesn't.
    None,
    /// One delivery is never made.
    Drops,
    /// The sender's own copy never comes.
    WithholdsTheEcho,
    /// One delivery is made twice.
    Doubles,
    /// Two messages of one sender change places, for everybody.
    SwapsOfOneSender,
    /// Two messages of different senders change places, for one member only.
    SwapsForOneMember,
    /// A message also goes to somebody of another conversation.
    DeliversToAStranger,
    /// A message is confirmed and not saved.
    ConfirmsWithoutSaving,
    /// A message is saved and said to have failed.
    SavesAndFails,
    /// The same, and it says how many there are, and takes one out of its store each time it was asked after the run.
    SettlesWhenAsked,
    /// The same, and it does not answer when it is asked for the first time after the run.
    SettlesAfterASilence,
    /// A message is confirmed twice.
    ConfirmsTwice,
    /// A message is neither confirmed nor failed.
    NeverEnds,
    /// A message is confirmed before it is delivered.
    ConfirmsEarly,
    /// A message fails under a temporary id that nobody knows.
    FailsUnderAnotherId,
    /// A body loses its last character.
    ChangesABody,
    /// Two members are told different ids of one message.
    DisagreesOnTheId,
    /// A message is saved under two ids.
    SavesTwice,
    /// A room stays when everybody has gone.
    LeaksARoom,
    /// Nobody is told any more who is there once everybody has gone.
    FallsSilent,
    /// An acknowledgement never comes.
    ForgetsAnAck,
    /// A client is thrown out.
    CutsAConnection,
    /// A client is sent what is no packet.
    SendsNoPacket,
    /// A client is sent more than 16 MiB at once.
    SendsTooMuch,
    /// A client waits for its heartbeat in vain.
    ForgetsAHeartbeat,
    /// Nothing moves for 50 ms, every 2 seconds.
    Stalls,
    /// Every delivery is 2 ms late.
    IsLate,
    /// One worker delivers one message after the other, and takes [`SERVICE`] for each.
    TakesItsTime,
    /// Whoever leaves goes on getting messages.
    KeepsWhoLeft,
    /// Whoever leaves goes on getting confirmations, with all that was said.
    ConfirmsToWhoLeft,
    /// Whoever joins after everybody has joined is a member, and is never told.
    ForgetsLateJoins,
    /// Whoever connects after everybody has connected hears nothing.
    HangsWhoComesBack,
    /// The first who connect after everybody has connected are sent away.
    RefusesWhoComesBack,
    /// A message is acknowledged with success, and that is all that ever comes of it.
    Swallows,
    /// A message is saved, confirmed and acknowledged, and delivered to nobody.
    SwallowsAndConfirms,
    /// A message is acknowledged with success after a second, and that is all that ever comes of it.
    SwallowsAndAcksLate,
    /// Each message is delivered, saved and confirmed, and acknowledged with `success: false`.
    DeniesAndConfirms,
    /// A message fails, and is acknowledged with success.
    FailsWithSuccess,
    /// A message is confirmed to its sender and has failed for the others.
    ConfirmsToSome,
    /// A message is refused in words, and nothing comes of it.
    Refuses,
    /// A message is refused in words, and delivered.
    RefusesAndDelivers,
    /// No message can be saved, and everybody is told.
    FailsEverySave,
    /// The others get the event that is for the sender.
    OthersGetSent,
    /// The sender gets the event that is for the others.
    SenderGetsReceived,
    /// A message is confirmed by the event of the other kind of conversation.
    ConfirmsByAnotherKind,
    /// A message fails by the event of the other kind of conversation.
    FailsByAnotherKind,
    /// A delivery names another sender.
    NamesAnotherSender,
    /// A delivery names its sender by a number.
    NamesNoSender,
    /// A confirmation names another sender.
    ConfirmsAnotherSender,
    /// What is saved lacks the last character of the body.
    SavesAnotherBody,
    /// What is saved names another sender.
    SavesAnotherSender,
    /// What is saved names another conversation.
    SavesAnotherConversation,
    /// What is saved is among the messages of the other kind of conversation.
    SavesAsAnotherKind,
    /// It is saved there too, under the same id.
    SavesAsBothKinds,
    /// A message is acknowledged before it is saved, and the server ends all that it was about.
    DiesBetweenAckAndSave,
    /// An acknowledgement names another message's id.
    AcksAnotherId,
    /// An acknowledgement names no id.
    AcksNoId,
    /// What follows the argument of a delivery is no JSON.
    BreaksTheJson,
    /// It does not answer when it is asked for the first time, before the run, what it has saved and who is there.
    IsSilentAtFirst,
}

/// What a server takes for a message that takes its time.
pub const SERVICE: Duration = Duration::from_millis(5);

/// Faults of one message hit every so many.
pub const EVERY: u64 = 50;

/// Connections and joins before anybody comes back, in the scenarios in which that matters.
pub const USERS: u64 = 12;

/// So many connections after these are refused.
const REFUSED: u64 = 6;

impl Fault {
    /// Whether it hits the message of that number.
    pub fn hits(self, number: u64) -> bool {
        match self {
            Fault::DeniesAndConfirms | Fault::FailsEverySave | Fault::OthersGetSent => true,
            _ => number.is_multiple_of(EVERY),
        }
    }

    /// Whether the connection of that number, counted from 1, is ended at once.
    pub fn refuses(self, connection: u64) -> bool {
        self == Fault::RefusesWhoComesBack && (USERS + 1..=USERS + REFUSED).contains(&connection)
    }

    /// Whether nobody gets what it hits.
    pub fn swallows(self) -> bool {
        matches!(
            self,
            Fault::Swallows
                | Fault::SwallowsAndConfirms
                | Fault::SwallowsAndAcksLate
                | Fault::Refuses
        )
    }

    /// Whether what it hits fails instead of being saved.
    pub fn fails(self) -> bool {
        matches!(
            self,
            Fault::FailsEverySave | Fault::FailsWithSuccess | Fault::FailsByAnotherKind
        )
    }
}
