//! A client of the local API for whole-system tests: it runs on the machine whose node it speaks to, finds it as
//! `landline` does, and does what would take too many command lines. It also asks a relay for its figures.
#![allow(clippy::print_stdout, reason = "its output is its result")]

use std::time::Duration;

use anyhow::{Context, Result, bail};
use futures_util::future::try_join_all;
use serde::Deserialize;
use serde_json::{Value, json};

/// Messages of one page; the most that the API gives.
const PAGE: usize = 200;

#[derive(Deserialize)]
struct ApiFile {
    api: String,
    token: String,
}

/// A page of messages.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    items: Vec<Value>,
    next_before: Option<String>,
}

struct Client {
    http: reqwest::Client,
    api: String,
    token: String,
}

impl Client {
    fn new() -> Result<Self> {
        let dir = std::env::var("LANDLINE_DATA_DIR").context("LANDLINE_DATA_DIR is not set")?;
        let text = std::fs::read_to_string(format!("{dir}/api.json")).context("no node runs here")?;
        let ApiFile { api, token } = serde_json::from_str(&text)?;
        Ok(Self { http: reqwest::Client::new(), api, token })
    }

    /// Asks, and asks again when told to come back later.
    async fn answer(&self, request: reqwest::RequestBuilder) -> Result<Value> {
        let request = request.bearer_auth(&self.token);
        loop {
            let response = request.try_clone().context("a request can be repeated")?.send().await?;
            let status = response.status();
            let later = response.headers().get("retry-after").and_then(|value| value.to_str().ok()?.parse().ok());
            if let (429, Some(seconds)) = (status.as_u16(), later) {
                tokio::time::sleep(Duration::from_secs(seconds)).await;
                continue;
            }
            let text = response.text().await?;
            if !status.is_success() {
                bail!("{status}: {text}");
            }
            return Ok(serde_json::from_str(&text)?);
        }
    }

    /// Prints all messages of a session, oldest first.
    async fn history(&self, session: &str) -> Result<()> {
        let mut pages = Vec::new();
        let mut before = None;
        loop {
            let url = format!("{}/api/v1/sessions/{session}/messages?limit={PAGE}", self.api);
            let url = before.map_or(url.clone(), |cursor: String| format!("{url}&before={cursor}"));
            let page: Page = serde_json::from_value(self.answer(self.http.get(url)).await?)?;
            pages.push(page.items);
            before = page.next_before;
            if before.is_none() {
                break;
            }
        }
        for message in pages.iter().rev().flatten() {
            println!("{message}");
        }
        Ok(())
    }

    /// Sends so many messages by so many writers at once, each writer one after the other: a message that was
    /// answered is on the disk.
    async fn send(&self, session: &str, prefix: &str, writers: usize, each: usize) -> Result<()> {
        let url = format!("{}/api/v1/sessions/{session}/messages", self.api);
        let url = &url;
        let write = |writer: usize| async move {
            for number in 0..each {
                let text = format!("{prefix} {writer}.{number}");
                let id = format!("{}-{writer}.{number}", std::process::id());
                let body = json!({ "message": text, "tempId": id });
                let request = self.http.post(url).header("content-type", "application/json").body(body.to_string());
                self.answer(request).await.with_context(|| format!("message {writer}.{number}"))?;
            }
            anyhow::Ok(())
        };
        try_join_all((0..writers).map(write)).await?;
        Ok(())
    }
}

/// Prints what an address answers.
async fn get(url: &str) -> Result<()> {
    println!("{}", reqwest::get(url).await?.error_for_status()?.text().await?);
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let args: Vec<_> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["history", session] => Client::new()?.history(session).await,
        ["send", session, prefix, writers, each] => {
            Client::new()?.send(session, prefix, writers.parse()?, each.parse()?).await
        }
        ["get", url] => get(url).await,
        _ => bail!("usage: lab-client history SESSION | send SESSION PREFIX WRITERS EACH | get URL"),
    }
}
