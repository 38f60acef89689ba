//! Broadcasts `hi` on the channel `menu` and prints the responses of one second, one JSON document
//! a line.

use std::error::Error;
use std::time::Duration;

use expd_client::Client;
use expd_domain::{Channel, Payload};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let socket = std::env::var_os("EXPD_SOCKET").map(Into::into);
    let client = Client::connect(socket).await?;
    let payload = Payload::parse(r#"{"soup":"tomato"}"#)?;
    let wait = Some(Duration::from_secs(1));
    let responses = client
        .broadcast("", &Channel::new("menu"), "hi", &payload, wait)
        .await?;
    for response in responses {
        println!("{}", response.as_str());
    }
    Ok(())
}
