//! What runs beside requests for as long as the node lives.

use std::{sync::Arc, time::Duration};

use serde::Deserialize;

use super::App;
use crate::{
    clock::SystemClock,
    jobs::runner::{Runner, Running},
    limits::{CLOCK_FOLLOW_RETRY, CLOCK_FOLLOW_WAIT, METRICS_UPKEEP_EVERY},
    live::{lease, reconcile},
    notify::{SIGN_IN_CODE, SignInMail},
    provider::mail::Smtp,
};

impl App {
    /// Starts the jobs of this node on its runtime.
    ///
    /// # Errors
    /// When the mail server's address cannot be understood.
    pub fn start_jobs(&self, mail_url: &str, from: &str, runtime: &tokio::runtime::Handle) -> anyhow::Result<Running> {
        let post = Arc::new(Smtp::new(mail_url, from)?);
        let jobs = self.identity.jobs.clone();
        let mail = SignInMail { post, jobs: jobs.clone(), clock: self.identity.clock.clone() };
        Ok(Runner::new(self.store.clone(), jobs).with(SIGN_IN_CODE, mail).start(runtime))
    }

    /// Starts the reconciler, the leases, and the upkeep of metrics on the current thread; puts open broadcasts on duty.
    pub fn start_background(&self) {
        let desk = self.live.clone();
        actix_rt::spawn(async move {
            while let Err(fault) = reconcile::put_on_duty(&desk).await {
                tracing::warn!(error = &fault as &dyn std::error::Error, "open broadcasts cannot be put on duty yet");
                tokio::time::sleep(CLOCK_FOLLOW_RETRY).await;
            }
        });
        actix_rt::spawn(reconcile::keep_comparing(self.live.clone()));
        let ledger = Arc::new(self.live.ledger.clone());
        actix_rt::spawn(lease::keep(self.leases.clone(), ledger, self.live.directory.clone()));
        actix_rt::spawn(self.identity.clone().keep_tidy());
        let prometheus = self.prometheus.clone();
        actix_rt::spawn(async move {
            loop {
                tokio::time::sleep(METRICS_UPKEEP_EVERY).await;
                prometheus.run_upkeep();
            }
        });
    }

    /// Makes itself known to the stand-ins, and follows their clock: when it is moved forward, so is ours, and stored deadlines
    /// come due. `own_url` is where their media server reports to; none while a real one is in use.
    pub fn follow_standins(&self, standins_url: &str, own_url: Option<&str>) {
        let hook = own_url.map(|url| format!("{url}/hooks/livekit"));
        actix_rt::spawn(follow(self.system_clock.clone(), standins_url.to_owned(), hook));
    }
}

#[derive(Deserialize)]
struct Shown {
    offset_ms: u64,
}

/// Tells the stand-ins whether their clock may be moved, and where webhooks go.
async fn introduce(client: &reqwest::Client, url: &str, hook: Option<&str>) -> Result<(), reqwest::Error> {
    let Some(hook) = hook else {
        // a moved clock would make tokens that a real media server refuses
        let reason = serde_json::json!({"reason": "a real media server is in use"});
        client.put(format!("{url}/_clock/lock")).json(&reason).send().await?;
        return Ok(());
    };
    client.delete(format!("{url}/_clock/lock")).send().await?;
    client.delete(format!("{url}/livekit/_webhook")).send().await?;
    let to = serde_json::json!({"url": hook});
    client.post(format!("{url}/livekit/_webhook")).json(&to).send().await?;
    Ok(())
}

async fn follow(clock: SystemClock, url: String, hook: Option<String>) {
    let Ok(client) = reqwest::Client::builder().timeout(CLOCK_FOLLOW_WAIT).build() else { return };
    let mut known: Option<u64> = None;
    let mut introduced = false;
    loop {
        if !introduced {
            introduced = introduce(&client, &url, hook.as_deref()).await.is_ok();
        }
        let asked = match known {
            None => format!("{url}/_clock"),
            Some(offset) => format!("{url}/_clock/wait?than={offset}"),
        };
        let answer = match client.get(asked).send().await {
            Ok(answer) => answer.json::<Shown>().await.ok(),
            Err(_) => None,
        };
        match answer {
            Some(shown) => {
                known = Some(shown.offset_ms);
                clock.set_offset(Duration::from_millis(shown.offset_ms));
            }
            None => {
                introduced = false; // stand-ins that were started again are told again
                tokio::time::sleep(CLOCK_FOLLOW_RETRY).await;
            }
        }
    }
}
