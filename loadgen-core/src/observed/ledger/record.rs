//! What a ledger holds as text, and back.

use std::{collections::BTreeMap, sync::atomic::Ordering::Relaxed};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Beyond, Ledger};
use crate::{
    observed::{
        pack::{pack, unpack},
        record::{RecordError, own},
    },
    plan::{Part, Plan},
};

/// What a [`Ledger`] holds of the messages of one part, in the order of the plan: columns of numbers, packed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::observed) struct LedgerRecord {
    slots: String,
    sent: String,
    first: String,
    slowest: String,
    /// Only of a run that keeps when messages were confirmed.
    confirmed: Option<String>,
    /// By slot, what its counters can't hold.
    beyond: BTreeMap<usize, Beyond>,
}

impl LedgerRecord {
    pub(in crate::observed) fn of(ledger: &Ledger, plan: &Plan, part: &Part) -> Self {
        let (mut slots, mut sent, mut first, mut slowest) = (vec![], vec![], vec![], vec![]);
        let mut confirmed = vec![];
        for own in own(plan, part) {
            let message = own.message as usize;
            slots.extend(
                ledger.slots[own.slots]
                    .iter()
                    .map(|slot| slot.load(Relaxed)),
            );
            sent.push(ledger.sent[message].load(Relaxed));
            first.push(u64::from(ledger.first[message].load(Relaxed)));
            slowest.push(u64::from(ledger.slowest[message].load(Relaxed)));
            let kept = ledger.confirmed.get(message);
            confirmed.extend(kept.map(|kept| u64::from(kept.load(Relaxed))));
        }
        let beyond = ledger.beyond();
        Self {
            slots: pack(&slots),
            sent: pack(&sent),
            first: pack(&first),
            slowest: pack(&slowest),
            confirmed: (!ledger.confirmed.is_empty()).then(|| pack(&confirmed)),
            beyond: beyond
                .iter()
                .map(|(slot, beyond)| (*slot, *beyond))
                .collect(),
        }
    }

    /// Into the account of the whole plan.
    pub(in crate::observed) fn restore(
        self,
        ledger: &Ledger,
        plan: &Plan,
        part: &Part,
    ) -> Result<(), RecordError> {
        let own: Vec<_> = own(plan, part).collect();
        let slots = own.iter().map(|own| own.slots.len()).sum();
        let column = |text: &str, count: usize, what: &'static str| {
            unpack(text, count).map_err(|source| RecordError::Packed { what, source })
        };
        let short = |text: &str, what: &'static str| {
            let column = column(text, own.len(), what)?.into_iter();
            let column: Result<Vec<u32>, _> = column.map(u32::try_from).collect();
            column.map_err(|_| RecordError::Misfit(what))
        };
        let seen = column(&self.slots, slots, "what members saw")?;
        let sent = column(&self.sent, own.len(), "when messages were sent")?;
        let first = short(&self.first, "first signs")?;
        let slowest = short(&self.slowest, "slowest deliveries")?;
        let confirmed = self.confirmed.as_deref();
        let confirmed = confirmed
            .map(|text| short(text, "confirmations"))
            .transpose()?;
        if confirmed.is_some() == ledger.confirmed.is_empty() {
            return Err(RecordError::Misfit("confirmations"));
        }
        let own_slots = own.iter().flat_map(|own| own.slots.clone());
        for (slot, seen) in own_slots.zip(seen) {
            ledger.slots[slot].store(seen, Relaxed);
        }
        for (place, own) in own.iter().enumerate() {
            let message = own.message as usize;
            ledger.sent[message].store(sent[place], Relaxed);
            ledger.first[message].store(first[place], Relaxed);
            ledger.slowest[message].store(slowest[place], Relaxed);
            if let Some(confirmed) = &confirmed {
                ledger.confirmed[message].store(confirmed[place], Relaxed);
            }
        }
        // Ascending, as slots are numbered in the order of messages.
        let is_own = |slot: usize| {
            let after = own.partition_point(|own| own.slots.start <= slot);
            after > 0 && own[after - 1].slots.contains(&slot)
        };
        if self.beyond.keys().any(|slot| !is_own(*slot)) {
            return Err(RecordError::Misfit("the slots"));
        }
        ledger.beyond().extend(self.beyond);
        Ok(())
    }
}
