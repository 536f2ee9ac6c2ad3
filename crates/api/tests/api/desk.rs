//! Somebody's node with its API, and a program that calls it.

use std::net::{Ipv4Addr, SocketAddr};

use landline_api::{Api, ApiConfig, Listen};
use reqwest::header::{AUTHORIZATION, HeaderMap};
use reqwest::{Method, StatusCode};
use serde_json::Value;
use testkit::{Net, Person};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Alice's node and its API.
pub(crate) struct Desk {
    pub(crate) person: Person,
    pub(crate) api: Api,
    http: reqwest::Client,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

/// Loopback, any port.
pub(crate) fn config() -> ApiConfig {
    ApiConfig { listen: Listen::Exactly(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))), ..ApiConfig::default() }
}

impl Desk {
    pub(crate) async fn of(person: &Person) -> Self {
        Self::with(person, config()).await
    }

    pub(crate) async fn with(person: &Person, config: ApiConfig) -> Self {
        let api = Api::start(person.node(), config).await.expect("the API starts");
        Self { person: person.clone(), api, http: reqwest::Client::builder().no_proxy().build().unwrap() }
    }

    /// A network of one, for what needs no other machine.
    pub(crate) async fn alone() -> (Net, Self) {
        let net = Net::new();
        let alice = net.alice().await;
        let desk = Self::of(&alice).await;
        (net, desk)
    }

    /// Ends the API, then everybody's node.
    pub(crate) async fn end(self, net: Net) {
        self.api.shutdown().await;
        net.end().await;
    }

    /// Calls as the owner.
    pub(crate) async fn call(&self, method: &str, path: &str, body: Option<Value>) -> Answer {
        self.call_as(Some(self.api.owner_token()), method, path, body).await
    }

    /// Gets as the owner, and expects success.
    pub(crate) async fn get(&self, path: &str) -> Value {
        let answer = self.call("GET", path, None).await;
        assert_eq!(answer.status, StatusCode::OK, "GET {path}: {}", answer.text);
        answer.json()
    }

    /// Posts as the owner, and expects success.
    pub(crate) async fn post(&self, path: &str, body: Value) -> Value {
        let answer = self.call("POST", path, Some(body)).await;
        assert!(answer.status.is_success(), "POST {path}: {} {}", answer.status, answer.text);
        answer.json()
    }

    /// Calls with another token, or none. `path` begins below `/api/v1`, or is whole when it begins with `//`.
    pub(crate) async fn call_as(&self, token: Option<&str>, method: &str, path: &str, body: Option<Value>) -> Answer {
        let mut request = self.request(method, path);
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        send(request).await
    }

    /// Calls with a header `Authorization` of any kind.
    pub(crate) async fn call_authorized_by(&self, header: &str, path: &str) -> Answer {
        send(self.request("GET", path).header(AUTHORIZATION, header)).await
    }

    /// A request that is not yet sent, without a token.
    pub(crate) fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        let path =
            path.strip_prefix('/').filter(|path| path.starts_with('/')).map_or(format!("/api/v1{path}"), str::to_owned);
        self.http.request(Method::from_bytes(method.as_bytes()).unwrap(), format!("{}{path}", self.api.url()))
    }

    /// Sends bytes as they are, and gives all that comes back until the connection ends.
    pub(crate) async fn raw(&self, bytes: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.api.addr()).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        let mut answer = Vec::new();
        // A connection that ends hard has still answered.
        let _ = tokio::time::timeout(testkit::PATIENCE, stream.read_to_end(&mut answer))
            .await
            .expect("it answers and closes");
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// A GET with the headers given and no others.
    pub(crate) async fn raw_get(&self, path: &str, headers: &[(&str, &str)]) -> String {
        let mut head = format!("GET {path} HTTP/1.1\r\nConnection: close\r\n");
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        self.raw(format!("{head}\r\n").as_bytes()).await
    }

    /// `127.0.0.1:PORT`
    pub(crate) fn host(&self) -> String {
        self.api.addr().to_string()
    }
}

pub(crate) async fn send(request: reqwest::RequestBuilder) -> Answer {
    let response = request.send().await.expect("the API answers");
    Answer {
        status: response.status(),
        headers: response.headers().clone(),
        text: response.text().await.unwrap_or_default(),
    }
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    /// Asserts a refusal in the one shape that all have, and gives it.
    pub(crate) fn refused(&self, status: u16, code: &str) -> Value {
        assert_eq!(
            (self.status.as_u16(), self.json()["error"]["code"].as_str()),
            (status, Some(code)),
            "{}",
            self.text
        );
        let error = self.json()["error"].clone();
        assert!(
            error["message"].as_str().is_some_and(|message| !message.is_empty()),
            "because a person must understand it"
        );
        assert!(self.text.len() < 2048, "because an error does not repeat what it was given");
        error
    }

    /// As [`Answer::refused`], for a certain field.
    pub(crate) fn refused_field(&self, status: u16, code: &str, field: &str) -> Value {
        let error = self.refused(status, code);
        assert_eq!(error["field"].as_str(), Some(field), "{}", self.text);
        error
    }
}
