//! A strict JSON reader that allocates nothing: text -> members with their values, borrowed.
//!
//! It reads what serde_json reads into a `Value`, no more and no less, except that it refuses a
//! backslash: texts with escapes go the slow way (`Node::Tree`). One pass checks the whole document;
//! nested objects come as checked slices that are walked again only when somebody looks inside.

use serde_json::Value;

/// Containers inside containers, as serde_json allows.
const DEPTH_MAX: usize = 127;

/// A value.
#[derive(Clone, Copy, Debug)]
pub(super) enum Json<'a> {
    Absent,
    Null,
    Bool(bool),
    Unsigned(u64),
    Negative(i64),
    Float,
    Text(&'a str),
    Object(Node<'a>),
    Array(Node<'a>),
}

/// An object or array, by either reader.
#[derive(Clone, Copy, Debug)]
pub(super) enum Node<'a> {
    /// Checked text, braces included.
    Slice(&'a str),
    /// A parsed tree.
    Tree(&'a Value),
}

impl<'a> Json<'a> {
    pub(super) fn text(self) -> Option<&'a str> {
        match self {
            Json::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn unsigned(self) -> Option<u64> {
        match self {
            Json::Unsigned(number) => Some(number),
            _ => None,
        }
    }

    pub(super) fn signed(self) -> Option<i64> {
        match self {
            Json::Unsigned(number) => i64::try_from(number).ok(),
            Json::Negative(number) => Some(number),
            _ => None,
        }
    }

    pub(super) fn bool(self) -> Option<bool> {
        match self {
            Json::Bool(value) => Some(value),
            _ => None,
        }
    }

    pub(super) fn object(self) -> Option<Node<'a>> {
        match self {
            Json::Object(node) => Some(node),
            _ => None,
        }
    }

    fn of(value: &'a Value) -> Json<'a> {
        match value {
            Value::Null => Json::Null,
            Value::Bool(value) => Json::Bool(*value),
            Value::Number(number) => match (number.as_u64(), number.as_i64()) {
                (Some(number), _) => Json::Unsigned(number),
                (None, Some(number)) => Json::Negative(number),
                (None, None) => Json::Float,
            },
            Value::String(text) => Json::Text(text),
            Value::Object(_) => Json::Object(Node::Tree(value)),
            Value::Array(_) => Json::Array(Node::Tree(value)),
        }
    }
}

impl<'a> Node<'a> {
    /// Calls `on` for each member of an object, in order; of a repeated name the last counts.
    pub(super) fn members(self, on: &mut dyn FnMut(&'a str, Json<'a>)) {
        match self {
            Node::Tree(Value::Object(map)) => {
                map.iter().for_each(|(name, value)| on(name, Json::of(value)));
            }
            Node::Slice(text) => {
                let checked = Cursor { text, at: 0 }.object(1, on);
                debug_assert!(checked.is_ok(), "Invariant: a slice was checked when it was cut");
            }
            Node::Tree(_) => {}
        }
    }

    /// Calls `on` for each element of an array.
    pub(super) fn elements(self, on: &mut dyn FnMut(Json<'a>)) {
        match self {
            Node::Tree(Value::Array(list)) => {
                list.iter().for_each(|value| on(Json::of(value)));
            }
            Node::Slice(text) => {
                let checked = Cursor { text, at: 0 }.array(1, on);
                debug_assert!(checked.is_ok(), "Invariant: a slice was checked when it was cut");
            }
            Node::Tree(_) => {}
        }
    }
}

/// Walks the top-level object of a document, checking all of it.
///
/// # Errors
/// The byte at which the text stops being a JSON object. Members seen before it were handed on.
pub(super) fn document<'a>(
    text: &'a str,
    on: &mut dyn FnMut(&'a str, Json<'a>),
) -> Result<(), usize> {
    let mut cursor = Cursor { text, at: 0 };
    cursor.space();
    if cursor.peek() != Some(b'{') {
        return Err(cursor.at);
    }
    cursor.object(1, on)?;
    cursor.space();
    if cursor.at == text.len() { Ok(()) } else { Err(cursor.at) }
}

struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    #[inline]
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    #[inline]
    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\t' | b'\r')) {
            self.at += 1;
        }
    }

    #[inline]
    fn expect(&mut self, byte: u8) -> Result<(), usize> {
        if self.peek() != Some(byte) {
            return Err(self.at);
        }
        self.at += 1;
        Ok(())
    }

    fn object(&mut self, depth: usize, on: &mut dyn FnMut(&'a str, Json<'a>)) -> Result<(), usize> {
        self.expect(b'{')?;
        self.space();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(());
        }
        loop {
            self.space();
            let name = self.string()?;
            self.space();
            self.expect(b':')?;
            let value = self.value(depth)?;
            on(name, value);
            self.space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => break,
                _ => return Err(self.at),
            }
        }
        self.at += 1;
        Ok(())
    }

    fn array(&mut self, depth: usize, on: &mut dyn FnMut(Json<'a>)) -> Result<(), usize> {
        self.expect(b'[')?;
        self.space();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(());
        }
        loop {
            let value = self.value(depth)?;
            on(value);
            self.space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => break,
                _ => return Err(self.at),
            }
        }
        self.at += 1;
        Ok(())
    }

    fn value(&mut self, depth: usize) -> Result<Json<'a>, usize> {
        self.space();
        let from = self.at;
        match self.peek() {
            Some(b'"') => self.string().map(Json::Text),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.word("true", Json::Bool(true)),
            Some(b'f') => self.word("false", Json::Bool(false)),
            Some(b'n') => self.word("null", Json::Null),
            Some(b'{' | b'[') if depth >= DEPTH_MAX => Err(from),
            Some(b'{') => {
                self.object(depth + 1, &mut |_, _| ())?;
                Ok(Json::Object(Node::Slice(&self.text[from..self.at])))
            }
            Some(b'[') => {
                self.array(depth + 1, &mut |_| ())?;
                Ok(Json::Array(Node::Slice(&self.text[from..self.at])))
            }
            _ => Err(from),
        }
    }

    fn word(&mut self, word: &str, value: Json<'a>) -> Result<Json<'a>, usize> {
        if !self.text[self.at..].starts_with(word) {
            return Err(self.at);
        }
        self.at += word.len();
        Ok(value)
    }

    #[inline]
    fn string(&mut self) -> Result<&'a str, usize> {
        self.expect(b'"')?;
        let from = self.at;
        loop {
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\' | ..=0x1f) | None => return Err(self.at),
                Some(_) => self.at += 1,
            }
        }
        self.at += 1;
        Ok(&self.text[from..self.at - 1])
    }

    fn number(&mut self) -> Result<Json<'a>, usize> {
        let from = self.at;
        let negative = self.peek() == Some(b'-');
        self.at += usize::from(negative);
        match self.peek() {
            Some(b'0') => self.at += 1,
            Some(b'1'..=b'9') => self.digits()?,
            _ => return Err(self.at),
        }
        let mut whole = true;
        if self.peek() == Some(b'.') {
            whole = false;
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            whole = false;
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        let text = &self.text[from..self.at];
        if whole
            && !negative
            && let Ok(number) = text.parse()
        {
            return Ok(Json::Unsigned(number));
        }
        if whole
            && negative
            && text != "-0"
            && let Ok(number) = text.parse()
        {
            return Ok(Json::Negative(number));
        }
        match text.parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(Json::Float),
            _ => Err(from),
        }
    }

    fn digits(&mut self) -> Result<(), usize> {
        let from = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        if self.at == from { Err(from) } else { Ok(()) }
    }
}
