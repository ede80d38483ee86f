//! From bytes on disk to plain documents: ZIP and GZIP unpacked within bounds.
//!
//! An archive's own word for its size is not believed: what comes out is counted.

use std::io::{self, Cursor, Read};

use super::error::{ImportResult, Refusal, RefusalKind};

/// Largest document after unpacking.
pub(super) const MAX_DOCUMENT: u64 = 8 << 30;
/// Largest archive; bills in archives are small, and an archive is held in memory.
const MAX_ARCHIVE: u64 = 256 << 20;
/// Most files in an archive.
const MAX_ENTRIES: usize = 64;
/// Most that one archive may unpack to.
const MAX_UNPACKED: u64 = 1 << 30;

/// Stops with a refusal after a number of bytes.
pub(super) struct Bounded<R> {
    inner: R,
    left: u64,
    what: &'static str,
}

impl<R: Read> Bounded<R> {
    pub(super) fn new(inner: R, limit: u64, what: &'static str) -> Bounded<R> {
        Bounded { inner, left: limit, what }
    }
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if buf.is_empty() {
            return Ok(0);
        }
        if self.left == 0 {
            let mut one = [0_u8; 1];
            return match self.inner.read(&mut one)? {
                0 => Ok(0),
                _ => Err(io::Error::other(Refusal::new(
                    RefusalKind::TooLarge,
                    0,
                    format!("{} is larger than an importer reads", self.what),
                ))),
            };
        }
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(buf.len());
        let n = self.inner.read(buf.get_mut(..most).unwrap_or_default())?;
        self.left -= n as u64;
        Ok(n)
    }
}

/// What the first bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    Zip,
    Gzip,
    Json,
    Xml,
    Mt940,
    Text,
}

/// Tells the shape from the first bytes; marks and blanks before the first sign do not count.
pub(super) fn shape(head: &[u8]) -> Shape {
    if head.starts_with(b"PK\x03\x04") || head.starts_with(b"PK\x05\x06") {
        return Shape::Zip;
    }
    if head.starts_with(b"\x1f\x8b") {
        return Shape::Gzip;
    }
    if matches!(head, [0xff, 0xfe, b'{' | b'[', 0, ..] | [0xfe, 0xff, 0, b'{' | b'[', ..]) {
        return Shape::Json;
    }
    let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    let text: &[u8] = head.trim_ascii_start();
    if text.starts_with(b"{1:") || text.starts_with(b":20:") {
        return Shape::Mt940;
    }
    match text.first() {
        Some(b'{' | b'[') => Shape::Json,
        Some(b'<') => Shape::Xml,
        _ => Shape::Text,
    }
}

/// Takes one file of an archive: its name and what it holds.
pub(super) type Each<'a> = dyn FnMut(&str, Box<dyn Read + '_>) -> ImportResult<()> + 'a;

/// Calls `each(name, reader)` for every file of a ZIP. Names without the UTF-8 flag are GB18030, as Chinese bills have them.
pub(super) fn unzip<R: Read>(source: R, each: &mut Each<'_>) -> ImportResult<()> {
    let mut bytes = Vec::new();
    Bounded::new(source, MAX_ARCHIVE, "the archive").read_to_end(&mut bytes)?;
    let bad = |e: zip::result::ZipError| Refusal::malformed(0, format!("the ZIP cannot be read: {e}"));
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).map_err(bad)?;
    if archive.len() > MAX_ENTRIES {
        return Err(Refusal::new(
            RefusalKind::TooLarge,
            0,
            format!("the ZIP holds {} files; a bill holds at most {MAX_ENTRIES}", archive.len()),
        ));
    }
    let mut left = MAX_UNPACKED;
    for i in 0..archive.len() {
        let mut entry = archive.by_index(i).map_err(bad)?;
        if entry.is_dir() {
            continue;
        }
        let raw = entry.name_raw().to_vec();
        let name = match String::from_utf8(raw) {
            Ok(name) => name,
            Err(e) => encoding_rs::GB18030.decode_without_bom_handling(e.as_bytes()).0.into_owned(),
        };
        let mut counted = Counting { inner: Bounded::new(&mut entry, left, "the unpacked archive"), read: 0 };
        let result = each(&name, Box::new(&mut counted));
        left = left.saturating_sub(counted.read);
        result?;
    }
    Ok(())
}

struct Counting<R> {
    inner: R,
    read: u64,
}

impl<R: Read> Read for Counting<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buf)?;
        self.read += n as u64;
        Ok(n)
    }
}
