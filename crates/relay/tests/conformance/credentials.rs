//! A relay that shows NATS a credentials file, as `nsc` writes it. The tokens are made here: an operator vouches for an
//! account, and the account for the relay (NATS, "Decentralized JWT authentication").

use std::path::Path;
use std::sync::Arc;

use data_encoding::BASE64URL_NOPAD;
use landline_relay::mailboxes::Mailboxes as _;
use landline_relay::{NatsConfig, NatsLogin, NatsMailboxes};
use nkeys::KeyPair;
use proto::clock::ManualClock;
use serde_json::{Value, json};

use crate::nats_server::NatsServer;
use crate::scene::{NOW, machine, quotas};

/// What one vouches for in another's name.
fn vouch(by: &KeyPair, of: &KeyPair, mut claims: Value) -> String {
    claims["version"] = json!(2);
    let body = json!({ "iat": NOW, "iss": by.public_key(), "sub": of.public_key(), "name": "test", "nats": claims });
    let head = BASE64URL_NOPAD.encode(br#"{"typ":"JWT","alg":"ed25519-nkey"}"#);
    let said = format!("{head}.{}", BASE64URL_NOPAD.encode(body.to_string().as_bytes()));
    let signature = BASE64URL_NOPAD.encode(&by.sign(said.as_bytes()).unwrap());
    format!("{said}.{signature}")
}

/// An account. Only one that may store something has streams, which the servers' own must not.
fn account_of(operator: &KeyPair, account: &KeyPair, stores: bool) -> String {
    let (all, stored) = (-1, if stores { -1 } else { 0 });
    let limits = json!({
        "subs": all, "data": all, "payload": all, "imports": all, "exports": all, "wildcards": true, "conn": all,
        "leaf": all, "mem_storage": stored, "disk_storage": stored, "streams": stored, "consumer": stored,
    });
    vouch(operator, account, json!({ "type": "account", "limits": limits }))
}

fn write_credentials(path: &Path, account: &KeyPair) {
    let user = KeyPair::new_user();
    let token = vouch(account, &user, json!({ "type": "user", "subs": -1, "data": -1, "payload": -1 }));
    let file = format!(
        "-----BEGIN NATS USER JWT-----\n{token}\n------END NATS USER JWT------\n\n\
         -----BEGIN USER NKEY SEED-----\n{}\n------END USER NKEY SEED------\n",
        user.seed().unwrap()
    );
    std::fs::write(path, file).unwrap();
}

#[tokio::test]
async fn a_credentials_file_opens_the_account_that_vouched_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let (operator, account, system) = (KeyPair::new_operator(), KeyPair::new_account(), KeyPair::new_account());
    let trusted = vouch(&operator, &operator, json!({ "type": "operator" }));
    let preloaded = [(&account, true), (&system, false)]
        .map(|(account, stores)| format!("{}: {}", account.public_key(), account_of(&operator, account, stores)));
    let server = NatsServer::with(&format!(
        "operator: {trusted}\nsystem_account: {}\nresolver: MEMORY\nresolver_preload {{\n{}\n}}",
        system.public_key(),
        preloaded.join("\n")
    ));
    let open = async |account: &KeyPair| {
        let path = folder.path().join("relay.creds");
        write_credentials(&path, account);
        let login = NatsLogin::Credentials(path);
        let config = NatsConfig { login, ..NatsConfig::new(&server.url()).unwrap() };
        NatsMailboxes::open(&config, quotas(), Arc::new(ManualClock::new(NOW * 1_000))).await.unwrap()
    };
    assert_eq!(open(&account).await.enter(machine(1), NOW).await, Ok(vec![]));
    let stranger = open(&KeyPair::new_account()).await;
    let refused = stranger.enter(machine(1), NOW).await.unwrap_err().to_string();
    assert!(refused.to_lowercase().contains("authorization"), "because the operator does not vouch for it: {refused}");
}
