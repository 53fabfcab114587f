//! Records as bytes.

use super::*;

/// What precedes the text or bytes of any record, in bytes, at most.
pub(super) const MAX_HEAD: usize = 34;

impl<'r> Record<'r> {
    /// Reads a record; `bytes` is all of it.
    ///
    /// # Errors
    ///
    /// What is wrong with the bytes.
    pub fn decode(bytes: &'r [u8]) -> Result<Self, RecordError> {
        let (&kind, rest) = bytes.split_first().ok_or(RecordError::Empty)?;
        let mut fields = Fields { kind, rest };
        let record = match kind {
            0x01 => {
                let version = fields.u16()?;
                if version != TRUNK_VERSION {
                    // What follows is laid out as that version says.
                    return Ok(Self::Join(Join::of_version(version)));
                }
                Self::Join(Join {
                    version,
                    kind: fields.one_of(&[MemberKind::Handle, MemberKind::Service])?,
                    incarnation: fields.incarnation()?,
                    window: fields.u32()?,
                    limit: fields.u16()?,
                    name: fields.text()?,
                })
            }
            0x02 => Self::Connect { link: fields.u32()?, peer: fields.text()? },
            0x03 => Self::Accept { link: fields.u32()? },
            0x04 => Self::Reject { link: fields.u32()? },
            0x05 => Self::Find { peer: fields.text()? },
            0x06 => Self::Peers,
            0x07 => Self::Watch,
            0x08 => Self::Authenticate {
                link: fields.u32()?,
                incarnation: fields.incarnation()?,
                name: fields.text()?,
            },
            0x40 => {
                let link = fields.u32()?;
                if fields.rest.is_empty() {
                    return Err(RecordError::Length { kind });
                }
                Self::Data { link, bytes: fields.all() }
            }
            0x41 => Self::Credit { link: fields.u32()?, bytes: fields.u32()? },
            0x42 => Self::Close { link: fields.u32()? },
            0x43 => Self::Pulse,
            0x44 => Self::Lost,
            0x81 => Self::Joined {
                version: fields.u16()?,
                window: fields.u32()?,
                limit: fields.u16()?,
                silence: fields.u16()?,
            },
            0x82 => Self::Refused {
                trouble: fields.one_of(&Trouble::ALL)?,
                version: fields.u16()?,
                detail: fields.text()?,
            },
            0x83 => Self::Connected { link: fields.u32()?, status: fields.status()? },
            0x84 => Self::Failed { link: fields.u32()?, failure: fields.failure()? },
            0x85 => Self::Incoming { link: fields.u32()? },
            0x86 if rest.is_empty() => Self::Found { status: None },
            0x86 => Self::Found { status: Some(fields.status()?) },
            0x87 => {
                let is_last = fields.one_of(&[false, true])?;
                let packed = fields.all();
                if names(packed).any(|name| name.is_err()) {
                    return Err(RecordError::Field { kind });
                }
                Self::PeerList { is_last, packed }
            }
            0x88 => Self::Watching,
            0x89 => Self::Authenticated { link: fields.u32()?, genuine: fields.one_of(&[false, true])? },
            0x8a => Self::Unable { failure: fields.failure()? },
            0x8b => Self::Peer {
                incarnation: fields.incarnation()?,
                state: fields.state()?,
                name: fields.text()?,
            },
            0x8c => Self::Suspended { link: fields.u32()?, micros: fields.u64()? },
            0x8d => Self::BusGone { detail: fields.text()? },
            _ => return Err(RecordError::Unknown { kind }),
        };
        if fields.rest.is_empty() { Ok(record) } else { Err(RecordError::Length { kind }) }
    }

    /// Writes the record to the front of `out` and returns its length.
    ///
    /// # Errors
    ///
    /// [`NoRoom`] if it does not fit.
    pub fn encode(&self, out: &mut [u8]) -> Result<usize, NoRoom> {
        let (head, tail) = self.parts();
        let head = head.bytes();
        let len = head.len() + tail.len();
        let out = out.get_mut(..len).ok_or(NoRoom)?;
        let (front, back) = out.split_at_mut(head.len());
        front.copy_from_slice(head);
        back.copy_from_slice(tail);
        Ok(len)
    }

    /// The record in two parts: everything of fixed size, and the text or bytes behind it.
    pub(in crate::trunk) fn parts(&self) -> (Head, &'r [u8]) {
        let head = Head::new;
        match *self {
            Self::Join(join) => {
                let head = head(0x01).u16(join.version).u8(join.kind as u8).incarnation(join.incarnation);
                (head.u32(join.window).u16(join.limit), join.name.as_bytes())
            }
            Self::Connect { link, peer } => (head(0x02).u32(link), peer.as_bytes()),
            Self::Accept { link } => (head(0x03).u32(link), &[]),
            Self::Reject { link } => (head(0x04).u32(link), &[]),
            Self::Find { peer } => (head(0x05), peer.as_bytes()),
            Self::Peers => (head(0x06), &[]),
            Self::Watch => (head(0x07), &[]),
            Self::Authenticate { link, incarnation, name } => {
                (head(0x08).u32(link).incarnation(incarnation), name.as_bytes())
            }
            Self::Data { link, bytes } => (head(0x40).u32(link), bytes),
            Self::Credit { link, bytes } => (head(0x41).u32(link).u32(bytes), &[]),
            Self::Close { link } => (head(0x42).u32(link), &[]),
            Self::Pulse => (head(0x43), &[]),
            Self::Lost => (head(0x44), &[]),
            Self::Joined { version, window, limit, silence } => {
                (head(0x81).u16(version).u32(window).u16(limit).u16(silence), &[])
            }
            Self::Refused { trouble, version, detail } => {
                (head(0x82).u8(trouble as u8).u16(version), detail.as_bytes())
            }
            Self::Connected { link, status } => (head(0x83).u32(link).status(status), &[]),
            Self::Failed { link, failure } => {
                (head(0x84).u32(link).u8(failure.trouble as u8), failure.detail.as_bytes())
            }
            Self::Incoming { link } => (head(0x85).u32(link), &[]),
            Self::Found { status: None } => (head(0x86), &[]),
            Self::Found { status: Some(status) } => (head(0x86).status(status), &[]),
            Self::PeerList { is_last, packed } => (head(0x87).u8(is_last.into()), packed),
            Self::Watching => (head(0x88), &[]),
            Self::Authenticated { link, genuine } => (head(0x89).u32(link).u8(genuine.into()), &[]),
            Self::Unable { failure } => (head(0x8a).u8(failure.trouble as u8), failure.detail.as_bytes()),
            Self::Peer { incarnation, state, name } => {
                (head(0x8b).incarnation(incarnation).state(state), name.as_bytes())
            }
            Self::Suspended { link, micros } => (head(0x8c).u32(link).u64(micros), &[]),
            Self::BusGone { detail } => (head(0x8d), detail.as_bytes()),
        }
    }
}

impl Join<'_> {
    /// What can be read of a `Join` of another version.
    fn of_version(version: u16) -> Self {
        let incarnation = Incarnation::from_bits(0);
        Self { version, kind: MemberKind::Handle, incarnation, window: 0, limit: 0, name: "" }
    }
}

/// The names in a [`Record::PeerList`].
pub fn names(mut packed: &[u8]) -> impl Iterator<Item = Result<&str, RecordError>> {
    core::iter::from_fn(move || {
        if packed.is_empty() {
            return None;
        }
        let name = packed.split_first_chunk().and_then(|(len, rest)| {
            let (name, rest) = rest.split_at_checked(usize::from(u16::from_le_bytes(*len)))?;
            packed = rest;
            core::str::from_utf8(name).ok()
        });
        if name.is_none() {
            packed = &[];
        }
        Some(name.ok_or(RecordError::Field { kind: 0x87 }))
    })
}

/// Adds a name to those of a [`Record::PeerList`] at the front of `out`, and returns how many bytes it takes.
///
/// # Errors
///
/// [`NoRoom`] if it does not fit.
pub fn pack_name(name: &str, out: &mut [u8]) -> Result<usize, NoRoom> {
    let len = u16::try_from(name.len()).map_err(|_| NoRoom)?;
    let out = out.get_mut(..2 + name.len()).ok_or(NoRoom)?;
    out[..2].copy_from_slice(&len.to_le_bytes());
    out[2..].copy_from_slice(name.as_bytes());
    Ok(out.len())
}

/// What precedes the text or bytes of a record.
pub(in crate::trunk) struct Head {
    bytes: [u8; MAX_HEAD],
    len: usize,
}

impl Head {
    fn new(kind: u8) -> Self {
        Self { bytes: [0; MAX_HEAD], len: 0 }.u8(kind)
    }

    pub(in crate::trunk) fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    fn put<const N: usize>(mut self, field: [u8; N]) -> Self {
        self.bytes[self.len..self.len + N].copy_from_slice(&field);
        self.len += N;
        self
    }

    fn u8(self, field: u8) -> Self {
        self.put([field])
    }

    fn u16(self, field: u16) -> Self {
        self.put(field.to_le_bytes())
    }

    fn u32(self, field: u32) -> Self {
        self.put(field.to_le_bytes())
    }

    fn u64(self, field: u64) -> Self {
        self.put(field.to_le_bytes())
    }

    fn incarnation(self, field: Incarnation) -> Self {
        self.put(field.as_bits().to_le_bytes())
    }

    fn state(self, state: State) -> Self {
        match state {
            State::Active => self.u8(0).u64(0),
            State::Suspended { micros } => self.u8(1).u64(micros),
            State::Gone => self.u8(2).u64(0),
        }
    }

    fn status(self, status: Status) -> Self {
        self.incarnation(status.incarnation).state(status.state).u32(status.pid.unwrap_or(0))
    }
}

/// What is left of a record that is being read.
struct Fields<'r> {
    kind: u8,
    rest: &'r [u8],
}

impl<'r> Fields<'r> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], RecordError> {
        let (field, rest) = self.rest.split_first_chunk().ok_or(RecordError::Length { kind: self.kind })?;
        self.rest = rest;
        Ok(*field)
    }

    fn u8(&mut self) -> Result<u8, RecordError> {
        self.take().map(|[byte]| byte)
    }

    fn u16(&mut self) -> Result<u16, RecordError> {
        self.take().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Result<u32, RecordError> {
        self.take().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, RecordError> {
        self.take().map(u64::from_le_bytes)
    }

    fn incarnation(&mut self) -> Result<Incarnation, RecordError> {
        self.take().map(|bytes| Incarnation::from_bits(u128::from_le_bytes(bytes)))
    }

    /// A byte that counts the values that a field can have.
    fn one_of<V: Copy>(&mut self, values: &[V]) -> Result<V, RecordError> {
        let at = usize::from(self.u8()?);
        values.get(at).copied().ok_or(RecordError::Field { kind: self.kind })
    }

    fn state(&mut self) -> Result<State, RecordError> {
        match (self.u8()?, self.u64()?) {
            (0, 0) => Ok(State::Active),
            (1, micros) => Ok(State::Suspended { micros }),
            (2, 0) => Ok(State::Gone),
            _ => Err(RecordError::Field { kind: self.kind }),
        }
    }

    fn status(&mut self) -> Result<Status, RecordError> {
        let (incarnation, state, pid) = (self.incarnation()?, self.state()?, self.u32()?);
        Ok(Status { incarnation, state, pid: (pid != 0).then_some(pid) })
    }

    fn failure(&mut self) -> Result<Failure<'r>, RecordError> {
        Ok(Failure { trouble: self.one_of(&Trouble::ALL)?, detail: self.text()? })
    }

    fn text(&mut self) -> Result<&'r str, RecordError> {
        core::str::from_utf8(self.all()).map_err(|_| RecordError::Field { kind: self.kind })
    }

    fn all(&mut self) -> &'r [u8] {
        core::mem::take(&mut self.rest)
    }
}
