//! What breaks: who is hit, and who comes back when.

use super::*;
use crate::scenario::Damage;

fn broken(seed: u64, kind: &str, lasts: &str) -> Plan {
    let text = format!(
        "version = 1\nname = \"t\"\nquestion = \"?\"\nseed = {seed}\n[population]\nusers = 40\nrooms = 20\n\
         [[phases]]\nname = \"steady\"\nduration = \"30s\"\nrate = \"50/s\"\n\
         [[faults]]\nname = \"f\"\nat = \"5s\"\nfor = \"{lasts}\"\nkind = \"{kind}\"\nshare = \"50%\"\n"
    );
    Plan::new(&Scenario::parse(Path::new("t.toml"), &text).unwrap()).unwrap()
}

const SECOND: Nanos = 1_000_000_000;

fn of(plan: &Plan, deed: Deed) -> Vec<(Nanos, u32)> {
    let actions = plan.actions.iter();
    let actions = actions.filter(|action| action.deed == deed);
    actions.map(|action| (action.at, action.user)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn whom_a_storm_hits_comes_back_by_the_official_backoff(seed in any::<u64>()) {
        let plan = broken(seed, "clients-disconnect", "5s");
        prop_assert_eq!(&plan, &broken(seed, "clients-disconnect", "5s"));
        let hit = of(&plan, Deed::Cut);
        prop_assert_eq!(hit.len(), 20);
        prop_assert!(hit.iter().all(|(at, _)| *at == 5 * SECOND));
        let back = of(&plan, Deed::Connect);
        prop_assert_eq!(back.len(), 20);
        for &(at, user) in &back {
            prop_assert!(hit.iter().any(|(_, hit)| *hit == user));
            let away = at - 5 * SECOND;
            prop_assert_eq!(away, plan.backoff(user).delay());
            prop_assert!((SECOND / 2..=SECOND * 3 / 2).contains(&away));
            // Nobody who is away is to send.
            let while_away = plan.sends.iter().filter(|send| send.sender == user);
            let mut while_away = while_away.filter(|send| (5 * SECOND..at).contains(&send.at));
            prop_assert!(while_away.next().is_none());
        }
        let spread: std::collections::BTreeSet<Nanos> = back.iter().map(|(at, _)| *at).collect();
        prop_assert!(spread.len() > 10, "all at once is no jitter");
    }
}

#[test]
fn the_silent_connect_anew_and_the_slow_read_on() {
    let plan = broken(3, "clients-silent", "10s");
    assert_eq!(of(&plan, Deed::StopReading).len(), 20);
    let cut = of(&plan, Deed::Cut);
    assert_eq!(cut.len(), 20);
    assert!(cut.iter().all(|(at, _)| *at == 15 * SECOND));
    assert_eq!(of(&plan, Deed::Connect).len(), 20);
    let plan = broken(3, "clients-stop-reading", "10s");
    assert_eq!(of(&plan, Deed::StopReading).len(), 20);
    let resumed = of(&plan, Deed::Resume);
    assert_eq!(resumed.len(), 20);
    assert!(resumed.iter().all(|(at, _)| *at == 15 * SECOND));
    let begun = plan.actions.iter().filter(|action| action.fault == Some(0));
    assert_eq!(begun.count(), 20);
}

#[test]
fn faults_of_others_are_planned_and_move_nobody() {
    let plan = broken(3, "clients-silent", "10s");
    let [fault] = &plan.faults[..] else {
        panic!("{:?}", plan.faults)
    };
    assert_eq!((fault.start, fault.end), (5 * SECOND, 15 * SECOND));
    assert!(matches!(fault.damage, Damage::Clients(..)));
    assert!(!plan.is_certain());
    let replay = plan.replay(&(0..5), SECOND).unwrap();
    assert!(replay.faults.is_empty() && replay.is_certain());
}
