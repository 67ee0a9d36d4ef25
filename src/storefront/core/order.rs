//! The seller's order: a list names every thing exactly once, or it is refused.

use std::collections::HashSet;

use uuid::Uuid;

/// The order `wanted`, when it names each of `present` exactly once and nothing else.
///
/// # Errors
/// A sentence about what is wrong.
pub fn choose(present: &[Uuid], wanted: &[Uuid]) -> Result<Vec<Uuid>, &'static str> {
    let known: HashSet<_> = present.iter().collect();
    let named: HashSet<_> = wanted.iter().collect();
    if named.len() != wanted.len() {
        return Err("The list names something twice.");
    }
    if !named.is_subset(&known) {
        return Err("The list names something that is not here.");
    }
    if named.len() != known.len() {
        return Err("The list leaves something out. Name everything once.");
    }
    Ok(wanted.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_list_without_doubles_or_strangers_is_an_order() {
        let ids: Vec<Uuid> = (1..=3).map(Uuid::from_u128).collect();
        assert_eq!(choose(&ids, &[ids[2], ids[0], ids[1]]), Ok(vec![ids[2], ids[0], ids[1]]));
        assert_eq!(choose(&ids, &[ids[0], ids[0], ids[1]]), Err("The list names something twice."));
        assert_eq!(choose(&ids, &[ids[0], ids[1]]), Err("The list leaves something out. Name everything once."));
        assert_eq!(
            choose(&ids, &[ids[0], ids[1], Uuid::from_u128(9)]),
            Err("The list names something that is not here.")
        );
        assert_eq!(choose(&[], &[]), Ok(vec![]));
    }
}
