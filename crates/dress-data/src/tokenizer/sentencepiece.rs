//! SentencePiece's `tokenizer.model`, as far as LLaMA's class needs it: pieces, which make up vocabulary and
//! merges.

use std::collections::HashMap;
use tokenizers::AddedToken;
use tokenizers::models::bpe::BPE;

const BPE_MODEL: u64 = 2;
const CONTROL: u64 = 3;
const USER_DEFINED: u64 = 4;

/// An entry of the vocabulary; its place is its id.
#[derive(Debug, PartialEq)]
pub(super) struct Piece {
    text: String,
    kind: u64,
}

impl Piece {
    /// The token that is looked for in a text before it is split, where the piece is one.
    pub fn added(&self) -> Option<AddedToken> {
        let token = AddedToken::from(self.text.clone(), self.kind == CONTROL).normalized(false);
        [CONTROL, USER_DEFINED].contains(&self.kind).then_some(token)
    }
}

/// The pieces of a model of byte pairs; `None` for other models and for what is no such file.
pub(super) fn pieces(bytes: &[u8]) -> Option<Vec<Piece>> {
    let (mut pieces, mut kind) = (Vec::new(), 1);
    for (number, value) in fields(bytes)? {
        match (number, value) {
            (1, Field::Bytes(piece)) => pieces.push(piece_of(piece)?),
            (2, Field::Bytes(trainer)) => {
                for (number, value) in fields(trainer)? {
                    if let (3, Field::Number(found)) = (number, value) {
                        kind = found;
                    }
                }
            }
            _ => {}
        }
    }
    (kind == BPE_MODEL && !pieces.is_empty()).then_some(pieces)
}

fn piece_of(bytes: &[u8]) -> Option<Piece> {
    let mut piece = Piece { text: String::new(), kind: 1 };
    for (number, value) in fields(bytes)? {
        match (number, value) {
            (1, Field::Bytes(text)) => piece.text = std::str::from_utf8(text).ok()?.into(),
            (3, Field::Number(kind)) => piece.kind = kind,
            _ => {}
        }
    }
    Some(piece)
}

/// Byte pairs merged in the order of the pieces that they make.
pub(super) fn bpe(pieces: &[Piece]) -> tokenizers::Result<BPE> {
    let ids = pieces.iter().zip(0u32..);
    let vocab: HashMap<&str, u32> = ids.map(|(piece, id)| (piece.text.as_str(), id)).collect();
    let mut merges = Vec::new();
    for (&whole, &id) in &vocab {
        for (at, _) in whole.char_indices().skip(1) {
            let (left, right) = whole.split_at(at);
            if let (Some(&first), Some(&second)) = (vocab.get(left), vocab.get(right)) {
                merges
                    .push(((id, left.chars().count(), right.chars().count(), first, second), (left, right)));
            }
        }
    }
    merges.sort_unstable();
    let merges = merges.into_iter().map(|(_, (left, right))| (left.into(), right.into())).collect();
    let vocab: HashMap<String, u32> = vocab.into_iter().map(|(text, id)| (text.into(), id)).collect();
    BPE::builder().vocab_and_merges(vocab.into_iter().collect::<VocabMap>(), merges).build()
}

type VocabMap = tokenizers::models::bpe::Vocab;

/// A field of a protocol buffer.
#[derive(Debug, Clone, Copy)]
enum Field<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    Other,
}

/// The fields of a message; `None` where the bytes are none.
fn fields(mut bytes: &[u8]) -> Option<Vec<(u64, Field<'_>)>> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let tag = varint(&mut bytes)?;
        let field = match tag & 7 {
            0 => Field::Number(varint(&mut bytes)?),
            1 => take(&mut bytes, 8).map(|_| Field::Other)?,
            2 => {
                let len = usize::try_from(varint(&mut bytes)?).ok()?;
                Field::Bytes(take(&mut bytes, len)?)
            }
            5 => take(&mut bytes, 4).map(|_| Field::Other)?,
            _ => return None,
        };
        found.push((tag >> 3, field));
    }
    Some(found)
}

fn take<'a>(bytes: &mut &'a [u8], len: usize) -> Option<&'a [u8]> {
    let (taken, rest) = bytes.split_at_checked(len)?;
    *bytes = rest;
    Some(taken)
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = take(bytes, 1)?[0];
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(kind: u8, pieces: &[(&str, u8)]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (text, kind) in pieces {
            let mut piece = vec![0x0a, text.len() as u8];
            piece.extend(text.as_bytes());
            piece.extend([0x15, 0, 0, 0, 0, 0x18, *kind]);
            bytes.extend([0x0a, piece.len() as u8]);
            bytes.extend(piece);
        }
        bytes.extend([0x12, 2, 0x18, kind]);
        bytes
    }

    #[test]
    fn pieces_of_byte_pairs_are_merged_in_their_order() {
        let bytes =
            model(2, &[("<unk>", 2), ("<s>", 3), ("ab", 1), ("abc", 1), ("a", 1), ("b", 1), ("c", 1)]);
        let found = pieces(&bytes).unwrap();
        assert_eq!(found.iter().filter_map(Piece::added).count(), 1);
        let json = serde_json::to_value(bpe(&found).unwrap()).unwrap();
        assert_eq!(json["merges"], serde_json::json!([["a", "b"], ["ab", "c"]]));
    }

    #[test]
    fn other_models_and_cut_files_are_not_read() {
        let bytes = model(1, &[("a", 1)]);
        assert_eq!(pieces(&bytes), None);
        let bytes = model(2, &[("a", 1)]);
        for end in 1..bytes.len() {
            assert_eq!(pieces(&bytes[..end]), None, "{end}");
        }
    }
}
