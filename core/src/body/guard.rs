//! The guarded deserializer: postcard reads the scalars, the guard walks the structure and counts.
//!
//! Everything that can nest or repeat is written out here (options, sequences, maps, tuples, enums), so
//! that nothing recurs or loops uncounted; whatever is a run of bytes goes through
//! [`postcard::Deserializer`]. It touches nothing but the bytes.

use super::{DecodeError, MAX_DEPTH};
use postcard::{Error, Result, de_flavors::Slice};
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, MapAccess, SeqAccess, VariantAccess, Visitor,
};

/// A postcard deserializer that counts levels and elements.
///
/// A violation is kept here and not in the error, which stays one byte wide; a `Deserialize` that swallows
/// errors cannot hide it.
pub(super) struct Guarded<'de> {
    rest: &'de [u8],
    /// Levels that may still be entered.
    depth: usize,
    /// Elements and entries that may still be announced, out of `limit`.
    elements: usize,
    limit: usize,
    violation: Option<DecodeError>,
}

impl<'de> Guarded<'de> {
    #[inline]
    pub(super) fn new(bytes: &'de [u8], limit: usize) -> Self {
        Self { rest: bytes, depth: MAX_DEPTH, elements: limit, limit, violation: None }
    }

    /// What decoding came to, given what the type's `Deserialize` returned.
    #[inline]
    pub(super) fn finish<T>(self, value: Result<T>) -> core::result::Result<T, DecodeError> {
        if let Some(violation) = self.violation {
            return Err(violation);
        }
        match value {
            Ok(value) if self.rest.is_empty() => Ok(value),
            Ok(_) => Err(DecodeError::Trailing { bytes: self.rest.len() }),
            Err(Error::DeserializeUnexpectedEnd) => Err(DecodeError::Truncated),
            Err(Error::WontImplement) => Err(DecodeError::Unsupported),
            Err(_) => Err(DecodeError::Malformed),
        }
    }

    /// Lets postcard read something that holds no further values.
    #[inline]
    fn read<R>(
        &mut self,
        read: impl FnOnce(&mut postcard::Deserializer<'de, Slice<'de>>) -> Result<R>,
    ) -> Result<R> {
        let mut plain = postcard::Deserializer::from_bytes(self.rest);
        let value = read(&mut plain)?;
        self.rest = plain.finalize()?;
        Ok(value)
    }

    /// Reads the length of a sequence or map and pays for that many elements at once.
    fn length(&mut self) -> Result<usize> {
        let len: u64 = self.read(|plain| serde::Deserialize::deserialize(plain))?;
        let affordable = usize::try_from(len).ok().filter(|&len| len <= self.elements);
        let Some(len) = affordable else {
            return Err(self.refuse(DecodeError::TooManyValues { limit: self.limit }));
        };
        self.elements -= len;
        Ok(len)
    }

    /// Goes one level down for as long as `visit` takes.
    #[inline]
    fn nested<R>(&mut self, visit: impl FnOnce(&mut Self) -> Result<R>) -> Result<R> {
        let Some(depth) = self.depth.checked_sub(1) else {
            return Err(self.refuse(DecodeError::TooDeep { limit: MAX_DEPTH }));
        };
        self.depth = depth;
        let result = visit(self);
        self.depth += 1;
        result
    }

    /// Keeps the first violation; the error returned only unwinds.
    #[cold]
    fn refuse(&mut self, violation: DecodeError) -> Error {
        self.violation.get_or_insert(violation);
        Error::DeserializeBadEncoding
    }
}

macro_rules! read_by_postcard {
    ($($method:ident)*) => {$(
        #[inline]
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
            self.read(|plain| plain.$method(visitor))
        }
    )*};
}

impl<'de> Deserializer<'de> for &mut Guarded<'de> {
    type Error = Error;

    read_by_postcard! {
        deserialize_any deserialize_identifier deserialize_ignored_any
        deserialize_bool deserialize_char deserialize_f32 deserialize_f64
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128
        deserialize_str deserialize_string deserialize_bytes deserialize_byte_buf
    }

    #[inline]
    fn is_human_readable(&self) -> bool {
        false
    }

    #[inline]
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.read(|plain| <u8 as serde::Deserialize>::deserialize(plain))? {
            0 => visitor.visit_none(),
            1 => self.nested(|guarded| visitor.visit_some(guarded)),
            _ => Err(Error::DeserializeBadOption),
        }
    }

    #[inline]
    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        visitor.visit_unit()
    }

    #[inline]
    fn deserialize_unit_struct<V: Visitor<'de>>(self, _name: &'static str, visitor: V) -> Result<V::Value> {
        visitor.visit_unit()
    }

    #[inline]
    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value> {
        // No level: it holds one thing, so nothing can recur through newtypes alone and end.
        visitor.visit_newtype_struct(self)
    }

    #[inline]
    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        let left = self.length()?;
        self.nested(|guarded| visitor.visit_seq(Elements { guarded, left }))
    }

    #[inline]
    fn deserialize_tuple<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value> {
        self.nested(|guarded| visitor.visit_seq(Elements { guarded, left: len }))
    }

    #[inline]
    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        len: usize,
        visitor: V,
    ) -> Result<V::Value> {
        self.deserialize_tuple(len, visitor)
    }

    #[inline]
    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        let left = self.length()?;
        self.nested(|guarded| visitor.visit_map(Elements { guarded, left }))
    }

    #[inline]
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        self.deserialize_tuple(fields.len(), visitor)
    }

    #[inline]
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        self.nested(|guarded| visitor.visit_enum(guarded))
    }
}

impl<'de> EnumAccess<'de> for &mut Guarded<'de> {
    type Error = Error;
    type Variant = Self;

    #[inline]
    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self)> {
        let index: u32 = self.read(|plain| serde::Deserialize::deserialize(plain))?;
        Ok((seed.deserialize(index.into_deserializer())?, self))
    }
}

/// The contents of a variant are on the level that its enum has entered.
impl<'de> VariantAccess<'de> for &mut Guarded<'de> {
    type Error = Error;

    #[inline]
    fn unit_variant(self) -> Result<()> {
        Ok(())
    }

    #[inline]
    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value> {
        seed.deserialize(self)
    }

    #[inline]
    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value> {
        visitor.visit_seq(Elements { guarded: self, left: len })
    }

    #[inline]
    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        self.tuple_variant(fields.len(), visitor)
    }
}

/// The elements of a sequence or tuple, or the entries of a map, that are yet to come.
struct Elements<'a, 'de> {
    guarded: &'a mut Guarded<'de>,
    left: usize,
}

impl Elements<'_, '_> {
    /// Whether another one comes; it has then been taken.
    #[inline]
    fn take(&mut self) -> bool {
        let more = self.left > 0;
        self.left -= usize::from(more);
        more
    }

    /// At most one for each byte left, so that a length alone reserves no memory.
    #[inline]
    fn hint(&self) -> Option<usize> {
        Some(self.left.min(self.guarded.rest.len()))
    }
}

impl<'de> SeqAccess<'de> for Elements<'_, 'de> {
    type Error = Error;

    #[inline]
    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>> {
        if self.take() { seed.deserialize(&mut *self.guarded).map(Some) } else { Ok(None) }
    }

    #[inline]
    fn size_hint(&self) -> Option<usize> {
        self.hint()
    }
}

impl<'de> MapAccess<'de> for Elements<'_, 'de> {
    type Error = Error;

    #[inline]
    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>> {
        if self.take() { seed.deserialize(&mut *self.guarded).map(Some) } else { Ok(None) }
    }

    #[inline]
    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value> {
        seed.deserialize(&mut *self.guarded)
    }

    #[inline]
    fn size_hint(&self) -> Option<usize> {
        self.hint()
    }
}
