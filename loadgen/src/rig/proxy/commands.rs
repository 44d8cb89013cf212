//! What MongoDB's client and server say to each other: which replies are to commands that write.
//!
//! Looked at are the first bytes of each message alone: its head (length, id, the id that it answers, kind), and in a
//! command of today's kind its name, which is the first key of its first document.

/// Length, id, answered id and kind: four numbers of four bytes, the lowest byte first.
const HEAD: usize = 16;
/// The kind of today's commands and replies.
const MESSAGE: i32 = 2013;
/// In a message of that kind: flags, the kind of its first section, the length of its document, the type of its first value.
const BEFORE_NAME: usize = HEAD + 4 + 1 + 4 + 1;
/// Enough of a command for the longest name below, with its end.
const COMMAND: usize = BEFORE_NAME + 8;
/// The commands that write documents.
const WRITES: [&[u8]; 2] = [b"insert\0", b"update\0"];
/// No message of MongoDB is longer, nor any shorter than its head.
const MOST: usize = 48_000_000;

/// Follows a connection in both directions, from its first byte on.
#[derive(Debug)]
pub(super) struct Commands {
    sent: Frames,
    came: Frames,
    /// Writes that are not answered yet, by their ids.
    unanswered: Vec<i32>,
}

impl Default for Commands {
    fn default() -> Self {
        Self {
            sent: Frames::new(COMMAND),
            came: Frames::new(HEAD),
            unanswered: Vec::new(),
        }
    }
}

impl Commands {
    /// Bytes from the client.
    pub(super) fn sent(&mut self, bytes: &[u8]) {
        let unanswered = &mut self.unanswered;
        self.sent.follow(bytes, &mut |beginning| {
            let name = beginning.get(BEFORE_NAME..).unwrap_or_default();
            let is_command =
                number(beginning, 12) == Some(MESSAGE) && beginning.get(20) == Some(&0);
            if is_command && WRITES.iter().any(|write| name.starts_with(write)) {
                unanswered.extend(number(beginning, 4));
            }
        });
    }

    /// Bytes from the server: how many of the replies in them are to commands that write.
    pub(super) fn came(&mut self, bytes: &[u8]) -> usize {
        let (unanswered, mut replies) = (&mut self.unanswered, 0);
        self.came.follow(bytes, &mut |beginning| {
            let answered = number(beginning, 8);
            let place = unanswered.iter().position(|id| Some(*id) == answered);
            if let Some(place) = place {
                unanswered.swap_remove(place);
                replies += 1;
            }
        });
        replies
    }
}

/// The four bytes at a place, as a number.
fn number(bytes: &[u8], at: usize) -> Option<i32> {
    let four = bytes.get(at..at + 4)?.try_into().ok()?;
    Some(i32::from_le_bytes(four))
}

/// Where one message ends and the next one begins.
#[derive(Debug)]
struct Frames {
    /// So much of each message is looked at, if it is as long.
    wanted: usize,
    beginning: Vec<u8>,
    /// What is left of a message that was looked at.
    left: usize,
    /// It is something else, and not looked at any more.
    is_strange: bool,
}

impl Frames {
    fn new(wanted: usize) -> Self {
        Self {
            wanted,
            beginning: Vec::with_capacity(wanted),
            left: 0,
            is_strange: false,
        }
    }

    /// Shows the beginning of each message once it is there.
    fn follow(&mut self, mut bytes: &[u8], show: &mut dyn FnMut(&[u8])) {
        while !bytes.is_empty() && !self.is_strange {
            if self.left > 0 {
                let over = self.left.min(bytes.len());
                self.left -= over;
                bytes = &bytes[over..];
                continue;
            }
            let Some(length) = self.length() else {
                self.is_strange = true;
                return;
            };
            let missing = length.min(self.wanted) - self.beginning.len();
            let (taken, rest) = bytes.split_at(missing.min(bytes.len()));
            self.beginning.extend_from_slice(taken);
            bytes = rest;
            // Where it has only now come to its length, that may be shorter than what is wanted.
            match self.length() {
                Some(length) if self.beginning.len() == length.min(self.wanted) => {
                    show(&self.beginning);
                    self.left = length - self.beginning.len();
                    self.beginning.clear();
                }
                Some(_) => {}
                None => self.is_strange = true,
            }
        }
    }

    /// How long the message is that begins here; as long as that is not known, its head's length. `None`: it is none.
    fn length(&self) -> Option<usize> {
        if self.beginning.len() < HEAD {
            return Some(HEAD);
        }
        let length = usize::try_from(number(&self.beginning, 0)?).ok()?;
        (HEAD..=MOST).contains(&length).then_some(length)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn message(id: i32, answers: i32, kind: i32, rest: &[u8]) -> Vec<u8> {
        let length = i32::try_from(HEAD + rest.len()).unwrap();
        let head = [length, id, answers, kind].map(i32::to_le_bytes).concat();
        [&head, rest].concat()
    }

    fn command(id: i32, name: &str, size: usize) -> Vec<u8> {
        let beginning = [
            &[0; 4],
            &[0_u8][..],
            &[9, 0, 0, 0],
            &[2],
            name.as_bytes(),
            &[0],
        ]
        .concat();
        message(id, 0, MESSAGE, &[beginning, vec![7; size]].concat())
    }

    fn reply(answers: i32) -> Vec<u8> {
        message(99, answers, MESSAGE, &[1; 38])
    }

    #[test]
    fn only_replies_to_writes_count() {
        let mut commands = Commands::default();
        commands.sent(&message(1, 0, 2004, &[0; 60]));
        commands.sent(&command(2, "ping", 0));
        commands.sent(&command(3, "insert", 1_000));
        commands.sent(&command(4, "inserted", 10));
        commands.sent(&command(5, "update", 0));
        let came = [1, 2, 3, 4, 5, 3].map(|id| commands.came(&reply(id)));
        assert_eq!(came, [0, 0, 1, 0, 1, 0]);
    }

    #[test]
    fn what_is_no_mongodb_is_left_alone() {
        let mut commands = Commands::default();
        commands.sent(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
        commands.sent(&command(3, "insert", 0));
        assert_eq!(commands.came(&reply(3)), 0);
    }

    proptest! {
        #[test]
        fn it_does_not_matter_how_the_bytes_are_cut(
            sizes in prop::collection::vec((any::<bool>(), 0_usize..200), 1..20),
            cut in 1_usize..64,
        ) {
            let mut commands = Commands::default();
            let sent: Vec<u8> = sizes.iter().zip(1..).flat_map(|((writes, size), id)| {
                command(id, if *writes { "insert" } else { "find" }, *size)
            }).collect();
            for piece in sent.chunks(cut) {
                commands.sent(piece);
            }
            let came: Vec<u8> = (1..=sizes.len()).flat_map(|id| reply(id as i32)).collect();
            let replies: usize = came.chunks(cut).map(|piece| commands.came(piece)).sum();
            prop_assert_eq!(replies, sizes.iter().filter(|(writes, _)| *writes).count());
        }
    }
}
