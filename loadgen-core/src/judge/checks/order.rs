//! The order of messages: per sender on each socket, and one order for all members of a conversation.

use std::collections::HashMap;

use super::{Case, Evidence, Findings};
use crate::{
    judge::Check,
    plan::{Conversation, Send},
};

pub(super) fn check(evidence: &Evidence<'_>, findings: &mut Findings<'_>) {
    let by_conversation = messages_by_conversation(evidence);
    check_senders(evidence, &by_conversation, findings);
    if !evidence.promises.one_order {
        return;
    }
    for (conversation, messages) in evidence.plan.conversations.iter().zip(&by_conversation) {
        check_conversation(evidence, conversation, messages, findings);
    }
}

/// The numbers of each conversation's messages, ascending.
fn messages_by_conversation(evidence: &Evidence<'_>) -> Vec<Vec<u32>> {
    let mut messages = vec![Vec::new(); evidence.plan.conversations.len()];
    for (message, send) in evidence.plan.sends.iter().enumerate() {
        messages[send.conversation as usize].push(message as u32);
    }
    messages
}

/// On each socket, over all of the user's conversations, a sender's messages arrive as they were sent.
fn check_senders(
    evidence: &Evidence<'_>,
    by_conversation: &[Vec<u32>],
    findings: &mut Findings<'_>,
) {
    let mut seen: Vec<(u32, u32)> = Vec::new();
    let mut last: HashMap<(u32, usize), u32> = HashMap::new();
    for (user, places) in evidence.plan.places.iter().enumerate() {
        seen.clear();
        last.clear();
        for place in places {
            seen.extend(
                by_conversation[place.conversation as usize]
                    .iter()
                    .filter_map(|&message| {
                        let send = &evidence.plan.sends[message as usize];
                        let arrival = arrival(evidence, send, place.position)?;
                        Some((message, arrival))
                    }),
            );
        }
        // Message numbers ascend by intended time, and a sender sends in that order.
        seen.sort_unstable();
        for &(message, arrival) in &seen {
            let send = &evidence.plan.sends[message as usize];
            // Between two connections of a sender no order is promised.
            let sent = evidence.ledger().sent_at(message).unwrap_or_default();
            let connection = evidence.presence.connection(send.sender, sent);
            let previous = last.entry((send.sender, connection)).or_insert(arrival);
            if arrival < *previous {
                findings.add(Check::Reordered, Case::of(message, send, user as u32));
            }
            *previous = arrival.max(*previous);
        }
    }
}

/// Every member saw the messages in the order in which a member of reference did.
fn check_conversation(
    evidence: &Evidence<'_>,
    conversation: &Conversation,
    messages: &[u32],
    findings: &mut Findings<'_>,
) {
    let seen_by = |position: usize| sequence(evidence, conversation, messages, position);
    // Where a sender is answered apart, its own messages have no place in its order: those of the first member of
    // reference are compared by a second one.
    let references = if evidence.promises.answered_apart {
        2
    } else {
        1
    };
    let references = most_seen(evidence, conversation, messages, references);
    for (index, &reference) in references.iter().enumerate() {
        let rank: HashMap<u32, usize> = seen_by(reference)
            .into_iter()
            .enumerate()
            .map(|(rank, message)| (message, rank))
            .collect();
        for (position, &member) in conversation.members.iter().enumerate() {
            if references[..=index].contains(&position) {
                continue;
            }
            let mut highest = 0;
            for message in seen_by(position) {
                let Some(&rank) = rank.get(&message) else {
                    continue;
                };
                if rank < highest {
                    let send = &evidence.plan.sends[message as usize];
                    findings.add(Check::OrderDisagrees, Case::of(message, send, member));
                }
                highest = highest.max(rank);
            }
        }
    }
}

/// The first members: of those who come and go, the ones that saw most, since a message that the member of reference
/// missed is compared with nothing.
fn most_seen(
    evidence: &Evidence<'_>,
    conversation: &Conversation,
    messages: &[u32],
    how_many: usize,
) -> Vec<usize> {
    let mut positions: Vec<usize> = (0..conversation.members.len()).collect();
    if !evidence.presence.is_constant() {
        let seen = |position: &usize| {
            let arrived = messages.iter().filter(|&&message| {
                let send = &evidence.plan.sends[message as usize];
                arrival(evidence, send, *position as u32).is_some()
            });
            std::cmp::Reverse(arrived.count())
        };
        positions.sort_by_cached_key(seen);
    }
    positions.truncate(how_many);
    positions
}

/// The messages of a conversation in the order in which one member saw them.
fn sequence(
    evidence: &Evidence<'_>,
    conversation: &Conversation,
    messages: &[u32],
    position: usize,
) -> Vec<u32> {
    let own = conversation.members[position];
    let mut seen: Vec<(u32, u32)> = messages
        .iter()
        .filter_map(|&message| {
            let send = &evidence.plan.sends[message as usize];
            let answered_apart = evidence.promises.answered_apart && send.sender == own;
            let arrival = arrival(evidence, send, position as u32)?;
            (!answered_apart).then_some((arrival, message))
        })
        .collect();
    seen.sort_unstable();
    seen.into_iter().map(|(_, message)| message).collect()
}

fn arrival(evidence: &Evidence<'_>, send: &Send, position: u32) -> Option<u32> {
    let seen = evidence
        .ledger()
        .slot(send.slot as usize + position as usize);
    (seen.deliveries() > 0).then(|| seen.arrival())
}
