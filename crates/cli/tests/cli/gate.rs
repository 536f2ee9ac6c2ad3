//! A gate before a node's API: what a program asks is held back until the test lets it through, so that something can happen
//! between two of its questions.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

use crate::program::PATIENCE;

/// Holds back what is asked of `/sessions` once the stream of events was asked for.
pub(crate) struct Gate {
    pub(crate) address: String,
    state: Arc<(Mutex<State>, Condvar)>,
}

#[derive(Default)]
struct State {
    streaming: bool,
    held: bool,
    open: bool,
}

impl Gate {
    /// In front of an API, `http://…`.
    pub(crate) fn before(api: &str) -> Self {
        let node = api.replace("http://", "");
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let state = Arc::<(Mutex<State>, Condvar)>::default();
        let shared = state.clone();
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let (node, state) = (node.clone(), shared.clone());
                thread::spawn(move || pass(&client, &node, &state));
            }
        });
        Self { address, state }
    }

    /// Waits until something is held back.
    pub(crate) fn holds(&self) {
        let (state, changed) = &*self.state;
        let waited = changed.wait_timeout_while(state.lock().unwrap(), PATIENCE, |state| !state.held).unwrap();
        assert!(!waited.1.timed_out(), "nothing is asked");
    }

    /// Lets everything through.
    pub(crate) fn open(&self) {
        let (state, changed) = &*self.state;
        state.lock().unwrap().open = true;
        changed.notify_all();
    }
}

fn pass(client: &TcpStream, node: &str, (state, changed): &(Mutex<State>, Condvar)) {
    let mut upstream = TcpStream::connect(node).unwrap();
    let (mut from, mut to) = (upstream.try_clone().unwrap(), client.try_clone().unwrap());
    thread::spawn(move || {
        // It ends with either side.
        let _ = std::io::copy(&mut from, &mut to);
        let _ = to.shutdown(std::net::Shutdown::Both);
    });
    for line in BufReader::new(client).lines().map_while(Result::ok) {
        if line.starts_with("GET ") {
            let mut state = state.lock().unwrap();
            state.streaming |= line.contains("/events");
            if line.contains("/sessions") && state.streaming {
                state.held = true;
                changed.notify_all();
                drop(changed.wait_while(state, |state| !state.open).unwrap());
            }
        }
        // The node answers only who asks it by its own name.
        let line = if line.to_ascii_lowercase().starts_with("host:") { format!("Host: {node}") } else { line };
        if upstream.write_all(format!("{line}\r\n").as_bytes()).is_err() {
            return;
        }
    }
}
