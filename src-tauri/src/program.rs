//! From the command line to the event loop and back.

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use api::{Api, ApiConfig, Listen};
use clap::Parser as _;
use node::{Config, KeyStore, Node};
use tauri::{DragDropEvent, RunEvent, WindowEvent};
use tokio::sync::mpsc;
use tracing_subscriber::EnvFilter;

use crate::desktop::Desktop;
#[cfg(not(target_os = "linux"))]
use crate::destination::Destination;
use crate::instance::{self, Wish};
use crate::options::Options;
use crate::refusal::Refusal;
use crate::shell::{self, OnClose, Shell};
use crate::texts::Texts;
use crate::{bridge, dialogs, files, uploads, window};

/// Runs the program until the person ends it.
#[must_use]
pub fn run() -> ExitCode {
    #[cfg(target_os = "linux")]
    crate::renderer::choose();
    let options = Options::parse();
    start_log();
    // Before a profile is open, its language is not known: the system's stands in.
    let texts = Texts::for_language("");
    // The window's own library would end the program without a word that helps.
    #[cfg(target_os = "linux")]
    if gtk::init().is_err() {
        return refuse(&Refusal::no_display(&texts));
    }
    let data_dir = match options.data_dir.clone().map_or_else(|| api::default_data_dir(options.profile.as_deref()), Ok)
    {
        Ok(data_dir) => data_dir,
        Err(error) => return refuse(&Refusal::of_cause(&error.to_string(), &texts)),
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return refuse(&Refusal::of_cause(&error.to_string(), &texts)),
    };
    tauri::async_runtime::set(runtime.handle().clone());
    // The event loop's thread starts tasks too.
    let _inside = runtime.enter();

    let wish = Wish {
        destination: options.link.as_deref().and_then(|link| link.parse().ok()),
        activation_token: instance::own_activation_token(),
        read: None,
    };
    let Some(first) = runtime.block_on(become_first(&options, &data_dir, &wish)) else {
        return ExitCode::SUCCESS;
    };
    let (node, api) = match runtime.block_on(start_node(&options, data_dir, &texts)) {
        Ok(started) => started,
        Err(refusal) => return refuse(&refusal),
    };
    tracing::debug!("the node runs");
    let shell = Shell::new(node, api);
    let code = match event_loop(&shell, &options, wish, first) {
        Ok(code) => u8::try_from(code).map_or(ExitCode::FAILURE, ExitCode::from),
        Err(error) => {
            tracing::error!(%error, "the desktop cannot be reached");
            ExitCode::FAILURE
        }
    };
    runtime.block_on(shell.shut_down());
    code
}

fn refuse(refusal: &Refusal) -> ExitCode {
    refusal.show();
    ExitCode::FAILURE
}

fn start_log() {
    let filter = EnvFilter::try_from_env("LANDLINE_LOG").unwrap_or_else(|_| EnvFilter::new("warn,zbus=error"));
    let colours = std::io::stderr().is_terminal();
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colours).with_writer(std::io::stderr).init();
}

/// What being the first program of a profile comes with.
struct First {
    desktop: Desktop,
    wishes: Option<mpsc::Receiver<Wish>>,
}

/// Becomes the one program of this profile; `None` when another runs and has been told what is wanted.
#[cfg(target_os = "linux")]
async fn become_first(options: &Options, data_dir: &Path, wish: &Wish) -> Option<First> {
    use crate::instance::linux::{Claim, bus_name, claim};

    let default_profile = options.opens_default_profile();
    let startable = default_profile && crate::icons::desktop_entry_installed();
    let absolute = std::path::absolute(data_dir).unwrap_or_else(|_| data_dir.to_owned());
    let name = bus_name(default_profile, &absolute);
    let claimed = match zbus::connection::Builder::session() {
        Ok(bus) => claim(bus, &name, wish).await,
        Err(error) => Err(error),
    };
    let (bus, claim) = match claimed {
        Ok(claimed) => claimed,
        Err(error) => {
            tracing::warn!(%error, "no session bus: no notifications, no tray, and a second start can't raise the first");
            let desktop = Desktop { bus: Err(error.to_string()), startable };
            return Some(First { desktop, wishes: None });
        }
    };
    let wishes = match claim {
        Claim::First(wishes) => Some(wishes),
        Claim::HandedOver => return None,
        // The profile's own lock still keeps two programs apart.
        Claim::Refused(error) => {
            tracing::warn!(%error, "the session bus did not give the application's name");
            None
        }
    };
    Some(First { desktop: Desktop { bus: Ok(bus), startable }, wishes })
}

#[cfg(not(target_os = "linux"))]
#[expect(clippy::unused_async, reason = "Linux asks the bus")]
async fn become_first(_options: &Options, _data_dir: &Path, _wish: &Wish) -> Option<First> {
    Some(First { desktop: Desktop {}, wishes: None })
}

async fn start_node(options: &Options, data_dir: PathBuf, texts: &Texts) -> Result<(Node, Api), Refusal> {
    let downloads = api::default_downloads(&data_dir);
    let mut config = Config::new(data_dir);
    config.downloads = downloads;
    config.name.clone_from(&options.name);
    config.typed_peers.clone_from(&options.peers);
    config.mdns = !options.no_mdns;
    config.beacon = !options.no_beacon;
    if let Some(listen) = options.listen {
        config.listen = listen;
    }
    if options.key_file {
        config.key_store = KeyStore::File;
    }
    let node = Node::start(config).await.map_err(|error| Refusal::of_start(&error, texts))?;
    let listen = options.api.map_or(Listen::Usual, Listen::Exactly);
    let api = ApiConfig { listen, ..ApiConfig::default() };
    match Api::start(node.clone(), api).await {
        Ok(api) => Ok((node, api)),
        Err(error) => {
            node.shutdown().await;
            Err(Refusal::of_cause(&error.to_string(), texts))
        }
    }
}

fn event_loop(shell: &Arc<Shell>, options: &Options, wish: Wish, first: First) -> tauri::Result<i32> {
    let mut context = tauri::generate_context!();
    name_profile(&mut context, options);
    let builder = tauri::Builder::default()
        .plugin(tauri_plugin_autostart::Builder::new().args(["--hidden"]).build())
        .manage(shell.clone())
        .manage(uploads::Uploads::default())
        .invoke_handler(tauri::generate_handler![
            bridge::rpc,
            bridge::subscribe,
            bridge::shell_info,
            bridge::notification_test,
            bridge::set_close_choice,
            bridge::open_external,
            files::attachment_thumbnail,
            files::attachment_content,
            files::open_attachment,
            files::show_attachment,
            files::paste_files,
            files::read_picture,
            dialogs::choose_files,
            dialogs::choose_folder,
            uploads::begin_upload,
            uploads::write_upload,
            uploads::finish_upload,
            uploads::drop_upload,
        ]);
    let app = with_system_plugins(builder, shell).build(context)?;
    let First { desktop, wishes } = first;
    shell.run(app.handle().clone(), wishes, desktop);
    end_on_signals(shell);
    if wants_window(options.hidden, &wish) {
        shell.raise(wish.destination, wish.activation_token);
    }
    let shell = shell.clone();
    Ok(app.run_return(move |app, event| on_event(&shell, app, event)))
}

/// Whether the first start shows a window: a link is a wish to see something, even for a hidden start.
fn wants_window(hidden: bool, wish: &Wish) -> bool {
    !hidden || wish.destination.is_some()
}

/// Other profiles get an identifier of their own: it is what tells programs apart on Windows and macOS.
fn name_profile(context: &mut tauri::Context, options: &Options) {
    let mark = match (&options.data_dir, &options.profile) {
        (None, None) => return,
        (None, Some(profile)) => profile.clone(),
        (Some(folder), _) => folder.display().to_string(),
    };
    let plain: String = mark.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let identifier = format!("{}.profile-{plain}", context.config().identifier);
    context.config_mut().identifier = identifier;
}

#[cfg(target_os = "linux")]
fn with_system_plugins(builder: tauri::Builder<tauri::Wry>, _shell: &Arc<Shell>) -> tauri::Builder<tauri::Wry> {
    builder
}

#[cfg(not(target_os = "linux"))]
fn with_system_plugins(builder: tauri::Builder<tauri::Wry>, shell: &Arc<Shell>) -> tauri::Builder<tauri::Wry> {
    let first = shell.clone();
    let builder = builder.plugin(tauri_plugin_single_instance::init(move |_, arguments, _| {
        first.raise(Destination::among(arguments), None);
    }));
    #[cfg(windows)]
    let builder = builder.plugin(tauri_plugin_deep_link::init()).setup(|app| {
        use tauri_plugin_deep_link::DeepLinkExt as _;
        // The installer registers the scheme; this repairs it for a program that was only copied.
        if let Err(error) = app.deep_link().register(crate::destination::SCHEME) {
            tracing::warn!(%error, "landline:// links do not open Landline");
        }
        Ok(())
    });
    builder
}

/// Logging out, `systemctl stop` and Ctrl+C end the program as the menu does.
fn end_on_signals(shell: &Arc<Shell>) {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let shell = shell.clone();
        tauri::async_runtime::spawn(async move {
            let (Ok(mut terminate), Ok(mut interrupt)) =
                (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
            else {
                return;
            };
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            shell.quit();
        });
    }
    #[cfg(not(unix))]
    let _ = shell;
}

fn on_event(shell: &Arc<Shell>, app: &tauri::AppHandle, event: RunEvent) {
    match event {
        RunEvent::WindowEvent { label, event, .. } if label == window::LABEL => match event {
            WindowEvent::CloseRequested { api, .. } => {
                if let Some(window) = window::find(app) {
                    shell::remember(&window, shell.data_dir());
                }
                match shell.close_requested() {
                    OnClose::Keep => {}
                    OnClose::Quit => shell.quit(),
                    OnClose::Ask => api.prevent_close(),
                }
            }
            WindowEvent::Focused(focused) => shell.window_focused(focused),
            WindowEvent::DragDrop(drag) => match drag {
                DragDropEvent::Enter { .. } => shell.files_dragged(true),
                DragDropEvent::Drop { paths, .. } => shell.files_dropped(paths),
                DragDropEvent::Leave => shell.files_dragged(false),
                _ => {}
            },
            WindowEvent::Destroyed => shell.window_destroyed(),
            _ => {}
        },
        // The last window has gone. The program ends when somebody says so, and then only after the node.
        RunEvent::ExitRequested { code: None, api, .. } => api.prevent_exit(),
        #[cfg(target_os = "macos")]
        RunEvent::Opened { urls } => shell.raise(Destination::among(urls), None),
        #[cfg(target_os = "macos")]
        RunEvent::Reopen { .. } => shell.raise(None, None),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hidden_start_shows_a_window_only_for_a_link() {
        let link = Wish {
            destination: "landline://session/6f2c1a84-0b1d-8f3e-9a77-0123456789ab".parse().ok(),
            ..Wish::default()
        };
        assert!(wants_window(false, &Wish::default()));
        assert!(!wants_window(true, &Wish::default()));
        assert!(wants_window(true, &link));
    }
}
