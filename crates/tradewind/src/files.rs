//! Files that the program writes: whole or not at all, and secrets for nobody but their owner.

use std::io::Write as _;
use std::path::Path;

/// Replaces a file whole: written beside it, brought to the disk, then given its name. What was there stays until then.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let dir = path.parent().filter(|d| !d.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // What is no plain file (a terminal, a pipe) is written to, and keeps its place.
    if path.exists() && !path.is_file() {
        return std::fs::write(path, bytes);
    }
    let mut beside = tempfile::Builder::new().prefix(".tradewind-").tempfile_in(dir)?;
    beside.write_all(bytes)?;
    beside.as_file().sync_all()?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        // As readable as a file that is written in place.
        let mode = std::fs::metadata(path).map_or(0o644, |m| m.permissions().mode() & 0o777);
        beside.as_file().set_permissions(std::fs::Permissions::from_mode(mode))?;
    }
    beside.persist(path).map_err(|e| e.error)?;
    Ok(())
}

/// Writes a secret, for its owner alone; one that was there before, too.
pub(crate) fn secret(path: &Path, text: &str) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
        options.mode(0o600);
        if path.is_file() {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
        }
    }
    options.open(path)?.write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn a_secret_is_its_owners_also_where_it_was_not() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.secret");
        std::fs::write(&path, "long before").unwrap();
        for file in [path, dir.path().join("new.secret")] {
            secret(&file, "x").unwrap();
            let mode = std::fs::metadata(&file).unwrap().permissions().mode();
            assert_eq!(
                (mode & 0o777, std::fs::read_to_string(&file).unwrap()),
                (0o600, "x".to_owned()),
                "{}",
                file.display()
            );
        }
    }

    #[test]
    fn a_file_is_replaced_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.plan");
        replace(&path, b"one").unwrap();
        let mut old = std::fs::File::open(&path).unwrap();
        replace(&path, b"two").unwrap();
        // Written in place, whoever reads the old file would meet half of the new one.
        let mut read = String::new();
        std::io::Read::read_to_string(&mut old, &mut read).unwrap();
        assert_eq!((read.as_str(), std::fs::read(&path).unwrap().as_slice()), ("one", b"two".as_slice()));
        assert!(replace(&dir.path().join("nowhere/a.plan"), b"three").is_err());
        // Nothing is left beside it.
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
