//! Somebody with a machine, as the stories of the tests tell it.

use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::host::{Host, program};
use crate::node::Node;
use crate::until::{SOON, until};

/// A person: a machine, and the node on it while it runs.
#[derive(Debug)]
pub struct Person {
    /// The machine.
    pub host: Host,
    args: Vec<String>,
    node: Option<Node>,
    id: String,
}

impl Person {
    /// Starts a node on a machine.
    #[must_use]
    pub fn start(host: Host, args: &[&str]) -> Self {
        let node = host.start_node(args);
        let id = node.id().to_owned();
        Self { host, args: args.iter().map(|arg| (*arg).to_owned()).collect(), node: Some(node), id }
    }

    /// The machine ID.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    fn name(&self) -> &str {
        self.host.name()
    }

    /// The running node.
    ///
    /// # Panics
    /// When it does not run.
    #[must_use]
    pub fn node(&self) -> &Node {
        self.node.as_ref().expect("the node runs")
    }

    /// Kills the node as a power cut would.
    ///
    /// # Panics
    /// When it does not run.
    pub fn is_killed(&mut self) {
        self.node.take().expect("the node runs").kill();
    }

    /// Ends the node in order.
    ///
    /// # Panics
    /// When it does not run.
    pub fn leaves(&mut self) {
        self.node.take().expect("the node runs").end();
    }

    /// Starts the node again, on the same profile.
    ///
    /// # Panics
    /// When it is somebody else then.
    pub fn returns(&mut self) {
        let args: Vec<_> = self.args.iter().map(String::as_str).collect();
        let node = self.host.start_node(&args);
        assert_eq!(node.id(), self.id, "a machine stays itself over a restart");
        self.node = Some(node);
    }

    /// A command of `landline` that must succeed.
    ///
    /// # Panics
    /// When it does not.
    pub fn cli(&self, args: &[&str]) -> Value {
        self.host.cli(args).unwrap_or_else(|error| panic!("{}: landline {args:?}: {error}", self.name()))
    }

    /// What this node knows of the other, when it knows it.
    fn knows(&self, other: &Self) -> Option<Value> {
        items(self.cli(&["peers"])).into_iter().find(|peer| peer["machineId"] == other.id())
    }

    /// Waits until a link with the other stands.
    pub fn meets(&self, other: &Self) {
        self.meets_within(other, SOON);
    }

    /// Waits longer than usual until a link with the other stands.
    pub fn meets_within(&self, other: &Self, limit: Duration) {
        until(&format!("{} is linked with {}", self.name(), other.name()), limit, || {
            self.knows(other).filter(|peer| peer["status"] == "online")
        });
    }

    /// Waits until this node knows that no link with the other stands.
    pub fn misses(&self, other: &Self, limit: Duration) {
        until(&format!("{} sees that {} is offline", self.name(), other.name()), limit, || {
            self.knows(other).filter(|peer| peer["status"] == "offline")
        });
    }

    /// Waits until the link with the other goes this way: `direct`, `relay` or `none`.
    pub fn is_linked(&self, other: &Self, way: &str, limit: Duration) {
        until(&format!("the way from {} to {} is {way}", self.name(), other.name()), limit, || {
            self.knows(other).filter(|peer| peer["path"] == way)
        });
    }

    /// Waits until its relay has it.
    ///
    /// # Panics
    /// When it has no relay, too.
    pub fn is_at_its_relay(&self) {
        until(&format!("{} is at its relay", self.name()), SOON, || {
            let relays = items(self.cli(&["relays"]));
            assert!(!relays.is_empty(), "{} has a relay", self.name());
            relays.iter().all(|relay| relay["state"] == "connected").then_some(())
        });
    }

    /// Waits until a relay has everything of this node's own that waits.
    pub fn has_left_all(&self, to: &Self, limit: Duration) {
        until(&format!("a relay holds all that {} wrote", self.name()), limit, || {
            let history = self.history(to);
            history.iter().all(|message| message["state"] != "queued" || message["heldBy"].is_string()).then_some(())
        });
    }

    /// Sends a text.
    pub fn says(&self, to: &Self, text: &str) -> Value {
        let message = self.cli(&["send", to.id(), text]);
        assert_eq!(message["message"], text, "the message that was sent is the one that was given");
        message
    }

    /// Accepts the other's request, once it is there.
    pub fn accepts(&self, other: &Self) {
        until(&format!("{} has a request of {}", self.name(), other.name()), SOON, || {
            self.knows(other).filter(|peer| peer["trust"] == "requested")
        });
        self.cli(&["accept", other.id()]);
    }

    /// The session with the other.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn session(&self, other: &Self) -> Value {
        let with = |session: &Value| {
            session["participants"].as_array().is_some_and(|all| all.iter().any(|it| it == other.id()))
        };
        let session = items(self.cli(&["sessions"])).into_iter().find(with);
        session.unwrap_or_else(|| panic!("{} has no session with {}", self.name(), other.name()))
    }

    /// All messages of the session with the other, oldest first.
    #[must_use]
    pub fn history(&self, other: &Self) -> Vec<Value> {
        let session = self.session(other)["sessionId"].as_str().expect("a session has an ID").to_owned();
        let output = self.host.command(&program("lab-client")).args(["history", &session]).output().unwrap();
        assert!(output.status.success(), "history: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// All texts of the session with the other, in order.
    #[must_use]
    pub fn texts(&self, other: &Self) -> Vec<String> {
        self.history(other).iter().map(|message| message["message"].as_str().unwrap().to_owned()).collect()
    }

    /// Waits until the session with the other ends with this text.
    pub fn hears(&self, from: &Self, text: &str) {
        until(&format!("{} has {text:?} of {}", self.name(), from.name()), SOON, || {
            let page = items(self.host.cli(&["history", from.id()]).ok()?);
            page.iter().any(|message| message["message"] == text && message["senderUserId"] == from.id()).then_some(())
        });
    }

    /// Waits until nothing of this node's own waits to be delivered.
    pub fn has_delivered_all(&self, limit: Duration) {
        until(&format!("everything of {} is delivered", self.name()), limit, || {
            (self.cli(&["status"])["waiting"] == 0).then_some(())
        });
    }

    /// Sends a file of its own; the attachment's ID.
    ///
    /// # Panics
    /// When it can't.
    pub fn sends_file(&self, to: &Self, path: &Path) -> String {
        let message = self.cli(&["send", to.id(), "--file", path.to_str().unwrap()]);
        message["attachments"][0]["attachmentId"].as_str().expect("the message names it").to_owned()
    }

    /// A transfer as this node shows it now.
    #[must_use]
    pub fn transfer(&self, id: &str) -> Option<Value> {
        items(self.host.cli(&["transfers"]).ok()?).into_iter().find(|transfer| transfer["transferId"] == id)
    }

    /// Waits until so many bytes of a file have come, but not all.
    ///
    /// # Panics
    /// When it is complete before.
    pub fn has_bytes(&self, id: &str, count: u64, limit: Duration) -> u64 {
        until(&format!("{} has {count} bytes of the file", self.name()), limit, || {
            let transfer = self.transfer(id)?;
            assert_ne!(transfer["state"], "complete", "because this was to be seen on its way");
            transfer["bytesDone"].as_u64().filter(|done| *done >= count)
        })
    }

    /// Waits until a file is whole here; where it lies.
    pub fn has_file(&self, from: &Self, id: &str, limit: Duration) -> PathBuf {
        until(&format!("{} has the whole file", self.name()), limit, || {
            self.transfer(id).filter(|transfer| transfer["state"] == "complete")
        });
        let attachments = self.history(from).into_iter().flat_map(|message| items(message["attachments"].clone()));
        let path =
            attachments.filter(|it| it["attachmentId"] == id).find_map(|it| it["path"].as_str().map(PathBuf::from));
        path.expect("a received file lies somewhere")
    }

    /// Starts sending many messages, several at a time; each reads `prefix WRITER.NUMBER`.
    ///
    /// # Panics
    /// When the program can't be started.
    #[must_use]
    pub fn starts_sending(&self, to: &Self, prefix: &str, writers: usize, each: usize) -> Sending {
        let session = self.session(to)["sessionId"].as_str().expect("a session has an ID").to_owned();
        let child = self
            .host
            .command(&program("lab-client"))
            .args(["send", &session, prefix, &writers.to_string(), &each.to_string()])
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        Sending { program: child, of: self.name().to_owned() }
    }
}

/// A program that sends many messages.
#[derive(Debug)]
pub struct Sending {
    program: Child,
    of: String,
}

impl Sending {
    /// Waits until all are on the sender's disk.
    ///
    /// # Panics
    /// When one of them was refused, or it takes too long.
    pub fn ends(mut self, limit: Duration) {
        let status = until("all messages are queued", limit, || self.program.try_wait().unwrap());
        assert!(status.success(), "{} could send all: {status}", self.of);
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        self.program.kill().ok();
        self.program.wait().ok();
    }
}

/// The rows of a list.
fn items(list: Value) -> Vec<Value> {
    match list {
        Value::Array(items) => items,
        Value::Object(mut page) => match page.remove("items") {
            Some(Value::Array(items)) => items,
            _ => panic!("a list has items: {page:?}"),
        },
        other => panic!("a list was expected: {other}"),
    }
}

/// Two people get to know each other: one writes, the other accepts and answers.
pub fn get_acquainted(anna: &Person, ben: &Person) {
    anna.meets(ben);
    ben.meets(anna);
    anna.says(ben, "Hello, it's me");
    ben.accepts(anna);
    ben.says(anna, "Hello to you");
    anna.hears(ben, "Hello to you");
    anna.has_delivered_all(SOON);
    ben.has_delivered_all(SOON);
}

/// Two people get to know each other by an invitation, with no way between them but a relay.
///
/// # Panics
/// When the invitation does not make each verified for the other.
pub fn meet_by_relay(anna: &Person, ben: &Person) {
    anna.is_at_its_relay();
    ben.is_at_its_relay();
    let link = anna.cli(&["invite"])["link"].as_str().expect("an invitation is a link").to_owned();
    let found = ben.cli(&["add", &link]);
    assert_eq!(found["trust"], "verified", "because the invitation counted");
    ben.is_linked(anna, "relay", SOON);
    anna.is_linked(ben, "relay", SOON);
    assert_eq!(anna.knows(ben).unwrap()["trust"], "verified", "because who shows the invitation was invited");
    anna.says(ben, "Hello, it's me");
    ben.hears(anna, "Hello, it's me");
    ben.says(anna, "Hello to you");
    anna.hears(ben, "Hello to you");
    anna.has_delivered_all(SOON);
    ben.has_delivered_all(SOON);
}

/// Both sides have the same messages in the same order, each once.
///
/// # Panics
/// When they have not.
pub fn assert_same_history(anna: &Person, ben: &Person) -> Vec<Value> {
    let (of_anna, of_ben) = (anna.history(ben), ben.history(anna));
    let ids = |history: &[Value]| {
        history.iter().map(|message| message["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let (anna_ids, ben_ids) = (ids(&of_anna), ids(&of_ben));
    let mut unique = anna_ids.clone();
    unique.sort();
    unique.dedup();
    assert_eq!(unique.len(), anna_ids.len(), "because each message is there once");
    if anna_ids != ben_ids {
        let first = anna_ids.iter().zip(&ben_ids).position(|(one, other)| one != other);
        panic!(
            "because both sides show the same: {} and {} messages, first difference at {first:?}",
            anna_ids.len(),
            ben_ids.len()
        );
    }
    let shown = |history: &[Value]| history.iter().map(|message| message["message"].clone()).collect::<Vec<_>>();
    assert_eq!(shown(&of_anna), shown(&of_ben), "because the same message has the same text");
    of_anna
}
