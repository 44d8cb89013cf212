//! What one canary was promised and what it got: every message of both once, in order, with its one end and its
//! acknowledgement, and nothing else.

use std::{
    collections::{HashMap, HashSet},
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::canary::ROOM;

/// One canary's account. Whatever is not as promised is an error that says what.
#[derive(Default)]
pub struct Ledger {
    /// When its own messages were sent, by their numbers.
    sent: Vec<Instant>,
    acknowledged: HashSet<u64>,
    /// The next number that each of both must bring.
    next: HashMap<String, usize>,
    /// Optimistic messages without an end.
    open: HashSet<String>,
    /// From the sending of an own message to its delivery.
    pub took: Vec<Duration>,
}

impl Ledger {
    /// Its next message is being sent; the body to send.
    pub fn sends(&mut self, me: &str) -> String {
        self.sent.push(Instant::now());
        format!("{me}:{}", self.sent.len() - 1)
    }

    pub const fn sent(&self) -> usize {
        self.sent.len()
    }

    /// An event came to `me`.
    pub fn event(&mut self, me: &str, name: &str, data: &Value) -> Result<(), String> {
        let text = |field: &str| data[field].as_str().unwrap_or_default().to_owned();
        match name {
            "roomMessageRecieved" if data["roomId"] == ROOM => {
                self.delivered(me, &text("body"), text("_id"))
            }
            "roomMessageConfirmed" if self.open.remove(&text("tempId")) => Ok(()),
            _ => Err(format!("not for it, or for the second time: {name} {data}")),
        }
    }

    fn delivered(&mut self, me: &str, body: &str, id: String) -> Result<(), String> {
        let (sender, number) = body.split_once(':').ok_or(format!("a stranger's {body}"))?;
        let next = self.next.entry(sender.to_owned()).or_default();
        if number != next.to_string() {
            return Err(format!("{body} where {sender}:{next} was next"));
        }
        if sender == me {
            self.took.push(self.sent[*next].elapsed());
        }
        *next += 1;
        if !self.open.insert(id) {
            return Err(format!("{body} has the id of another message"));
        }
        Ok(())
    }

    /// An acknowledgement came, of the call with this number.
    pub fn acknowledged(&mut self, call: u64, data: &Value) -> Result<(), String> {
        if data["success"] != true {
            return Err(format!("refused: {data}"));
        }
        if !self.acknowledged.insert(call) {
            return Err(format!("call {call} is acknowledged for the second time"));
        }
        Ok(())
    }

    /// What is missing still, if `me` and `other` have sent so many.
    pub fn missing(&self, me: &str, other: (&str, usize)) -> Option<String> {
        let got = |sender: &str| self.next.get(sender).copied().unwrap_or_default();
        let lost = (self.sent() - got(me)) + (other.1 - got(other.0));
        let unacknowledged = self.sent() - self.acknowledged.len();
        let endless = self.open.len();
        (lost + unacknowledged + endless > 0).then(|| {
            format!("{lost} deliveries, {unacknowledged} acknowledgements and {endless} ends are missing")
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const DELIVERY: &str = "roomMessageRecieved";

    fn message(body: &str) -> Value {
        json!({ "_id": format!("temp_{body}"), "roomId": ROOM, "body": body })
    }

    fn end(body: &str) -> Value {
        json!({ "tempId": format!("temp_{body}"), "roomId": ROOM, "body": body })
    }

    #[test]
    fn what_was_promised_is_in_order() {
        let mut ledger = Ledger::default();
        assert_eq!(ledger.sends("a"), "a:0");
        for body in ["a:0", "b:0", "b:1"] {
            ledger.event("a", DELIVERY, &message(body)).unwrap();
            ledger
                .event("a", "roomMessageConfirmed", &end(body))
                .unwrap();
        }
        assert!(ledger.missing("a", ("b", 2)).is_some());
        ledger.acknowledged(1, &json!({ "success": true })).unwrap();
        assert_eq!(ledger.missing("a", ("b", 2)), None);
        assert_eq!(ledger.took.len(), 1);
        let missing = ledger.missing("a", ("b", 3)).unwrap();
        assert!(missing.starts_with("1 deliveries"), "{missing}");
    }

    #[test]
    fn whatever_is_not_is_an_error() {
        let mut ledger = Ledger::default();
        ledger.event("a", DELIVERY, &message("b:0")).unwrap();
        let elsewhere = json!({ "_id": "temp_x", "roomId": "elsewhere", "body": "b:1" });
        for (event, data) in [
            (DELIVERY, message("b:0")),
            (DELIVERY, message("b:2")),
            (DELIVERY, elsewhere),
            (DELIVERY, message("a stranger")),
            ("roomMessageConfirmed", end("b:1")),
            ("roomMessageFailed", end("b:0")),
            ("accountLoggedInElsewhere", json!({})),
        ] {
            assert!(ledger.event("a", event, &data).is_err(), "{event} {data}");
        }
        assert!(
            ledger
                .acknowledged(1, &json!({ "success": false }))
                .is_err()
        );
        ledger.acknowledged(2, &json!({ "success": true })).unwrap();
        assert!(ledger.acknowledged(2, &json!({ "success": true })).is_err());
        // Ended, and once.
        ledger
            .event("a", "roomMessageConfirmed", &end("b:0"))
            .unwrap();
        assert!(
            ledger
                .event("a", "roomMessageConfirmed", &end("b:0"))
                .is_err()
        );
    }
}
