//! The port to those who hold doors open: the live experiences, which put people out when a right ends.

use std::sync::Arc;

use super::core::Rights;
use crate::ids::UserId;

/// Is told whenever an answer about somebody who may be inside can have become another. Nothing here may block.
pub trait Eviction: Send + Sync + 'static {
    /// Their rights changed, or time has passed a moment at which they change: judge every door they are inside of again.
    fn rights_changed(&self, user: UserId, rights: Arc<Rights>);
    /// Their rights cannot be known any more: every door fails closed.
    fn rights_unknown(&self, user: UserId);
    /// Whether they are inside of anything; such people's rights are kept and watched.
    fn is_inside(&self, user: UserId) -> bool;
}
