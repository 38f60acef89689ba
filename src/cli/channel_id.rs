//! `expd channel-id`: a channel's name on the wire.

use clap::Args;

use super::output::Output;
use super::{ChannelFlags, Failure};
use expd_domain::{self, Alphabet, IdentityKind};

/// Print a channel's ID as it travels on the EXP network
///
/// Needs no daemon. The ID is Base64 of a JSON array; one channel has several spellings. The specification has the URL-safe
/// alphabet, the vendor's SDKs use the standard one; they differ only where a `-`, `_`, `+` or `/` appears.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  expd channel-id demo menu
  expd channel-id demo menu | base64 -d              [\"demo\",\"menu\",0,0]")]
pub struct ChannelId {
    /// The organization that the channel belongs to
    organization: String,
    /// The channel's name
    name: String,
    #[command(flatten)]
    flags: ChannelFlags,
    /// Spell it in the standard Base64 alphabet, as the vendor's SDKs do
    #[arg(long)]
    standard: bool,
}

impl ChannelId {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let channel = self.flags.channel(&self.name);
        // Checks the name alone: a user may listen everywhere.
        channel
            .may_listen(IdentityKind::User)
            .map_err(|rule| Failure::Usage(rule.to_string()))?;
        let alphabet = if self.standard {
            Alphabet::Standard
        } else {
            Alphabet::UrlSafe
        };
        let id = expd_domain::ChannelId::encode(&self.organization, &channel, alphabet);
        Output::new().text(id.as_str()).await
    }
}
