//! `landline token`, and tokens in the environment.

use crate::program::{Node, Ran, landline};

#[test]
fn a_token_from_making_to_revoking() {
    let node = Node::new("Anna");
    let args = ["token", "create", "--name", "bot", "--scope", "read,send", "--expires", "12h"];
    let token = node.run(&args).ok();
    let token = token.trim_end();
    assert_eq!(token.split('.').count(), 3, "because nothing but the token is printed: {token}");
    let by = |token: &str, args: &[&str]| {
        let api = node.api();
        Ran::of(landline().env("LANDLINE_API", api).env("LANDLINE_TOKEN", token).args(args))
    };
    assert_eq!(by(token, &["peers", "--json"]).json()["items"].as_array().unwrap().len(), 0);
    let line = by(token, &["token", "list"]).failed();
    assert!(line.contains("admin"), "because it names the scope that lacks: {line}");
    let line = by("nonsense", &["status"]).failed();
    assert!(line.contains("token"), "{line}");

    let listed = node.run(&["token", "list"]).ok();
    assert!(listed.starts_with("NAME") && listed.contains("bot") && listed.contains("read,send"), "{listed}");
    let listed = node.run(&["token", "list", "--json"]).json();
    let id = listed["items"][0]["tokenId"].as_str().unwrap();
    assert!(!listed.to_string().contains(token), "because a token is shown once");
    assert_eq!(node.run(&["token", "revoke", id]).ok(), "Revoked.\n");
    let line = by(token, &["peers"]).failed();
    assert!(line.contains("revoked"), "{line}");
    assert!(node.run(&["token", "list"]).ok().contains("revoked 2"));
    node.run(&["token", "revoke", "00000000-0000-4000-8000-000000000000"]).failed();
}

#[test]
fn the_owners_token_goes_nowhere_else() {
    let (anna, bert) = (Node::new("Anna"), Node::new("Bert"));
    let line = Ran::of(anna.command_for(&["status"]).env("LANDLINE_API", bert.api())).failed();
    assert!(line.contains("LANDLINE_TOKEN"), "because Anna's token is not for Bert: {line}");
    let port = anna.api().rsplit(':').next().unwrap().to_owned();
    assert!(Ran::of(anna.command_for(&["status"]).env("PORT", port)).code == Some(0), "because that is Anna's own");
}

#[test]
fn a_link_for_the_browser() {
    let node = Node::new("Anna");
    let link = node.run(&["open", "--print"]).ok();
    assert!(link.starts_with(&format!("{}/#login=", node.api())), "{link}");
    let json = node.run(&["open", "--json"]).json();
    assert_eq!(json["expiresInSeconds"], 600);
}
