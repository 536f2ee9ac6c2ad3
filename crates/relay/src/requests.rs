//! What a client asks for, and what it is told.

use std::time::Duration;

use bytes::{BufMut as _, Bytes, BytesMut};
use futures_util::FutureExt as _;
use proto::id::MachineId;
use proto::identity::Signature;
use proto::limits;
use proto::prekey::SignedPrekey;
use proto::relay::{
    FileLimits, FromRelay, Item, Limits, Login, LoginError, RefusalCode, Refused, RelayBye, Request, Ticket, ToRelay,
    TokenEntry, TokenHash,
};

use crate::circuits::NoCircuit;
use crate::client::{Client, End, Outcome};
use crate::mailboxes::{Kept, MailboxError, Put, Token, TokenChange};
use crate::metrics::{Figures, count};
use crate::relay::Inner;

/// Most machines that a connection watches.
const WATCHES: usize = 4_096;

/// Bytes of a signature before the register in what the store keeps of a prekey.
const SIGNATURE_BYTES: usize = 64;

/// How long a sender does well to wait while the relay's store can't be reached, in seconds.
pub(crate) const AWAY_S: u32 = 10;

/// Bytes of an `Items` frame beside its items.
const ITEMS_BYTES: usize = 32;

impl Client {
    /// Does what a frame asks for.
    pub(crate) async fn ask(&mut self, frame: ToRelay) -> Result<Outcome, End> {
        let (request, machine) = (frame.request(), self.machine);
        match (frame, machine) {
            (ToRelay::Login(login), None) => Ok(self.log_in(login).await),
            (ToRelay::Login(_), Some(_)) => Err(End::Bye(RelayBye::Protocol)),
            (ToRelay::Watch { request, items, replace }, _) => Ok(Outcome::Now(self.watch(request, &items, replace))),
            (ToRelay::Open { request, machine, token }, _) => Ok(self.open(request, machine, *token.hash().as_bytes())),
            (ToRelay::Put { request, to, token, envelope }, _) => {
                Ok(self.put(request, to, token.map(|token| token.hash()), envelope))
            }
            (ToRelay::GetPrekey { request, machine }, _) => Ok(self.get_prekey(request, machine)),
            (ToRelay::Tokens { request, add, remove, replace }, Some(machine)) => {
                Ok(now(self.change_tokens(request, machine, &add, &remove, replace).await))
            }
            (ToRelay::Fetch { request, after, limit }, Some(machine)) => Ok(self.fetch(request, machine, after, limit)),
            (ToRelay::Ack { request, cursors }, Some(machine)) => Ok(self.acknowledge(request, machine, cursors)),
            (ToRelay::Publish { request, prekey }, Some(machine)) => {
                Ok(now(self.publish(request, machine, &prekey).await))
            }
            (ToRelay::Ignored(_), _) => Ok(Outcome::Now(Vec::new())),
            (_, None) => Ok(now(self.refuse(request, RefusalCode::NotLoggedIn, "this needs a login"))),
        }
    }

    async fn log_in(&mut self, login: Login) -> Outcome {
        let relay = self.relay.clone();
        let refuse = |code, detail: &str| Outcome::Last(self.refuse(None, code, detail));
        if let Err(error) = relay.verify(&login, &self.nonce) {
            let code = match error {
                LoginError::Version(_) => RefusalCode::Version,
                LoginError::OtherRelay | LoginError::Signature => RefusalCode::BadProof,
            };
            return refuse(code, &error.to_string());
        }
        if !relay.members.admits(&login.machine, login.membership.as_deref()) {
            return refuse(RefusalCode::NotMember, "this relay is for its members");
        }
        let now_s = relay.now_s();
        match relay.mailboxes.enter(login.machine, now_s).await {
            Ok(tokens) => {
                self.machine = Some(login.machine);
                relay.hub.enter(login.machine, &self.line, &tokens, login.membership, now_s);
                count(&relay.figures.logins);
                now(FromRelay::Welcome { limits: welcome(&relay), wall_ms: relay.wall_ms() })
            }
            Err(error) => Outcome::Last(refusal(&relay, None, &error)),
        }
    }

    fn watch(&mut self, request: Request, items: &[(MachineId, proto::relay::Token)], replace: bool) -> Vec<FromRelay> {
        let relay = self.relay.clone();
        if replace {
            let but = items.iter().map(|(machine, _)| *machine).collect();
            relay.hub.unwatch(&self.line, &mut self.watched, &but);
        }
        let new = items.iter().filter(|(machine, _)| !self.watched.contains(machine)).count();
        if self.watched.len() + new > WATCHES {
            let mut refused = self.refused(Some(request), RefusalCode::TooMany, "no more machines to watch");
            refused.limit = Some(WATCHES as u64);
            return vec![FromRelay::Refused(refused)];
        }
        let items: Vec<_> = items.iter().map(|(machine, token)| (*machine, *token.hash().as_bytes())).collect();
        let present = relay.hub.watch(&self.line, &mut self.watched, &items, relay.now_s());
        let frames = present.chunks(limits::RELAY_WATCHES_PER_FRAME);
        let mut answers: Vec<_> = frames.map(|items| FromRelay::Presence { items: items.to_vec() }).collect();
        answers.push(FromRelay::Done { request });
        answers
    }

    fn open(&self, request: Request, machine: MachineId, token: [u8; 32]) -> Outcome {
        let opened = self.relay.open(&machine, &token);
        let Some(fabric) = self.relay.fabric.clone().filter(|_| opened == Err(NoCircuit::Unreachable)) else {
            return now(opened_or_not(&self.relay, request, opened));
        };
        let relay = self.relay.clone();
        let answer = async move {
            let opened = fabric.open(&machine, &token).await.map(Ticket::from_bytes);
            opened_or_not(&relay, request, opened)
        };
        Outcome::Later(answer.boxed())
    }

    fn put(&self, request: Request, to: MachineId, token: Option<TokenHash>, envelope: Bytes) -> Outcome {
        let relay = self.relay.clone();
        let token = token.map(|hash| *hash.as_bytes());
        let taken = match token {
            Some(hash) => {
                relay.rates.puts.take(&(to, hash)).map_err(|wait| ("puts a minute", relay.rates.puts.per_minute, wait))
            }
            None => relay
                .rates
                .requests
                .take(&self.source)
                .map_err(|wait| ("puts without a token a minute", relay.rates.requests.per_minute, wait)),
        };
        if let Err((what, limit, wait)) = taken {
            return now(self.too_often(request, what, limit, wait));
        }
        let put = Put { to, token, envelope, now_s: relay.now_s() };
        let answer = async move {
            match relay.mailboxes.put(put).await {
                Ok(kept) => {
                    if kept == Kept::New {
                        count(&relay.figures.puts);
                    }
                    // Also when it was known: who put it before may have gone, or its node died, before the owner was told.
                    relay.arrived(&to);
                    FromRelay::Done { request }
                }
                Err(error) => refusal(&relay, Some(request), &error),
            }
        };
        Outcome::Later(answer.boxed())
    }

    fn fetch(&self, request: Request, machine: MachineId, after: u64, limit: u16) -> Outcome {
        // Before it is looked: what comes in between is said, rather than missed.
        self.line.want_arrivals();
        let (relay, count) = (self.relay.clone(), usize::from(limit).min(limits::RELAY_ITEMS));
        let answer = async move {
            let overhead = ITEMS_BYTES + count * Item { cursor: 0, put_s: 0, envelope: Bytes::new() }.wire_size();
            match relay.mailboxes.fetch(machine, after, count, limits::RELAY_FRAME_BYTES - overhead).await {
                Ok(page) => {
                    relay.figures.fetched.fetch_add(page.items.len() as u64, std::sync::atomic::Ordering::Relaxed);
                    let items = page.items.into_iter();
                    let items =
                        items.map(|item| Item { cursor: item.cursor, put_s: item.put_s, envelope: item.envelope });
                    FromRelay::Items { request, items: items.collect(), more: page.more }
                }
                Err(error) => refusal(&relay, Some(request), &error),
            }
        };
        Outcome::Later(answer.boxed())
    }

    fn acknowledge(&self, request: Request, machine: MachineId, cursors: Vec<u64>) -> Outcome {
        let relay = self.relay.clone();
        let answer = async move {
            let count = cursors.len() as u64;
            match relay.mailboxes.acknowledge(machine, cursors).await {
                Ok(()) => {
                    relay.figures.acknowledged.fetch_add(count, std::sync::atomic::Ordering::Relaxed);
                    FromRelay::Done { request }
                }
                Err(error) => refusal(&relay, Some(request), &error),
            }
        };
        Outcome::Later(answer.boxed())
    }

    async fn change_tokens(
        &self,
        request: Request,
        machine: MachineId,
        add: &[TokenEntry],
        remove: &[TokenHash],
        replace: bool,
    ) -> FromRelay {
        let relay = &self.relay;
        let now_s = relay.now_s();
        let token = |entry: &TokenEntry| Token {
            hash: *entry.hash.as_bytes(),
            expires_s: entry.lifetime_s.map_or(0, |lifetime| now_s.saturating_add(lifetime.into())),
        };
        let change = TokenChange {
            replace,
            remove: remove.iter().map(|hash| *hash.as_bytes()).collect(),
            add: add.iter().map(token).collect(),
        };
        match relay.mailboxes.change_tokens(machine, change, now_s).await {
            Ok(tokens) => {
                relay.hub.change_tokens(&machine, &self.line, &tokens, now_s);
                FromRelay::Done { request }
            }
            Err(error) => refusal(relay, Some(request), &error),
        }
    }

    async fn publish(&self, request: Request, machine: MachineId, prekey: &SignedPrekey) -> FromRelay {
        let invalid = |detail| self.refuse(Some(request), RefusalCode::Invalid, detail);
        if prekey.prekey().machine != machine {
            return invalid("the prekey is another machine's");
        }
        if prekey.verify().is_err() {
            return invalid("the prekey's signature does not fit");
        }
        let mut register = BytesMut::with_capacity(SIGNATURE_BYTES + prekey.bytes().len());
        register.put_slice(prekey.signature().as_bytes());
        register.put_slice(prekey.bytes());
        match self.relay.mailboxes.publish(machine, prekey.prekey().version, register.freeze()).await {
            Ok(true) => FromRelay::Done { request },
            Ok(false) => invalid("a newer prekey lies here"),
            Err(error) => refusal(&self.relay, Some(request), &error),
        }
    }

    fn get_prekey(&self, request: Request, machine: MachineId) -> Outcome {
        let relay = self.relay.clone();
        if let Err(wait) = relay.rates.prekeys.take(&self.source) {
            return now(self.too_often(request, "prekeys a minute", relay.rates.prekeys.per_minute, wait));
        }
        let answer = async move {
            match relay.mailboxes.prekey(machine).await {
                Ok(register) => FromRelay::Prekey { request, prekey: register.as_ref().and_then(read_prekey) },
                Err(error) => refusal(&relay, Some(request), &error),
            }
        };
        Outcome::Later(answer.boxed())
    }

    fn too_often(&self, request: Request, what: &str, limit: u32, wait: Duration) -> FromRelay {
        too_often(&self.relay, request, what, limit, wait)
    }

    fn refuse(&self, request: Option<Request>, code: RefusalCode, detail: &str) -> FromRelay {
        FromRelay::Refused(self.refused(request, code, detail))
    }

    fn refused(&self, request: Option<Request>, code: RefusalCode, detail: &str) -> Refused {
        refused(&self.relay.figures, request, code, detail)
    }
}

fn now(frame: FromRelay) -> Outcome {
    Outcome::Now(vec![frame])
}

fn refused(figures: &Figures, request: Option<Request>, code: RefusalCode, detail: &str) -> Refused {
    count(&figures.refused);
    Refused { request, code, detail: detail.to_owned(), limit: None, retry_after_s: None }
}

fn too_often(relay: &Inner, request: Request, what: &str, limit: u32, wait: Duration) -> FromRelay {
    let mut refused = refused(&relay.figures, Some(request), RefusalCode::RateLimited, what);
    refused.limit = Some(limit.into());
    refused.retry_after_s = Some(u32::try_from(wait.as_secs() + 1).unwrap_or(u32::MAX));
    FromRelay::Refused(refused)
}

fn opened_or_not(relay: &Inner, request: Request, opened: Result<Ticket, NoCircuit>) -> FromRelay {
    let refused = |code, detail| refused(&relay.figures, Some(request), code, detail);
    match opened {
        Ok(ticket) => FromRelay::Opened { request, ticket },
        // Offline, not known here, not allowed: all look the same.
        Err(NoCircuit::Unreachable) => {
            FromRelay::Refused(refused(RefusalCode::Unreachable, "nobody is there for this token"))
        }
        Err(NoCircuit::TooOften(per_minute, wait)) => too_often(relay, request, "tunnels a minute", per_minute, wait),
        Err(NoCircuit::Relay(limit)) => {
            let mut refused = refused(RefusalCode::Full, "no more tunnels");
            refused.limit = Some(limit.into());
            FromRelay::Refused(refused)
        }
    }
}

/// What the store does not do, in the protocol's words.
fn refusal(relay: &Inner, request: Option<Request>, error: &MailboxError) -> FromRelay {
    let (code, limit) = match error {
        MailboxError::NoMailbox => (RefusalCode::Unreachable, None),
        MailboxError::BadToken => (RefusalCode::BadToken, None),
        MailboxError::Full { limit, .. } => (RefusalCode::MailboxFull, Some(*limit)),
        MailboxError::TooLarge { limit } => (RefusalCode::TooLarge, Some(*limit)),
        // Without a request it is the login: there is no mailbox left.
        MailboxError::Exhausted { limit, .. } if request.is_none() => (RefusalCode::Full, Some(*limit)),
        MailboxError::Exhausted { limit, .. } => (RefusalCode::TooMany, Some(*limit)),
        MailboxError::Away(_) => {
            // The connection to the store says what is wrong, once.
            let mut refused = refused(&relay.figures, request, RefusalCode::Storage, "the relay's store is away");
            refused.retry_after_s = Some(AWAY_S);
            return FromRelay::Refused(refused);
        }
        MailboxError::DiskFull | MailboxError::Failed(_) | MailboxError::Closed => {
            tracing::error!(%error, "the store refused");
            // What is wrong here is no client's business.
            let refused = refused(&relay.figures, request, RefusalCode::Storage, "the relay can't write");
            return FromRelay::Refused(refused);
        }
    };
    FromRelay::Refused(Refused { limit, ..refused(&relay.figures, request, code, &error.to_string()) })
}

fn read_prekey(register: &Bytes) -> Option<SignedPrekey> {
    let signature = <[u8; SIGNATURE_BYTES]>::try_from(register.get(..SIGNATURE_BYTES)?).ok()?;
    SignedPrekey::decode(register.slice(SIGNATURE_BYTES..), Signature::from_bytes(signature)).ok()
}

/// What a relay allows, as it tells those who log in.
fn welcome(relay: &Inner) -> Limits {
    let own = &relay.limits;
    Limits {
        items: own.items.into(),
        bytes: own.bytes,
        ttl_s: own.ttl.as_secs(),
        envelope_bytes: limits::ENVELOPE_BYTES as u64,
        puts_per_minute: own.puts_per_minute.into(),
        puts_burst: own.puts_burst.into(),
        request_items: own.request_items.into(),
        request_bytes: own.request_bytes.into(),
        request_ttl_s: own.request_ttl.as_secs(),
        tokens: own.tokens.into(),
        watches: WATCHES as u64,
        circuits: own.circuits_per_machine.into(),
        circuit_bytes_per_s: own.circuit_bytes_per_second,
        files: (own.file_bytes > 0).then(|| FileLimits {
            file_bytes: own.file_bytes,
            ttl_s: own.file_ttl.as_secs(),
            bytes: own.files_bytes,
            count: own.files.into(),
        }),
    }
}
