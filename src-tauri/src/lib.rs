//! The desktop application: window, tray, system notifications, links and autostart around the chat node.
//!
//! The node and its local API run in this process. The page in the window reaches them through one command
//! (`bridge`) and hears of every change through one channel. Closing the window destroys the page and its memory;
//! the node goes on, and the tray or a click on a notification builds the window anew.

mod bridge;
mod clipboard;
mod desktop;
pub mod destination;
mod dialogs;
mod files;
pub mod geometry;
pub mod icons;
pub mod idle;
pub mod instance;
pub mod notify;
pub mod options;
mod program;
mod refusal;
#[cfg(target_os = "linux")]
mod renderer;
mod shell;
mod texts;
mod tray;
mod uploads;
#[cfg(target_os = "linux")]
mod web_process;
mod window;

pub use program::run;
pub use texts::Texts;

/// The application's name in the reverse domain form: desktop entry, bus name, icons, bundle.
pub const APPLICATION_ID: &str = "org.landline.Landline";
