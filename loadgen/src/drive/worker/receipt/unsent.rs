//! What a server says of messages that nobody has sent yet makes no sample: a flood of it says nothing of a clock.

use serde_json::json;

use super::{allocations::job, *};

#[test]
fn what_is_said_of_a_message_before_it_is_sent_is_told_and_not_timed() {
    let job = job();
    let receipts = Receipts::new(&job);
    receipts.begin(1_000_000_000);
    let send = job.plan.sends[5];
    let conversation = job.plan.conversation_of(&send);
    let mut text = String::new();
    body::write(&mut text, &job.run, 5, send.bytes as usize, &job.text);
    let payload = json!({
        "_id": "507f1f77bcf86cd799439011", "body": text, "roomId": conversation.id, "tempId": "t",
    })
    .to_string();
    for message in 0..1_000 {
        let ack = receipts.message_ack(send.sender, 2_000, message, r#"{"success":true}"#);
        assert!(!ack.first);
    }
    for event in ["roomMessageRecieved", "roomMessageConfirmed"] {
        let heard = receipts.event(send.sender, 2_000, event, &payload);
        assert!(matches!(heard, Made::Unread), "{event}");
    }
    let (recorder, strays, _) = receipts.finish();
    assert_eq!(strays.count(StrayKind::Unexpected), 1_002);
    let recorded = recorder.finish();
    assert_eq!((recorded.clamped, recorded.negative), (0, 0));
}
