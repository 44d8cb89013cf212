//! Which of several servers each user is on, and since when, as all workers know it: a delivery counts by where both really are.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::{
    model::{Metric, Nanos},
    plan::Nodes,
};

/// The bits of a server's number.
const SERVER: u32 = 8;

/// Of every user of the plan; of one server, nothing.
pub struct Whereabouts {
    nodes: Nodes,
    /// Since when on the run's clock, and in the lowest bits on which server.
    users: Box<[AtomicU64]>,
}

impl Whereabouts {
    /// Of users who have not moved yet.
    pub fn new(nodes: Nodes, users: usize) -> Self {
        let several = nodes.count() > 1;
        let users = (0..users as u32).filter(|_| several);
        Self {
            nodes,
            users: users
                .map(|user| AtomicU64::new(packed(0, nodes.of_user(user))))
                .collect(),
        }
    }

    /// Where a user is, or was last.
    pub fn server(&self, user: u32) -> u16 {
        self.of(user).1
    }

    /// A user has connected to that server; it sent nothing there before that time.
    pub fn connected(&self, user: u32, server: u16, at: Nanos) {
        if let Some(known) = self.users.get(user as usize)
            && self.server(user) != server
        {
            known.store(packed(at, server), Relaxed);
        }
    }

    /// What a delivery that comes now counts as beside the others. One whose sender has changed its server since it sent
    /// counts as nothing: nobody here knows any more which way it went.
    pub fn metric(&self, sender: u32, sent: Nanos, recipient: u32) -> Option<Metric> {
        let (since, server) = self.of(sender);
        let stayed = since <= sent;
        let metric = self.nodes.metric(server, self.server(recipient));
        metric.filter(|_| stayed)
    }

    fn of(&self, user: u32) -> (Nanos, u16) {
        let packed = self.users.get(user as usize);
        let packed = packed.map_or(0, |packed| packed.load(Relaxed));
        let server = packed & ((1 << SERVER) - 1);
        (packed >> SERVER, server as u16)
    }
}

/// A run of two years fits.
fn packed(since: Nanos, server: u16) -> u64 {
    since << SERVER | u64::from(server)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::scenario::Scenario;

    fn nodes(count: u16) -> Nodes {
        let text = format!(
            "version = 1\nname = \"t\"\nquestion = \"?\"\nserver = {{ nodes = {count} }}\n\
             population = {{ users = 20, rooms = 10 }}\n\
             [[phases]]\nname = \"steady\"\nduration = \"1s\"\nrate = \"20/s\"\n"
        );
        Nodes::of(&Scenario::parse(Path::new("t.toml"), &text).unwrap())
    }

    #[test]
    fn a_delivery_counts_by_where_both_are_and_as_nothing_after_its_sender_has_moved() {
        let nodes = nodes(3);
        let whereabouts = Whereabouts::new(nodes, 20);
        let on = |server: u16| (0..20).find(|&user| nodes.of_user(user) == server).unwrap();
        let (sender, recipient) = (on(0), on(1));
        let way = |sent| whereabouts.metric(sender, sent, recipient);
        assert_eq!(way(50), Some(Metric::DeliveryCrossNode));
        whereabouts.connected(recipient, 0, 100);
        assert_eq!(way(50), Some(Metric::DeliverySameNode));
        whereabouts.connected(sender, 2, 200);
        assert_eq!(way(150), None);
        assert_eq!(way(200), Some(Metric::DeliveryCrossNode));
        // Coming back to where it is anyway is no move.
        whereabouts.connected(sender, 2, 300);
        assert_eq!(way(250), Some(Metric::DeliveryCrossNode));
        assert_eq!(whereabouts.server(sender), 2);
    }

    #[test]
    fn of_one_server_nothing_is_known_and_nothing_told_apart() {
        let whereabouts = Whereabouts::new(nodes(1), 20);
        whereabouts.connected(3, 0, 100);
        assert_eq!(whereabouts.metric(3, 200, 4), None);
        assert_eq!(whereabouts.server(3), 0);
    }
}
