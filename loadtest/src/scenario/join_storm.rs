//! `join-storm`: everybody comes at once.

use crate::{conductor::Conductor, report::Outcome, scenario::rejoin};

pub(super) async fn run(conductor: &mut Conductor, outcome: &mut Outcome) -> anyhow::Result<()> {
    conductor.join_all().await?;
    if outcome.args.rejoin {
        rejoin::run(conductor, outcome).await?;
    }
    conductor.stop().await
}
