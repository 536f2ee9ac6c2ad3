//! The one window: built when it is wanted, destroyed when it is closed, so that the web view's memory is given back.

use node::view::{Settings, Theme};
use tauri::webview::NewWindowResponse;
use tauri::window::Color;
use tauri::{AppHandle, Manager as _, WebviewUrl, WebviewWindow, WebviewWindowBuilder};

use crate::geometry::{Geometry, MIN_SIZE};

/// The window's name inside Tauri.
pub(crate) const LABEL: &str = "main";

/// The page's own ground in the dark theme, shown until the page has drawn itself.
const DARK_GROUND: Color = Color(0x14, 0x17, 0x1b, 0xff);

/// The page's own ground in the light theme.
const LIGHT_GROUND: Color = Color(0xff, 0xff, 0xff, 0xff);

/// The window, if there is one.
#[must_use]
pub(crate) fn find(app: &AppHandle) -> Option<WebviewWindow> {
    app.get_webview_window(LABEL)
}

/// Brings the window to the front, built anew when it is closed. Call it on the main thread.
///
/// # Errors
/// When the system gives no window or no web view.
pub(crate) fn raise(
    app: &AppHandle,
    data_dir: &std::path::Path,
    settings: &Settings,
    activation_token: Option<&str>,
) -> tauri::Result<()> {
    let window = match find(app) {
        Some(window) => {
            window.unminimize()?;
            window.show()?;
            window
        }
        None => build(app, data_dir, settings)?,
    };
    present(&window, activation_token)
}

fn build(app: &AppHandle, data_dir: &std::path::Path, settings: &Settings) -> tauri::Result<WebviewWindow> {
    let geometry = Geometry::load(data_dir);
    let theme = window_theme(settings.theme);
    let dark = theme.map_or_else(system_prefers_dark, |theme| theme == tauri::Theme::Dark);
    let mut builder = WebviewWindowBuilder::new(app, LABEL, WebviewUrl::App("index.html".into()))
        .title("Landline")
        .inner_size(geometry.width, geometry.height)
        .min_inner_size(MIN_SIZE.0, MIN_SIZE.1)
        .maximized(geometry.maximized)
        .theme(theme)
        .background_color(if dark { DARK_GROUND } else { LIGHT_GROUND })
        .data_directory(data_dir.join("webview"))
        .focused(true)
        // The page is the application and nothing else: it goes nowhere, and links open in the system's own program.
        .on_navigation(|url| {
            url.scheme() == "tauri" || url.host_str() == Some("tauri.localhost") || url.as_str() == "about:blank"
        })
        .on_new_window(|_, _| NewWindowResponse::Deny)
        .on_download(|_, _| false);
    builder = match geometry.place_on(&screens(app)) {
        Some((x, y)) => builder.position(x, y),
        None => builder,
    };
    builder.build()
}

/// What is kept of a window when it closes.
///
/// # Errors
/// When the window is gone already.
pub(crate) fn geometry(window: &WebviewWindow) -> tauri::Result<Geometry> {
    let scale = window.scale_factor()?;
    let size = window.inner_size()?.to_logical::<f64>(scale);
    let place = window.outer_position().ok().map(|place| place.to_logical::<f64>(scale));
    Ok(Geometry {
        width: size.width,
        height: size.height,
        x: place.map(|place| place.x),
        y: place.map(|place| place.y),
        maximized: window.is_maximized()?,
    })
}

/// Follows a change of the appearance setting.
pub(crate) fn set_theme(app: &AppHandle, theme: Theme) {
    if let Some(window) = find(app)
        && let Err(error) = window.set_theme(window_theme(theme))
    {
        tracing::debug!(%error, "the window keeps its theme");
    }
}

fn window_theme(theme: Theme) -> Option<tauri::Theme> {
    match theme {
        Theme::System => None,
        Theme::Light => Some(tauri::Theme::Light),
        Theme::Dark => Some(tauri::Theme::Dark),
    }
}

/// The screens that are there, as left, top, width, height in logical pixels.
fn screens(app: &AppHandle) -> Vec<(f64, f64, f64, f64)> {
    let monitors = app.available_monitors().unwrap_or_default();
    monitors
        .iter()
        .map(|monitor| {
            let place = monitor.position().to_logical::<f64>(monitor.scale_factor());
            let size = monitor.size().to_logical::<f64>(monitor.scale_factor());
            (place.x, place.y, size.width, size.height)
        })
        .collect()
}

#[cfg(target_os = "linux")]
fn system_prefers_dark() -> bool {
    use gtk::prelude::GtkSettingsExt as _;
    gtk::Settings::default().is_some_and(|settings| {
        settings.is_gtk_application_prefer_dark_theme()
            || settings.gtk_theme_name().is_some_and(|name| name.to_lowercase().ends_with("-dark"))
    })
}

#[cfg(not(target_os = "linux"))]
fn system_prefers_dark() -> bool {
    // The window's own ground follows the system's theme there.
    false
}

/// Brings a window to the front with the permission that came with the click.
///
/// Wayland lets a window come forward only with such a token, which has to be with the display before the window asks.
/// X11 goes by the time of the user's action: it stands in the token, or is now, since a click led here.
#[cfg(target_os = "linux")]
fn present(window: &WebviewWindow, activation_token: Option<&str>) -> tauri::Result<()> {
    use gtk::prelude::{Cast as _, GtkWindowExt as _, WidgetExt as _};

    let gtk_window = window.gtk_window()?;
    let display = gtk_window.display();
    if let Some(wayland) = display.downcast_ref::<gdkwayland::WaylandDisplay>() {
        if let Some(token) = activation_token {
            wayland.set_startup_notification_id(token);
        }
        gtk_window.present();
        return Ok(());
    }
    if let Some(token) = activation_token {
        gtk_window.set_startup_id(token);
    }
    match gtk_window.window().and_then(|surface| surface.downcast::<gdkx11::X11Window>().ok()) {
        Some(surface) => gtk_window.present_with_time(gdkx11::functions::x11_get_server_time(&surface)),
        None => gtk_window.present(),
    }
    Ok(())
}

#[cfg(not(target_os = "linux"))]
fn present(window: &WebviewWindow, _activation_token: Option<&str>) -> tauri::Result<()> {
    window.set_focus()
}
