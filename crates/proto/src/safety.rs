//! The number that two people compare to know that nobody stands between them.

use crate::id::MachineId;

const CONTEXT: &str = "landline/safety/1";
const GROUPS: usize = 12;

/// The safety number of two machines: 60 digits in groups of 5, separated by spaces. Both sides compute the same one.
///
/// Each group is eight bytes of BLAKE3 output over both machine IDs in ascending order, as a big-endian number modulo
/// 100,000. 60 digits hold 199 bits, as Signal's safety numbers do.
pub fn safety_number(a: &MachineId, b: &MachineId) -> String {
    let (first, second) = if a <= b { (a, b) } else { (b, a) };
    let mut hasher = blake3::Hasher::new_derive_key(CONTEXT);
    hasher.update(first.as_bytes()).update(second.as_bytes());
    let mut output = hasher.finalize_xof();
    let groups: Vec<String> = (0..GROUPS)
        .map(|_| {
            let mut bytes = [0; 8];
            output.fill(&mut bytes);
            format!("{:05}", u64::from_be_bytes(bytes) % 100_000)
        })
        .collect();
    groups.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_read_the_same_number() {
        let (a, b) = (MachineId::from_bytes([1; 32]), MachineId::from_bytes([2; 32]));
        let number = safety_number(&a, &b);
        assert_eq!(number, safety_number(&b, &a));
        assert_eq!(number.len(), 60 + 11);
        assert!(number.split(' ').all(|group| group.len() == 5 && group.bytes().all(|c| c.is_ascii_digit())));
        assert_ne!(number, safety_number(&a, &MachineId::from_bytes([3; 32])));
    }
}
