//! Changes to inputs, repeatable from a seed: some to bytes, some to the CBOR items in them.

use std::ops::Range;

/// Longest input that mutation makes: past the limit before `Hello`, so that the limit itself is met.
const MAX_BYTES: usize = 6_000;
/// Most changes to one input.
const MAX_CHANGES: u64 = 6;
/// Deepest nesting that is followed when looking for items.
const MAX_DEPTH: usize = 32;

/// SplitMix64: small, fast, the same everywhere. Not for secrets.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// The numbers of this seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`; 0 when there is none.
    pub fn below(&mut self, bound: usize) -> usize {
        match bound {
            0 => 0,
            bound => usize::try_from(self.number() % bound as u64).unwrap_or(0),
        }
    }

    /// One of them.
    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        from.get(self.below(from.len()))
    }

    fn range(&mut self, len: usize) -> Range<usize> {
        let (a, b) = (self.below(len + 1), self.below(len + 1));
        a.min(b)..a.max(b)
    }
}

/// Items and fragments that stand at the edges of what decoders accept.
const EDGES: [&[u8]; 28] = [
    &[0x00],
    &[0x17],
    &[0x18, 0x18],
    &[0x18, 0x17],
    &[0x19, 0x01, 0x00],
    &[0x19, 0xff, 0xff],
    &[0x1a, 0x00, 0x01, 0x00, 0x00],
    &[0x1b, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00],
    &[0x1b, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00],
    &[0x1b, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
    &[0x1b, 0x80, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00],
    &[0x1b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
    &[0x20],
    &[0x40],
    &[0x5b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
    &[0x60],
    &[0x63, 0xe2, 0x80, 0xae],
    &[0x63, 0xe2, 0x80, 0x8b],
    &[0x61, 0x00],
    &[0x62, 0xc0, 0x80],
    &[0x80],
    &[0x81, 0x81, 0x81, 0x81, 0x81, 0x81, 0x81, 0x81, 0x81, 0x00],
    &[0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
    &[0xa0],
    &[0xa2, 0x00, 0x00, 0x18, 0x28, 0xf5],
    &[0xbf, 0xff],
    &[0xf6],
    &[0xc0, 0x00],
];

/// Makes a new input from one, with parts of `other`.
pub fn mutate(random: &mut Random, input: &[u8], other: &[u8]) -> Vec<u8> {
    let mut bytes = input.to_vec();
    for _ in 0..=random.number() % MAX_CHANGES {
        if random.below(2) == 0 {
            change_items(random, &mut bytes, other);
        } else {
            change_bytes(random, &mut bytes, other);
        }
        bytes.truncate(MAX_BYTES);
    }
    bytes
}

fn change_bytes(random: &mut Random, bytes: &mut Vec<u8>, other: &[u8]) {
    let (at, len) = (random.below(bytes.len()), bytes.len());
    let byte = u8::try_from(random.number() & 0xff).unwrap_or(0);
    match random.below(8) {
        0 | 1 => {
            if let Some(old) = bytes.get_mut(at) {
                *old ^= 1 << (byte & 7);
            }
        }
        2 => {
            if let Some(old) = bytes.get_mut(at) {
                *old = byte;
            }
        }
        3 => bytes.truncate(at),
        4 => drop(bytes.drain(random.range(len))),
        5 => bytes.extend_from_within(random.range(len)),
        6 => drop(bytes.splice(at..at, [byte; 3].into_iter().take(random.below(3) + 1))),
        _ => {
            let part = other.get(random.range(other.len())).unwrap_or_default();
            bytes.splice(at..at, part.iter().copied());
        }
    }
}

fn change_items(random: &mut Random, bytes: &mut Vec<u8>, other: &[u8]) {
    let items = items(bytes);
    let Some(item) = random.pick(&items).cloned() else { return };
    let others = self::items(other);
    let foreign = random.pick(&others).and_then(|range| other.get(range.clone())).unwrap_or_default().to_vec();
    let edge = random.pick(&EDGES).copied().unwrap_or_default();
    match random.below(6) {
        0 | 1 => drop(bytes.splice(item, edge.iter().copied())),
        2 => drop(bytes.splice(item, foreign)),
        3 => {
            let copy = bytes.get(item.clone()).unwrap_or_default().to_vec();
            bytes.splice(item.end..item.end, copy);
        }
        // A container with one more element than before, counted or not.
        4 => {
            if let Some(head) = bytes.get_mut(item.start)
                && matches!(*head, 0x80..=0x96 | 0xa0..=0xb6)
            {
                *head += 1;
            }
            bytes.splice(item.end..item.end, edge.iter().copied());
        }
        _ => {
            if let Some(swap) = random.pick(&items).cloned()
                && item.end <= swap.start
            {
                let (a, b) = (
                    bytes.get(item.clone()).unwrap_or_default().to_vec(),
                    bytes.get(swap.clone()).unwrap_or_default().to_vec(),
                );
                bytes.splice(swap, a);
                bytes.splice(item, b);
            }
        }
    }
}

/// Where the items of an input lie, as far as it can be read: containers and what is in them.
fn items(bytes: &[u8]) -> Vec<Range<usize>> {
    // A beacon's magic comes before its CBOR.
    let start = if bytes.starts_with(b"LLB") { 4 } else { 0 };
    let mut found = Vec::new();
    walk(bytes, start, MAX_DEPTH, &mut found);
    found
}

fn walk(bytes: &[u8], start: usize, depth: usize, found: &mut Vec<Range<usize>>) -> Option<usize> {
    let depth = depth.checked_sub(1)?;
    let initial = *bytes.get(start)?;
    let width = match initial & 0x1f {
        0..=23 => 0,
        24 => 1,
        25 => 2,
        26 => 4,
        27 => 8,
        _ => return None,
    };
    let mut end = start + 1 + width;
    let argument = match width {
        0 => u64::from(initial & 0x1f),
        _ => bytes.get(start + 1..end)?.iter().fold(0, |value, byte| (value << 8) | u64::from(*byte)),
    };
    let place = found.len();
    found.push(start..end);
    match initial >> 5 {
        2 | 3 => end = end.checked_add(usize::try_from(argument).ok()?).filter(|end| *end <= bytes.len())?,
        4 | 5 => {
            let count = if initial >> 5 == 4 { argument } else { argument.saturating_mul(2) };
            for _ in 0..count {
                end = walk(bytes, end, depth, found)?;
            }
        }
        _ => {}
    }
    if let Some(item) = found.get_mut(place) {
        *item = start..end;
    }
    Some(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_makes_the_same_inputs() {
        let made = |seed| {
            let mut random = Random::new(seed);
            (0..100).map(|_| mutate(&mut random, &[0x82, 0x10, 0xa1, 0x00, 0x03], &[0x83, 1, 2, 3])).collect::<Vec<_>>()
        };
        assert_eq!(made(7), made(7));
        assert_ne!(made(7), made(8));
    }

    #[test]
    fn items_are_found() {
        assert_eq!(items(&[0x82, 0x10, 0xa1, 0x00, 0x41, 0xff]), [0..6, 1..2, 2..6, 3..4, 4..6]);
        assert_eq!(items(&[0x9b, 0xff]), [] as [Range<usize>; 0]);
    }

    #[test]
    fn any_input_can_be_mutated() {
        let mut random = Random::new(1);
        for _ in 0..2_000 {
            let input: Vec<u8> = (0..random.below(40)).map(|_| u8::try_from(random.number() & 0xff).unwrap()).collect();
            let other = mutate(&mut random, &input, &[]);
            assert!(mutate(&mut random, &other, &input).len() <= MAX_BYTES);
        }
    }
}
