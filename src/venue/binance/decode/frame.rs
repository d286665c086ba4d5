//! A market frame as serde_json reads it: bytes -> the fields the engine knows, any key order.
//!
//! Unknown keys are skipped; a known key that stands twice is an error; every field may hold any
//! JSON value, since one letter means different things in different events (`a` is an ask price, an
//! ask side or an aggregate id). What a field must hold is for the reader of the event to say.

use super::error::DecodeError;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::borrow::Cow;
use std::fmt;

/// A JSON value, as far as market events need it.
#[derive(Debug)]
pub(super) enum Node<'a> {
    /// A string.
    Text(Cow<'a, str>),
    /// A non-negative integer.
    Whole(u64),
    /// A boolean.
    Flag(bool),
    /// An array.
    List(Vec<Node<'a>>),
    /// Anything else that is well-formed: objects, fractions, null.
    Else,
}

/// The keys of all events, each as it came.
#[derive(Debug, Default, serde::Deserialize)]
pub(super) struct Body<'a> {
    #[serde(borrow)]
    pub(super) e: Option<Node<'a>>,
    #[serde(borrow, rename = "E")]
    pub(super) event_time: Option<Node<'a>>,
    #[serde(borrow, rename = "T")]
    pub(super) transaction_time: Option<Node<'a>>,
    #[serde(borrow)]
    pub(super) s: Option<Node<'a>>,
    #[serde(borrow)]
    pub(super) ps: Option<Node<'a>>,
    #[serde(borrow, rename = "U")]
    pub(super) first_update: Option<Node<'a>>,
    #[serde(borrow)]
    pub(super) u: Option<Node<'a>>,
    #[serde(borrow)]
    pub(super) pu: Option<Node<'a>>,
    #[serde(borrow)]
    pub(super) b: Option<Node<'a>>,
    #[serde(borrow, rename = "B")]
    pub(super) bid_size: Option<Node<'a>>,
    #[serde(borrow)]
    pub(super) a: Option<Node<'a>>,
    #[serde(borrow, rename = "A")]
    pub(super) ask_size: Option<Node<'a>>,
    #[serde(borrow)]
    pub(super) t: Option<Node<'a>>,
    #[serde(borrow)]
    pub(super) p: Option<Node<'a>>,
    #[serde(borrow)]
    pub(super) q: Option<Node<'a>>,
    #[serde(borrow)]
    pub(super) m: Option<Node<'a>>,
    #[serde(borrow, rename = "X")]
    pub(super) execution: Option<Node<'a>>,
    #[serde(borrow, rename = "lastUpdateId")]
    pub(super) last_update_id: Option<Node<'a>>,
    #[serde(borrow)]
    pub(super) bids: Option<Node<'a>>,
    #[serde(borrow)]
    pub(super) asks: Option<Node<'a>>,
    #[serde(borrow)]
    pub(super) symbol: Option<Node<'a>>,
    #[serde(borrow)]
    pub(super) pair: Option<Node<'a>>,
}

/// A frame: the name of its stream where it came wrapped, and its event.
#[derive(Debug)]
pub(super) struct Frame<'a> {
    /// `btcusdt@bookTicker`.
    pub(super) stream: Option<Cow<'a, str>>,
    /// The event; `None` when the frame is well-formed but no object.
    pub(super) body: Option<Body<'a>>,
}

#[derive(serde::Deserialize)]
struct Wrapper<'a> {
    #[serde(borrow)]
    stream: Option<Node<'a>>,
    #[serde(borrow)]
    data: Option<Object<Body<'a>>>,
}

/// An object read as `T`, or any other well-formed value.
#[derive(Debug)]
enum Object<T> {
    Is(T),
    Else,
}

/// Reads a frame, wrapped or bare.
///
/// # Errors
/// `Malformed` when it is no JSON text, `DuplicateKey` when a known key stands twice.
pub(super) fn read(bytes: &[u8]) -> Result<Frame<'_>, DecodeError> {
    let json = |error: serde_json::Error| DecodeError::of_json(&error, bytes);
    let wrapper: Object<Wrapper<'_>> = serde_json::from_slice(bytes).map_err(json)?;
    if let Object::Is(Wrapper { stream: Some(Node::Text(stream)), data: Some(data) }) = wrapper {
        let body = match data {
            Object::Is(body) => Some(body),
            Object::Else => None,
        };
        return Ok(Frame { stream: Some(stream), body });
    }
    match serde_json::from_slice(bytes).map_err(json)? {
        Object::Is(body) => Ok(Frame { stream: None, body: Some(body) }),
        Object::Else => Ok(Frame { stream: None, body: None }),
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Node<'de>, E> {
        Ok(Node::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Node<'de>, E> {
        Ok(Node::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node<'de>, E> {
        Ok(Node::Whole(value))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Node<'de>, E> {
        Ok(Node::Else)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Node<'de>, E> {
        Ok(Node::Else)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Node<'de>, E> {
        Ok(Node::Flag(flag))
    }

    fn visit_unit<E>(self) -> Result<Node<'de>, E> {
        Ok(Node::Else)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Node<'de>, A::Error> {
        let mut list = Vec::new();
        while let Some(node) = seq.next_element()? {
            list.push(node);
        }
        Ok(Node::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node<'de>, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Node::Else)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Node<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Node<'a>, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct ObjectVisitor<T>(std::marker::PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
    type Value = Object<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_str<E>(self, _: &str) -> Result<Object<T>, E> {
        Ok(Object::Else)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Object<T>, E> {
        Ok(Object::Else)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Object<T>, E> {
        Ok(Object::Else)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Object<T>, E> {
        Ok(Object::Else)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Object<T>, E> {
        Ok(Object::Else)
    }

    fn visit_unit<E>(self) -> Result<Object<T>, E> {
        Ok(Object::Else)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Object<T>, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Object::Else)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Object<T>, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(Object::Is)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Object<T>, D::Error> {
        deserializer.deserialize_any(ObjectVisitor(std::marker::PhantomData))
    }
}
