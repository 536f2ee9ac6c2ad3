//! Every interval and deadline of the link, in one place, so that tests can pass short ones.

use std::time::Duration;

/// Intervals and deadlines. [`Timings::default`] is what programs use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timings {
    /// Time for one TCP connection to come about. Longer than a lost first SYN (1 s) and its second try (3 s).
    pub connect: Duration,
    /// Time for a TLS handshake, either side. A handshake takes under 1 ms of work; the rest is for slow networks.
    pub handshake: Duration,
    /// Time for the HTTP request that follows the handshake, and for the upgrade.
    pub upgrade: Duration,
    /// Time from the upgrade until the peer's `Hello`. Longer than `probe`, because the accepting side may first
    /// have to find out whether an older link still lives.
    pub hello: Duration,
    /// Interval of keep-alive pings (protocol: 15 s).
    pub ping: Duration,
    /// A link that stays silent this long is dead (protocol: 45 s, three pings).
    pub silence: Duration,
    /// How long what was sent may go without the other system's confirmation, before the way counts as gone. Shorter than
    /// `silence`: a message waits for this, and then takes another way. Longer than what a weak radio link is silent for.
    pub unconfirmed: Duration,
    /// Deadline for the ping that is sent at once after a network change or wake.
    pub probe: Duration,
    /// Deadline for the ping that asks a standing link whether it lives when the same peer dials anew. Shorter than
    /// `probe`: that it dials is a sign that it has lost the link.
    pub conflict: Duration,
    /// How long the peer may leave a write waiting before the link is given up.
    pub write_stall: Duration,
    /// Time for the last frames of a closing link.
    pub closing: Duration,
    /// Interval of keep-alive pings to a relay (protocol: 30 s). Longer than between machines, because a relay has
    /// thousands of clients, and a tunnel has its own pings.
    pub relay_ping: Duration,
    /// A relay that stays silent this long is gone (protocol: 90 s, three pings).
    pub relay_silence: Duration,
    /// Time for a relay's answer to a login or a request.
    pub relay_answer: Duration,
    /// Time from entering a tunnel until somebody is at its other end (protocol: a ticket counts for 15 s).
    pub circuit: Duration,
    /// What direct ways are given before a tunnel is dialled.
    pub direct_first: Duration,
    /// First back-off between attempts to reach a machine.
    pub backoff_first: Duration,
    /// Longest back-off.
    pub backoff_longest: Duration,
    /// How long the machine with the larger ID waits before it dials a machine it discovered.
    pub yield_to_smaller: Duration,
    /// A machine that nobody asked to remember and that is no longer seen is given up after this long.
    pub forget_unseen: Duration,
    /// How long a machine that flooded us or broke the protocol is refused.
    pub penalty: Duration,
    /// How often the mDNS browse is started anew. The browse interval of the library doubles up to an hour, so one
    /// lost answer would hide a machine for that long.
    pub rebrowse: Duration,
    /// How long leaving waits for the mDNS goodbye (measured: 1.0 s).
    pub goodbye: Duration,
    /// Interval of the broadcast beacon.
    pub beacon: Duration,
    /// How often wall and monotonic clock are compared to notice that the system slept.
    pub wake_check: Duration,
    /// How far the wall clock may run ahead of the monotonic one between two comparisons before it counts as sleep.
    pub wake_jump: Duration,
}

impl Timings {
    /// Longest time from the moment that an attempt has proven a key until it stands or has failed.
    pub(crate) fn claim(&self) -> Duration {
        self.upgrade + self.hello * 2
    }
}

impl Default for Timings {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            handshake: Duration::from_secs(5),
            upgrade: Duration::from_secs(5),
            hello: Duration::from_secs(10),
            ping: Duration::from_secs(15),
            silence: Duration::from_secs(45),
            unconfirmed: Duration::from_secs(20),
            probe: Duration::from_secs(3),
            conflict: Duration::from_secs(1),
            write_stall: Duration::from_secs(30),
            closing: Duration::from_secs(1),
            relay_ping: Duration::from_secs(30),
            relay_silence: Duration::from_secs(90),
            relay_answer: Duration::from_secs(10),
            circuit: Duration::from_secs(15),
            direct_first: Duration::from_secs(1),
            backoff_first: Duration::from_millis(500),
            backoff_longest: Duration::from_secs(60),
            yield_to_smaller: Duration::from_millis(150),
            forget_unseen: Duration::from_secs(600),
            penalty: Duration::from_secs(60),
            rebrowse: Duration::from_secs(45),
            goodbye: Duration::from_millis(1500),
            beacon: Duration::from_secs(30),
            wake_check: Duration::from_secs(5),
            wake_jump: Duration::from_secs(10),
        }
    }
}
