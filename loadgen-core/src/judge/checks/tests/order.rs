//! In which order members got messages.

use super::*;

#[test]
fn a_senders_messages_out_of_order_are_found_even_if_all_members_agree() {
    let mut run = Run::healthy();
    // Two messages of one sender change places at every member.
    let sends = &run.plan.sends;
    let (first, second) = (0..20)
        .flat_map(|a| (a + 1..20).map(move |b| (a, b)))
        .find(|&(a, b)| sends[a].sender == sends[b].sender)
        .unwrap();
    run.ledger = Arc::new(Ledger::new(run.plan.sends.len(), run.plan.slots));
    for message in 0..20_u32 {
        run.send(message);
        let place = match message as usize {
            m if m == first => second,
            m if m == second => first,
            m => m,
        };
        for position in 0..MEMBERS {
            run.deliver(message, position, 10 * place as u32 + 1);
            run.confirm(message, position);
        }
    }
    let account = run.account();
    assert!(
        account
            .findings
            .iter()
            .all(|finding| finding.check == Check::Reordered),
        "{:?}",
        account.findings
    );
    assert!(!account.findings.is_empty());
}

#[test]
fn one_member_with_another_order_disagrees() {
    let mut run = Run::healthy();
    let sends = &run.plan.sends;
    let swapped = (0..19)
        .find(|&a: &usize| sends[a].sender != sends[a + 1].sender)
        .unwrap() as u32;
    run.ledger = Arc::new(Ledger::new(run.plan.sends.len(), run.plan.slots));
    for message in 0..20_u32 {
        run.send(message);
        for position in 0..MEMBERS {
            let place = match message {
                m if position == 2 && m == swapped => m + 1,
                m if position == 2 && m == swapped + 1 => m - 1,
                m => m,
            };
            run.deliver(message, position, 10 * place + 1);
            run.confirm(message, position);
        }
    }
    assert_eq!(broken(&run.account()), [(Check::OrderDisagrees, 1)]);
}
