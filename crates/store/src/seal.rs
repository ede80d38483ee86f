//! Encryption of secrets and of what names persons at rest: AES-256-GCM with a random nonce per value, bound to its
//! place.

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
    let mut bytes = [0_u8; 32];
    SystemRandom::new().fill(&mut bytes).map_err(|_| StoreError::Key("no randomness".to_owned()))?;
    let text = hex::encode(bytes);
    let failed = |e: std::io::Error| StoreError::Key(format!("{}: {e}", path.display()));
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".{}.new", std::process::id()));
    let beside = Path::new(&beside);
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(beside).map_err(failed)?;
    std::io::Write::write_all(&mut file, text.as_bytes()).map_err(failed)?;
    file.sync_all().map_err(failed)?;
    // A link never takes the place of another process's key, as a renaming would.
    let linked = std::fs::hard_link(beside, path);
    let text = match linked {
        Ok(()) => text,
        Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {
            std::fs::read_to_string(path).map_err(failed)?
        }
        // A file system without links.
        Err(_) if !path.exists() => {
            std::fs::rename(beside, path).map_err(failed)?;
            text
        }
        Err(e) => return Err(failed(e)),
    };
    let _ = std::fs::remove_file(beside);
    sync_folder(path).map_err(failed)?;
    Ok(text)
}

/// Makes it durable that a file is there: the entry stands in its folder, not in itself.
pub(crate) fn sync_folder(of: &Path) -> std::io::Result<()> {
    if !cfg!(unix) {
        return Ok(());
    }
    let folder = of.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::File::open(folder)?.sync_all()
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
    fn a_key_of_wrong_shape_is_refused() {
        assert!(Sealer::open(&KeySource::Given(SecretString::from("abc".to_owned()))).is_err());
    }
}
