//! Header blocks of HPACK (RFC 7541): read with the client's dynamic table, written without one.
//!
//! The existing crates do not fit. h2 keeps its implementation private. `loona-hpack` (like `hpack`
//! and `fluke-hpack`, from which it is forked) builds a hash map of all 257 codes for each Huffman
//! string, so that 60 KB/s of short strings keep a core busy (126 ms for 7,500 bytes, measured;
//! 0.2 ms here), and it accepts table size updates in the middle of a block.

use std::collections::VecDeque;

use bytes::Bytes;

use super::huffman;

/// Size of a field in addition to its name and value (RFC 7541, section 4.1), in the table and in a
/// list.
const FIELD_OVERHEAD: usize = 32;

/// Maximum number of octets in an integer. Five reach 2^28, more than any length or index here.
const MAX_INTEGER_OCTETS: u32 = 5;

/// Table size update to zero. It precedes the first block that is written, which then depends on no
/// table.
pub(super) const NO_TABLE: u8 = 0x20;

/// Reason why a block cannot be read. The connection is lost with it: the table is out of sync.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum HpackError {
    #[error("it ends in the middle of a field")]
    Short,
    #[error("an integer in it is too long")]
    Integer,
    #[error("it refers to field {0}, which neither table has")]
    Index(usize),
    #[error("a string in it is not valid Huffman code")]
    Huffman,
    #[error("it asks for a table of {0} bytes, more than the server allows")]
    TableSize(usize),
    #[error("it changes the table's size after its first field")]
    LateTableSize,
    #[error("its fields take more than {0} bytes")]
    ListSize(usize),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Field {
    pub(super) name: Bytes,
    pub(super) value: Bytes,
    /// True for a field that intermediaries must not index either (RFC 7541, section 6.2.3).
    pub(super) never_indexed: bool,
}

impl Field {
    /// Appends the field as a literal without indexing, not Huffman-coded.
    pub(super) fn write(&self, block: &mut Vec<u8>) {
        block.push(if self.never_indexed { 0x10 } else { 0 });
        write_string(&self.name, block);
        write_string(&self.value, block);
    }
}

/// Decoder for the blocks of one connection, in order.
#[derive(Debug)]
pub(super) struct Decoder {
    pub(super) table: Table,
    /// Maximum table size that the client may choose.
    max_table_size: usize,
    /// Maximum size of a list of fields.
    max_list_size: usize,
}

impl Decoder {
    pub(super) fn new(max_table_size: usize, max_list_size: usize) -> Self {
        Self {
            table: Table {
                fields: VecDeque::new(),
                size: 0,
                limit: max_table_size,
            },
            max_table_size,
            max_list_size,
        }
    }

    /// Decodes the fields of a complete block, in order.
    pub(super) fn decode(&mut self, block: &[u8]) -> Result<Vec<Field>, HpackError> {
        let mut fields = Vec::new();
        let mut list_size = 0_usize;
        let mut rest = Rest(block);
        while let Some(first) = rest.peek() {
            if first & 0xe0 == 0x20 {
                let size = rest.integer(5)?;
                if !fields.is_empty() {
                    return Err(HpackError::LateTableSize);
                }
                if size > self.max_table_size {
                    return Err(HpackError::TableSize(size));
                }
                self.table.set_limit(size);
                continue;
            }
            let field = self.field(first, &mut rest)?;
            list_size = list_size.saturating_add(size_of_field(&field.name, &field.value));
            if list_size > self.max_list_size {
                return Err(HpackError::ListSize(self.max_list_size));
            }
            fields.push(field);
        }
        Ok(fields)
    }

    fn field(&mut self, first: u8, rest: &mut Rest<'_>) -> Result<Field, HpackError> {
        if first & 0x80 != 0 {
            let (name, value) = self.table.get(rest.integer(7)?)?;
            return Ok(Field {
                name,
                value,
                never_indexed: false,
            });
        }
        let indexed = first & 0x40 != 0;
        let name = match rest.integer(if indexed { 6 } else { 4 })? {
            0 => rest.string()?,
            index => self.table.get(index)?.0,
        };
        let value = rest.string()?;
        if indexed {
            self.table.insert(name.clone(), value.clone());
        }
        Ok(Field {
            name,
            value,
            never_indexed: first & 0xf0 == 0x10,
        })
    }
}

/// Unread remainder of a block.
struct Rest<'a>(&'a [u8]);

impl Rest<'_> {
    fn peek(&self) -> Option<u8> {
        self.0.first().copied()
    }

    fn byte(&mut self) -> Result<u8, HpackError> {
        let (byte, rest) = self.0.split_first().ok_or(HpackError::Short)?;
        self.0 = rest;
        Ok(*byte)
    }

    /// Reads an integer that starts in the low `prefix` bits of the next octet (section 5.1).
    fn integer(&mut self, prefix: u32) -> Result<usize, HpackError> {
        let mask = (1_usize << prefix) - 1;
        let mut value = usize::from(self.byte()?) & mask;
        if value < mask {
            return Ok(value);
        }
        for place in 0..MAX_INTEGER_OCTETS - 1 {
            let byte = self.byte()?;
            value += usize::from(byte & 0x7f) << (7 * place);
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(HpackError::Integer)
    }

    fn string(&mut self) -> Result<Bytes, HpackError> {
        let is_huffman = self.peek().ok_or(HpackError::Short)? & 0x80 != 0;
        let length = self.integer(7)?;
        let (string, rest) = self.0.split_at_checked(length).ok_or(HpackError::Short)?;
        self.0 = rest;
        if is_huffman {
            let octets = huffman::decode(string).ok_or(HpackError::Huffman)?;
            Ok(Bytes::from(octets))
        } else {
            Ok(Bytes::copy_from_slice(string))
        }
    }
}

/// The dynamic table, newest field first. Its indices follow those of the static table.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) fields: VecDeque<(Bytes, Bytes)>,
    pub(super) size: usize,
    /// Maximum size, which also bounds the number of fields.
    limit: usize,
}

impl Table {
    fn get(&self, index: usize) -> Result<(Bytes, Bytes), HpackError> {
        let unknown = HpackError::Index(index);
        let place = index.checked_sub(1).ok_or(unknown)?;
        if let Some((name, value)) = STATIC_TABLE.get(place) {
            let bytes = |text: &'static str| Bytes::from_static(text.as_bytes());
            return Ok((bytes(name), bytes(value)));
        }
        let field = self.fields.get(place - STATIC_TABLE.len());
        field.cloned().ok_or(unknown)
    }

    fn insert(&mut self, name: Bytes, value: Bytes) {
        let size = size_of_field(&name, &value);
        // A field that is larger than the table empties it and is not kept (section 4.4).
        self.shrink_to(self.limit.saturating_sub(size));
        if size <= self.limit {
            self.size += size;
            self.fields.push_front((name, value));
        }
    }

    fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
        self.shrink_to(limit);
    }

    fn shrink_to(&mut self, size: usize) {
        while self.size > size
            && let Some((name, value)) = self.fields.pop_back()
        {
            self.size -= size_of_field(&name, &value);
        }
    }
}

fn size_of_field(name: &Bytes, value: &Bytes) -> usize {
    name.len() + value.len() + FIELD_OVERHEAD
}

fn write_string(string: &[u8], block: &mut Vec<u8>) {
    write_integer(string.len(), block);
    block.extend_from_slice(string);
}

/// Writes an integer with a prefix of seven bits; the eighth bit is zero.
fn write_integer(value: usize, block: &mut Vec<u8>) {
    let Some(mut rest) = value.checked_sub(0x7f) else {
        block.push(low_bits(value));
        return;
    };
    block.push(0x7f);
    while rest > 0x7f {
        block.push(low_bits(rest) | 0x80);
        rest >>= 7;
    }
    block.push(low_bits(rest));
}

fn low_bits(value: usize) -> u8 {
    u8::try_from(value & 0x7f).unwrap_or(0)
}

/// The static table of appendix A.
#[rustfmt::skip]
pub(super) const STATIC_TABLE: [(&str, &str); 61] = [
    (":authority", ""), (":method", "GET"), (":method", "POST"), (":path", "/"), (":path", "/index.html"),
    (":scheme", "http"), (":scheme", "https"), (":status", "200"), (":status", "204"), (":status", "206"),
    (":status", "304"), (":status", "400"), (":status", "404"), (":status", "500"), ("accept-charset", ""),
    ("accept-encoding", "gzip, deflate"), ("accept-language", ""), ("accept-ranges", ""), ("accept", ""),
    ("access-control-allow-origin", ""), ("age", ""), ("allow", ""), ("authorization", ""), ("cache-control", ""),
    ("content-disposition", ""), ("content-encoding", ""), ("content-language", ""), ("content-length", ""),
    ("content-location", ""), ("content-range", ""), ("content-type", ""), ("cookie", ""), ("date", ""), ("etag", ""),
    ("expect", ""), ("expires", ""), ("from", ""), ("host", ""), ("if-match", ""), ("if-modified-since", ""),
    ("if-none-match", ""), ("if-range", ""), ("if-unmodified-since", ""), ("last-modified", ""), ("link", ""),
    ("location", ""), ("max-forwards", ""), ("proxy-authenticate", ""), ("proxy-authorization", ""), ("range", ""),
    ("referer", ""), ("refresh", ""), ("retry-after", ""), ("server", ""), ("set-cookie", ""),
    ("strict-transport-security", ""), ("transfer-encoding", ""), ("user-agent", ""), ("vary", ""), ("via", ""),
    ("www-authenticate", ""),
];
