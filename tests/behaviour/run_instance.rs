//! Identities that programs bring along: each lives as long as its stream.

use std::collections::BTreeMap;
use std::time::Duration;

use expd_client::{
    Client, Code, Credentials, LinkEvent, LinkState, Listen, RunInstance, RunningInstance, Secret,
};
use expd_domain::{BroadcastId, Channel, ChannelId, IdentityKind, Payload};
use expd_hub::operator;
use expd_test_support::network::{operator_key, secret_of};
use expd_test_support::world::{World, device, json, menu, refusal};
use expd_test_support::{eventually, in_time};
use futures_util::StreamExt as _;

fn screen() -> Credentials {
    Credentials::Device {
        uuid: "screen".to_owned(),
        secret: secret_of("screen"),
        allow_pairing: false,
    }
}

fn ada() -> Credentials {
    Credentials::User {
        username: "ada".to_owned(),
        password: Secret::new("password"),
        organization: "demo".to_owned(),
    }
}

fn app() -> Credentials {
    Credentials::ConsumerApp {
        uuid: "app".to_owned(),
        api_key: Secret::new("app key"),
    }
}

async fn run(client: &Client, name: &str, credentials: Credentials) -> RunningInstance {
    let run = RunInstance::new(name, credentials);
    client.run_instance(&run).await.unwrap()
}

/// The next event of the link that is in this state.
async fn enters(running: &mut RunningInstance, state: LinkState) -> LinkEvent {
    loop {
        let event = in_time("an event of the link", running.next()).await;
        let event = event.expect("the stream ended").unwrap();
        if event.state == state {
            return event;
        }
    }
}

fn on(instance: &str) -> Listen {
    Listen {
        instance: instance.to_owned(),
        context: "page".to_owned(),
        ..Listen::to(Channel::new("menu").consumer())
    }
}

/// Names in the status, and which of them are transient.
async fn names(client: &Client) -> Vec<(String, bool)> {
    let status = client.status().await.unwrap();
    let names = status.instances.into_iter();
    names.map(|it| (it.instance, it.transient)).collect()
}

#[tokio::test]
async fn an_identity_of_a_program_does_all_that_a_configured_one_does() {
    let world = World::new().await;
    let client = world.client().await;
    for (credentials, kind) in [
        (screen(), IdentityKind::Device),
        (ada(), IdentityKind::User),
        (app(), IdentityKind::ConsumerApp),
    ] {
        let mut running = run(&client, "mine", credentials).await;
        let event = enters(&mut running, LinkState::Online).await;
        assert_eq!(event.instance, "mine");
        assert_eq!(client.identity("mine").await.unwrap().kind, kind);
        let open = Channel::new("menu").consumer();
        let mut ear = world.ear(&on("mine")).await;
        client
            .broadcast("mine", &open, "hi", &json("1"), None)
            .await
            .unwrap();
        assert_eq!(ear.broadcast().await.name, "hi");
        let answer = client
            .request("mine", "GET", "/api/devices", BTreeMap::new(), None)
            .await
            .unwrap();
        assert_ne!(answer.status, 401, "{answer:?}");
        // EXP answers: the call went there with the identity's own token.
        let id = ChannelId::encode("demo", &open, expd_domain::Alphabet::UrlSafe);
        let responded = client
            .respond("mine", &BroadcastId::new("none"), &id, &Payload::null())
            .await;
        assert_eq!(refusal(responded).code, Code::NotFound);
        let listener = client.open(&on("mine")).await.unwrap();
        client.next(&listener, Duration::ZERO).await.unwrap();
        assert_eq!(
            names(&client).await,
            [("default".to_owned(), false), ("mine".to_owned(), true)]
        );
        // Over all instances.
        let mut other = world.ear(&on("")).await;
        assert_eq!(client.clear_context("page").await.unwrap(), 3);
        assert_eq!(refusal(other.event().await).code, Code::Cancelled);
        drop(running);
        eventually("the instance is gone", async || {
            let names = names(&client).await;
            (names.len() == 1).then_some(()).ok_or(format!("{names:?}"))
        })
        .await;
    }
}

#[tokio::test]
async fn an_instance_ends_with_its_stream_and_its_listeners_with_it() {
    let world = World::new().await;
    let client = world.client().await;
    let mut running = run(&client, "mine", screen()).await;
    enters(&mut running, LinkState::Online).await;
    let mut ear = world.ear(&on("mine")).await;
    let mut kept = world.ear(&on("")).await;
    let opened = client.open(&on("mine")).await.unwrap();
    let mut watch = Box::pin(client.watch_status().await.unwrap());
    let mut watched = std::collections::BTreeSet::new();
    while watched.len() < 2 {
        let event = in_time("a state", watch.next()).await.unwrap().unwrap();
        watched.insert(event.instance);
    }
    drop(running);
    let ended = refusal(ear.event().await);
    assert_eq!(ended.code, Code::NotFound, "{ended}");
    let ended = refusal(client.next(&opened, Duration::from_secs(60)).await);
    assert_eq!(ended.code, Code::NotFound, "{ended}");
    let event = in_time("its end", watch.next()).await.unwrap().unwrap();
    assert_eq!(
        (event.instance.as_str(), event.state),
        ("mine", LinkState::Offline)
    );
    let gone = refusal(client.listen(&on("mine")).await);
    assert_eq!(gone.code, Code::NotFound, "{gone}");
    // The name is free again, and the watch tells of the next one.
    let mut again = run(&client, "mine", screen()).await;
    enters(&mut again, LinkState::Online).await;
    loop {
        let event = in_time("the next one", watch.next()).await.unwrap();
        if event.unwrap().state == LinkState::Online {
            break;
        }
    }
    client
        .broadcast("", &Channel::new("menu").consumer(), "hi", &json("1"), None)
        .await
        .unwrap();
    assert_eq!(kept.broadcast().await.name, "hi");
}

#[tokio::test]
async fn a_broadcast_that_waits_ends_with_its_instance_and_is_not_sent() {
    let mut world = World::new().await;
    let mut ear = world.ear(&Listen::to(menu())).await;
    let client = world.client().await;
    let mut running = run(&client, "mine", screen()).await;
    enters(&mut running, LinkState::Online).await;
    world.network.stop().await;
    enters(&mut running, LinkState::Offline).await;
    let mut waiting = tokio::task::JoinSet::new();
    {
        let client = client.clone();
        waiting.spawn(async move {
            let hour = Duration::from_secs(3600);
            let (channel, payload) = (menu(), json("1"));
            client
                .broadcast_when_connected("mine", &channel, "late", &payload, None, hour)
                .await
        });
    }
    eventually("it waits", async || {
        let status = client.status().await.unwrap();
        let mine = status.instances.iter().find(|it| it.instance == "mine");
        (mine.unwrap().waiting_broadcasts == 1)
            .then_some(())
            .ok_or("none".to_owned())
    })
    .await;
    drop(running);
    let ended = refusal(
        in_time("its end", waiting.join_next())
            .await
            .unwrap()
            .unwrap(),
    );
    assert_eq!(ended.code, Code::NotFound, "{ended}");
    assert!(ended.message.contains("nothing was sent"), "{ended}");
    world.network.start_again().await;
    // The gap, and the state around it.
    world.link("default", LinkState::Online).await;
    client
        .broadcast("", &menu(), "next", &json("1"), None)
        .await
        .unwrap();
    loop {
        if let expd_client::Event::Broadcast(heard) = ear.event().await.unwrap() {
            assert_eq!(heard.name, "next");
            break;
        }
    }
}

#[tokio::test]
async fn a_device_that_a_program_runs_is_paired_in_memory_alone() {
    let world = World::new().await;
    let client = world.client().await;
    let credentials = Credentials::Device {
        uuid: String::new(),
        secret: Secret::new(""),
        allow_pairing: true,
    };
    let mut running = run(&client, "new", credentials).await;
    enters(&mut running, LinkState::Pairing).await;
    let code = client.identity("new").await.unwrap().pairing_code.unwrap();
    let paired = operator::pair(&world.network.url(), Some(&operator_key()), &code)
        .await
        .unwrap();
    enters(&mut running, LinkState::Online).await;
    assert_eq!(client.identity("new").await.unwrap().uuid, paired.uuid);
    assert!(!world.daemon.state_dir().exists());
}

#[tokio::test]
async fn a_name_that_exists_is_refused_and_equal_identities_are_not() {
    let world = World::new().await;
    let client = world.client().await;
    let mut first = run(&client, "one", screen()).await;
    let mut second = run(&client, "two", screen()).await;
    enters(&mut first, LinkState::Online).await;
    enters(&mut second, LinkState::Online).await;
    // The configured one is the same device, too.
    assert_eq!(world.counters().await.connections, 3);
    for name in ["default", "one"] {
        let taken = client.run_instance(&RunInstance::new(name, screen())).await;
        let taken = refusal(taken);
        assert_eq!(taken.code, Code::AlreadyExists, "{taken}");
    }
}

#[tokio::test]
async fn what_is_malformed_is_refused_without_a_word_of_a_secret() {
    let world = World::new().await;
    let client = world.client().await;
    let long = "x".repeat(1 << 20);
    let of_device = |uuid: &str, secret: &str, allow_pairing| Credentials::Device {
        uuid: uuid.to_owned(),
        secret: Secret::new(secret),
        allow_pairing,
    };
    let user = |username: &str, password: &str, organization: &str| Credentials::User {
        username: username.to_owned(),
        password: Secret::new(password),
        organization: organization.to_owned(),
    };
    let cases = [
        ("", "", screen(), "name"),
        ("a/../b", "", screen(), "name"),
        ("a__b", "", screen(), "name"),
        ("ä", "", screen(), "name"),
        (&long, "", screen(), "name"),
        ("a", "x", screen(), "host"),
        ("a", "ftp://exp.example", screen(), "host"),
        ("a", "https://ada:hunter2@exp.example", screen(), "host"),
        ("a", "https://exp.example?x", screen(), "host"),
        ("a", &long, screen(), "host"),
        ("a", "", of_device("", "hunter2", false), "uuid"),
        ("a", "", of_device("u", "", false), "secret"),
        ("a", "", of_device("u", &long, true), "secret"),
        ("a", "", user("", "hunter2", "o"), "username"),
        ("a", "", user("u", "", "o"), "password"),
        ("a", "", user("u", "hunter2", ""), "organization"),
    ];
    for (name, host, credentials, what) in cases {
        let request = RunInstance {
            host: host.to_owned(),
            ..RunInstance::new(name, credentials)
        };
        let refused = refusal(client.run_instance(&request).await);
        let expected = match name.len().max(host.len()) {
            // More than a whole request may have.
            1_048_576 => Code::ResourceExhausted,
            _ if what == "secret" && refused.code == Code::ResourceExhausted => {
                Code::ResourceExhausted
            }
            _ => Code::InvalidArgument,
        };
        assert_eq!(refused.code, expected, "{what}: {refused}");
        assert!(!refused.message.contains("hunter2"), "{refused}");
        if expected == Code::InvalidArgument {
            assert!(refused.message.contains(what), "{what}: {refused}");
        }
    }
    assert_eq!(names(&client).await.len(), 1);
}

#[tokio::test]
async fn one_user_runs_no_more_than_a_share_of_the_instances() {
    let mut world = World::dark(&[("default", device())], |_| {}).await;
    world.daemon.settings.daemon.limits.max_run_instances = 4;
    world.network.start_again().await;
    world.daemon.start_again();
    let client = world.client().await;
    // The daemon's own user may have all of them.
    let mut all = Vec::new();
    for n in 0..4 {
        all.push(run(&client, &format!("n{n}"), screen()).await);
    }
    let fifth = client.run_instance(&RunInstance::new("n4", screen())).await;
    let fifth = refusal(fifth);
    assert_eq!(fifth.code, Code::ResourceExhausted, "{fifth}");
    assert!(fifth.message.contains("max_run_instances"), "{fifth}");
    drop(all);
    // A place is free once all of its instance has ended.
    eventually("a place", async || {
        let run = client.run_instance(&RunInstance::new("n4", screen())).await;
        run.map(drop).map_err(|error| error.to_string())
    })
    .await;
}

#[tokio::test]
async fn the_daemons_stop_ends_the_stream_with_that_said() {
    let mut world = World::new().await;
    let client = world.client().await;
    let mut running = run(&client, "mine", screen()).await;
    enters(&mut running, LinkState::Online).await;
    world.daemon.stop().await;
    let ended = in_time("the end", running.next()).await.unwrap();
    let ended = refusal(ended);
    assert_eq!(ended.code, Code::Unavailable, "{ended}");
    assert!(ended.message.contains("stopping"), "{ended}");
}

#[tokio::test]
async fn nothing_is_left_of_instances_that_came_and_went() {
    let mut world = World::new().await;
    let client = world.client().await;
    let _quiet = world.ear(&Listen::to(menu())).await;
    // The network has tasks of its own, and keeps some of those who went for a while.
    world.network.stop().await;
    world.link("default", LinkState::Offline).await;
    let tasks = || {
        tokio::runtime::Handle::current()
            .metrics()
            .num_alive_tasks()
    };
    let before = tasks();
    world.network.start_again().await;
    let round = async |n: usize| {
        let mut running = run(&client, &format!("n{}", n % 7), screen()).await;
        match n % 4 {
            // Gone before the login.
            0 => {}
            1 => drop(running.next().await),
            2 => drop(enters(&mut running, LinkState::Online).await),
            _ => {
                enters(&mut running, LinkState::Online).await;
                let ear = client.listen(&on(&format!("n{}", n % 7))).await.unwrap();
                drop(running);
                drop(ear);
            }
        }
    };
    for n in 0..100 {
        // The name, and the place, may be held for a moment by the one before.
        in_time("a round", round(n)).await;
    }
    world.network.stop().await;
    eventually("nothing is left", async || {
        let status = client.status().await.unwrap();
        let (instances, now) = (status.instances.len(), tasks());
        (instances == 1 && now <= before + 2)
            .then_some(())
            .ok_or(format!(
                "{instances} instances, {now} tasks, {before} before"
            ))
    })
    .await;
}

#[tokio::test]
async fn a_thousand_at_once_on_a_host_that_swallows_all_are_refused_and_gone() {
    // It accepts in its backlog, and never answers.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = format!("http://{}", silent.local_addr().unwrap());
    let world = World::new().await;
    let client = world.client().await;
    let _quiet = world.ear(&Listen::to(menu())).await;
    let tasks = || {
        tokio::runtime::Handle::current()
            .metrics()
            .num_alive_tasks()
    };
    let before = tasks();
    let mut calls = tokio::task::JoinSet::new();
    for n in 0..1000 {
        let (client, host) = (client.clone(), host.clone());
        calls.spawn(async move {
            let run = RunInstance {
                host,
                ..RunInstance::new(format!("n{n}"), screen())
            };
            client.run_instance(&run).await
        });
    }
    let answers = in_time("all answers", calls.join_all()).await;
    let (running, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
    assert!((16..=32).contains(&running.len()), "{}", running.len());
    for answer in refused {
        assert_eq!(refusal(answer).code, Code::ResourceExhausted);
    }
    // The others are served meanwhile.
    client
        .broadcast("", &menu(), "hi", &json("1"), None)
        .await
        .unwrap();
    drop(running);
    eventually("nothing is left", async || {
        let (names, now) = (names(&client).await, tasks());
        // The broadcast's connection is kept, at both of its ends.
        (names.len() == 1 && now <= before + 4)
            .then_some(())
            .ok_or(format!("{names:?}, {now} tasks, {before} before"))
    })
    .await;
    let mut again = run(&client, "n0", screen()).await;
    enters(&mut again, LinkState::Online).await;
}

#[tokio::test]
async fn a_message_too_large_for_the_instance_of_a_program_is_a_gap() {
    let world = World::new().await;
    let client = world.client().await;
    let mut running = run(&client, "mine", screen()).await;
    enters(&mut running, LinkState::Online).await;
    let mut configured = world.ear(&on("")).await;
    let mut own = world.ear(&on("mine")).await;
    let large = json(&format!("\"{}\"", "x".repeat(3 << 19)));
    client
        .broadcast("", &Channel::new("menu").consumer(), "large", &large, None)
        .await
        .unwrap();
    assert_eq!(configured.broadcast().await.name, "large");
    // Pending, the gap, confirmed again.
    own.subscription().await;
    own.gap().await;
    own.subscription().await;
}

#[tokio::test]
async fn an_identity_without_a_socket_calls_and_does_not_listen() {
    let world = World::new().await;
    let client = world.client().await;
    let request = RunInstance {
        network: false,
        ..RunInstance::new("mine", screen())
    };
    let _running = client.run_instance(&request).await.unwrap();
    client
        .broadcast("mine", &menu(), "hi", &json("1"), None)
        .await
        .unwrap();
    let refused = refusal(client.listen(&on("mine")).await);
    assert!(refused.message.contains("network"), "{refused}");
    assert_eq!(world.counters().await.connections, 1);
}
