//! Whom a word on the command line means.

use anyhow::bail;
use node::view::{Page, Session, Trust, User};
use serde_json::json;

use crate::client::Client;
use crate::output;

/// Fewest characters of an ID's beginning, after `landline1`.
const PREFIX_CHARS: usize = 4;

const MACHINE_PREFIX: &str = "landline1";

/// What a word can mean.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    /// A session.
    Session(String),
    /// A machine, with which there may be no session yet.
    User(String),
}

/// Finds what `word` means, among the sessions and machines of the node.
pub(crate) async fn find(client: &Client, word: &str) -> anyhow::Result<Target> {
    let sessions: Page<Session> = client.get(&["sessions"], &[]).await?;
    let users: Page<User> = client.get(&["users"], &[]).await?;
    pick(word, &sessions.items, &users.items)
}

/// Finds the session that `word` means.
pub(crate) async fn session(client: &Client, word: &str) -> anyhow::Result<Session> {
    let sessions: Page<Session> = client.get(&["sessions"], &[]).await?;
    let users: Page<User> = client.get(&["users"], &[]).await?;
    let target = pick(word, &sessions.items, &users.items)?;
    let found = sessions.items.into_iter().find(|session| match &target {
        Target::Session(id) => session.session_id == *id,
        Target::User(id) => session.peer.as_ref().is_some_and(|peer| peer.user_id == *id),
    });
    match found {
        Some(session) => Ok(session),
        None => bail!("there is no session with {}; `landline send` opens one", output::plain(word)),
    }
}

/// The ID of the session that `word` means; it is opened when there is none yet.
pub(crate) async fn open(client: &Client, word: &str) -> anyhow::Result<String> {
    match find(client, word).await? {
        Target::Session(id) => Ok(id),
        Target::User(id) => {
            let session: Session = client.post(&["sessions"], &json!({ "receiverUserId": id })).await?;
            Ok(session.session_id)
        }
    }
}

/// Finds the machine that `word` means.
pub(crate) async fn user(client: &Client, word: &str) -> anyhow::Result<String> {
    let users: Page<User> = client.get(&["users"], &[]).await?;
    match pick(word, &[], &users.items)? {
        Target::User(id) | Target::Session(id) => Ok(id),
    }
}

fn pick(word: &str, sessions: &[Session], users: &[User]) -> anyhow::Result<Target> {
    // A whole ID means what it names; nobody can take another's.
    if sessions.iter().any(|session| session.session_id.eq_ignore_ascii_case(word)) {
        return Ok(Target::Session(word.to_ascii_lowercase()));
    }
    if users.iter().any(|user| user.machine_id.eq_ignore_ascii_case(word)) {
        return Ok(Target::User(word.to_ascii_lowercase()));
    }
    // Beginnings and names count alike: somebody may name their machine like the beginning of another's ID.
    let mut found: Vec<(Target, String)> = Vec::new();
    for user in users {
        let named = user.trust != Trust::Blocked && !word.is_empty() && user.name.to_lowercase() == word.to_lowercase();
        if named || begins(&user.machine_id, word) {
            let line = format!("{}  {}", user.machine_id, output::plain(&user.name));
            found.push((Target::User(user.user_id.clone()), line));
        }
    }
    for session in sessions {
        if begins(&session.session_id, word) {
            let line = format!("{}  {}", session.session_id, output::plain(&session.title));
            found.push((Target::Session(session.session_id.clone()), line));
        }
    }
    let shown = output::plain(word);
    match found.as_slice() {
        [] => {
            let hint = if sessions.is_empty() {
                "`landline peers` lists machines"
            } else {
                "see `landline peers` and `landline sessions`"
            };
            bail!("nobody is called {shown}, and no ID begins so; {hint}")
        }
        [(target, _)] => Ok(target.clone()),
        several => {
            let lines: Vec<&str> = several.iter().map(|(_, line)| line.as_str()).collect();
            bail!("{shown} may mean any of {}: {}", several.len(), lines.join(", "))
        }
    }
}

fn begins(id: &str, word: &str) -> bool {
    let word = word.to_ascii_lowercase();
    // The part that is common to all machine IDs tells nothing.
    let (id, word) = match (id.strip_prefix(MACHINE_PREFIX), word.strip_prefix(MACHINE_PREFIX)) {
        (Some(id), Some(word)) => (id, word.to_owned()),
        (Some(id), None) => (id, word),
        (None, _) => (id, word),
    };
    word.chars().count() >= PREFIX_CHARS && id.starts_with(&word)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn user(id: &str, name: &str, trust: &str) -> User {
        serde_json::from_value(json!({
            "userId": id, "machineId": id, "name": name, "device": "", "statusText": "", "colour": 0, "keyTag": "",
            "status": "online", "lastSeen": null, "trust": trust, "path": "direct", "via": null, "relayed": false,
            "relays": [], "nearby": true, "nameClash": false, "clockSkewSeconds": null,
        }))
        .unwrap()
    }

    #[test]
    fn ids_beginnings_and_names() {
        let users = [user("landline1qqqqaaaa", "Anna", "accepted"), user("landline1qqqqbbbb", "Bert", "unknown")];
        let anna = Target::User("landline1qqqqaaaa".into());
        for word in ["landline1qqqqaaaa", "LANDLINE1QQQQAAAA", "qqqqa", "landline1qqqqa", "anna", "Anna"] {
            assert_eq!(pick(word, &[], &users).unwrap(), anna, "{word}");
        }
        for word in ["", "qqq", "landline1", "landline1qqq", "nobody"] {
            assert!(pick(word, &[], &users).unwrap_err().to_string().contains("nobody is called"), "{word}");
        }
    }

    #[test]
    fn who_is_meant_must_be_clear() {
        let users = [user("landline1qqqqaaaa", "Anna", "accepted"), user("landline1zzzzbbbb", "anna", "unknown")];
        let error = pick("Anna", &[], &users).unwrap_err().to_string();
        assert!(
            error.contains("landline1qqqqaaaa") && error.contains("landline1zzzzbbbb"),
            "because it lists both: {error}"
        );
        let users = [user("landline1qqqqaaaa", "Anna", "accepted"), user("landline1zzzzbbbb", "qqqqaaaa", "unknown")];
        assert!(pick("qqqqaaaa", &[], &users).is_err(), "because a name may imitate the beginning of an ID");
        let users = [user("landline1qqqqaaaa", "Anna", "accepted"), user("landline1zzzzbbbb", "Anna", "blocked")];
        assert!(pick("Anna", &[], &users).is_ok(), "because a blocked machine does not get in the way");
    }

    #[test]
    fn a_listed_name_cannot_act_on_the_terminal() {
        let users = [user("landline1qqqqaaaa", "x", "accepted"), user("landline1zzzzbbbb", "X", "unknown")];
        let hostile = [users[0].clone(), User { name: "qqqqa\u{1b}]0;x\u{7}".into(), ..users[1].clone() }];
        let error = pick("qqqqa\u{1b}]0;x\u{7}", &[], &hostile).unwrap();
        assert_eq!(error, Target::User("landline1zzzzbbbb".into()));
    }
}
