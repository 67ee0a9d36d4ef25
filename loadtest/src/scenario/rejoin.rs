//! `--rejoin`: somebody restarts the engine, every socket drops, and everybody comes back to the old place.

use std::time::Duration;

use tokio::{net::TcpStream, task::JoinHandle};
use url::Url;

use crate::{
    clock,
    conductor::Conductor,
    figures::Name,
    limits::{BACK_LIMIT, CALL_LIMIT, PROBE_EVERY},
    report::Outcome,
};

pub(super) async fn run(conductor: &mut Conductor, outcome: &mut Outcome) -> anyhow::Result<()> {
    let within = Duration::from_secs(outcome.args.rejoin_within);
    let (before, seats) = (conductor.total.dropped, conductor.inside() as u64);
    let back_before = conductor.total.back.count();
    conductor.note("Everybody is inside. Restart the engine now; waiting for the sockets to drop.");
    let probe = tokio::spawn(accepts_again(outcome.args.url.clone()));
    let all_dropped = |conductor: &Conductor| conductor.total.dropped >= before + seats;
    if !conductor.until("waiting for the drop", within, all_dropped).await? {
        probe.abort();
        outcome.notes.push("The sockets did not drop in time, so nothing is known about coming back.".to_owned());
        outcome.figures.count(Name::NotBack, seats);
        return Ok(());
    }
    let all_back = |conductor: &Conductor| conductor.total.back.count() >= back_before + seats;
    conductor.until("coming back", BACK_LIMIT, all_back).await?;
    measure(conductor, outcome, seats, accepted(probe).await);
    Ok(())
}

/// When the server accepted again; known already when anybody is back.
async fn accepted(probe: JoinHandle<u64>) -> Option<u64> {
    tokio::time::timeout(CALL_LIMIT, probe).await.ok()?.ok()
}

fn measure(conductor: &Conductor, outcome: &mut Outcome, seats: u64, accepted_us: Option<u64>) {
    let back = &conductor.total.back;
    let Some(zero) = accepted_us.or_else(|| back.min()) else {
        outcome.figures.count(Name::NotBack, seats);
        return;
    };
    if accepted_us.is_none() {
        outcome
            .notes
            .push("The server was never seen to refuse; times back count from the first viewer back.".to_owned());
    }
    let times = back.since(zero);
    outcome.figures.set(Name::BackP50Ms, times.quantile_ms(0.5));
    outcome.figures.set(Name::BackP99Ms, times.quantile_ms(0.99));
    outcome.figures.set(Name::BackAllMs, times.quantile_ms(1.0));
    outcome.figures.count(Name::NotBack, seats.saturating_sub(back.count()));
    outcome.histograms.push(("Server accepts again to viewer back".to_owned(), times));
}

/// The moment at which the server accepts connections after it did not.
async fn accepts_again(url: Url) -> u64 {
    let address = (url.host_str().unwrap_or_default().to_owned(), url.port_or_known_default().unwrap_or(80));
    let mut was_away = false;
    loop {
        let answer = TcpStream::connect((address.0.as_str(), address.1)).await;
        match (answer.is_ok(), was_away) {
            (true, true) => return clock::now_us(),
            (true, false) => {}
            (false, _) => was_away = true,
        }
        tokio::time::sleep(PROBE_EVERY).await;
    }
}
