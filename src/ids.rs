//! Ids: one type a thing, a UUID inside, a prefix outside (`exp_…`), so that nobody passes one for another.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use uuid::Uuid;

/// A text that is not an id of the kind asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an id of this kind")]
pub struct NotAnId;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub Uuid);

        impl $name {
            /// What every id of this kind begins with on the wire.
            pub const PREFIX: &'static str = $prefix;
        }

        impl From<Uuid> for $name {
            fn from(id: Uuid) -> Self {
                Self(id)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}{}", $prefix, self.0.simple())
            }
        }

        impl FromStr for $name {
            type Err = NotAnId;

            fn from_str(text: &str) -> Result<Self, NotAnId> {
                let hex = text.strip_prefix($prefix).filter(|hex| hex.len() == 32).ok_or(NotAnId)?;
                if hex.bytes().any(|b| b.is_ascii_uppercase()) {
                    return Err(NotAnId); // one form an id
                }
                Uuid::try_parse(hex).map(Self).map_err(|_| NotAnId)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(|_| D::Error::custom(concat!("not an id that begins with ", $prefix)))
            }
        }
    )*};
}

ids! {
    /// A person.
    UserId = "usr_";
    /// A team.
    TeamId = "team_";
    /// A person's place in a team.
    MembershipId = "mem_";
    /// A signed-in browser.
    LoginId = "ses_";
    /// A request for a sign-in code.
    CodeRequestId = "req_";
    /// An API token.
    TokenId = "tok_";
    /// A creator's profile.
    ProfileId = "prof_";
    /// A space.
    SpaceId = "spc_";
    /// An experience.
    ExperienceId = "exp_";
    /// An access pass.
    PassId = "pass_";
    /// A price.
    PriceId = "price_";
    /// A purchase, also one that costs nothing.
    PurchaseId = "pur_";
    /// An access grant.
    GrantId = "grant_";
    /// One run of a live experience.
    BroadcastId = "bc_";
    /// A viewer's place in an experience, kept across reconnects.
    ViewerId = "view_";
    /// A job in the durable queue.
    JobId = "job_";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_survives_the_wire_and_is_not_taken_for_another_kind() {
        let id = ExperienceId(Uuid::from_u128(7));
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(id.to_string().parse::<SpaceId>(), Err(NotAnId));
        assert_eq!(id.to_string().to_uppercase().parse::<ExperienceId>(), Err(NotAnId));
    }
}
