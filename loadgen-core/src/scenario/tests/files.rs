//! What a scenario is made of: included files, files of users and of bodies, variables; and the hash of it all.

use proptest::prelude::*;
use sha2::Digest as _;

use super::*;

#[test]
fn users_and_bodies_come_from_files_beside_the_one_that_names_them() {
    let folder = folder(&[
        (
            "main.toml",
            &format!(
                "include = [\"people/base.toml\"]\n{HEAD}[messages]\nfile = \"lines.txt\"\n{STEADY}"
            ),
        ),
        (
            "people/base.toml",
            "[population]\nusers = 2\nrooms = 1\n[connections]\ntoken = { file = \"users.csv\" }\n",
        ),
        (
            "people/users.csv",
            "id,token\r\nann, t1\r\n\r\nbob,\"t2,x\"\r\ncid,t3\r\n",
        ),
        ("lines.txt", "Hello!\n\n  How are you?  \n最後\n"),
    ]);
    let scenario = load(&folder, &[]).unwrap();
    let known = |id: &str, token: &str| KnownUser {
        id: id.to_owned(),
        token: token.to_owned(),
        columns: BTreeMap::new(),
    };
    assert_eq!(scenario.connections.token, Token::Listed);
    // As many as the population has.
    assert_eq!(
        *scenario.connections.known,
        [known("ann", "t1"), known("bob", "t2,x")]
    );
    let lines = ["Hello!", "  How are you?  ", "最後"].map(str::to_owned);
    assert_eq!(scenario.messages.text, BodyText::Lines(lines.into()));

    for (file, text, message) in [
        (
            "people/users.csv",
            "ann,t1\nbob\n",
            "people/users.csv:2:1: a line is a user's id",
        ),
        (
            "people/users.csv",
            "ann,t1\nann,t2\n",
            "people/users.csv:2:1: \"ann\" is the user of line 1",
        ),
        ("people/users.csv", "ann,\n", "people/users.csv:1:1:"),
        (
            "people/users.csv",
            &format!("{},t\n", "x".repeat(129)),
            "at most 128 bytes",
        ),
        (
            "people/users.csv",
            "ann,t1\n",
            "people/base.toml:5:18: the file has 1 users, and the population 2",
        ),
    ] {
        fs::write(folder.path().join(file), text).unwrap();
        let error = load(&folder, &[]).unwrap_err();
        assert!(error.contains(message), "{message:?} is not in\n{error}");
    }
    fs::write(folder.path().join("people/users.csv"), "ann,t1\nbob,t2\n").unwrap();
    for (text, message) in [
        ("\n \n", "main.toml:6:8: the file has no line"),
        (
            &*format!("short\n{}\n", "é".repeat(40_000)),
            "lines.txt:2:1: line 2 has 80000 bytes",
        ),
    ] {
        fs::write(folder.path().join("lines.txt"), text).unwrap();
        let error = load(&folder, &[]).unwrap_err();
        assert!(error.contains(message), "{message:?} is not in\n{error}");
    }
}

#[test]
fn a_users_file_is_csv_with_further_columns_below_a_header_row() {
    let read = |csv: &str| {
        let main = format!(
            "{HEAD}[population]\nusers = 2\nrooms = 1\n[connections]\ntoken = {{ file = \"users.csv\" }}\n\
             headers = {{ space = \"{{workspace}}\" }}\n{STEADY}"
        );
        load(&folder(&[("main.toml", &main), ("users.csv", csv)]), &[])
    };
    let csv = "\u{feff}workspace,token,id\r\n\"w,1\",\"say \"\"hi\"\"\",ann\r\n w2 , t2 ,bob\r\n";
    let scenario = read(csv).unwrap();
    let users = &scenario.connections.known;
    assert_eq!(
        (users[0].id.as_str(), users[0].token.as_str()),
        ("ann", "say \"hi\"")
    );
    assert_eq!(users[0].columns["workspace"], "w,1");
    assert_eq!(users[1].columns["workspace"], "w2");
    let filling = Filling {
        id: "ann",
        index: 0,
        token: "",
        columns: Some(&users[0].columns),
    };
    assert_eq!(scenario.connections.headers[0].1.fill(&filling), "w,1");
    for (csv, message) in [
        (
            "user,token\nann,t\nbob,t\n",
            "users.csv:1:1: this looks like a header row",
        ),
        (
            "ID,Token\nann,t\nbob,t\n",
            "users.csv:1:1: this looks like a header row",
        ),
        (
            "id,token,a b\nann,t,1\n",
            "users.csv:1:1: a column is named by letters",
        ),
        ("id,token,index\nann,t,1\n", "\"index\" is there already"),
        ("id,token,x,x\nann,t,1,2\n", "\"x\" is there already"),
        (
            "id,token,workspace\nann,t\n",
            "users.csv:2:1: 2 fields, and the header row has 3",
        ),
        (
            "ann,t,w\nbob,t\n",
            "users.csv:1:1: 3 fields: a token with a comma stands in quotes",
        ),
        ("id,token,workspace\nann,\"a\nb\",w\n", "control character"),
        (
            "id,token\nann,t\nbob,t\n",
            "{workspace} is nothing: there are {id}, {index} and {token}",
        ),
    ] {
        let error = read(csv).unwrap_err();
        assert!(error.contains(message), "{message:?} is not in\n{error}");
    }
}

const BASE: &str = "version = 1\nseed = 7\nquestion = \"${what}?\"\n[variables]\nwhat = \"Base\"\nusers = 10\n\
    [population]\nusers = \"${users}\"\nrooms = 5\n\
    [messages]\nsize = \"40B\"\n[connections]\ntoken = { secret = \"s\" }\n\
    [server]\ndialect = \"reference\"\n\
    [thresholds]\n\"delivery.p99\" = \"< 5ms\"\n\"lost\" = \"== 0\"\n\
    [[phases]]\nname = \"base\"\nduration = \"1s\"\nrate = \"10/s\"\n\
    [[phases]]\nname = \"second\"\nduration = \"1s\"\n";

#[test]
fn an_including_file_wins_key_by_key_and_lists_are_replaced() {
    let folder = folder(&[
        ("base.toml", BASE),
        (
            "later.toml",
            "seed = 8\n[population]\nrooms = 6\nsilent = \"10%\"\n",
        ),
        (
            "main.toml",
            "include = [\"base.toml\", \"later.toml\"]\nname = \"main\"\n\
             [variables]\nwhat = \"Main\"\n[population]\nsilent = \"20%\"\n\
             [messages]\nfile = \"lines.txt\"\n[connections]\ntoken = { template = \"{id}\" }\n\
             [server.events.room]\njoin = \"j\"\nsend = \"s\"\nreceived = \"r\"\nid_field = \"i\"\n\
             [thresholds]\n\"delivery.p99\" = \"< 9ms\"\n\
             [[phases]]\nname = \"main\"\nduration = \"2s\"\nrate = \"1/s\"\n",
        ),
        ("lines.txt", "a line\n"),
    ]);
    let scenario = load(&folder, &[]).unwrap();
    assert_eq!(scenario.seed, 8);
    assert_eq!(scenario.question, "Main?");
    let population = &scenario.population;
    assert_eq!(
        (population.users, population.rooms, population.silent),
        (10, 6, 0.2)
    );
    assert_eq!(scenario.phases.len(), 1);
    let token = &scenario.connections.token;
    assert!(matches!(token, Token::Template(token) if token.to_string() == "{id}"));
    assert!(matches!(scenario.messages.text, BodyText::Lines(_)));
    assert!(scenario.events.is_some());
    let thresholds: Vec<String> = scenario.thresholds.iter().map(|t| t.to_string()).collect();
    assert_eq!(thresholds, ["delivery.p99 < 9ms", "lost == 0"]);
}

#[test]
fn a_variable_of_an_included_file_that_is_overruled_changes_nothing_and_says_so() {
    let folder = folder(&[
        ("base.toml", BASE),
        (
            "main.toml",
            "include = [\"base.toml\"]\nname = \"main\"\n[population]\nusers = 20\n",
        ),
    ]);
    assert_eq!(load(&folder, &[]).unwrap().population.users, 20);
    let error = load(&folder, &[("users", "30")]).unwrap_err();
    assert!(error.contains("it would change nothing"), "{error}");
    let error = load(&folder, &[("what", "a"), ("what", "b")]).unwrap_err();
    let twice = "--set what=b: it is set twice: give each variable one value (main.toml)";
    assert_eq!(error, twice);
}

#[test]
fn a_file_that_is_no_utf_8_is_told_with_its_place() {
    let main = "include = [\"base.toml\"]\nname = \"main\"\n[messages]\nfile = \"lines.txt\"\n\
                [connections]\ntoken = { file = \"users.csv\" }\n";
    let base = BASE
        .replace("rooms = 5", "rooms = { file = \"rooms.csv\" }")
        .replace("[messages]\nsize = \"40B\"\n", "");
    let base = base.replace("[connections]\ntoken = { secret = \"s\" }\n", "");
    let base = base.replace("users = 10", "users = 2");
    for (file, before) in [
        ("main.toml", 2),
        ("base.toml", 3),
        ("lines.txt", 1),
        ("users.csv", 1),
        ("rooms.csv", 0),
    ] {
        let folder = folder(&[
            ("main.toml", main),
            ("base.toml", &base),
            ("lines.txt", "one\ntwo\n"),
            ("users.csv", "ann,t\nbob,t\n"),
            ("rooms.csv", "r1,ann,bob\n"),
        ]);
        load(&folder, &[]).unwrap();
        let path = folder.path().join(file);
        let mut bytes = fs::read(&path).unwrap();
        // As an editor saves `ä` that knows no UTF-8, behind the second character of that line.
        let line = bytes.split_inclusive(|byte| *byte == b'\n').take(before);
        let at = line.map(<[u8]>::len).sum::<usize>() + 2;
        bytes.splice(at..at, [0xe4, 0x1b]);
        fs::write(&path, bytes).unwrap();
        let error = load(&folder, &[]).unwrap_err();
        let told = format!(
            "{file}:{}:3: the byte 0xe4 is no UTF-8: save the file as UTF-8",
            before + 1
        );
        assert!(error.starts_with(&told), "{told:?} does not begin\n{error}");
        assert!(!error.contains('\u{1b}'), "{error:?}");
    }
}

#[test]
fn files_that_include_others_again_and_again_are_refused() {
    let twice = folder(&[
        ("base.toml", BASE),
        (
            "main.toml",
            "include = [\"base.toml\",\n  \"./base.toml\"]\nname = \"main\"\n",
        ),
    ]);
    let error = load(&twice, &[]).unwrap_err();
    let told = "main.toml:2:3: ./base.toml is included already: name each file once";
    assert!(error.starts_with(told), "{error}");
    // Each level has two ways to the one below: 2^14 files without an end that is told.
    let levels = (0..14).map(|level| {
        let below = level + 1;
        let both = format!("include = [\"a{below}.toml\", \"b{below}.toml\"]\n");
        (level, if level < 13 { both } else { String::new() })
    });
    let files: Vec<(String, String)> = levels
        .flat_map(|(level, text)| {
            ["a", "b"].map(|side| (format!("{side}{level}.toml"), text.clone()))
        })
        .collect();
    let mut all: Vec<(&str, &str)> = files
        .iter()
        .map(|(name, text)| (&**name, &**text))
        .collect();
    all.push(("main.toml", "include = [\"a0.toml\"]\nname = \"main\"\n"));
    let error = load(&folder(&all), &[]).unwrap_err();
    assert!(
        error.contains("more than 1000 files are included"),
        "{error}"
    );
    // A part that two files include is read for each of them.
    let shared = folder(&[
        ("base.toml", BASE),
        ("a.toml", "include = [\"base.toml\"]\n"),
        ("b.toml", "include = [\"base.toml\"]\n"),
        (
            "main.toml",
            "include = [\"a.toml\", \"b.toml\"]\nname = \"main\"\n",
        ),
    ]);
    load(&shared, &[]).unwrap();
}

#[test]
fn the_hash_is_of_all_that_was_asked() {
    let folder = folder(&[
        ("base.toml", BASE),
        (
            "main.toml",
            "include = [\"base.toml\"]\nname = \"main\"\n[messages]\nfile = \"lines.txt\"\n",
        ),
        ("lines.txt", "a line\n"),
        ("alone.toml", &format!("{HEAD}{PEOPLE}{STEADY}")),
    ]);
    let hash = |settings: &[(&str, &str)]| load(&folder, settings).unwrap().hash;
    let mut hashes = vec![hash(&[]), hash(&[("users", "20")])];
    assert_eq!(hash(&[]), hashes[0]);
    for (file, text) in [
        ("lines.txt", "another line\n"),
        ("base.toml", &*format!("{BASE}# a comment\n")),
    ] {
        fs::write(folder.path().join(file), text).unwrap();
        hashes.push(hash(&[]));
    }
    hashes.sort();
    hashes.dedup();
    assert_eq!(hashes.len(), 4);

    // A file that stands alone has the hash that sha256sum gives it.
    let alone = folder.path().join("alone.toml");
    let hex: String = sha2::Sha256::digest(fs::read(&alone).unwrap())
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert_eq!(Scenario::load(&alone, &[]).unwrap().hash, hex);
}

/// The tables of a file, each of which can stand in either of two files.
const TABLES: [&str; 7] = [
    "[population]\nusers = \"${users}\"\nrooms = 5\n",
    "[messages]\nsize = \"40B-400B\"\n",
    "[behaviour]\naway = \"2s\"\n",
    "[connections]\ntransport = \"polling\"\ntoken = { template = \"{id}\" }\n",
    "[server]\ndelivery = [\"persist-first\"]\n",
    "[thresholds]\n\"delivery.p99\" = { condition = \"< ${limit}\", abort_after = \"1s\" }\n",
    "[[phases]]\nname = \"p\"\nduration = \"1s\"\nrate = \"10/s\"\n[[phases]]\nname = \"q\"\nduration = \"1s\"\n",
];
const VARIABLES: &str = "[variables]\nusers = 10\nlimit = \"5ms\"\n";

#[test]
fn a_mistake_at_the_end_of_a_line_is_shown_behind_its_last_character() {
    for newline in ["\n", "\r\n"] {
        let text = format!("version = 1{newline}name = \"{newline}");
        let Err(ScenarioError::Wrong(located)) = Scenario::parse(Path::new("t.toml"), &text) else {
            panic!("{text:?} was read");
        };
        let located = &located.0[0];
        let place = (located.line, located.column, &*located.excerpt);
        assert_eq!(place, (2, 9, "name = \""), "{text:?}");
    }
}

proptest! {
    #[test]
    fn a_scenario_is_the_same_however_it_is_split_into_files(split in 0u8..=255) {
        let tables: Vec<&str> = TABLES.into_iter().chain([VARIABLES]).collect();
        let half = |which: bool| -> String {
            let mine = tables.iter().enumerate();
            mine.filter(|(i, _)| (split >> i & 1 == 1) == which).map(|(_, table)| *table).collect()
        };
        let folder = folder(&[
            ("main.toml", &format!("include = [\"base.toml\"]\n{HEAD}{}", half(false))),
            ("base.toml", &half(true)),
        ]);
        let mut split = load(&folder, &[]).unwrap();
        let mut whole = parse(&format!("{HEAD}{}", tables.concat()));
        for scenario in [&mut split, &mut whole] {
            scenario.path = PathBuf::new();
            scenario.files = [].into();
            scenario.texts = [].into();
            scenario.hash = String::new();
        }
        prop_assert_eq!(format!("{split:?}"), format!("{whole:?}"));
    }

    #[test]
    fn no_damage_to_a_file_makes_the_reader_panic_or_point_beside_it(
        at in 0usize..2_000, cut in 0usize..30, new in ".{0,8}",
    ) {
        let text = format!("{HEAD}{}{VARIABLES}", TABLES.concat());
        let start = text.floor_char_boundary(at % text.len());
        let end = text.ceil_char_boundary((start + cut).min(text.len()));
        let damaged = format!("{}{new}{}", &text[..start], &text[end..]);
        if let Err(ScenarioError::Wrong(mistakes)) = Scenario::parse(Path::new("t.toml"), &damaged) {
            prop_assert!(!mistakes.0.is_empty());
            for located in mistakes.0 {
                let line = damaged.lines().nth(located.line - 1).unwrap_or_default();
                prop_assert_eq!(&located.excerpt, line);
                prop_assert!(located.column <= line.chars().count() + 1, "{}", located);
                let _ = located.to_string();
            }
        }
    }
}

#[test]
fn a_scenario_is_made_again_of_its_files_alone_and_without_its_secret() {
    let main = format!(
        "include = [\"people/base.toml\"]\n{HEAD}[messages]\nfile = \"lines.txt\"\n\
         [variables]\nrate = \"10/s\"\n[[phases]]\nname = \"steady\"\nduration = \"10s\"\nrate = \"${{rate}}\"\n"
    );
    let base = "# chat\n[population]\nusers = 2\nrooms = 1\n[connections]\ntoken = { file = \"users.csv\", secret = \"chat\" }\n";
    let folder = folder(&[
        ("main.toml", &main),
        ("people/base.toml", base),
        ("people/users.csv", "id\nann\nbob\n"),
        ("lines.txt", "Hello!\nHow are you?\n"),
    ]);
    let settings = [("rate".to_owned(), "20/s".to_owned())];
    let path = folder.path().join("main.toml");
    let read = Scenario::load(&path, &settings).unwrap();
    assert_eq!(read.connections.token, Token::Signed("chat".to_owned()));
    let texts: Vec<&str> = read.files.iter().map(|file| file.text.as_str()).collect();
    let without = base.replace("\"chat\"", "\"…\"");
    assert_eq!(
        texts,
        [&main, &without, "id\nann\nbob\n", "Hello!\nHow are you?\n"]
    );
    drop(folder);
    let again = Scenario::of_files(&read.files, &settings).unwrap();
    let plan = |scenario: &Scenario| crate::plan::Plan::new(scenario).unwrap();
    assert_eq!(plan(&again), plan(&read));
    assert_eq!(
        (&again.path, &again.variables, &again.messages),
        (&read.path, &read.variables, &read.messages)
    );
    let fewer = Scenario::of_files(&read.files[..3].into(), &settings);
    let error = fewer.unwrap_err().to_string();
    assert!(error.contains("lines.txt: not among the files"), "{error}");
    assert!(Scenario::of_files(&[].into(), &[]).is_err());
}
