//! Every key is read into what it means.

use super::*;

#[test]
fn a_small_file_has_the_defaults() {
    let scenario = parse(&format!("{HEAD}{PEOPLE}{STEADY}"));
    assert_eq!(scenario.seed, 1);
    assert_eq!(scenario.drain, Duration::from_secs(15));
    assert_eq!(scenario.dialect, Dialect::Readme);
    assert_eq!(scenario.events, None);
    assert_eq!(scenario.delivery, [Delivery::Optimistic]);
    assert_eq!(scenario.connections, Connections::default());
    assert_eq!(scenario.messages.text, BodyText::Mixed);
    let size = Size(120);
    assert_eq!(
        scenario.messages.size,
        Sizes::Range(Range {
            low: size,
            high: size
        })
    );
    let population = &scenario.population;
    assert_eq!(
        (population.silent, population.connected, population.joined),
        (0.0, 1.0, 1.0)
    );
    assert_eq!(scenario.behaviour.away, seconds(1, 3));
    assert_eq!(scenario.behaviour.stall, seconds(5, 10));
    let phase = &scenario.phases[0];
    assert_eq!(phase.churn, Churn::default());
    assert_eq!(
        (phase.skew, phase.silent, phase.measured),
        (0.0, None, true)
    );
    assert!(scenario.thresholds.is_empty() && phase.thresholds.is_empty());
}

#[test]
fn every_key_is_read() {
    let scenario = parse(
        r#"
version = 1
name = "all"
question = "What is read?"
seed = 9
drain = "3s"

[server]
delivery = ["persist-first", "optimistic"]
save_time = "5ms"
read_time = "1ms-2ms"

[server.events]
acknowledges_joins = false
acknowledges_messages = true
fields = { id = "msg.id", body = "text", temp_id = "tmp", sender = "" }
room = { join = "r-join", leave = "r-leave", send = "r-send", received = "r-msg", id_field = "room" }
channel = { join = "join", leave = "leave", send = "send", received = "msg", sent = "own", confirmed = "ok", failed = "no", id_field = "channel" }

[population]
users = 1000
rooms = 10
channels = [
    { count = 1, members = 50 },
    { count = 2, members = "10-200" },
    { count = 3, members = { most = 500, least = 5, zipf = 1.1 } },
    { count = 4, members = { most = 20 } },
]
silent = "90%"
connected = "50%"
joined = "80%"
connect_rate = "100/s"

[connections]
transport = "polling"
token = { template = "user-{id}-{index}" }

[messages]
size = [{ size = "40B", weight = 7 }, { size = "1KiB-2KiB", weight = 0.5 }]
text = "ascii"

[behaviour]
away = "2s-4s"
stall = "6s"

[[phases]]
name = "open"
duration = "20s"
measured = false
skew = 1.2
silent = "50%"
rate = "10/s"
ramp_to = "100/s"
steps = 4
spike = { rate = "500/s", after = "5s", lasts = "15s" }
burst = { messages = 100, every = "1s" }
arrivals = "uniform"
joins = "1/s"
leaves = "2/s"
rejoins = "3/s"
reconnects = "4/s"
cuts = "5/s"
connects = "6/s"
stalls = "7/s"

[[phases]]
name = "closed"
duration = "10s"
think_time = "1s-5s"
thresholds = { "delivery.p99" = "< 5ms" }

[[phases]]
name = "pause"
duration = "1s"

[thresholds]
"lost" = "== 0"
"delivery.p99" = { condition = "< 5ms", abort_after = "10s" }
"#,
    );
    assert_eq!(scenario.seed, 9);
    assert_eq!(scenario.drain, Duration::from_secs(3));
    assert_eq!(
        scenario.delivery,
        [Delivery::PersistFirst, Delivery::Optimistic]
    );
    let events = scenario.vocabulary();
    assert!(!events.acknowledges_joins && events.acknowledges_messages);
    let received = &events.channel_shapes.received;
    let path = |text: &str| Some(text.parse().unwrap());
    assert_eq!(received.id, path("msg.id"));
    assert_eq!(received.body, path("text"));
    assert_eq!(received.conversation, path("channel"));
    assert_eq!(events.room_shapes.failed.temp_id, path("tmp"));
    let sent = [("channel", Blank::Conversation), ("text", Blank::Body)];
    assert_eq!(events.channel_shapes.send, Form::object(&sent));
    assert_eq!(events.room.confirmed, None);
    assert_eq!(events.channel.sent.as_deref(), Some("own"));
    let population = &scenario.population;
    let sizes: Vec<ChannelSize> = population.channels.iter().map(|g| g.members).collect();
    assert_eq!(
        sizes,
        [
            ChannelSize::Fixed(50),
            ChannelSize::Range(10, 200),
            ChannelSize::Zipf(Zipf {
                least: 5,
                most: 500,
                zipf: 1.1
            }),
            ChannelSize::Zipf(Zipf {
                least: 2,
                most: 20,
                zipf: 1.0
            }),
        ]
    );
    assert_eq!(
        (population.silent, population.connected, population.joined),
        (0.9, 0.5, 0.8)
    );
    assert_eq!(scenario.connections.transport, Transport::Polling);
    let Token::Template(token) = &scenario.connections.token else {
        panic!("{:?}", scenario.connections.token);
    };
    assert_eq!(token.to_string(), "user-{id}-{index}");
    assert_eq!(scenario.messages.text, BodyText::Ascii);
    let size = |low, high| Range {
        low: Size(low),
        high: Size(high),
    };
    assert_eq!(
        scenario.messages.size,
        Sizes::Weighted(vec![(size(40, 40), 7.0), (size(1024, 2048), 0.5)])
    );
    assert_eq!(scenario.behaviour.away, seconds(2, 4));
    assert_eq!(scenario.behaviour.stall, seconds(6, 6));

    let [open, closed, pause] = &scenario.phases[..] else {
        panic!("three phases")
    };
    assert_eq!(
        (open.skew, open.silent, open.measured),
        (1.2, Some(0.5), false)
    );
    assert_eq!(
        open.load,
        Load::Open(Open {
            rate: 10.0,
            ramp_to: 100.0,
            steps: Some(4),
            spike: Some(Spike {
                rate: Rate(500.0),
                after: Span(Duration::from_secs(5)),
                lasts: Span(Duration::from_secs(15)),
            }),
            burst: Some(Burst {
                messages: 100,
                every: Span(Duration::from_secs(1)),
            }),
            arrivals: Arrivals::Uniform,
        })
    );
    assert_eq!(
        open.churn,
        Churn {
            joins: 1.0,
            leaves: 2.0,
            rejoins: 3.0,
            reconnects: 4.0,
            cuts: 5.0,
            connects: 6.0,
            stalls: 7.0,
        }
    );
    assert_eq!(
        closed.load,
        Load::Closed {
            think_time: seconds(1, 5)
        }
    );
    assert_eq!(closed.thresholds[0].to_string(), "delivery.p99 < 5ms");
    assert_eq!(pause.load, Load::Open(Open::default()));
    assert_eq!(scenario.thresholds[0].to_string(), "lost == 0");
    assert_eq!(
        scenario.thresholds[1].abort_after,
        Some(Duration::from_secs(10))
    );
}
