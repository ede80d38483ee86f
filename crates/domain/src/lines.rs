//! Line numbers as people count them.

use std::collections::VecDeque;

/// Where the lines begin that hold something. The parser counts line feeds and begins a row where the one before it ended:
/// before blank lines, and before the line feed of a carriage return; people count what they see.
#[derive(Debug)]
pub struct Lines {
    offset: u64,
    line: u64,
    /// Nothing but line ends since the last line end.
    fresh: bool,
    after_cr: bool,
    /// Offset and number of what was read and is not passed yet.
    ahead: VecDeque<(u64, u64)>,
}

impl Default for Lines {
    fn default() -> Lines {
        Lines { offset: 0, line: 1, fresh: true, after_cr: false, ahead: VecDeque::new() }
    }
}

impl Lines {
    /// Of a text that is at hand.
    #[must_use]
    pub fn of_text(text: &str) -> Lines {
        let mut lines = Lines::default();
        lines.feed(text.as_bytes());
        lines
    }

    /// Takes in what comes next of the text.
    pub fn feed(&mut self, bytes: &[u8]) {
        for byte in bytes {
            match byte {
                b'\n' if self.after_cr => self.after_cr = false,
                b'\n' | b'\r' => {
                    self.line += 1;
                    self.fresh = true;
                    self.after_cr = *byte == b'\r';
                }
                _ => {
                    if self.fresh {
                        self.ahead.push_back((self.offset, self.line));
                    }
                    (self.fresh, self.after_cr) = (false, false);
                }
            }
            self.offset += 1;
        }
    }

    /// The line of the row that is looked for from an offset on. Offsets only grow.
    pub fn of(&mut self, offset: u64) -> u64 {
        while self.ahead.front().is_some_and(|(at, _)| *at < offset) {
            self.ahead.pop_front();
        }
        self.ahead.front().map_or(self.line, |(_, line)| *line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blank_lines_and_every_end_of_line_are_counted() {
        // Rows begin where a parser says that the one before ended: before blank lines, before the feed of a return.
        let text = "a\r\nb\r\n\r\nc\n\n\nd\re\n";
        let offsets = [0, 2, 5, 9, 11, 14];
        let mut lines = Lines::of_text(text);
        // a 1, b 2, a blank, c 4, two blank, d 7, e 8.
        assert_eq!(offsets.map(|at| lines.of(at)), [1, 2, 4, 7, 7, 8]);
    }
}
