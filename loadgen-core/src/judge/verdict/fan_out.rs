//! How many deliveries one message has: what is slow for one of its recipients is mostly slow for all.

use crate::{
    model::Metric,
    observed::Rules,
    plan::{Plan, Send},
};

/// The sizes of the conversations that some messages go to.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct FanOut {
    /// To all recipients.
    all: Sums,
    /// To those on the sender's own server; nothing where there is one server, here and below.
    same_node: Sums,
    /// To those on other servers.
    cross_node: Sums,
}

/// Sums over messages.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Sums {
    /// Of the deliveries of each.
    deliveries: f64,
    /// Of their squares.
    squares: f64,
}

impl Sums {
    /// Of one message to so many recipients.
    fn of(recipients: usize) -> Self {
        let deliveries = recipients as f64;
        Self {
            deliveries,
            squares: deliveries * deliveries,
        }
    }

    fn with(self, other: Self) -> Self {
        Self {
            deliveries: self.deliveries + other.deliveries,
            squares: self.squares + other.squares,
        }
    }

    /// So many deliveries say as much as one that stands for itself (Kish's effective number); at least 1.
    fn as_one(self) -> f64 {
        match self.deliveries > 0.0 {
            true => (self.squares / self.deliveries).max(1.0),
            false => 1.0,
        }
    }
}

impl FanOut {
    /// Of the messages of a plan that count.
    pub fn of(plan: &Plan, counts: impl Fn(&Send) -> bool) -> Self {
        let by_node = members_by_node(plan);
        let sends = plan.sends.iter().filter(|send| counts(send));
        sends.fold(Self::default(), |sum, send| {
            let others = plan.conversation_of(send).members.len().saturating_sub(1);
            let members = by_node.get(send.conversation as usize);
            let here = usize::from(plan.nodes.of_user(send.sender));
            let same_node = members.map(|members| members[here].saturating_sub(1));
            let cross_node = same_node.map(|same| others.saturating_sub(same));
            sum.with(Self {
                all: Sums::of(others),
                same_node: same_node.map(Sums::of).unwrap_or_default(),
                cross_node: cross_node.map(Sums::of).unwrap_or_default(),
            })
        })
    }

    /// Of one message to so many others.
    #[cfg(test)]
    pub(super) fn to_others(others: usize) -> Self {
        Self {
            all: Sums::of(others),
            ..Self::default()
        }
    }

    /// Of one message to so many others on the sender's server and so many on other servers.
    #[cfg(test)]
    pub(super) fn to_nodes(same: usize, cross: usize) -> Self {
        Self {
            all: Sums::of(same + cross),
            same_node: Sums::of(same),
            cross_node: Sums::of(cross),
        }
    }

    /// With those of other messages.
    pub(super) fn with(self, other: Self) -> Self {
        Self {
            all: self.all.with(other.all),
            same_node: self.same_node.with(other.same_node),
            cross_node: self.cross_node.with(other.cross_node),
        }
    }

    /// So many samples of a metric say as much as one that stands for itself; at least 1.
    pub fn of_samples(self, metric: Metric, rules: Rules) -> f64 {
        let by_node = rules.know_messages_of_nodes();
        match metric {
            Metric::Delivery
            | Metric::DeliveryAsSent
            | Metric::ConfirmAfterDelivery
            | Metric::ReceiveWait => self.all.as_one(),
            Metric::DeliverySameNode if by_node => self.same_node.as_one(),
            Metric::DeliveryCrossNode if by_node => self.cross_node.as_one(),
            _ => 1.0,
        }
    }
}

/// Of each conversation, how many members each server has as planned; empty where there is one server.
fn members_by_node(plan: &Plan) -> Vec<Vec<usize>> {
    if plan.nodes.count() < 2 {
        return Vec::new();
    }
    let conversations = plan.conversations.iter();
    conversations
        .map(|conversation| {
            let mut members = vec![0; usize::from(plan.nodes.count())];
            for &user in &conversation.members {
                members[usize::from(plan.nodes.of_user(user))] += 1;
            }
            members
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::scenario::Scenario;

    #[test]
    fn rule_08_deliveries_on_one_server_and_between_two_are_those_of_the_same_messages() {
        let text = "version = 1\nname = \"t\"\nquestion = \"?\"\n\
                    [server]\nnodes = 2\n\
                    [population]\nusers = 40\n\
                    [[population.channels]]\ncount = 1\nmembers = 40\n\
                    [[phases]]\nname = \"s\"\nduration = \"9s\"\nrate = \"9/s\"\n";
        let scenario = Scenario::parse(Path::new("t.toml"), text).unwrap();
        let plan = Plan::new(&scenario).unwrap();
        let fan_out = FanOut::of(&plan, |_| true);
        let of = |metric| fan_out.of_samples(metric, Rules::NOW);
        let here = (0..40)
            .filter(|&user| plan.nodes.of_user(user) == 0)
            .count();
        let (fewer, more) = (here.min(40 - here) as f64, here.max(40 - here) as f64);
        assert_eq!(of(Metric::Delivery), 39.0);
        let (same, cross) = (of(Metric::DeliverySameNode), of(Metric::DeliveryCrossNode));
        assert!(fewer - 1.0 <= same && same <= more - 1.0, "{fan_out:?}");
        assert!(fewer <= cross && cross <= more, "{fan_out:?}");
        // Results of before were judged as if each were a message of its own.
        let before = fan_out.of_samples(Metric::DeliverySameNode, Rules::default());
        assert_eq!(before, 1.0);
    }
}
