//! Where the private key lies: in the system's key ring, else in a file of mode 0600.
//!
//! The key is looked for where it was put, and nowhere else. When it is missing there while a database exists, that is an
//! error: a new identity over old conversations would silently cut its owner off from everybody.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::mpsc;
use std::time::Duration;

use proto::identity::Identity;
use zeroize::Zeroizing;

use crate::profile_dir::{KeyPlace, ProfileDir, write_private};
use crate::{KeyStorage, KeyStore, StartError};

const KEY_FILE: &str = "identity.key";
const KEY_BYTES: usize = 32;
const SERVICE: &str = "landline";

/// How long the key ring may take. A start without a person at the screen must not hang on a prompt.
const RING_TIMEOUT: Duration = Duration::from_secs(3);

/// How long it may take when a key that is known to lie there is read and a person may be typing the ring's password.
const UNLOCK_TIMEOUT: Duration = Duration::from_secs(60);

/// A place for secrets that the system provides.
pub(crate) trait Ring: Send + Sync + 'static {
    /// Whether it is worth asking at all.
    fn reachable(&self) -> bool;
    /// Whether a person can answer a prompt.
    fn attended(&self) -> bool;
    /// The secret of an account.
    fn get(&self, account: &str) -> Result<Option<Zeroizing<Vec<u8>>>, String>;
    /// Keeps a secret.
    fn set(&self, account: &str, secret: &[u8]) -> Result<(), String>;
}

/// The key ring of this system.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SystemRing;

impl Ring for SystemRing {
    fn reachable(&self) -> bool {
        if cfg!(any(target_os = "macos", windows)) {
            return true;
        }
        // The Secret Service is asked over the session's D-Bus. Where there is none, as in a container or under
        // cron, asking would only wait.
        std::env::var_os("DBUS_SESSION_BUS_ADDRESS").is_some_and(|address| !address.is_empty())
            || std::env::var_os("XDG_RUNTIME_DIR").is_some_and(|dir| PathBuf::from(dir).join("bus").exists())
    }

    fn attended(&self) -> bool {
        cfg!(any(target_os = "macos", windows))
            || ["WAYLAND_DISPLAY", "DISPLAY"].iter().any(|name| std::env::var_os(name).is_some_and(|v| !v.is_empty()))
    }

    fn get(&self, account: &str) -> Result<Option<Zeroizing<Vec<u8>>>, String> {
        let entry = keyring::Entry::new(SERVICE, account).map_err(|error| error.to_string())?;
        match entry.get_secret() {
            Ok(secret) => Ok(Some(Zeroizing::new(secret))),
            Err(keyring::Error::NoEntry) => Ok(None),
            Err(error) => Err(error.to_string()),
        }
    }

    fn set(&self, account: &str, secret: &[u8]) -> Result<(), String> {
        let entry = keyring::Entry::new(SERVICE, account).map_err(|error| error.to_string())?;
        entry.set_secret(secret).map_err(|error| error.to_string())
    }
}

/// Reads the profile's key, or makes one from `seed` when the profile is new. Blocks, at most for the time-outs above.
pub(crate) fn load_or_create<R: Ring + Clone>(
    dir: &mut ProfileDir,
    ring: &R,
    prefer: KeyStore,
    seed: &Zeroizing<[u8; KEY_BYTES]>,
) -> Result<(Identity, KeyStorage), StartError> {
    match dir.record().key {
        Some(KeyPlace::File) => return Ok((read_file(dir)?, KeyStorage::File)),
        Some(KeyPlace::KeyRing) => return Ok((read_ring(dir, ring)?, KeyStorage::KeyRing)),
        None if dir.path().join(KEY_FILE).exists() => {
            // A start that ended between writing the key and remembering where.
            let identity = read_file(dir)?;
            remember(dir, KeyPlace::File)?;
            return Ok((identity, KeyStorage::File));
        }
        None if dir.has_database() => return Err(missing(dir, "no key was ever kept for it")),
        None => {}
    }
    let storage = create(dir, ring, prefer, seed)?;
    Ok((Identity::from_seed(**seed), storage))
}

fn create<R: Ring + Clone>(
    dir: &mut ProfileDir,
    ring: &R,
    prefer: KeyStore,
    seed: &Zeroizing<[u8; KEY_BYTES]>,
) -> Result<KeyStorage, StartError> {
    if prefer == KeyStore::KeyRing && ring.reachable() {
        let account = dir.record().id.to_string();
        let kept = seed.clone();
        // Read back: some rings take a secret and forget it.
        let outcome = within(RING_TIMEOUT, ring.clone(), move |ring| {
            ring.set(&account, kept.as_slice())?;
            match ring.get(&account)? {
                Some(found) if found.as_slice() == kept.as_slice() => Ok(()),
                _ => Err("it did not keep the key".to_owned()),
            }
        });
        match outcome {
            Ok(()) => {
                remember(dir, KeyPlace::KeyRing)?;
                return Ok(KeyStorage::KeyRing);
            }
            Err(error) => tracing::info!(error, "the system's key ring cannot be used; the key goes to a file"),
        }
    }
    write_private(&dir.path().join(KEY_FILE), seed.as_slice())
        .map_err(|source| StartError::Directory { dir: dir.path().to_owned(), source })?;
    remember(dir, KeyPlace::File)?;
    Ok(KeyStorage::File)
}

fn read_file(dir: &ProfileDir) -> Result<Identity, StartError> {
    let path = dir.path().join(KEY_FILE);
    let bytes = match fs::read(&path) {
        Ok(bytes) => Zeroizing::new(bytes),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(missing(dir, &format!("{} is not there", path.display())));
        }
        Err(error) => return Err(StartError::Key(format!("cannot read the private key {}: {error}", path.display()))),
    };
    from_bytes(&bytes).ok_or_else(|| {
        StartError::Key(format!("the private key {} is damaged: it must hold {KEY_BYTES} bytes", path.display()))
    })
}

fn read_ring<R: Ring + Clone>(dir: &ProfileDir, ring: &R) -> Result<Identity, StartError> {
    let account = dir.record().id.to_string();
    if !ring.reachable() {
        return Err(StartError::Key(format!(
            "the private key of this profile lies in the system's key ring (service {SERVICE}, account {account}), \
             and no key ring can be reached here; start it in the desktop session where it was made"
        )));
    }
    let limit = if ring.attended() { UNLOCK_TIMEOUT } else { RING_TIMEOUT };
    let asked = account.clone();
    let found = within(limit, ring.clone(), move |ring| ring.get(&asked)).map_err(|error| {
        StartError::Key(format!(
            "cannot read the private key from the system's key ring (service {SERVICE}, account {account}): {error}"
        ))
    })?;
    let Some(bytes) = found else {
        return Err(missing(dir, &format!("the system's key ring has no entry {SERVICE} / {account}")));
    };
    from_bytes(&bytes).ok_or_else(|| {
        StartError::Key(format!(
            "the private key in the system's key ring (service {SERVICE}, account {account}) is damaged"
        ))
    })
}

fn from_bytes(bytes: &[u8]) -> Option<Identity> {
    let seed: Zeroizing<[u8; KEY_BYTES]> = Zeroizing::new(bytes.try_into().ok()?);
    Some(Identity::from_seed(*seed))
}

fn remember(dir: &mut ProfileDir, place: KeyPlace) -> Result<(), StartError> {
    dir.set_key_place(place).map_err(|source| StartError::Directory { dir: dir.path().to_owned(), source })
}

fn missing(dir: &ProfileDir, why: &str) -> StartError {
    StartError::Key(format!(
        "the private key of the profile {} is missing: {why}. Put it back, or start with another profile; a new key would be \
         another machine to everybody",
        dir.path().display()
    ))
}

/// Asks the ring on a thread of its own. One that does not answer in time is left to itself: nothing can interrupt it,
/// and what it may still do changes nothing here.
fn within<R: Ring, T: Send + 'static>(
    limit: Duration,
    ring: R,
    ask: impl FnOnce(&R) -> Result<T, String> + Send + 'static,
) -> Result<T, String> {
    let (answer, outcome) = mpsc::sync_channel(1);
    std::thread::Builder::new()
        .name("key-ring".into())
        .spawn(move || drop(answer.send(ask(&ring))))
        .map_err(|error| error.to_string())?;
    match outcome.recv_timeout(limit) {
        Ok(outcome) => outcome,
        Err(mpsc::RecvTimeoutError::Timeout) => Err(format!("it did not answer within {} s", limit.as_secs())),
        Err(mpsc::RecvTimeoutError::Disconnected) => Err("it failed".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::sync::{Arc, Mutex};

    use uuid::Uuid;

    use super::*;

    #[derive(Clone, Default)]
    struct TestRing {
        entries: Arc<Mutex<HashMap<String, Vec<u8>>>>,
        absent: bool,
        hangs: bool,
    }

    impl Ring for TestRing {
        fn reachable(&self) -> bool {
            !self.absent
        }
        fn attended(&self) -> bool {
            false
        }
        fn get(&self, account: &str) -> Result<Option<Zeroizing<Vec<u8>>>, String> {
            Ok(self.entries.lock().unwrap().get(account).cloned().map(Zeroizing::new))
        }
        fn set(&self, account: &str, secret: &[u8]) -> Result<(), String> {
            if self.hangs {
                std::thread::park();
            }
            self.entries.lock().unwrap().insert(account.to_owned(), secret.to_vec());
            Ok(())
        }
    }

    fn seed(byte: u8) -> Zeroizing<[u8; KEY_BYTES]> {
        Zeroizing::new([byte; KEY_BYTES])
    }

    fn open(path: &std::path::Path) -> ProfileDir {
        ProfileDir::open(path, Uuid::from_u128(7)).unwrap()
    }

    #[test]
    fn a_key_in_the_ring_stays_there() {
        let temp = tempfile::tempdir().unwrap();
        let ring = TestRing::default();
        let (first, place) = load_or_create(&mut open(temp.path()), &ring, KeyStore::KeyRing, &seed(1)).unwrap();
        assert_eq!(place, KeyStorage::KeyRing);
        assert!(!temp.path().join(KEY_FILE).exists());
        let (again, place) = load_or_create(&mut open(temp.path()), &ring, KeyStore::File, &seed(2)).unwrap();
        assert_eq!(
            (again.machine_id(), place),
            (first.machine_id(), KeyStorage::KeyRing),
            "because it is read where it lies"
        );
        ring.entries.lock().unwrap().clear();
        let error = load_or_create(&mut open(temp.path()), &ring, KeyStore::KeyRing, &seed(3)).unwrap_err().to_string();
        assert!(error.contains("is missing"), "{error}");
    }

    #[test]
    fn without_a_ring_it_goes_to_a_file() {
        let temp = tempfile::tempdir().unwrap();
        let ring = TestRing { absent: true, ..TestRing::default() };
        let (first, place) = load_or_create(&mut open(temp.path()), &ring, KeyStore::KeyRing, &seed(1)).unwrap();
        assert_eq!(place, KeyStorage::File);
        let (again, _) =
            load_or_create(&mut open(temp.path()), &TestRing::default(), KeyStore::KeyRing, &seed(2)).unwrap();
        assert_eq!(again.machine_id(), first.machine_id(), "because a ring that appears later changes nothing");
        fs::remove_file(temp.path().join(KEY_FILE)).unwrap();
        let error = load_or_create(&mut open(temp.path()), &ring, KeyStore::File, &seed(3)).unwrap_err().to_string();
        assert!(error.contains("is missing"), "{error}");
    }

    #[test]
    fn a_ring_that_hangs_does_not_hang_the_start() {
        let temp = tempfile::tempdir().unwrap();
        let ring = TestRing { hangs: true, ..TestRing::default() };
        let (_, place) = load_or_create(&mut open(temp.path()), &ring, KeyStore::KeyRing, &seed(1)).unwrap();
        assert_eq!(place, KeyStorage::File);
    }

    #[test]
    fn no_new_key_over_old_data() {
        let temp = tempfile::tempdir().unwrap();
        fs::write(temp.path().join("landline.db"), b"something").unwrap();
        let error =
            load_or_create(&mut open(temp.path()), &TestRing::default(), KeyStore::KeyRing, &seed(1)).unwrap_err();
        assert!(error.to_string().contains("is missing"), "{error}");
        assert!(!temp.path().join(KEY_FILE).exists());
    }
}
