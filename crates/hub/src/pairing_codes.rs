//! Codes of devices that wait to be paired. Requesting one needs no login, so they are few, each
//! address has a share and a rate, and at the limit the oldest unanswered code of the address with
//! the most is replaced.

use std::collections::HashMap;
use std::time::Duration;

use rand::RngExt as _;

use super::error::ApiError;
use expd_domain::Secret;
use expd_server::address::Address;
use expd_server::rate_limiter::RateLimiter;
use expd_server::token_life::{Clocks, TokenLife};

/// Limits of pending codes: in all, and of one address.
const MAX_CODES: usize = 1024;
const CODES_OF_ADDRESS: usize = 64;

/// Codes that one address gets at once, and the interval of further ones.
const AT_ONCE: u32 = 32;
const CODE_INTERVAL: Duration = Duration::from_secs(1);

/// Lowercase letters and digits without those that look alike (0 o, 1 i l).
const CODE_ALPHABET: &[u8] = b"abcdefghjkmnpqrstuvwxyz23456789";
const CODE_LENGTH: usize = 6;

/// Issued codes that have not expired.
pub(super) struct PairingCodes {
    codes: HashMap<String, PairingCode>,
    last: u64,
    rate: RateLimiter<Address>,
}

struct PairingCode {
    /// Order of issue.
    number: u64,
    address: Address,
    /// Life of the login that the code was issued to.
    life: TokenLife,
    /// Set once an operator has paired the device, and kept until the code expires, in case the
    /// device was offline.
    credentials: Option<Credentials>,
}

impl PairingCode {
    fn holds(&self, now: Clocks) -> bool {
        // Issued by this process, so within this boot.
        !self.life.left(Duration::MAX, now).is_zero()
    }
}

/// Credentials that a paired device receives.
#[derive(Clone, Debug, serde::Serialize)]
pub(super) struct Credentials {
    pub uuid: String,
    pub secret: Secret,
}

#[derive(Debug)]
pub(super) struct IssuedCode {
    pub code: String,
    /// Code that was evicted. The device that waits with it must request another one.
    pub replaced: Option<String>,
}

impl Default for PairingCodes {
    fn default() -> Self {
        Self {
            codes: HashMap::new(),
            last: 0,
            rate: RateLimiter::new(AT_ONCE, CODE_INTERVAL),
        }
    }
}

impl PairingCodes {
    /// Issues an unused code.
    pub(super) fn issue(
        &mut self,
        address: Address,
        life: TokenLife,
    ) -> Result<IssuedCode, ApiError> {
        self.rate.check(&address).map_err(|wait| {
            ApiError::rate_limited(
                "pairing.tooOften",
                "too many devices of this address have asked for a pairing code; try again later",
                wait,
            )
        })?;
        let now = Clocks::now();
        self.codes.retain(|_, code| code.holds(now));
        let of_address = |code: &&PairingCode| code.address == address;
        let replaced = if self.codes.values().filter(of_address).count() >= CODES_OF_ADDRESS {
            Some(self.oldest(|code| code.address == address)?)
        } else if self.codes.len() >= MAX_CODES {
            let most = self.address_with_most();
            Some(self.oldest(|code| Some(code.address) == most)?)
        } else {
            None
        };
        if let Some(oldest) = &replaced {
            self.codes.remove(oldest);
        }
        self.rate.record(address);
        self.last += 1;
        loop {
            // 31^6 codes for at most 1,024 devices: a second attempt is rare, a third hardly ever
            // happens.
            let code = random_code();
            if !self.codes.contains_key(&code) {
                let fresh = PairingCode {
                    number: self.last,
                    address,
                    life,
                    credentials: None,
                };
                self.codes.insert(code.clone(), fresh);
                return Ok(IssuedCode { code, replaced });
            }
        }
    }

    /// Address that has the most unanswered codes.
    fn address_with_most(&self) -> Option<Address> {
        let mut counts = HashMap::<Address, usize>::new();
        for code in self.codes.values().filter(|c| c.credentials.is_none()) {
            *counts.entry(code.address).or_default() += 1;
        }
        let most = counts.into_iter().max_by_key(|(_, count)| *count);
        most.map(|(address, _)| address)
    }

    /// Oldest unanswered code of the matching addresses.
    fn oldest(&self, which: impl Fn(&PairingCode) -> bool) -> Result<String, ApiError> {
        self.codes
            .iter()
            .filter(|(_, code)| code.credentials.is_none() && which(code))
            .min_by_key(|(_, code)| code.number)
            .map(|(code, _)| code.clone())
            .ok_or_else(|| {
                ApiError::rate_limited(
                    "pairing.tooMany",
                    "too many devices have just been paired; try again later",
                    CODE_INTERVAL,
                )
            })
    }

    pub(super) fn contains(&self, code: &str) -> bool {
        self.codes.contains_key(code)
    }

    /// Credentials for the device with this code, once it is paired.
    pub(super) fn credentials(&self, code: &str) -> Option<&Credentials> {
        self.codes.get(code)?.credentials.as_ref()
    }

    /// Slot for the credentials of a waiting device.
    pub(super) fn credentials_slot(
        &mut self,
        code: &str,
    ) -> Result<&mut Option<Credentials>, ApiError> {
        let now = Clocks::now();
        let waiting = self.codes.get_mut(code).filter(|code| code.holds(now));
        let waiting = waiting.ok_or_else(|| {
            ApiError::not_found(
                "pairing.code.unknown",
                "no device waits with this pairing code; read the code from the device again",
            )
        })?;
        if waiting.credentials.is_some() {
            return Err(ApiError::new(
                axum::http::StatusCode::CONFLICT,
                "pairing.code.used",
                "the device with this code has been paired already",
            ));
        }
        Ok(&mut waiting.credentials)
    }

    /// Removes the codes by which a device was paired.
    pub(super) fn forget(&mut self, uuid: &str) {
        self.codes
            .retain(|_, code| code.credentials.as_ref().is_none_or(|c| c.uuid != uuid));
    }
}

/// Normalizes a code as typed by an operator: `ABC-def`, `abc def`.
pub(super) fn normalize_code(typed: &str) -> String {
    typed
        .chars()
        .filter(|c| !c.is_whitespace() && *c != '-')
        .take(64)
        .flat_map(char::to_lowercase)
        .collect()
}

fn random_code() -> String {
    let mut random = rand::rng();
    (0..CODE_LENGTH)
        .filter_map(|_| CODE_ALPHABET.get(random.random_range(0..CODE_ALPHABET.len())))
        .map(|byte| char::from(*byte))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;

    fn address(last: u8) -> Address {
        SocketAddr::from(([10, 0, 0, last], 1)).into()
    }

    fn hour() -> TokenLife {
        TokenLife::begin(Duration::from_secs(3600), Clocks::now())
    }

    #[test]
    fn a_code_is_easy_to_read_and_to_type() {
        let code = random_code();
        assert_eq!(code.len(), CODE_LENGTH);
        assert!(code.bytes().all(|byte| CODE_ALPHABET.contains(&byte)));
        let typed = format!(" {}-{} ", &code[..3].to_uppercase(), &code[3..]);
        assert_eq!(normalize_code(&typed), code);
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_gets_codes_at_a_pace_and_its_oldest_unanswered_one_goes() {
        let mut codes = PairingCodes::default();
        let elsewhere = codes.issue(address(2), hour()).unwrap().code;
        let mut own = Vec::new();
        while let Ok(fresh) = codes.issue(address(1), hour()) {
            assert_eq!(fresh.replaced, None);
            own.push(fresh.code);
        }
        assert_eq!(own.len(), AT_ONCE as usize);
        let refused = codes.issue(address(1), hour()).unwrap_err();
        assert!(refused.retry_after.is_some(), "{refused:?}");
        *codes.credentials_slot(&own[0]).unwrap() = Some(Credentials {
            uuid: "u".into(),
            secret: Secret::new("s"),
        });
        let mut replaced = None;
        while replaced.is_none() {
            tokio::time::advance(CODE_INTERVAL).await;
            replaced = codes.issue(address(1), hour()).unwrap().replaced;
        }
        assert_eq!(replaced.as_ref(), Some(&own[1]), "the first is answered");
        assert!(codes.contains(&elsewhere) && codes.contains(&own[0]) && !codes.contains(&own[1]));
        assert_eq!(codes.codes.len(), CODES_OF_ADDRESS + 1);
    }
}
