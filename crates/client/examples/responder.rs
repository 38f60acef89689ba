//! Answers every `hi` on the channel `menu`, through restarts of the daemon and outages of the
//! network.

use std::error::Error;

use expd_client::{Client, Event, Listen, ListenUpdate, ResumingListener, SubscriptionState};
use expd_domain::{Channel, Payload};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let socket = std::env::var_os("EXPD_SOCKET").map(Into::into);
    let client = Client::connect(socket).await?;
    let listen = Listen {
        name: "hi".to_owned(),
        ..Listen::to(Channel::new("menu"))
    };
    let mut listener = ResumingListener::new(client.clone(), listen);
    loop {
        let event = match listener.next().await? {
            ListenUpdate::Event(event) => event.event,
            ListenUpdate::Disconnected { error, .. } => {
                eprintln!("{error}");
                continue;
            }
            ListenUpdate::Reconnected => continue,
        };
        match event {
            Event::Subscription(subscription) => {
                if subscription.state == SubscriptionState::Confirmed {
                    println!("ready");
                }
            }
            Event::Gap(gap) => eprintln!("events may be missing: {}", gap.reason.explain()),
            Event::Broadcast(broadcast) => {
                let answer = format!(r#"{{"from":"Rust","got":{}}}"#, broadcast.payload.as_str());
                let answer = Payload::parse(answer)?;
                if let Err(error) = client
                    .respond("", &broadcast.id, &broadcast.channel_id, &answer)
                    .await
                {
                    eprintln!("not answered: {error}");
                }
            }
        }
    }
}
