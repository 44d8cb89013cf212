//! How many deliveries one message has: what is slow for one of its recipients is mostly slow for all.

use crate::{
    model::Metric,
    plan::{Plan, Send},
};

/// The sizes of the conversations that some messages go to.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct FanOut {
    deliveries: f64,
    squares: f64,
}

impl FanOut {
    /// Of the messages of a plan that count.
    pub fn of(plan: &Plan, counts: impl Fn(&Send) -> bool) -> Self {
        let sends = plan.sends.iter().filter(|send| counts(send));
        sends.fold(Self::default(), |sum, send| {
            let others = plan.conversation_of(send).members.len().saturating_sub(1) as f64;
            Self {
                deliveries: sum.deliveries + others,
                squares: sum.squares + others * others,
            }
        })
    }

    /// Of one message to so many others.
    #[cfg(test)]
    pub(super) fn to_others(others: u32) -> Self {
        let others = f64::from(others);
        Self {
            deliveries: others,
            squares: others * others,
        }
    }

    /// With those of other messages.
    pub(super) fn with(self, other: Self) -> Self {
        Self {
            deliveries: self.deliveries + other.deliveries,
            squares: self.squares + other.squares,
        }
    }

    /// So many samples of a metric say as much as one that stands for itself (Kish's effective number); at least 1.
    pub fn of_samples(self, metric: Metric) -> f64 {
        let by_recipient = matches!(
            metric,
            Metric::Delivery
                | Metric::DeliveryAsSent
                | Metric::ConfirmAfterDelivery
                | Metric::ReceiveWait
        );
        if by_recipient && self.deliveries > 0.0 {
            (self.squares / self.deliveries).max(1.0)
        } else {
            1.0
        }
    }
}
