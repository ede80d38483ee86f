//! Encryption of secrets and of what names persons at rest: AES-256-GCM with a random nonce per value, bound to its
//! place.

use std::io;
use std::path::{Path, PathBuf};

use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};
use aws_lc_rs::hmac;
use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use secrecy::{ExposeSecret, SecretString};

use crate::StoreError;

/// Where the key of the store comes from.
#[derive(Debug, Clone)]
pub enum KeySource {
    /// A file with 64 hexadecimal digits, readable by its owner only; made on first use.
    File(PathBuf),
    /// 64 hexadecimal digits, from the environment or a systemd credential.
    Given(SecretString),
}

/// Seals and opens values.
pub struct Sealer {
    seal: RandomizedNonceKey,
    blind: hmac::Key,
}

impl Sealer {
    /// With the key of a source.
    ///
    /// # Errors
    /// The key is missing, of wrong shape, or its file is open to others.
    pub fn open(source: &KeySource) -> Result<Sealer, StoreError> {
        let text = match source {
            KeySource::Given(text) => text.expose_secret().to_owned(),
            KeySource::File(path) if path.exists() => {
                check_mode(path)?;
                std::fs::read_to_string(path)
                    .map_err(|e| StoreError::Key(format!("{}: {e}", path.display())))?
            }
            KeySource::File(path) => make(path)?,
        };
        let bytes = hex::decode(text.trim()).ok().filter(|b| b.len() == 32);
        let bytes =
            bytes.ok_or_else(|| StoreError::Key("must be 64 hexadecimal digits (32 bytes)".to_owned()))?;
        let key = RandomizedNonceKey::new(&AES_256_GCM, &bytes)
            .map_err(|_| StoreError::Key("not usable".to_owned()))?;
        // A key of its own, so that the two uses share nothing.
        let root = hmac::Key::new(hmac::HMAC_SHA256, &bytes);
        let blind = hmac::sign(&root, b"tradewind blind index");
        Ok(Sealer { seal: key, blind: hmac::Key::new(hmac::HMAC_SHA256, blind.as_ref()) })
    }

    /// A hash that finds equal values again and that nobody without the key can compute: hexadecimal.
    #[must_use]
    pub fn blind(&self, place: &str, plain: &str) -> String {
        let mut context = hmac::Context::with_key(&self.blind);
        context.update(&(place.len() as u64).to_be_bytes());
        context.update(place.as_bytes());
        context.update(plain.as_bytes());
        hex::encode(context.sign())
    }

    /// Seals a value for one place; it cannot be opened at another.
    ///
    /// # Errors
    /// The random source failed.
    pub fn seal(&self, place: &str, plain: &[u8]) -> Result<Vec<u8>, StoreError> {
        let mut data = plain.to_vec();
        let nonce = self
            .seal
            .seal_in_place_append_tag(Aad::from(place.as_bytes()), &mut data)
            .map_err(|_| StoreError::Key("could not seal".to_owned()))?;
        let mut out = nonce.as_ref().to_vec();
        out.extend_from_slice(&data);
        Ok(out)
    }

    /// Opens a sealed value.
    ///
    /// # Errors
    /// Another key, another place, or changed bytes.
    pub fn unseal(&self, place: &str, sealed: &[u8]) -> Result<Vec<u8>, StoreError> {
        let wrong = || {
            StoreError::Key(
                "a sealed value cannot be opened: the key is another one than it was sealed with".to_owned(),
            )
        };
        let (nonce, data) = sealed.split_at_checked(12).ok_or_else(wrong)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| wrong())?;
        let mut data = data.to_vec();
        let plain =
            self.seal.open_in_place(nonce, Aad::from(place.as_bytes()), &mut data).map_err(|_| wrong())?;
        Ok(plain.to_vec())
    }
}

/// Makes the key file, complete or not at all: a half-written one would be a store that nobody opens again.
fn make(path: &Path) -> Result<String, StoreError> {
    let random = |bytes: &mut [u8]| {
        SystemRandom::new().fill(bytes).map_err(|_| StoreError::Key("no randomness".to_owned()))
    };
    let (mut key, mut name) = ([0_u8; 32], [0_u8; 8]);
    random(&mut key)?;
    random(&mut name)?;
    // A name that nobody else has: not another opening of this process, nor one that died before it took its file away.
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".{}.new", hex::encode(name)));
    let beside = Path::new(&beside);
    let made = put(path, beside, hex::encode(key));
    // There is a key in it, whatever became of it.
    let _ = std::fs::remove_file(beside);
    made.and_then(|text| sync_folder(path).map(|()| text))
        .map_err(|e| StoreError::Key(format!("{}: {e}", path.display())))
}

/// Puts a key into its place by way of a file beside it; what is returned is the key that stands there then.
fn put(path: &Path, beside: &Path, text: String) -> io::Result<String> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(beside)?;
    io::Write::write_all(&mut file, text.as_bytes())?;
    file.sync_all()?;
    // A link never takes the place of another process's key, as a renaming would.
    match std::fs::hard_link(beside, path) {
        Ok(()) => Ok(text),
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => std::fs::read_to_string(path),
        // A file system without links.
        Err(_) if !path.exists() => std::fs::rename(beside, path).map(|()| text),
        Err(e) => Err(e),
    }
}

/// Makes it durable that a file is there: the entry stands in its folder, not in itself. Where that cannot be (a folder that may
/// be written to but not read, a file system that flushes none), it is told and left: SQLite itself goes on then.
pub(crate) fn sync_folder(of: &Path) -> io::Result<()> {
    use io::ErrorKind::{InvalidInput, PermissionDenied, Unsupported};
    if !cfg!(unix) {
        return Ok(());
    }
    let folder = of.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match std::fs::File::open(folder).and_then(|folder| folder.sync_all()) {
        Err(e) if matches!(e.kind(), PermissionDenied | InvalidInput | Unsupported) => {
            tracing::warn!(folder = %folder.display(), error = %e, "the folder of the store cannot be flushed: a power cut may take a file that was just made in it");
            Ok(())
        }
        done => done,
    }
}

#[cfg(unix)]
fn check_mode(path: &Path) -> Result<(), StoreError> {
    use std::os::unix::fs::PermissionsExt;
    let failed = |e: std::io::Error| StoreError::Key(format!("{}: {e}", path.display()));
    let mode = std::fs::metadata(path).map_err(failed)?.permissions().mode();
    if mode & 0o077 != 0 {
        return Err(StoreError::Key(format!("{} can be read by others: chmod 600 it", path.display())));
    }
    Ok(())
}

#[cfg(not(unix))]
fn check_mode(_path: &Path) -> Result<(), StoreError> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealer(digit: char) -> Sealer {
        Sealer::open(&KeySource::Given(SecretString::from(digit.to_string().repeat(64)))).unwrap()
    }

    #[test]
    fn sealed_values_open_only_with_their_key_and_place() {
        let s = sealer('a');
        let sealed = s.seal("tokens/x", b"secret").unwrap();
        assert!(!sealed.windows(6).any(|w| w == b"secret"));
        assert_eq!(s.unseal("tokens/x", &sealed).unwrap(), b"secret");
        assert!(s.unseal("tokens/y", &sealed).is_err());
        assert!(sealer('b').unseal("tokens/x", &sealed).is_err());
        assert!(s.unseal("tokens/x", &sealed[..5]).is_err());
    }

    #[test]
    fn a_blind_hash_is_of_its_key_and_place() {
        let s = sealer('a');
        assert_eq!(s.blind("quotes", "x"), s.blind("quotes", "x"));
        assert_ne!(s.blind("quotes", "x"), s.blind("other", "x"));
        assert_ne!(s.blind("quotes", "x"), sealer('b').blind("quotes", "x"));
        assert_eq!(s.blind("quotes", "x").len(), 64);
    }

    #[test]
    fn whoever_makes_the_key_first_has_made_it_for_all() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        // Both found no file; the second finds one when it puts its own there.
        let (first, second) = (make(&path).unwrap(), make(&path).unwrap());
        assert_eq!(first, second);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), first);
        check_mode(&path).unwrap();
        let left: Vec<_> = std::fs::read_dir(dir.path()).unwrap().collect();
        assert_eq!(left.len(), 1, "nothing beside it");
    }

    #[test]
    fn a_key_is_not_written_over_by_who_comes_later() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        let first = make(&path).unwrap();
        // A crash before the name beside it was taken away, as the program did that before; and in a container each process has
        // the same number.
        let beside = dir.path().join(format!("key.{}.new", std::process::id()));
        std::fs::hard_link(&path, &beside).unwrap();
        assert_eq!(make(&path).unwrap(), first);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), first);
    }

    #[test]
    fn a_key_that_cannot_be_made_is_left_nowhere() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        std::fs::create_dir(&path).unwrap();
        let told = make(&path).unwrap_err().to_string();
        assert!(told.contains(&path.display().to_string()), "{told}");
        let left: Vec<_> = std::fs::read_dir(dir.path()).unwrap().map(|f| f.unwrap().file_name()).collect();
        assert_eq!(left, ["key"]);
    }

    /// procfs answers the flush of a folder with EINVAL, as network file systems do.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_folder_that_cannot_be_flushed_stops_nobody() {
        assert_eq!(
            std::fs::File::open("/proc").unwrap().sync_all().unwrap_err().kind(),
            io::ErrorKind::InvalidInput
        );
        sync_folder(Path::new("/proc/version")).unwrap();
        assert!(sync_folder(Path::new("/no such folder/file")).is_err());
    }

    #[test]
    fn a_key_of_wrong_shape_is_refused() {
        assert!(Sealer::open(&KeySource::Given(SecretString::from("abc".to_owned()))).is_err());
    }
}
