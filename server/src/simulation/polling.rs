//! The polling transport of simulated clients: one request that waits for news, and one at a time that brings some.

use super::{
    frames::{AnswerReader, polling_request},
    network::{Chunk, ConnectionId, End},
    world::World,
};

/// What parts packets in one body.
const SEPARATOR: &str = "\u{1e}";

/// A session of a client that polls. The device's connection is the one that it polls on.
pub struct Polling {
    /// The other one.
    pub posts_on: ConnectionId,
    sid: Option<String>,
    polls: AnswerReader,
    posts: AnswerReader,
    is_posting: bool,
    /// Packets for the next request, and the attempts that each completes.
    waiting: Vec<(String, Vec<u32>)>,
}

impl World {
    /// It asks for a session.
    pub fn polling_begins(&mut self, number: usize, id: ConnectionId) {
        let window = self.setup.window;
        let posts_on = self.dial(number, window);
        self.devices[number].polling = Some(Polling {
            posts_on,
            sid: None,
            polls: AnswerReader::default(),
            posts: AnswerReader::default(),
            is_posting: false,
            waiting: Vec::new(),
        });
        self.note(format_args!(
            "device {number} polls, and posts on {posts_on}"
        ));
        self.client_sends(id, polling_request("GET", None, ""), Vec::new());
    }

    /// It has something to say.
    pub fn polling_says(
        &mut self,
        number: usize,
        packets: impl IntoIterator<Item = (String, Vec<u32>)>,
    ) {
        if let Some(polling) = &mut self.devices[number].polling {
            polling.waiting.extend(packets);
        }
        self.polling_posts(number);
    }

    fn polling_posts(&mut self, number: usize) {
        let Some(polling) = &mut self.devices[number].polling else {
            return;
        };
        if polling.is_posting || polling.waiting.is_empty() || polling.sid.is_none() {
            return;
        }
        polling.is_posting = true;
        let waiting = std::mem::take(&mut polling.waiting);
        let (packets, completes): (Vec<String>, Vec<Vec<u32>>) = waiting.into_iter().unzip();
        let body = packets.join(SEPARATOR);
        let request = polling_request("POST", polling.sid.as_deref(), &body);
        let posts_on = polling.posts_on;
        self.client_sends(posts_on, request, completes.concat());
    }

    /// Bytes came to one of its connections.
    pub fn polling_reads(&mut self, number: usize, id: ConnectionId, chunk: &Chunk) {
        let is_poll = self.devices[number].connection == Some(id);
        if let Some(polling) = &mut self.devices[number].polling {
            let reader = if is_poll {
                &mut polling.polls
            } else {
                &mut polling.posts
            };
            reader.take(&chunk.bytes);
        }
        while self.devices[number].is_on(id)
            && let Some(polling) = &mut self.devices[number].polling
        {
            let reader = if is_poll {
                &mut polling.polls
            } else {
                &mut polling.posts
            };
            let Some(answer) = reader.next() else { return };
            if answer.status != 200 {
                self.device_leaves(number, End::Fin, None);
            } else if is_poll {
                self.polling_hears(number, id, &answer.body, chunk.written_at);
            } else {
                polling.is_posting = false;
                self.polling_posts(number);
            }
        }
    }

    fn polling_hears(&mut self, number: usize, id: ConnectionId, body: &str, written_at: u64) {
        for packet in body.split(SEPARATOR) {
            if let Some(open) = packet.strip_prefix('0')
                && let Ok(open) = serde_json::from_str::<serde_json::Value>(open)
                && let Some(polling) = &mut self.devices[number].polling
            {
                polling.sid = open["sid"].as_str().map(str::to_owned);
            }
            self.device_hears(number, packet, written_at);
            if self.devices[number].connection != Some(id) {
                return;
            }
        }
        let polling = self.devices[number].polling.as_ref();
        let sid = polling.and_then(|polling| polling.sid.clone());
        self.client_sends(id, polling_request("GET", sid.as_deref(), ""), Vec::new());
    }
}
