//! The plan: the same for the same seed, and everybody who acts is there.

use std::path::Path;

use proptest::prelude::*;

use super::*;

fn plan(population: &str, seed: u64) -> Plan {
    let text = format!(
        "version = 1\nname = \"t\"\nquestion = \"?\"\nseed = {seed}\n{population}\n\
         [[phases]]\nname = \"steady\"\nduration = \"2s\"\nrate = \"500/s\"\n"
    );
    Plan::new(&Scenario::parse(Path::new("t.toml"), &text).unwrap()).unwrap()
}

#[test]
fn the_same_seed_gives_the_same_plan_and_another_one_does_not() {
    let population =
        "[population]\nusers = 20\nrooms = 10\nchannels = [{ count = 2, members = 7 }]";
    assert_eq!(plan(population, 5), plan(population, 5));
    assert_ne!(plan(population, 5), plan(population, 6));
}

#[test]
fn enough_users_for_the_rooms_are_each_in_one() {
    let plan = plan("[population]\nusers = 100\nrooms = 50", 1);
    assert!(plan.places.iter().all(|places| places.len() == 1));
}

proptest! {
    #[test]
    fn every_send_has_its_own_slots_and_its_sender_is_a_member(
        users in 4u32..40, rooms in 1u32..6, members in 2u32..4, seed in 0u64..1_000_000,
    ) {
        let plan = plan(
            &format!("[population]\nusers = {users}\nrooms = {rooms}\nchannels = [{{ count = 2, members = {members} }}]"),
            seed,
        );
        prop_assert!(plan.sends.is_sorted_by_key(|send| send.at));
        let mut next = 0;
        for send in &plan.sends {
            let conversation = plan.conversation_of(send);
            prop_assert_eq!(send.slot, next);
            prop_assert!(conversation.members.contains(&send.sender));
            for (position, &member) in conversation.members.iter().enumerate() {
                prop_assert_eq!(plan.slot(send, member), Some(next as usize + position));
            }
            next += conversation.members.len() as u32;
        }
        prop_assert_eq!(plan.slots, next as usize);
        for conversation in &plan.conversations {
            let mut members = conversation.members.clone();
            members.sort_unstable();
            members.dedup();
            prop_assert_eq!(members.len(), conversation.members.len());
        }
    }
}
