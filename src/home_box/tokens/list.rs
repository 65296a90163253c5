//! The file of the tokens that a box has made: `last SERIAL`, then a line for each token, its fields
//! and `good` or `revoked`.

use core::fmt::Write;

use crate::base::limits::home_box::MAX_TOKENS;
use crate::home_box::tokens::token::Token;
use crate::wire::decimal::parse_decimal;

const COMMENT: &str = "# written by callrec-box";
const GOOD: &str = "good";
const REVOKED: &str = "revoked";

/// A token that this box has made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ListedToken {
    pub(crate) token: Token,
    pub(crate) is_revoked: bool,
}

/// The tokens in the order in which they were made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct TokenList {
    /// The serial of the latest token, also when that is no longer listed.
    pub(super) last_serial: u64,
    pub(super) tokens: Vec<ListedToken>,
}

impl TokenList {
    /// The number of the first line that is wrong is the error.
    pub(super) fn parse(text: &str) -> Result<Self, usize> {
        let mut list = Self::default();
        for (line, number) in text.lines().zip(1_usize..) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            list.parse_line(line).ok_or(number)?;
        }
        Ok(list)
    }

    fn parse_line(&mut self, line: &str) -> Option<()> {
        let (first, second) = line.split_once(' ')?;
        if first == "last" {
            self.last_serial = parse_decimal(second.as_bytes())?;
            return Some(());
        }
        let is_revoked = match second {
            GOOD => false,
            REVOKED => true,
            _ => return None,
        };
        let token = Token::parse_fields(first)?;
        if token.serial > self.last_serial || self.tokens.len() == MAX_TOKENS {
            return None;
        }
        self.tokens.push(ListedToken { token, is_revoked });
        Some(())
    }

    pub(super) fn emit(&self) -> String {
        let mut text = format!("{COMMENT}\nlast {}\n", self.last_serial);
        for listed in &self.tokens {
            let state = if listed.is_revoked { REVOKED } else { GOOD };
            let fields = listed.token.emit_fields();
            let _ = writeln!(text, "{fields} {state}");
        }
        text
    }

    /// Removes the oldest token that is of no use any more, if the list is full. `false`: all are
    /// in use.
    pub(super) fn make_room(&mut self, now: u64) -> bool {
        if self.tokens.len() < MAX_TOKENS {
            return true;
        }
        let is_useless = |listed: &ListedToken| listed.is_revoked || listed.token.expires <= now;
        match self.tokens.iter().position(is_useless) {
            Some(oldest) => {
                self.tokens.remove(oldest);
                true
            }
            None => false,
        }
    }

    /// The entry of exactly this token.
    pub(super) fn find(&self, token: &Token) -> Option<&ListedToken> {
        self.tokens.iter().find(|listed| listed.token == *token)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::home_box::tokens::token::TokenKind;

    fn listed(serial: u64, expires: u64, is_revoked: bool) -> ListedToken {
        let token = Token {
            device: format!("phone-{serial}"),
            kind: TokenKind::Phone,
            made: 1,
            expires,
            serial,
        };
        ListedToken { token, is_revoked }
    }

    #[test]
    fn what_is_written_is_read() {
        let list = TokenList {
            last_serial: 9,
            tokens: vec![listed(3, 100, false), listed(9, 50, true)],
        };
        let text = list.emit();
        assert_eq!(
            text,
            "# written by callrec-box\nlast 9\nphone-3,2,1,100,3 good\nphone-9,2,1,50,9 revoked\n"
        );
        assert_eq!(TokenList::parse(&text), Ok(list));
        assert_eq!(TokenList::parse(""), Ok(TokenList::default()));
    }

    #[test]
    fn a_line_that_is_wrong_is_named() {
        for (text, line) in [
            ("last x\n", 1),
            ("last 5\na,1,1,2,3\n", 2),
            ("last 5\na,1,1,2,3 fine\n", 2),
            ("last 2\n\na,1,1,2,3 good\n", 3),
            ("a,1,1,2,3 good\n", 1),
        ] {
            assert_eq!(TokenList::parse(text), Err(line), "{text}");
        }
    }

    #[test]
    fn a_full_list_gives_up_what_nobody_can_use() {
        let good = (1..=MAX_TOKENS as u64).map(|serial| listed(serial, 100, false));
        let mut list = TokenList {
            last_serial: MAX_TOKENS as u64,
            tokens: good.collect(),
        };
        assert!(!list.make_room(99));
        list.tokens[7].is_revoked = true;
        assert!(list.make_room(99));
        assert!(list.tokens.iter().all(|listed| !listed.is_revoked));
        assert!(list.make_room(99), "there is room already");
        list.tokens.push(listed(1, 100, false));
        assert!(list.make_room(100) && list.tokens.len() == MAX_TOKENS - 1);
    }
}
