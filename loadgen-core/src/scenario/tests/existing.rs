//! Rooms, channels and users that a server has already, from files: nothing is drawn where they say it.

use super::*;
use crate::{model::Kind, plan::Plan};

const USERS: &str = "id,token\nann,t1\nbob,t2\ncid,t3\ndee,t4\n";

/// A scenario whose population and token are these, beside these files.
fn read(population: &str, token: &str, files: &[(&str, &str)]) -> Result<Scenario, String> {
    let main =
        format!("{HEAD}[population]\n{population}\n[connections]\ntoken = {token}\n{STEADY}");
    let main = main.replace("token = \n", "");
    let mut all = vec![("main.toml", &*main)];
    all.extend(files);
    load(&folder(&all), &[])
}

fn conversations(scenario: &Scenario) -> Vec<(Kind, String, Vec<String>)> {
    let plan = Plan::new(scenario).unwrap();
    let named = |members: &[u32]| {
        let names = members
            .iter()
            .map(|&user| plan.users[user as usize].clone());
        names.collect()
    };
    let all = plan.conversations.iter();
    all.map(|one| (one.kind, one.id.clone(), named(&one.members)))
        .collect()
}

fn of(kind: Kind, id: &str, members: &[&str]) -> (Kind, String, Vec<String>) {
    let members = members.iter().map(|&user| user.to_owned()).collect();
    (kind, id.to_owned(), members)
}

#[test]
fn rooms_and_channels_of_files_are_taken_as_they_are() {
    let rooms = "room,user_a,user_b\nr1,ann,bob\nr2,dee,ann\n";
    let channels = "channel,user\nc1,bob\nc2,ann\nc1,cid\nc2,dee\nc2,bob\n";
    let files = [
        ("users.csv", USERS),
        ("rooms.csv", rooms),
        ("channels.csv", channels),
    ];
    let listed = "rooms = { file = \"rooms.csv\" }\nchannels = { file = \"channels.csv\" }";
    let scenario = read(listed, "{ file = \"users.csv\" }", &files).unwrap();
    assert_eq!(scenario.population.users, 4);
    assert_eq!(
        conversations(&scenario),
        [
            of(Kind::Room, "r1", &["ann", "bob"]),
            of(Kind::Room, "r2", &["ann", "dee"]),
            of(Kind::Channel, "c1", &["bob", "cid"]),
            of(Kind::Channel, "c2", &["ann", "bob", "dee"]),
        ]
    );
    // The same is another question where a file says something else.
    let files = [files[0], ("rooms.csv", "r1,cid,bob\n"), files[2]];
    let other = read(listed, "{ file = \"users.csv\" }", &files).unwrap();
    assert_ne!(other.hash, scenario.hash);
}

#[test]
fn each_way_to_write_them_says_the_same() {
    for rooms in [
        "r1,ann,bob\nr2,ann,dee\n",
        "r1,ann\nr2,dee\nr2,ann\nr1,bob",
        "\u{feff}roomId,userA,userB\r\nr1,ann,bob\r\nr2,ann,dee\r\n",
        "created,user_2,room_id,user_1\n2020,bob,r1,ann\n2021,dee,r2,ann\n",
        "\n id , member_a , member_b , x\n\n\"r1\" , ann , bob ,\"1,2\"\nr2,ann,dee,3\n",
        "r1,ann,bob,,\nr2,ann,dee,,\n",
        "\u{feff}\u{feff}r1,ann,bob\nr2,ann,dee\n",
        "conversation,User\nr1,ann\nr1,bob\nr2,ann\nr2,dee\n",
    ] {
        let files = [("users.csv", USERS), ("rooms.csv", rooms)];
        let population = "rooms = { file = \"rooms.csv\" }";
        let scenario = read(population, "{ file = \"users.csv\" }", &files).unwrap();
        let both = [
            of(Kind::Room, "r1", &["ann", "bob"]),
            of(Kind::Room, "r2", &["ann", "dee"]),
        ];
        assert_eq!(conversations(&scenario), both, "{rooms}");
    }
}

#[test]
fn a_header_row_leaves_no_member_out() {
    let users = (1..=12).map(|n| format!("u{n}")).collect::<Vec<_>>();
    let named = |between: &str| {
        let columns = (1..=12).map(|n| format!("user{between}{n}"));
        format!("channel,{}", columns.collect::<Vec<_>>().join(","))
    };
    for header in [named("_"), named(""), named("_0")] {
        let file = format!("{header}\nc1,{}\n", users.join(","));
        let listed = "channels = { file = \"channels.csv\" }";
        let scenario = read(listed, "", &[("channels.csv", &file)]).unwrap();
        let members = conversations(&scenario).remove(0).2;
        assert_eq!(members, users, "{header}");
    }
    // What stands where no column is named would be left out; what is padded there is nobody.
    for (kind, file, place) in [
        ("channels", "channel,user\nc1,ann,bob,cid\n", "2:8: "),
        ("channels", "channel,user,\nc1,ann,bob\n", "2:8: "),
        ("rooms", "room,user_a,user_b\nr1,ann,bob,cid\n", "2:12: "),
        (
            "rooms",
            "room,user_a,user_b\nr1,ann,bob,,\nr2,ann,cid,,dee\n",
            "3:13: ",
        ),
    ] {
        let listed = format!("{kind} = {{ file = \"listed.csv\" }}");
        let error = read(&listed, "", &[("listed.csv", file)]).unwrap_err();
        let told = format!("listed.csv:{place}the header row names no column here");
        assert!(error.contains(&told), "{told:?} is not in\n{error}");
    }
    let padded = "room,user_a,user_b,\nr1,ann,bob,,\n";
    let scenario = read(
        "rooms = { file = \"rooms.csv\" }",
        "",
        &[("rooms.csv", padded)],
    );
    assert_eq!(conversations(&scenario.unwrap())[0].2, ["ann", "bob"]);
}

#[test]
fn without_a_users_file_the_users_are_those_who_are_named() {
    let files = [
        ("rooms.csv", "r1,zoe,bob\n"),
        ("channels.csv", "c1,bob,cid,zoe\n"),
    ];
    let listed = "rooms = { file = \"rooms.csv\" }\nchannels = { file = \"channels.csv\" }";
    for token in ["", "{ secret = \"s\" }", "{ template = \"user-{id}\" }"] {
        let scenario = read(listed, token, &files).unwrap();
        let users = Plan::new(&scenario).unwrap().users;
        assert_eq!(users, ["zoe", "bob", "cid"]);
    }
    let counted = format!("users = 3\n{listed}");
    assert_eq!(read(&counted, "", &files).unwrap().population.users, 3);
    let error = read(&counted.replace('3', "4"), "", &files).unwrap_err();
    assert!(
        error.contains(
            "main.toml:5:9: the files of rooms and channels name 3 users, and `users` says 4"
        ),
        "{error}"
    );
}

#[test]
fn what_no_file_says_is_drawn() {
    let files = [("users.csv", USERS), ("rooms.csv", "r1,ann,bob\n")];
    let population = "rooms = { file = \"rooms.csv\" }\nchannels = [{ count = 2, members = 3 }]";
    let scenario = read(population, "{ file = \"users.csv\" }", &files).unwrap();
    let all = conversations(&scenario);
    assert_eq!(all[0], of(Kind::Room, "r1", &["ann", "bob"]));
    assert_eq!(all.len(), 3);
    assert!(
        all[1..]
            .iter()
            .all(|(kind, _, members)| *kind == Kind::Channel && members.len() == 3)
    );
    let files = [("users.csv", USERS), ("channels.csv", "c1,ann,bob,dee\n")];
    let population = "users = 4\nrooms = 2\nchannels = { file = \"channels.csv\" }";
    let scenario = read(population, "{ file = \"users.csv\" }", &files).unwrap();
    let kinds: Vec<Kind> = conversations(&scenario).iter().map(|one| one.0).collect();
    assert_eq!(kinds, [Kind::Channel, Kind::Room, Kind::Room]);
}

#[test]
fn each_mistake_is_shown_in_its_file() {
    let long = format!("{},ann,bob\n", "x".repeat(129));
    for (rooms, message) in [
        ("", "main.toml:5:18: the file has no room"),
        ("room,user\n", "the file has no room below its header row"),
        (
            "r1,ann,bob\nr2,ann,eve\n",
            "rooms.csv:2:8: \"eve\" is none of the 4 users",
        ),
        ("r1, ann ,\"eve\"\n", "rooms.csv:1:10: \"eve\" is none"),
        // A byte order mark is a character of its line.
        (
            "\u{feff}\u{feff}r1,ann,bob\nr2,ann,eve",
            "rooms.csv:2:8: \"eve\" is none",
        ),
        (
            "\u{feff}\u{feff}r1,ann,eve",
            "rooms.csv:1:10: \"eve\" is none",
        ),
        ("\"r\"\"1\" , ann,eve\n", "rooms.csv:1:14: \"eve\" is none"),
        (
            "r1,ann,ann\n",
            "rooms.csv:1:8: \"ann\" is a member of \"r1\" by line 1 already",
        ),
        (
            "r1,ann,bob\r\nr2,cid,bob\r\nr1,bob\r\n",
            "rooms.csv:3:4: \"bob\" is a member of \"r1\" by line 1 already",
        ),
        (
            "r1,ann,bob,cid\n",
            "rooms.csv:1:12: \"cid\" is the third user of the room \"r1\"",
        ),
        ("r1,ann\n", "rooms.csv:1:1: the room \"r1\" has one user"),
        ("r1\n", "rooms.csv:1:1: a line is a room's id and its users"),
        (",ann,bob\n", "rooms.csv:1:1: an id is not empty"),
        (
            &long,
            "rooms.csv:1:1: an id has at most 128 bytes, this one 129",
        ),
        (
            "\"r\n1\",ann,bob\n",
            "rooms.csv:1:1: \"r\\n1\" has a line end",
        ),
        (
            "room,from,to\nr1,ann,bob\n",
            "rooms.csv:1:1: this looks like a header row, and names no column of users",
        ),
        (
            "name,user,user\nr1,ann,bob\n",
            "rooms.csv:1:1: this looks like a header row, and names no column of the conversation",
        ),
    ] {
        let files = [("users.csv", USERS), ("rooms.csv", rooms)];
        let population = "rooms = { file = \"rooms.csv\" }";
        let error = read(population, "{ file = \"users.csv\" }", &files).unwrap_err();
        assert!(error.contains(message), "{message:?} is not in\n{error}");
    }
    // Of the file's users the population has the first ones alone.
    let files = [("users.csv", USERS), ("channels.csv", "c1,ann,dee\n")];
    let population = "users = 3\nchannels = { file = \"channels.csv\" }";
    let error = read(population, "{ file = \"users.csv\" }", &files).unwrap_err();
    assert!(
        error.contains("channels.csv:1:8: \"dee\" is none of the 3 users"),
        "{error}"
    );
    for (population, message) in [
        ("", "main.toml:4:1: missing field `users`"),
        ("rooms = 3", "missing field `users`"),
        (
            "rooms = \"rooms.csv\"",
            "expected a number of rooms, or { file",
        ),
        ("channels = 3", "expected groups of channels"),
        ("channels = { fil = \"x\" }", "unknown field `fil`"),
        (
            "rooms = { file = \"nothing.csv\" }",
            "nothing.csv: No such file",
        ),
        ("users = 4", "nobody can talk"),
    ] {
        let error = read(population, "{ template = \"{id}\" }", &[]).unwrap_err();
        assert!(error.contains(message), "{message:?} is not in\n{error}");
    }
}

#[test]
fn the_users_of_a_file_can_be_signed_or_filled_in() {
    let signed = "{ file = \"users.csv\", secret = \"hush\" }";
    for users in [
        "ann\nbob\n",
        "id\nann\nbob\n",
        "ann,t1\nbob,t2\n",
        "id,token\nann,\nbob,t2\n",
        "name,id\nAnn,ann\nBob,bob\n",
    ] {
        let scenario = read("rooms = 1", signed, &[("users.csv", users)]).unwrap();
        assert_eq!(scenario.connections.token, Token::Signed("hush".to_owned()));
        assert_eq!(
            Plan::new(&scenario).unwrap().users,
            ["ann", "bob"],
            "{users}"
        );
    }
    let template = "{ file = \"users.csv\", template = \"{id}-{name}\" }";
    let users = [("users.csv", "id,name\nann,Ann\nbob,Bob\n")];
    let scenario = read("rooms = 1", template, &users).unwrap();
    let Token::Template(token) = &scenario.connections.token else {
        panic!("{:?}", scenario.connections.token);
    };
    let filling = Filling {
        id: "bob",
        index: 1,
        token: "",
        columns: Some(&scenario.connections.known[1].columns),
    };
    assert_eq!(token.fill(&filling), "bob-Bob");
    for (token, users, message) in [
        (
            signed,
            "name\nann\nbob\n",
            "users.csv:1:1: this looks like a header row, and names no column `id`",
        ),
        (signed, "ann,t,x\nbob,t,x\n", "users.csv:1:1: 3 fields"),
        (
            signed,
            "id,name\nann\n",
            "users.csv:2:1: 1 fields, and the header row has 2",
        ),
        (
            signed,
            "ann\nbob\nann\n",
            "users.csv:3:1: \"ann\" is the user of line 1 already",
        ),
        (signed, "", "the file has no user"),
        (
            "{ file = \"users.csv\", secret = \"\" }",
            "ann\nbob\n",
            "a secret is not empty",
        ),
        (
            "{ file = \"users.csv\", secret = \"s\", template = \"{id}\" }",
            "ann\nbob\n",
            "one of `template`, `file` and `secret`",
        ),
        ("{}", "", "one of `template`, `file` and `secret`"),
        (template, "ann\nbob\n", "{name} is nothing"),
    ] {
        let error = read("rooms = 1", token, &[("users.csv", users)]).unwrap_err();
        assert!(error.contains(message), "{message:?} is not in\n{error}");
    }
}
