//! The connection to a running node.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, bail};
use api::ApiFile;
use api::error::ErrorReply;
use reqwest::{Method, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::options::Place;

/// How long a connection to loopback may take.
const CONNECT: Duration = Duration::from_secs(5);

/// How long an answer may take; adding an address waits for another machine.
const ANSWER: Duration = Duration::from_secs(60);

const MISUNDERSTOOD: &str = "the node's answer is not understood; is it of the same version?";

/// A running node's API.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    /// `http://127.0.0.1:4280`
    pub(crate) base: String,
    token: String,
}

/// Nothing answers: the node may be on its way, or gone.
#[derive(Debug)]
pub(crate) struct Unreachable(String);

impl std::fmt::Display for Unreachable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Unreachable {}

/// The data directory that the options mean.
pub(crate) fn data_dir(place: &Place) -> anyhow::Result<PathBuf> {
    match &place.data_dir {
        Some(dir) => Ok(dir.clone()),
        None => Ok(api::default_data_dir(place.profile.as_deref())?),
    }
}

impl Client {
    /// Finds the running node.
    pub(crate) fn find(place: &Place) -> anyhow::Result<Self> {
        let dir = data_dir(place)?;
        let said = match (place.api, place.port) {
            (Some(addr), _) => Some(format!("http://{}", addr.0)),
            (None, Some(port)) => Some(format!("http://127.0.0.1:{port}")),
            (None, None) => None,
        };
        let (base, token) = match (said, &place.token) {
            (Some(base), Some(token)) => (base, token.clone()),
            (said, token) => {
                let file =
                    ApiFile::read(&dir).with_context(|| format!("cannot read {}", ApiFile::path(&dir).display()))?;
                match (file, said, token) {
                    // The owner's token goes nowhere but where its file says.
                    (Some(file), Some(said), None) if file.api == said => (said, file.token),
                    (_, Some(said), None) => {
                        bail!("{said} is not the node of {}; give its token in LANDLINE_TOKEN", dir.display())
                    }
                    (Some(file), _, Some(token)) => (file.api, token.clone()),
                    (Some(file), None, None) => (file.api, file.token),
                    (None, ..) => {
                        let text = format!("no node runs for {}; start one with `landline node`", dir.display());
                        return Err(Unreachable(text).into());
                    }
                }
            }
        };
        // Without a proxy: one from the environment would be handed the token.
        let http = reqwest::Client::builder().no_proxy().connect_timeout(CONNECT).build()?;
        Ok(Self { http, base, token })
    }

    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &[&str], query: &[(&str, &str)]) -> anyhow::Result<T> {
        self.call(Method::GET, path, query, None::<&()>).await
    }

    pub(crate) async fn post<T: DeserializeOwned>(&self, path: &[&str], body: &impl Serialize) -> anyhow::Result<T> {
        self.call(Method::POST, path, &[], Some(body)).await
    }

    pub(crate) async fn put<T: DeserializeOwned>(&self, path: &[&str]) -> anyhow::Result<T> {
        self.call(Method::PUT, path, &[], None::<&()>).await
    }

    pub(crate) async fn patch<T: DeserializeOwned>(&self, path: &[&str], body: &impl Serialize) -> anyhow::Result<T> {
        self.call(Method::PATCH, path, &[], Some(body)).await
    }

    pub(crate) async fn delete<T: DeserializeOwned>(&self, path: &[&str], query: &[(&str, &str)]) -> anyhow::Result<T> {
        self.call(Method::DELETE, path, query, None::<&()>).await
    }

    async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &[&str],
        query: &[(&str, &str)],
        body: Option<&impl Serialize>,
    ) -> anyhow::Result<T> {
        let mut request = self.request(method, path, query)?.timeout(ANSWER);
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = self.send(request).await?;
        response.json().await.context(MISUNDERSTOOD)
    }

    /// As [`Client::post`], for what may take as long as it takes.
    pub(crate) async fn post_slowly<T: DeserializeOwned>(
        &self,
        path: &[&str],
        body: &impl Serialize,
    ) -> anyhow::Result<T> {
        let response = self.send(self.request(Method::POST, path, &[])?.json(body)).await?;
        response.json().await.context(MISUNDERSTOOD)
    }

    /// Sends bytes as they come.
    pub(crate) async fn upload<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
        body: reqwest::Body,
    ) -> anyhow::Result<T> {
        let request = self.request(Method::POST, path, query)?;
        let response = self.send(request.header("Content-Type", "application/octet-stream").body(body)).await?;
        response.json().await.context(MISUNDERSTOOD)
    }

    /// Opens something that is no JSON.
    pub(crate) async fn content(&self, path: &[&str]) -> anyhow::Result<Response> {
        self.send(self.request(Method::GET, path, &[])?).await
    }

    /// Opens the stream of events, which has no end of its own.
    pub(crate) async fn events(&self) -> anyhow::Result<Response> {
        self.send(self.request(Method::GET, &["events"], &[])?).await
    }

    fn request(
        &self,
        method: Method,
        path: &[&str],
        query: &[(&str, &str)],
    ) -> anyhow::Result<reqwest::RequestBuilder> {
        let mut url = reqwest::Url::parse(&self.base)?;
        // Each part is escaped, so no argument can lead elsewhere.
        match url.path_segments_mut() {
            Ok(mut parts) => parts.clear().extend(["api", "v1"]).extend(path),
            Err(()) => bail!("{} is no address of an API", self.base),
        };
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        Ok(self.http.request(method, url).bearer_auth(&self.token))
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> anyhow::Result<Response> {
        let response = request.send().await.map_err(|error| {
            let cause = if error.is_timeout() { "it does not answer" } else { "nothing answers" };
            Unreachable(format!("cannot reach the node at {}: {cause}; start one with `landline node`", self.base))
        })?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let code = status.as_u16();
        match response.json::<ErrorReply>().await {
            Ok(ErrorReply { error }) if code == 503 => Err(Unreachable(error.message).into()),
            Ok(ErrorReply { error }) => bail!("{}", error.message),
            Err(_) => bail!("{} answered with {status}; is it Landline?", self.base),
        }
    }
}
