//! Gives back what WebKitGTK keeps after the last page is gone. Linux only.
//!
//! The process that draws a page ends with it. The one that loads it (network, cache, storage) stays for as long as the
//! program runs, about 30 MB, and serves nobody while the window is closed. WebKit starts another one with the next
//! page by itself, as it does when one crashes.

use std::fs;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

/// How long it gets to write down what the last page left, such as its local storage.
pub(crate) const GRACE: Duration = Duration::from_secs(5);

/// Name of the process, as the kernel keeps it (15 bytes).
const NAME: &str = "WebKitNetworkPr";

/// Ends the network process of this program, if there is one.
pub(crate) fn end_network_process() {
    for child in children() {
        let name = fs::read_to_string(format!("/proc/{child}/comm")).unwrap_or_default();
        let Some(pid) = Pid::from_raw(child).filter(|_| name.trim_end() == NAME) else { continue };
        if let Err(error) = kill_process(pid, Signal::TERM) {
            tracing::debug!(%error, "the network process of the web view had ended by itself");
        }
    }
}

/// The processes that this one has started.
fn children() -> Vec<i32> {
    let Ok(threads) = fs::read_dir("/proc/self/task") else { return Vec::new() };
    threads
        .flatten()
        .filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok())
        .flat_map(|line| line.split_whitespace().filter_map(|id| id.parse().ok()).collect::<Vec<i32>>())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_children_are_found_and_others_left_alone() {
        let mut child = std::process::Command::new("sleep").arg("600").spawn().unwrap();
        let found = children();
        assert!(found.contains(&i32::try_from(child.id()).unwrap()), "{found:?}");
        end_network_process();
        assert!(child.try_wait().unwrap().is_none(), "because it is no network process");
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
