//! Compares the rooms there are with the rooms we want, and puts open broadcasts on duty.

use super::desk::Desk;
use crate::{ids::BroadcastId, limits::ROOMS_COMPARE_EVERY, store::StoreError};

/// Puts every experience on duty that has an open broadcast and no other owner; run once after a start.
pub async fn put_on_duty(desk: &Desk) -> Result<usize, StoreError> {
    let open = desk.ledger.ownerless_experiences().await?;
    for experience in &open {
        desk.directory.start(*experience);
    }
    Ok(open.len())
}

/// Closes rooms of ours that no broadcast wants; returns how many. Rooms of other names are not ours to close.
pub async fn close_unwanted_rooms(desk: &Desk) -> anyhow::Result<usize> {
    let rooms: Vec<BroadcastId> = desk.media.rooms().await?.iter().filter_map(|room| room.parse().ok()).collect();
    if rooms.is_empty() {
        return Ok(0);
    }
    let wanted = desk.ledger.wanting_rooms(rooms.clone()).await?;
    let mut closed = 0;
    for room in rooms.iter().filter(|room| !wanted.contains(room)) {
        desk.media.close_room(&room.to_string()).await?;
        closed += 1;
    }
    Ok(closed)
}

/// Runs for as long as the node lives.
pub async fn keep_comparing(desk: Desk) {
    loop {
        desk.clock.sleep_until(desk.clock.now().plus(ROOMS_COMPARE_EVERY)).await;
        desk.directory.forget_absent(desk.clock.now());
        match close_unwanted_rooms(&desk).await {
            Ok(0) => {}
            Ok(closed) => tracing::info!(closed, "rooms that nobody wants were closed"),
            Err(fault) => tracing::debug!(%fault, "rooms could not be compared yet"),
        }
    }
}
