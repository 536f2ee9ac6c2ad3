//! Where a click, a link or a second start wants to go: `landline://session/<id>` or `landline://add/…`.

use std::fmt;
use std::str::FromStr;

/// The scheme that Landline registers with the system.
pub const SCHEME: &str = "landline";

/// Longest link to a session that is looked at, in bytes: what is longer is no link of ours.
const LINK_BYTES: usize = 256;

/// What an invitation begins with.
const INVITATION: &str = "landline://add/";

/// Most characters of an invitation that are passed on: one more than its 2,048 bytes (docs/protocol.md, 19), so that a
/// longer one is refused as too long, and never cut to one that could be read.
const INVITATION_CHARS: usize = 2_049;

/// A place in the application that can be named from outside.
///
/// A link only ever *shows* something: what is here already, or a question. It can't send, accept or change anything,
/// because any web page can open one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// A session, by its ID.
    Session(String),
    /// The question whether somebody is to be added, with the invitation as it came. The page reads it, and says so when
    /// it can't.
    Invitation(String),
}

/// The link is none that Landline knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a link that Landline can open; it opens landline://add/ and landline://session/ followed by a session's ID"
)]
pub struct UnknownLink;

impl FromStr for Destination {
    type Err = UnknownLink;

    fn from_str(link: &str) -> Result<Self, UnknownLink> {
        let link = link.trim();
        if link.get(..INVITATION.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(INVITATION)) {
            return Ok(Self::Invitation(link.chars().take(INVITATION_CHARS).collect()));
        }
        if link.len() > LINK_BYTES {
            return Err(UnknownLink);
        }
        let (scheme, rest) = link.split_once("://").ok_or(UnknownLink)?;
        if !scheme.eq_ignore_ascii_case(SCHEME) {
            return Err(UnknownLink);
        }
        let mut parts = rest.trim_end_matches('/').split('/');
        match (parts.next(), parts.next(), parts.next()) {
            (Some(kind), Some(id), None) if kind.eq_ignore_ascii_case("session") => Self::session(id),
            _ => Err(UnknownLink),
        }
    }
}

impl Destination {
    /// The session with this ID.
    ///
    /// # Errors
    /// When it has not the form of a session's ID (a UUID).
    pub fn session(id: &str) -> Result<Self, UnknownLink> {
        let id = id.to_ascii_lowercase();
        let fits = id.len() == 36
            && id.bytes().enumerate().all(|(at, byte)| match at {
                8 | 13 | 18 | 23 => byte == b'-',
                _ => byte.is_ascii_hexdigit(),
            });
        if fits { Ok(Self::Session(id)) } else { Err(UnknownLink) }
    }

    /// The first link among a program's arguments, if there is one.
    pub fn among<S: AsRef<str>>(arguments: impl IntoIterator<Item = S>) -> Option<Self> {
        arguments.into_iter().find_map(|argument| argument.as_ref().parse().ok())
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Session(id) => write!(f, "{SCHEME}://session/{id}"),
            Self::Invitation(link) => f.write_str(link),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "6f2c1a84-0b1d-8f3e-9a77-0123456789ab";

    #[test]
    fn a_session_link_goes_there_and_back() {
        let destination: Destination = format!("landline://session/{ID}").parse().unwrap();
        assert_eq!(destination, Destination::Session(ID.to_owned()));
        assert_eq!(destination.to_string().parse(), Ok(destination));
    }

    #[test]
    fn browsers_may_change_case_and_add_a_slash() {
        let link = format!("LANDLINE://Session/{}/", ID.to_uppercase());
        assert_eq!(link.parse(), Ok(Destination::Session(ID.to_owned())));
    }

    #[test]
    fn an_invitation_is_passed_on_as_it_came() {
        for link in ["landline://add/landline1abc?name=Anna&token=x", "LANDLINE://Add/", "landline://add/%00#"] {
            let destination: Destination = link.parse().unwrap();
            assert_eq!(destination, Destination::Invitation(link.to_owned()), "because the page tells what is wrong");
            assert_eq!(destination.to_string().parse(), Ok(destination));
        }
        let Ok(Destination::Invitation(long)) = format!("landline://add/{}", "é".repeat(1_000_000)).parse() else {
            panic!("a long one is an invitation too");
        };
        assert_eq!(long.chars().count(), 2_049, "because 2,048 bytes could be one");
    }

    #[test]
    fn anything_else_is_refused() {
        for link in [
            "",
            "landline://",
            "landline:session",
            "landline://session/",
            "landline://session/not-an-id",
            &format!("landline://session/{ID}/more"),
            &format!("landline://accept/{ID}"),
            "landline://add",
            "landline:add/x",
            "https://add/x",
            &format!("https://session/{ID}"),
            &format!("landline://session/{ID}?x=1"),
            &format!("landline://session/{}", "é".repeat(18)),
            &format!("landline://session/{}", "a".repeat(1_000_000)),
        ] {
            assert_eq!(link.parse::<Destination>(), Err(UnknownLink), "{link:.80}");
        }
    }

    #[test]
    fn it_is_found_among_other_arguments() {
        let link = format!("landline://session/{ID}");
        assert_eq!(Destination::among(["--hidden", &link]), Some(Destination::Session(ID.to_owned())));
        assert_eq!(Destination::among(["--hidden"]), None);
    }
}
