//! The operations of the vendor's guide, in sequence: broadcast with responses, listen, respond,
//! cancel, contexts, an identity of its own, a device and its update, an experience changed in
//! place, data. The program ends by itself, and fails if a result differs from the guide.
//!
//! It needs a daemon: `expd serve --embedded`.

use std::error::Error;
use std::time::Duration;

use expd_client::{Exp, Listener, Received, ReceivedBroadcast, json};

const SECOND: Duration = Duration::from_secs(1);

type Outcome<T> = Result<T, Box<dyn Error>>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome<()> {
    let exp = Exp::start().await?;
    broadcast_and_respond(&exp).await?;
    contexts(&exp).await?;
    device_and_its_update(&exp).await?;
    experience_in_place(&exp).await?;
    data(&exp).await?;
    exp.stop();
    println!("done");
    Ok(())
}

/// The next broadcast within five seconds; gaps are printed and skipped.
async fn next(listener: &mut Listener) -> Outcome<ReceivedBroadcast> {
    loop {
        match listener.wait(5 * SECOND).await? {
            Some(Received::Broadcast(broadcast)) => return Ok(broadcast),
            Some(Received::Gap(gap)) => eprintln!("missed: {}", gap.reason.explain()),
            Some(_) => {}
            None => return Err("nothing was heard".into()),
        }
    }
}

async fn broadcast_and_respond(exp: &Exp) -> Outcome<()> {
    let channel = exp.channel("my_channel");
    let mut listener = channel.listen("my_event").await?;
    let answer = async {
        let broadcast = next(&mut listener).await?;
        if broadcast.payload.decode::<String>()? == "hello!" {
            broadcast.respond(json!("hi there!")).await?;
        }
        Outcome::Ok(())
    };
    let ask = channel
        .broadcast("my_event", json!("hello!"))
        .timeout(SECOND);
    let (answered, responses) =
        futures_util::future::join(answer, std::future::IntoFuture::into_future(ask)).await;
    answered?;
    for response in responses? {
        println!("response: {}", response.as_str());
    }
    listener.cancel();
    Ok(())
}

async fn contexts(exp: &Exp) -> Outcome<()> {
    let (one, two) = (exp.with_context("context 1"), exp.with_context("context 2"));
    let mut kept = one.channel("my_channel").listen("my_event").await?;
    let mut ended = two.channel("my_channel").listen("my_event").await?;
    two.clear();
    if ended.next().await?.is_some() {
        return Err("a cleared context still hears".into());
    }
    exp.channel("my_channel")
        .broadcast("my_event", json!(1))
        .await?;
    println!(
        "context 1 heard: {}",
        next(&mut kept).await?.payload.as_str()
    );
    Ok(())
}

async fn device_and_its_update(exp: &Exp) -> Outcome<()> {
    let mut device = exp
        .devices()
        .create(json!({"name": "my_sweet_device"}))
        .await?;
    // EXP reveals the secret only in this response.
    let secret = device.document.get("secret").and_then(|it| it.as_str());
    let secret = secret.unwrap_or_default().to_owned();
    let mut updates = device.system_channel().listen("update").await?;
    device.set_name("my_sweeter_device");
    device.save().await?;
    next(&mut updates).await?;
    println!("the device was updated");

    // The device can log in: an identity of this program's own.
    let own = Exp::options().device(device.uuid(), secret).start().await?;
    let mut listener = own.channel("my_channel").listen("my_event").await?;
    exp.channel("my_channel")
        .broadcast("my_event", json!(2))
        .await?;
    next(&mut listener).await?;
    if let Some(current) = own.current_device().await? {
        println!("it is {}", current.name());
    }
    own.stop();
    device.delete().await?;
    Ok(())
}

async fn experience_in_place(exp: &Exp) -> Outcome<()> {
    let made = exp
        .experiences()
        .create(json!({"name": "old name"}))
        .await?;
    let Some(mut experience) = exp.experiences().get(made.uuid()).await? else {
        return Err("it is gone".into());
    };
    experience
        .document
        .insert("name".to_owned(), json!("new name"));
    experience.save().await?;
    println!("the experience has its {}", experience.name());
    experience.delete().await?;
    Ok(())
}

async fn data(exp: &Exp) -> Outcome<()> {
    let mut price = exp
        .data()
        .create("menu", "soup", json!({"euro": 4}))
        .await?;
    price.value = json!({"euro": 5});
    price.save().await?;
    for item in exp.data().find([("group", "menu")]).await? {
        println!("{}: {}", item.key(), item.value);
    }
    price.delete().await?;
    Ok(())
}
