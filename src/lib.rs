//! Backstage Pass: who may enter a creator's space, and what happens inside while it is live.
