//! The same program on the library, as in its README.

use std::path::Path;
use std::time::Duration;

use expd_client::{Exp, Listener, Payload, Received};

use crate::program::{Meter, Order, nanoseconds};

pub struct Library {
    exp: Exp,
}

pub struct LibraryListener {
    listener: Listener,
}

impl Library {
    pub async fn start(socket: &Path) -> Self {
        Self {
            exp: Exp::options().socket(socket).start().await.unwrap(),
        }
    }

    pub async fn call(self, channel: &str, meter: &mut Meter) {
        let channel = self.exp.channel(channel);
        loop {
            let at = nanoseconds();
            let payload = Payload::encode(&Order::now()).unwrap();
            let sending = channel.broadcast("cost", payload).timeout(Duration::ZERO);
            sending.await.unwrap();
            if !meter.take(at) {
                return;
            }
        }
    }

    pub async fn listen(self, channel: &str) -> LibraryListener {
        LibraryListener {
            listener: self.exp.channel(channel).listen("cost").await.unwrap(),
        }
    }
}

impl LibraryListener {
    pub async fn receive(mut self, meter: &mut Meter) {
        loop {
            let received = self.listener.next().await.unwrap();
            let Some(Received::Broadcast(broadcast)) = received else {
                panic!("not a broadcast: {received:?}");
            };
            let order: Order = broadcast.payload.decode().unwrap();
            if !meter.take(order.at) {
                return;
            }
        }
    }
}
