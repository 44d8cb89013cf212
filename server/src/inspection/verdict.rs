//! What becomes of a frame, judged by its beginning.

/// Bytes of a payload that are looked at.
pub const LOOK: usize = 64;

/// What becomes of a frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The library is to have it.
    Pass,
    /// It is not for the library; the client gets this text.
    Answer(String),
    /// The client gets these bytes, and the library the frame.
    AnswerAndPass(Vec<u8>),
    /// The session is to end: the library would take no notice of the frame.
    Refuse,
}

/// A text frame. The library drops an acknowledgement id beyond an `i64` and carries the event out without an answer,
/// and it drops events for a namespace that nobody can be in.
pub fn judge(begins: &[u8], is_whole: bool) -> Verdict {
    let Some(event) = begins.strip_prefix(b"42") else {
        return Verdict::Pass;
    };
    let event = match event.strip_prefix(b"/") {
        None => event,
        Some(namespace) => match namespace.strip_prefix(b",") {
            Some(event) => event,
            None => return Verdict::Refuse,
        },
    };
    let digits = event
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    let (id, after) = event.split_at(digits);
    let id = std::str::from_utf8(id).unwrap_or_default();
    if id.is_empty() || id.parse::<i64>().is_ok() {
        return Verdict::Pass;
    }
    match after.first() {
        // A longer one than anybody wants to see again.
        None if !is_whole => Verdict::Refuse,
        Some(b'[') => Verdict::Answer(format!(
            r#"43{id}[{{"success":false,"message":"Invalid acknowledgement id: expected a number of at most {}"}}]"#,
            i64::MAX
        )),
        _ => Verdict::Pass,
    }
}

/// A binary frame. Nobody sends them here but clients with `socket.io-msgpack-parser`, who understand a refusal in their
/// own encoding only.
pub fn judge_binary(begins: &[u8]) -> Verdict {
    const TYPE_CONNECT: &[u8] = b"\xa4type\x00";
    let is_map = begins.first().is_some_and(|first| first & 0xf0 == 0x80);
    if is_map
        && begins
            .windows(TYPE_CONNECT.len())
            .any(|part| part == TYPE_CONNECT)
    {
        Verdict::AnswerAndPass(msgpack_refusal())
    } else {
        Verdict::Pass
    }
}

/// What a client with another parser is told.
pub const OTHER_PARSER: &str =
    "Unsupported parser: this server speaks the default parser of Socket.IO, not msgpack";

/// `{ type: CONNECT_ERROR, data: { message }, nsp: "/" }` in MessagePack.
fn msgpack_refusal() -> Vec<u8> {
    let mut packet = b"\x83\xa4type\x04\xa4data\x81\xa7message\xd9".to_vec();
    packet.push(OTHER_PARSER.len() as u8);
    packet.extend_from_slice(OTHER_PARSER.as_bytes());
    packet.extend_from_slice(b"\xa3nsp\xa1/");
    packet
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(frame: &str) -> Verdict {
        judge(
            &frame.as_bytes()[..frame.len().min(LOOK)],
            frame.len() <= LOOK,
        )
    }

    #[test]
    fn what_the_library_understands_passes() {
        for frame in [
            "2",
            "3",
            "40{\"token\":\"a\"}",
            "41",
            "42[\"joinRoom\",{}]",
            "420[\"joinRoom\",{}]",
            "42/,7[\"joinRoom\",{}]",
            "429223372036854775807[\"joinRoom\",{}]",
            "42000000000000000000000000000000007[\"joinRoom\",{}]",
            // These it refuses itself.
            "42",
            "42-1[\"joinRoom\",{}]",
            "4299999999999999999999",
            "4299999999999999999999x",
            "",
        ] {
            assert_eq!(text(frame), Verdict::Pass, "{frame}");
        }
    }

    #[test]
    fn an_id_that_no_acknowledgement_can_have_is_answered() {
        for id in [
            "9223372036854775808",
            "18446744073709551616",
            &"9".repeat(60),
        ] {
            let Verdict::Answer(answer) = text(&format!("42{id}[\"joinRoom\",{{}}]")) else {
                panic!("{id}");
            };
            assert!(
                answer.starts_with(&format!("43{id}[{{\"success\":false,")),
                "{answer}"
            );
        }
        assert_eq!(text(&format!("42{}[]", "9".repeat(63))), Verdict::Refuse);
    }

    #[test]
    fn an_event_for_another_namespace_is_refused() {
        for frame in [
            "42/elsewhere,[\"joinRoom\",{}]",
            "42/elsewhere",
            "42//,[\"x\"]",
        ] {
            assert_eq!(text(frame), Verdict::Refuse, "{frame}");
        }
    }

    #[test]
    fn a_login_in_msgpack_is_answered_in_msgpack() {
        let connect = b"\x83\xa4type\x00\xa4data\x81\xa5token\xa1a\xa3nsp\xa1/";
        let Verdict::AnswerAndPass(answer) = judge_binary(connect) else {
            panic!("not answered");
        };
        assert_eq!(&answer[..8], b"\x83\xa4type\x04\xa4");
        for other in [
            &b"\x83\xa4type\x02"[..],
            b"\x01\x02\x03",
            b"",
            b"\xa4type\x00",
        ] {
            assert_eq!(judge_binary(other), Verdict::Pass);
        }
    }
}
