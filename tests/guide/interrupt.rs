//! Ctrl-C: a program that takes it ends by itself and leaves nothing behind, one that does not is
//! ended by it; the daemon knows of both ends.

use std::os::unix::process::ExitStatusExt as _;
use std::process::{Output, Stdio};

use expd_client::{Exp, Listener};
use expd_test_support::network::secret_of;
use expd_test_support::world::World;
use expd_test_support::{eventually, in_time};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};

/// Set where the program takes Ctrl-C.
const TAKES_IT: &str = "EXPD_GUIDE_TAKES_CTRL_C";

const SIGINT: i32 = 2;

/// This test's own binary as a program that listens, once it does.
async fn listening(world: &World, takes_it: bool) -> Child {
    // A shell starts what it runs in the background with SIGINT ignored, which would be inherited.
    let mut program = Command::new("env");
    program
        .arg("--default-signal=INT")
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "interrupt::played_as_a_program"])
        .args(["--ignored", "--nocapture"])
        .env("EXPD_SOCKET", world.socket())
        .env_remove(TAKES_IT)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    if takes_it {
        program.env(TAKES_IT, "1");
    }
    let mut program = program.spawn().unwrap();
    let mut lines = BufReader::new(program.stdout.take().unwrap()).lines();
    in_time("it listens", async {
        while !{ lines.next_line().await.unwrap() }
            .unwrap()
            .contains("listening")
        {}
    })
    .await;
    program.stdout = Some(lines.into_inner().into_inner());
    program
}

/// The end of a program after Ctrl-C, of which the daemon knows.
async fn interrupted(world: &World, program: Child) -> Output {
    let pid = program.id().unwrap().to_string();
    let sent = Command::new("kill").args(["-s", "INT", &pid]).status();
    assert!(sent.await.unwrap().success());
    let output = in_time("its end", program.wait_with_output()).await;
    eventually("the daemon knows", async || {
        let status = world.daemon.status().await;
        match &*status.instances {
            [default] if default.listeners.is_empty() => Ok(()),
            instances => Err(format!("{instances:?}")),
        }
    })
    .await;
    output.unwrap()
}

#[tokio::test]
async fn a_program_that_takes_ctrl_c_ends_with_success_and_nothing_is_left_of_it() {
    let world = World::new().await;
    let program = listening(&world, true).await;
    let ended = interrupted(&world, program).await;
    assert!(ended.status.success(), "{ended:?}");
    let said = String::from_utf8(ended.stdout).unwrap();
    assert!(said.contains("nothing is left"), "{said}");
}

#[tokio::test]
async fn a_program_that_does_not_take_ctrl_c_is_ended_by_it_and_the_daemon_knows() {
    let world = World::new().await;
    let program = listening(&world, false).await;
    let ended = interrupted(&world, program).await;
    assert_eq!(ended.status.signal(), Some(SIGINT), "{ended:?}");
}

#[test]
#[ignore = "a program, which the tests of this file start"]
fn played_as_a_program() {
    let runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = { runtime }.enable_all().build().unwrap();
    runtime.block_on(async {
        let takes_it = std::env::var_os(TAKES_IT).is_some();
        if takes_it {
            let mut interrupt = signal(SignalKind::interrupt()).unwrap();
            tokio::select! {
                () = listen() => panic!("the listeners have ended"),
                _ = interrupt.recv() => {}
            }
        } else {
            listen().await;
        }
        let metrics = tokio::runtime::Handle::current().metrics();
        eventually("no task is left", async || {
            let left = metrics.num_alive_tasks();
            (left == 0).then_some(()).ok_or(left.to_string())
        })
        .await;
        println!("nothing is left");
    });
}

/// Listens as the daemon's identity and as one of the program's own, until the end.
async fn listen() {
    let daemons = Exp::start().await.unwrap();
    let own = Exp::options().device("screen", secret_of("screen").expose());
    let own = own.start().await.unwrap();
    let [mut one, mut other] = [hi(&daemons).await, hi(&own).await];
    println!("listening");
    let (one, other) = tokio::join!(one.next(), other.next());
    panic!("they have heard {one:?} and {other:?}");
}

async fn hi(exp: &Exp) -> Listener {
    exp.channel("menu").listen("hi").await.unwrap()
}
