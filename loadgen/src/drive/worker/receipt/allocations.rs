//! The receive path, from the bytes of a frame to the books, allocates nothing once its tables have their size.

use std::{path::Path, sync::Arc};

use serde_json::json;

use super::*;
use crate::{
    dial::{Caller, Endpoint, Target},
    drive::{Driver, client::native, token::Tokens, worker::Whereabouts},
    judge::Promises,
    model::{Clock, Delivery, Dialect, RunId, Vocabulary},
    observed::{Layout, Ledger},
    plan::{Plan, Share},
    scenario::Scenario,
};

/// Messages of which the tables may still grow, and messages that are counted.
const WARM_UP: u32 = 2_000;
const COUNTED: u32 = 20_000;

pub(in crate::drive::worker) fn job() -> Job {
    let text = format!(
        "version = 1\nname = \"t\"\nquestion = \"?\"\npopulation = {{ users = 2, rooms = 1 }}\n\
         [messages]\nsize = \"200B\"\n\
         [[phases]]\nname = \"steady\"\nduration = \"22s\"\nrate = \"{}/s\"\narrivals = \"uniform\"\n",
        (WARM_UP + COUNTED) / 22,
    );
    let scenario = Scenario::parse(Path::new("t.toml"), &text).unwrap();
    let plan = Arc::new(Plan::new(&scenario).unwrap());
    let target = Target::started_here("http://127.0.0.1:1", &scenario.connections).unwrap();
    let asker = Caller::nobody(&target);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let resolved = Endpoint::resolve(target, asker);
    let endpoint = runtime.unwrap().block_on(resolved).unwrap();
    Job {
        worker: 0,
        share: Share::WHOLE,
        cpu: None,
        ledger: Arc::new(Ledger::new(plan.sends.len(), plan.slots)),
        whereabouts: Arc::new(Whereabouts::new(plan.nodes, plan.users.len())),
        plan,
        progress: Arc::default(),
        clock: Clock::start(),
        run: RunId::new(7),
        driver: Driver::Native,
        transport: scenario.connections.transport,
        endpoint,
        vocabulary: Arc::new(Vocabulary::of(Dialect::Readme)),
        promises: Promises::of(&Vocabulary::of(Dialect::Readme), Delivery::Optimistic),
        tokens: Arc::new(Tokens::new(&scenario.connections)),
        text: scenario.messages.text.clone(),
        layout: Arc::new(Layout::of(&scenario)),
        connect_rate: None,
    }
}

/// A server's frame around an event.
fn frame(event: &str, payload: &serde_json::Value) -> Vec<u8> {
    let text = format!("42[\"{event}\",{payload}]");
    let mut frame = vec![0x81, 126];
    frame.extend_from_slice(&u16::try_from(text.len()).unwrap().to_be_bytes());
    frame.extend_from_slice(text.as_bytes());
    frame
}

/// What both members of the room receive of a message: itself, and its confirmation.
fn frames(job: &Job, message: u32) -> [Vec<u8>; 2] {
    let send = &job.plan.sends[message as usize];
    let mut body = String::new();
    body::write(&mut body, &job.run, message, send.bytes as usize, &job.text);
    let room = &job.plan.conversation_of(send).id;
    let sender = json!({ "_id": job.plan.users[send.sender as usize], "username": null });
    let temporary = format!("temp_{message}");
    [
        frame(
            "roomMessageRecieved",
            &json!({ "_id": temporary, "body": body, "roomId": room, "senderId": sender }),
        ),
        frame(
            "roomMessageConfirmed",
            &json!({ "_id": format!("id_{message}"), "tempId": temporary, "body": body, "roomId": room, "senderId": sender }),
        ),
    ]
}

/// What its sender is answered.
fn acknowledgement(message: u32) -> String {
    let saved = json!({ "_id": format!("id_{message}"), "body": "a \"quoted\" body" });
    json!({ "success": true, "message": "Successfully created message in the room", "data": saved })
        .to_string()
}

#[test]
fn a_message_is_received_confirmed_and_acknowledged_without_an_allocation() {
    let job = job();
    let receipts = Receipts::new(&job);
    receipts.begin(0);
    let all = 0..WARM_UP + COUNTED;
    let frames: Vec<_> = all.clone().map(|message| frames(&job, message)).collect();
    let acknowledgements: Vec<_> = all.clone().map(acknowledgement).collect();
    let go_through = |messages: std::ops::Range<u32>| {
        for message in messages {
            let send = job.plan.sends[message as usize];
            job.ledger.sent(message, send.at);
            receipts.sent(send.sender);
            for (after, frame) in (1..).zip(&frames[message as usize]) {
                for user in [0, 1] {
                    let stamp = send.at + 100_000 * after;
                    native::read_events(frame, |name, payload| {
                        receipts.event(user, stamp, name, payload);
                    })
                    .unwrap();
                }
            }
            receipts.message_ack(
                send.sender,
                send.at + 300_000,
                message,
                &acknowledgements[message as usize],
            );
        }
    };
    go_through(0..WARM_UP);
    let counted = allocation_counter::measure(|| go_through(WARM_UP..all.end));

    let (recorder, strays, _) = receipts.finish();
    for slot in (0..job.plan.slots).map(|slot| job.ledger.slot(slot)) {
        assert!(!slot.from_wrong_sender() && !slot.id_differs());
    }
    assert_eq!(strays.cases(StrayKind::Unexpected), []);
    assert_eq!(strays.cases(StrayKind::OrphanedEnd), []);
    let delivered = recorder.finish().samples(Metric::Delivery).histogram.len();
    assert_eq!(delivered, u64::from(all.end));
    // Each second of the schedule has windows of its own; a message has nothing.
    assert!(counted.count_total < 200, "{counted:?}");
}
