//! The reference of `cargo xtask bench window`: a window of the same engine that shows an empty page, and nothing else.
#![allow(clippy::print_stdout, reason = "says when it is ready")]

use tauri::http::{Response, header::CONTENT_TYPE};
use tauri::webview::PageLoadEvent;
use tauri::{WebviewUrl, WebviewWindowBuilder};

/// `about:blank` is there before anybody listens and is never said to be loaded; a page of an own scheme is.
const PAGE: &str = "<!doctype html><title>Empty</title>";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    tauri::Builder::default()
        .register_uri_scheme_protocol("empty", |_, _| {
            Response::builder()
                .header(CONTENT_TYPE, "text/html")
                .body(PAGE.as_bytes().to_vec())
                .unwrap_or_else(|_| Response::new(Vec::new()))
        })
        .setup(|app| {
            WebviewWindowBuilder::new(app, "main", WebviewUrl::External("empty://localhost/".parse()?))
                .title("Empty")
                .inner_size(1080.0, 720.0)
                .on_page_load(|_, load| {
                    if load.event() == PageLoadEvent::Finished {
                        println!("ready");
                    }
                })
                .build()?;
            Ok(())
        })
        .run(tauri::generate_context!())?;
    Ok(())
}
