//! Names and secrets nobody can guess, and chances that a seed repeats.

const LETTERS: &[u8] = b"23456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

/// `prefix` and twelve random letters, the form of the media server's own ids.
pub fn id(prefix: &str) -> String {
    format!("{prefix}{}", letters(12))
}

/// A random secret of 43 letters (about 250 bits).
pub fn secret() -> String {
    letters(43)
}

#[expect(clippy::disallowed_methods, reason = "the one place of this program that asks for randomness")]
fn letters(count: usize) -> String {
    let mut bytes = vec![0_u8; count];
    getrandom::fill(&mut bytes).expect("the machine has randomness");
    bytes.iter().map(|byte| char::from(LETTERS[usize::from(*byte) % LETTERS.len()])).collect()
}

/// A number in 0..1 that depends on `seed` and `turn` alone, so that a run can be repeated.
pub fn drawn(seed: u64, turn: u64) -> f64 {
    let mut x = seed.wrapping_add(turn.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^= x >> 31;
    (x >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_its_chances() {
        let first: Vec<f64> = (0..5).map(|turn| drawn(7, turn)).collect();
        let again: Vec<f64> = (0..5).map(|turn| drawn(7, turn)).collect();
        let other: Vec<f64> = (0..5).map(|turn| drawn(8, turn)).collect();
        assert_eq!(first, again);
        assert_ne!(first, other);
        assert!(first.iter().all(|x| (0.0..1.0).contains(x)));
    }
}
