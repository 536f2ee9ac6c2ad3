//! A cable between two machines that can be cut.

use std::net::SocketAddr;
use std::sync::Arc;

use link::tasks::Tasks;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;

/// Where cables begin that lead to a machine. No node listens there, so nobody can be dialled back around the cable: the
/// machine at its end believes its peer to be at this address.
const BACK: [u8; 4] = [127, 0, 0, 77];

/// Carries TCP connections to one address while it is whole.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    whole: Arc<watch::Sender<bool>>,
    _tasks: Tasks,
}

impl Proxy {
    /// A whole cable to `target`.
    pub async fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind((std::net::Ipv4Addr::new(127, 0, 0, 9), 0)).await.expect("a free port");
        let address = listener.local_addr().expect("a bound address");
        let whole = Arc::new(watch::Sender::new(true));
        let tasks = Tasks::new();
        let (spawner, state) = (tasks.spawner(), whole.clone());
        tasks.spawn("cable", async move {
            while let Ok((near, _)) = listener.accept().await {
                if *state.borrow() {
                    spawner.spawn("carry", carry(near, target, state.subscribe()));
                }
                // Dropped otherwise: a cut cable ends at once, so that tests need no time-out to notice it.
            }
        });
        Self { address, whole, _tasks: tasks }
    }

    /// Where to dial.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends what it carries, and carries nothing more.
    pub fn cut(&self) {
        self.whole.send_replace(false);
    }

    /// Carries again.
    pub fn heal(&self) {
        self.whole.send_replace(true);
    }
}

async fn carry(mut near: TcpStream, target: SocketAddr, mut whole: watch::Receiver<bool>) {
    let socket = TcpSocket::new_v4().expect("a socket");
    if socket.bind((BACK, 0).into()).is_err() {
        return;
    }
    let Ok(mut far) = socket.connect(target).await else { return };
    // Each end's small frames must not wait for the other's answer.
    let _ = (near.set_nodelay(true), far.set_nodelay(true));
    tokio::select! {
        _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
        _ = whole.wait_for(|whole| !whole) => {}
    }
}
