//! Bytes to text, streaming: byte-order marks, GB18030, Shift_JIS, Windows-1252.
//!
//! Marketplaces export in the encoding of the seller's country. The reader passes ASCII through untouched
//! and decides at the first byte that is not ASCII: a mark wins, then valid UTF-8, then the provider's
//! fallback. A byte sequence that the chosen encoding does not have is a refusal, never a replacement
//! character: an id or a name with a `�` in it would not match anything.

use std::io::{self, Read};

use encoding_rs::{DecoderResult, Encoding, UTF_8, UTF_16BE, UTF_16LE};

use super::error::{Refusal, RefusalKind};

const CHUNK: usize = 64 * 1024;

/// A reader that gives UTF-8 without a mark, whatever the source's encoding.
pub struct TextReader<R> {
    inner: R,
    fallback: &'static Encoding,
    decoder: Option<encoding_rs::Decoder>,
    raw: Vec<u8>,
    out: Vec<u8>,
    out_at: usize,
    started: bool,
    done: bool,
}

impl<R: Read> TextReader<R> {
    /// Reads `inner`; text that is neither marked nor UTF-8 is taken for `fallback`.
    pub fn new(inner: R, fallback: &'static Encoding) -> TextReader<R> {
        TextReader {
            inner,
            fallback,
            decoder: None,
            raw: Vec::new(),
            out: Vec::new(),
            out_at: 0,
            started: false,
            done: false,
        }
    }

    fn refill(&mut self) -> io::Result<()> {
        self.out.clear();
        self.out_at = 0;
        let had = self.raw.len();
        self.raw.resize(had + CHUNK, 0);
        let mut filled = had;
        // The first look wants a full chunk, so that a mark or an encoding is seen whole.
        while filled < self.raw.len() {
            match self.inner.read(&mut self.raw[filled..]) {
                Ok(0) => break,
                Ok(n) => filled += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
            if self.started {
                break;
            }
        }
        let last = filled == had;
        self.raw.truncate(filled);
        self.done = last;
        if !self.started {
            self.started = true;
            if let Some((encoding, len)) = Encoding::for_bom(&self.raw) {
                self.raw.drain(..len);
                self.decoder = Some(encoding.new_decoder_without_bom_handling());
            }
        }
        if self.decoder.is_none() {
            if self.raw.is_ascii() {
                std::mem::swap(&mut self.raw, &mut self.out);
                self.raw.clear();
                return self.no_nul();
            }
            self.decoder = Some(self.choose().new_decoder_without_bom_handling());
        }
        let Some(decoder) = self.decoder.as_mut() else { return Ok(()) };
        let mut text = String::with_capacity(
            decoder
                .max_utf8_buffer_length_without_replacement(self.raw.len())
                .unwrap_or(self.raw.len() * 3 + 16),
        );
        let (result, read) = decoder.decode_to_string_without_replacement(&self.raw, &mut text, last);
        if let DecoderResult::Malformed(..) = result {
            let name = decoder.encoding().name();
            return Err(io::Error::other(Refusal::new(
                RefusalKind::Malformed,
                0,
                format!(
                    "the text is not valid {name}: save it again as UTF-8, or name its encoding in the sidecar"
                ),
            )));
        }
        self.raw.drain(..read);
        self.out = text.into_bytes();
        self.no_nul()
    }

    fn no_nul(&self) -> io::Result<()> {
        if self.out.contains(&0) {
            return Err(io::Error::other(Refusal::new(
                RefusalKind::Malformed,
                0,
                "the file is binary, not text: expected a CSV, tab-separated, XML or JSON export",
            )));
        }
        Ok(())
    }

    fn choose(&self) -> &'static Encoding {
        match std::str::from_utf8(&self.raw) {
            Ok(_) => UTF_8,
            // A sequence cut by the end of the chunk is still UTF-8.
            Err(e) if e.error_len().is_none() && e.valid_up_to() > 0 => UTF_8,
            Err(_) if self.raw.len() > 3 && self.raw[1] == 0 && self.raw[3] == 0 => UTF_16LE,
            Err(_) if self.raw.len() > 3 && self.raw[0] == 0 && self.raw[2] == 0 => UTF_16BE,
            Err(_) => self.fallback,
        }
    }
}

impl<R: Read> Read for TextReader<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        while self.out_at >= self.out.len() {
            if self.done {
                return Ok(0);
            }
            self.refill()?;
        }
        let n = buf.len().min(self.out.len() - self.out_at);
        buf[..n].copy_from_slice(&self.out[self.out_at..self.out_at + n]);
        self.out_at += n;
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use encoding_rs::{GB18030, WINDOWS_1252};

    fn read(bytes: &[u8], fallback: &'static Encoding) -> io::Result<String> {
        let mut s = String::new();
        TextReader::new(bytes, fallback).read_to_string(&mut s).map(|_| s)
    }

    #[test]
    fn marks_are_dropped_and_encodings_told_apart() {
        assert_eq!(read(b"\xEF\xBB\xBFa,b", GB18030).unwrap(), "a,b");
        assert_eq!(read("金额".as_bytes(), GB18030).unwrap(), "金额");
        // GBK bytes of 金额 (BDF0 B6EE).
        assert_eq!(read(&[0xBD, 0xF0, 0xB6, 0xEE], GB18030).unwrap(), "金额");
        assert_eq!(read(b"M\xFCnchen", WINDOWS_1252).unwrap(), "München");
        assert_eq!(read(b"\xFF\xFEa\0b\0", WINDOWS_1252).unwrap(), "ab");
    }

    #[test]
    fn ascii_prefix_does_not_decide() {
        let mut bytes = vec![b'a'; 3 * CHUNK];
        bytes.extend([0xBD, 0xF0]);
        assert!(read(&bytes, GB18030).unwrap().ends_with('金'));
    }

    #[test]
    fn cut_sequences_across_chunks_survive() {
        for shift in 0..3 {
            let text = format!("{}{}", "a".repeat(CHUNK - shift), "é金😀".repeat(CHUNK / 4));
            assert_eq!(read(text.as_bytes(), GB18030).unwrap(), text);
        }
    }

    #[test]
    fn broken_bytes_refuse() {
        assert!(read(b"\xEF\xBB\xBFok \xFF\xFE", GB18030).is_err());
        assert!(read(b"PK\x03\x04\0\0", GB18030).is_err());
    }
}
