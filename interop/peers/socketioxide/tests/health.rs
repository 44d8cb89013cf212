//! What it says of itself: the load generator records it with what it measures.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    process::{Child, Command, Stdio},
};

/// Ended with the test, whatever comes of that.
struct Chat(Child);

impl Drop for Chat {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn it_names_its_libraries_and_how_durable_its_store_is() {
    let mut chat = Command::new(env!("CARGO_BIN_EXE_socketioxide-peer"));
    chat.env("PORT", "0")
        .env_remove("REDIS_URL")
        .env_remove("MONGODB_URI");
    let mut chat = Chat(chat.stdout(Stdio::piped()).spawn().unwrap());
    let mut said = String::new();
    let mut output = BufReader::new(chat.0.stdout.take().unwrap());
    output.read_line(&mut said).unwrap();
    let port: u16 = said
        .trim()
        .strip_prefix("listening on ")
        .unwrap()
        .parse()
        .unwrap();
    let mut asked = TcpStream::connect(("127.0.0.1", port)).unwrap();
    asked
        .write_all(b"GET /health HTTP/1.1\r\nhost: here\r\nconnection: close\r\n\r\n")
        .unwrap();
    let mut answer = String::new();
    asked.read_to_string(&mut answer).unwrap();
    for named in [
        "socketioxide 0.",
        "socketioxide-redis 0.",
        "mongodb 3.",
        "gone with the process",
    ] {
        assert!(answer.contains(named), "{named}: {answer}");
    }
}
