//! What one server tells the others, as bytes.

use std::borrow::Cow;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::{
    bus::{Login, NodeName},
    message::Conversation,
};

/// One entry of a stream.
#[derive(Debug, Serialize, Deserialize)]
pub struct Letter<'a> {
    /// Who says it.
    #[serde(rename = "n")]
    pub node: NodeName,
    /// Its number among this node's entries in this stream, from 1; 0 where they are not counted.
    #[serde(rename = "i")]
    pub number: u64,
    /// Its place among all that this node has said in any partition: a sender's messages in several conversations are in
    /// one order.
    #[serde(rename = "g")]
    pub place: u64,
    /// What is said.
    #[serde(rename = "w", borrow)]
    pub what: What<'a>,
}

/// What is said.
#[derive(Debug, Serialize, Deserialize)]
pub enum What<'a> {
    /// A message for the members of its conversation.
    #[serde(rename = "m")]
    Message {
        /// Where it was sent.
        #[serde(rename = "c")]
        conversation: Cow<'a, Conversation>,
        /// Its temporary id; none if it has no end to come.
        #[serde(rename = "k", borrow)]
        key: Option<Cow<'a, str>>,
        /// The user whose login sent it.
        #[serde(rename = "u", borrow)]
        sender: Cow<'a, str>,
        /// As members get it.
        #[serde(rename = "p", borrow)]
        payload: &'a RawValue,
    },
    /// The end of a message, for those who got it.
    #[serde(rename = "e")]
    End {
        /// Where it was sent.
        #[serde(rename = "c")]
        conversation: Cow<'a, Conversation>,
        /// Its temporary id.
        #[serde(rename = "k", borrow)]
        key: Cow<'a, str>,
        /// Whether it is stored.
        #[serde(rename = "s")]
        stored: bool,
        /// As members get it.
        #[serde(rename = "p", borrow)]
        payload: &'a RawValue,
    },
    /// A user of yours has logged in on another node.
    #[serde(rename = "x")]
    Elsewhere {
        /// The user.
        #[serde(rename = "u", borrow)]
        user: Cow<'a, str>,
        /// The login there.
        #[serde(rename = "l")]
        login: Login,
        /// The socket of the one that it replaced; a newer one stays. Last, because the bus fills it in.
        #[serde(rename = "b")]
        replaced: u64,
    },
    /// The login that a login of yours replaced was in these conversations.
    #[serde(rename = "t")]
    HandedOver {
        /// The user.
        #[serde(rename = "u", borrow)]
        user: Cow<'a, str>,
        /// The socket of the one that it replaced.
        #[serde(rename = "b")]
        replaced: u64,
        /// The conversations.
        #[serde(rename = "c")]
        conversations: Vec<Conversation>,
    },
    /// To an inbox nothing: look again what there is to be read. In a partition, that entries of this node before this one
    /// are lost: where they were the last ones, or the first that is heard of it, their numbers would not show it.
    #[serde(rename = "w")]
    Wake,
}

impl<'a> Letter<'a> {
    /// As bytes.
    ///
    /// # Errors
    /// Never in practice: strings and numbers always have a JSON text.
    pub fn encode(&self) -> serde_json::Result<Bytes> {
        serde_json::to_vec(self).map(Bytes::from)
    }

    /// As [`crate::bus::Claim`] wants what another node is told: without the number at its end.
    ///
    /// # Errors
    /// Never in practice.
    pub fn notice(node: &NodeName, user: &str, login: &Login) -> serde_json::Result<[Bytes; 2]> {
        const END: &str = "0}}}";
        let letter = Letter {
            node: node.clone(),
            number: 0,
            place: 0,
            what: What::Elsewhere {
                user: user.into(),
                login: login.clone(),
                replaced: 0,
            },
        };
        let mut before = letter.encode()?;
        let mut after = before.split_off(before.len() - END.len());
        Ok([before, after.split_off(1)])
    }

    /// From bytes.
    ///
    /// # Errors
    /// They are no letter: another version's, or somebody else's.
    pub fn decode(bytes: &'a [u8]) -> serde_json::Result<Self> {
        serde_json::from_slice(bytes)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::value::to_raw_value;

    use super::*;
    use crate::message::Kind;

    proptest! {
        #[test]
        fn a_letter_is_read_as_it_was_written(
            id in ".{1,40}", key in ".{0,40}", sender in ".{1,40}", body in ".{0,200}", number: u64, socket: u64, room: bool,
        ) {
            let kind = if room { Kind::Room } else { Kind::Channel };
            let conversation = Conversation { kind, id };
            let payload = to_raw_value(&body).unwrap();
            let node = NodeName::of(&sender);
            for what in [
                What::Message {
                    conversation: Cow::Borrowed(&conversation),
                    key: Some((&*key).into()),
                    sender: (&*sender).into(),
                    payload: &payload,
                },
                What::End {
                    conversation: Cow::Borrowed(&conversation),
                    key: (&*key).into(),
                    stored: room,
                    payload: &payload,
                },
                What::Elsewhere {
                    user: (&*sender).into(),
                    login: Login { node: node.clone(), socket, stamp: -1 },
                    replaced: number,
                },
                What::HandedOver {
                    user: (&*sender).into(),
                    replaced: number,
                    conversations: vec![conversation.clone()],
                },
                What::Wake,
            ] {
                let letter = Letter { node: node.clone(), number, place: socket, what };
                let bytes = letter.encode().unwrap();
                let read = Letter::decode(&bytes).unwrap();
                prop_assert_eq!(format!("{read:?}"), format!("{letter:?}"));
            }
        }
    }

    #[test]
    fn a_notice_is_a_letter_as_soon_as_its_number_is_in_it() {
        let (node, stamp) = (NodeName::of("a"), 7);
        let socket = u64::MAX;
        let login = Login {
            node: node.clone(),
            socket,
            stamp,
        };
        let [before, after] = Letter::notice(&node, "u\"0}}}", &login).unwrap();
        let bytes = [&before[..], socket.to_string().as_bytes(), &after].concat();
        let letter = Letter::decode(&bytes).unwrap();
        let What::Elsewhere {
            user,
            login: read,
            replaced,
        } = letter.what
        else {
            panic!("{letter:?}")
        };
        assert_eq!((&*user, read, replaced), ("u\"0}}}", login, socket));
    }

    #[test]
    fn what_is_no_letter_is_an_error() {
        for bytes in [&b""[..], b"{}", b"\xff", br#"{"n":"a","i":1,"w":{"z":1}}"#] {
            assert!(Letter::decode(bytes).is_err());
        }
    }
}
