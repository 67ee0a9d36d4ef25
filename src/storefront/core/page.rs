//! Who sees which page: a space and its passes show themselves to strangers, holders and the team differently.

use super::{
    pass::PassStatus,
    space::{SpaceStatus, Visibility},
};

/// How somebody stands to a space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Nobody in particular.
    Stranger,
    /// Holds or held a grant in it.
    Holder,
    /// Belongs to its team.
    Member,
}

/// Whether a space shows itself; if not, it does not exist for this person.
#[must_use]
pub fn shows_space(status: SpaceStatus, visibility: Visibility, standing: Standing) -> bool {
    match (standing, status, visibility) {
        (Standing::Member, _, _) | (_, SpaceStatus::Published, Visibility::Public) => true,
        (Standing::Holder, SpaceStatus::Published, Visibility::Private) => true,
        (Standing::Stranger, SpaceStatus::Published, Visibility::Private) => false,
        (Standing::Stranger | Standing::Holder, SpaceStatus::Draft | SpaceStatus::Archived, _) => false,
    }
}

/// Whether a pass of a visible space has a page; a withdrawn one keeps it, so that old links say what became of it.
#[must_use]
pub fn shows_pass(status: PassStatus, standing: Standing) -> bool {
    match status {
        PassStatus::OnSale | PassStatus::Withdrawn => true,
        PassStatus::Draft => standing == Standing::Member,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_draft_or_archived_space_exists_for_its_team_alone() {
        for status in [SpaceStatus::Draft, SpaceStatus::Archived] {
            for visibility in [Visibility::Public, Visibility::Private] {
                assert!(!shows_space(status, visibility, Standing::Stranger));
                assert!(!shows_space(status, visibility, Standing::Holder));
                assert!(shows_space(status, visibility, Standing::Member));
            }
        }
    }

    #[test]
    fn a_private_space_shows_itself_to_holders_and_the_team() {
        assert!(!shows_space(SpaceStatus::Published, Visibility::Private, Standing::Stranger));
        assert!(shows_space(SpaceStatus::Published, Visibility::Private, Standing::Holder));
        assert!(shows_space(SpaceStatus::Published, Visibility::Public, Standing::Stranger));
    }

    #[test]
    fn a_draft_pass_has_a_page_for_the_team_alone() {
        assert!(!shows_pass(PassStatus::Draft, Standing::Holder));
        assert!(shows_pass(PassStatus::Draft, Standing::Member));
        assert!(shows_pass(PassStatus::Withdrawn, Standing::Stranger));
    }
}
