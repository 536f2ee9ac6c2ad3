//! How a TCP connection between two machines is set.

use std::io;
use std::time::Duration;

use tokio::net::TcpStream;

/// Small frames go out at once; and a connection on which something was sent that the other side's system does not confirm for
/// so long ends (RFC 5482): the way is gone, though no cable was seen to go down. Where the system has no such option, silence
/// tells later.
///
/// # Errors
/// When the socket refuses an option, which it does once the other side has gone.
pub(crate) fn set(stream: &TcpStream, unconfirmed: Duration) -> io::Result<()> {
    stream.set_nodelay(true)?;
    #[cfg(any(target_os = "linux", target_os = "android"))]
    socket2::SockRef::from(stream).set_tcp_user_timeout(Some(unconfirmed))?;
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    let _ = unconfirmed;
    Ok(())
}
