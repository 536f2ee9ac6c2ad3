//! The idle time of Windows and macOS, which say it when they are asked.

use std::time::Duration;

use super::{IdleTime, ask_again};

/// The idle time as the system answers.
#[derive(Debug)]
pub(crate) struct PolledIdle;

impl IdleTime for PolledIdle {
    async fn idle(&self) -> Option<Duration> {
        since_input()
    }

    async fn turn(&self, idle: Option<Duration>, after: Duration) {
        tokio::time::sleep(ask_again(idle, after)).await;
    }
}

/// `GetLastInputInfo`: <https://learn.microsoft.com/windows/win32/api/winuser/nf-winuser-getlastinputinfo>.
#[cfg(windows)]
fn since_input() -> Option<Duration> {
    system_idle_time::get_idle_time().ok()
}

/// Input of any kind, of hardware alone: what programs make is nobody at the machine. See
/// <https://developer.apple.com/documentation/coregraphics/cgeventsource/secondssincelasteventtype(_:eventtype:)>.
#[cfg(target_os = "macos")]
fn since_input() -> Option<Duration> {
    use objc2_core_graphics::{CGEventSource, CGEventSourceStateID, CGEventType};

    /// `kCGAnyInputEventType`.
    const ANY_INPUT: CGEventType = CGEventType(u32::MAX);

    let seconds = CGEventSource::seconds_since_last_event_type(CGEventSourceStateID::HIDSystemState, ANY_INPUT);
    Duration::try_from_secs_f64(seconds).ok()
}
