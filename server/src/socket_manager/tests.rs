//! The state in memory, by example and against a naive model.

use proptest::prelude::*;

use super::*;
use crate::message::Kind;

fn user(id: &str) -> Arc<User> {
    Arc::new(User::unnamed(id))
}

fn room(id: &str) -> Conversation {
    Conversation {
        kind: Kind::Room,
        id: id.to_owned(),
    }
}

fn manager() -> SocketManager<u64> {
    SocketManager::new(1000)
}

fn sockets_in(manager: &mut SocketManager<u64>, conversation: &Conversation) -> Vec<u64> {
    let mut sockets: Vec<u64> = manager
        .users_in_room(conversation)
        .iter()
        .map(|m| m.handle)
        .collect();
    sockets.sort_unstable();
    sockets
}

#[test]
fn a_room_exists_while_somebody_is_in_it() {
    let mut manager = manager();
    manager.add_user(SocketId(1), user("a"), 1);
    manager.add_user(SocketId(2), user("b"), 2);
    let first = manager.join_room("a", &room("r")).unwrap();
    assert_eq!(
        first,
        Joined {
            already: false,
            connected_users: 1
        }
    );
    let second = manager.join_room("b", &room("r")).unwrap();
    assert_eq!(
        second,
        Joined {
            already: false,
            connected_users: 2
        }
    );
    let again = manager.join_room("b", &room("r")).unwrap();
    assert_eq!(
        again,
        Joined {
            already: true,
            connected_users: 2
        }
    );
    assert_eq!(sockets_in(&mut manager, &room("r")), [1, 2]);
    assert_eq!(
        manager.stats(),
        Stats {
            total_users: 2,
            total_rooms: 1,
            total_sockets: 2
        }
    );

    assert!(manager.leave_room("a", &room("r")));
    assert!(!manager.leave_room("a", &room("r")));
    assert_eq!(sockets_in(&mut manager, &room("r")), [2]);
    assert_eq!(manager.remove_user(SocketId(2)).unwrap().id.as_ref(), "b");
    assert_eq!(manager.remove_user(SocketId(2)), None);
    manager.remove_user(SocketId(1));
    assert_eq!(manager.stats(), Stats::default());
}

#[test]
fn a_room_and_a_channel_of_one_id_are_two() {
    let mut manager = manager();
    manager.add_user(SocketId(1), user("a"), 1);
    manager.join_room("a", &room("x")).unwrap();
    let channel = Conversation {
        kind: Kind::Channel,
        id: "x".to_owned(),
    };
    assert!(!manager.is_user_in_room("a", &channel));
    assert!(manager.users_in_room(&channel).is_empty());
}

#[test]
fn a_second_login_takes_the_rooms_over_and_the_first_leaves_alone() {
    let mut manager = manager();
    assert!(manager.add_user(SocketId(1), user("a"), 1).is_none());
    manager.join_room("a", &room("r")).unwrap();
    let _snapshot_of_the_old = manager.users_in_room(&room("r"));
    let superseded = manager.add_user(SocketId(2), user("a"), 2).unwrap();
    assert_eq!(superseded.socket_id, SocketId(1));
    assert_eq!(superseded.conversations, [Arc::new(room("r"))]);
    assert_eq!(sockets_in(&mut manager, &room("r")), [2]);
    assert!(manager.is_live("a", SocketId(2)) && !manager.is_live("a", SocketId(1)));
    assert_eq!(
        manager.stats(),
        Stats {
            total_users: 1,
            total_rooms: 1,
            total_sockets: 2
        }
    );

    assert_eq!(
        manager.remove_user(SocketId(1)),
        None,
        "the replaced login takes nobody with it"
    );
    assert!(manager.is_user_in_room("a", &room("r")));
    manager.remove_user(SocketId(2));
    assert_eq!(manager.stats(), Stats::default());
}

#[test]
fn strangers_and_collectors_of_rooms_are_refused() {
    let mut manager = SocketManager::new(2);
    assert_eq!(
        manager.join_room("a", &room("r")),
        Err(JoinError::NotConnected)
    );
    manager.add_user(SocketId(1), user("a"), 1);
    manager.join_room("a", &room("1")).unwrap();
    manager.join_room("a", &room("2")).unwrap();
    assert_eq!(manager.join_room("a", &room("3")), Err(JoinError::TooMany));
    assert!(manager.join_room("a", &room("2")).unwrap().already);
    assert_eq!(manager.stats().total_rooms, 2);
}

#[test]
fn the_printed_state_names_everybody() {
    let mut manager = manager();
    manager.add_user(SocketId(10), user("alice"), 1);
    manager.join_room("alice", &room("r1")).unwrap();
    assert_eq!(
        manager.print_state(),
        "[SocketManager] 1 users, 1 rooms, 1 sockets\n  \
         user alice on socket 000000000000000a: rooms [\"r1\"], channels []\n  \
         room r1: 1 users [\"alice\"]"
    );
}

/// The whole list, slice by slice.
fn listed(manager: &SocketManager<u64>) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut slice = manager.slice(None);
    while let Some(last) = slice.last().map(Entry::place) {
        let names: usize = slice.iter().map(Entry::cost).sum();
        assert!(names <= 2 * SLICE_NAMES + 1, "{names}");
        lines.extend(slice.into_iter().map(Line::from));
        slice = manager.slice(Some(&last));
    }
    lines
}

#[test]
fn one_slice_costs_no_more_however_many_there_are() {
    let mut manager = SocketManager::new(5000);
    for n in 0..3000 {
        manager.add_user(SocketId(n), user(&format!("u{n:04}")), n);
        manager
            .join_room(&format!("u{n:04}"), &room("all"))
            .unwrap();
    }
    for n in 0..2000 {
        manager
            .join_room("u0000", &room(&format!("r{n:04}")))
            .unwrap();
    }
    let lines = listed(&manager);
    assert_eq!(lines.len(), 3000 + 2001);
    let Line::User(collector) = &lines[0] else {
        panic!("{:?}", lines[0]);
    };
    assert_eq!((collector.rooms.len(), collector.more), (1000, 1001));
    let Line::Room(all) = &lines[3000] else {
        panic!("{:?}", lines[3000]);
    };
    assert_eq!(
        (all.id.as_str(), all.users.len(), all.more),
        ("all", 1000, 2000)
    );
}

#[test]
fn a_line_of_long_names_stays_short() {
    let mut manager = manager();
    for n in 0..100 {
        let id = format!("{n:03}{}", "x".repeat(4000));
        manager.add_user(SocketId(n), user(&id), n);
        manager.join_room(&id, &room("r")).unwrap();
    }
    let lines = listed(&manager);
    assert!(lines.iter().all(|line| line.size() < 70_000));
    let Some(Line::Room(room)) = lines.last() else {
        panic!("no room");
    };
    assert_eq!((room.users.len(), room.more), (16, 84));
}

#[test]
fn a_place_is_read_as_it_is_written() {
    for text in ["user:a", "room:a:b", "channel:", "user:\n"] {
        assert_eq!(text.parse::<Place>().unwrap().to_string(), text);
    }
    for wrong in ["", "a", "users:a", "Room:a"] {
        assert_eq!(wrong.parse::<Place>(), Err(PlaceError));
    }
}

#[derive(Debug, Clone)]
enum Step {
    Login { user: u8 },
    Logout { nth: u8 },
    Join { user: u8, room: u8 },
    Leave { user: u8, room: u8 },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..6u8).prop_map(|user| Step::Login { user }),
        any::<u8>().prop_map(|nth| Step::Logout { nth }),
        (0..6u8, 0..4u8).prop_map(|(user, room)| Step::Join { user, room }),
        (0..6u8, 0..4u8).prop_map(|(user, room)| Step::Leave { user, room }),
    ]
}

proptest! {
    /// Against a model that is too simple to be wrong: who is in which room, and which socket is live.
    #[test]
    fn agrees_with_a_naive_model(steps in proptest::collection::vec(step(), 0..200)) {
        let mut manager = manager();
        let mut live: HashMap<u8, u64> = HashMap::new();
        let mut open: Vec<(u8, u64)> = Vec::new();
        let mut members: HashSet<(u8, u8)> = HashSet::new();
        let mut next = 0;
        for step in steps {
            match step {
                Step::Login { user: u } => {
                    next += 1;
                    let superseded = manager.add_user(SocketId(next), user(&u.to_string()), next);
                    prop_assert_eq!(superseded.map(|s| s.handle), live.insert(u, next));
                    open.push((u, next));
                }
                Step::Logout { nth } if !open.is_empty() => {
                    let (u, socket) = open.swap_remove(nth as usize % open.len());
                    let was_live = live.get(&u) == Some(&socket);
                    prop_assert_eq!(manager.remove_user(SocketId(socket)).is_some(), was_live);
                    if was_live {
                        live.remove(&u);
                        members.retain(|(member, _)| *member != u);
                    }
                }
                Step::Logout { .. } => {}
                Step::Join { user: u, room: r } => {
                    let joined = manager.join_room(&u.to_string(), &room(&r.to_string()));
                    if live.contains_key(&u) {
                        prop_assert_eq!(joined.unwrap().already, !members.insert((u, r)));
                    } else {
                        prop_assert!(joined.is_err());
                    }
                }
                Step::Leave { user: u, room: r } => {
                    let left = manager.leave_room(&u.to_string(), &room(&r.to_string()));
                    prop_assert_eq!(left, members.remove(&(u, r)));
                }
            }
            for r in 0..4u8 {
                let mut expected: Vec<u64> =
                    members.iter().filter(|(_, in_room)| *in_room == r).map(|(u, _)| live[u]).collect();
                expected.sort_unstable();
                prop_assert_eq!(sockets_in(&mut manager, &room(&r.to_string())), expected);
            }
            let rooms = (0..4u8).filter(|r| members.iter().any(|(_, in_room)| in_room == r));
            prop_assert_eq!(listed(&manager).len(), live.len() + rooms.count());
            let rooms: HashSet<u8> = members.iter().map(|(_, r)| *r).collect();
            prop_assert_eq!(
                manager.stats(),
                Stats { total_users: live.len(), total_rooms: rooms.len(), total_sockets: open.len() }
            );
        }
        for (_, socket) in open {
            manager.remove_user(SocketId(socket));
        }
        prop_assert_eq!(manager.stats(), Stats::default());
    }
}

/// Whose login and which rooms' members have changed, sorted.
fn changed(manager: &mut SocketManager<u64>) -> (Vec<String>, Vec<String>) {
    let changes = manager.take_changes().unwrap();
    let mut users: Vec<_> = changes.users.iter().map(ToString::to_string).collect();
    let mut rooms: Vec<_> = changes.conversations.iter().map(|c| c.id.clone()).collect();
    users.sort();
    rooms.sort();
    (users, rooms)
}

#[test]
fn whoever_watches_is_told_of_every_change_and_nobody_else_pays_for_it() {
    let mut manager = manager();
    manager.add_user(SocketId(1), user("a"), 1);
    assert!(manager.take_changes().is_none());
    manager.watch();
    let names = |of: &[&str]| of.iter().map(ToString::to_string).collect::<Vec<_>>();
    manager.add_user(SocketId(2), user("a"), 2);
    manager.add_user(SocketId(3), user("b"), 3);
    for room_of_a in ["r", "s"] {
        manager.join_room("a", &room(room_of_a)).unwrap();
    }
    assert_eq!(
        changed(&mut manager),
        (names(&["a", "b"]), names(&["r", "s"]))
    );
    manager.join_room("a", &room("r")).unwrap();
    assert_eq!(changed(&mut manager), (vec![], vec![]), "was there before");
    manager.leave_room("a", &room("s"));
    assert_eq!(changed(&mut manager), (vec![], names(&["s"])));
    manager.remove_user(SocketId(1));
    assert_eq!(changed(&mut manager), (vec![], vec![]), "a replaced login");
    manager.remove_user(SocketId(2));
    assert_eq!(changed(&mut manager), (names(&["a"]), names(&["r"])));
}

#[test]
fn a_login_that_another_server_takes_over_leaves_with_its_rooms_and_its_socket_stays() {
    let mut manager = manager();
    manager.add_user(SocketId(1), user("a"), 7);
    manager.join_room("a", &room("r")).unwrap();
    assert_eq!(manager.live("a"), Some((SocketId(1), &7)));
    let taken = manager.hand_over("a").unwrap();
    assert_eq!((taken.socket_id, taken.handle), (SocketId(1), 7));
    assert_eq!(*taken.conversations[0], room("r"));
    assert!(manager.live("a").is_none() && manager.hand_over("a").is_none());
    let stats = manager.stats();
    assert_eq!(
        (stats.total_users, stats.total_rooms, stats.total_sockets),
        (0, 0, 1)
    );
    assert!(manager.remove_user(SocketId(1)).is_none());
    assert_eq!(manager.stats().total_sockets, 0);
}
