//! The database away, or too busy to answer: who watches goes on watching, who writes is told to come back, and nothing that was
//! acknowledged is lost.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use reqwest::StatusCode;
use serde_json::{Value, json};

use super::{Engine, go_live, run, until, until_asked};
use crate::support::Cluster;

/// How soon a write that cannot be done is refused.
const REFUSED_IN: Duration = Duration::from_secs(1);

async fn over(cluster: &Cluster) -> Engine {
    Engine::with(vec![("BACKSTAGE__DATABASE__URL", cluster.url())]).await
}

#[expect(clippy::disallowed_methods, reason = "the time that people outside wait is what is measured")]
fn now() -> Instant {
    Instant::now()
}

/// One who writes without a pause, and writes down what was answered.
#[derive(Default)]
struct Writer {
    over: AtomicBool,
    acknowledged: Mutex<BTreeSet<String>>,
    refused: Mutex<Vec<(Duration, Option<String>, Value)>>,
}

impl Writer {
    async fn write(&self, engine: &Engine, token: &str) {
        for number in 0.. {
            if self.over.load(Ordering::SeqCst) {
                return;
            }
            let (name, begun) = (format!("Team {number}"), now());
            let request = engine.client.post(format!("{}/api/v1/teams", engine.http)).bearer_auth(token);
            let (status, again, body) = engine.send(request.json(&json!({"name": name})), "retry-after").await;
            match status {
                StatusCode::CREATED => drop(self.acknowledged.lock().unwrap().insert(name)),
                StatusCode::SERVICE_UNAVAILABLE => self.refused.lock().unwrap().push((begun.elapsed(), again, body)),
                other => panic!("{other} {body}"),
            }
        }
    }

    fn acknowledged(&self) -> usize {
        self.acknowledged.lock().unwrap().len()
    }

    fn refused(&self) -> usize {
        self.refused.lock().unwrap().len()
    }
}

#[test]
fn survive_028_a_killed_database_stops_no_picture_loses_no_word_and_is_used_again_at_once() {
    run(async {
        let mut cluster = Cluster::start();
        let engine = Arc::new(over(&cluster).await);
        let (creator, member) = (engine.token("creator@demo.test"), engine.token("member@demo.test"));
        let (experience, broadcast) = go_live(&engine, &creator).await;
        let mut viewer = engine.watch(&experience, &member).await;
        viewer.state("live").await;
        let writer = Arc::<Writer>::default();
        let writing = {
            let (writer, engine, creator) = (writer.clone(), engine.clone(), creator.clone());
            tokio::spawn(async move { writer.write(&engine, &creator).await })
        };
        until("some words", || (writer.acknowledged() >= 20).then_some(())).await;

        cluster.kill();
        until("refusals", || (writer.refused() >= 20).then_some(())).await;
        viewer.say(json!({"t": "react", "e": "❤️"})).await;
        viewer.next("reactions", |frame| frame["t"] == "reactions").await;
        let ready = engine.client.get(format!("{}/health/ready", engine.http));
        assert_eq!(engine.send(ready, "date").await.0, StatusCode::SERVICE_UNAVAILABLE);
        let live = engine.client.get(format!("{}/health/live", engine.http));
        assert_eq!(engine.send(live, "date").await.0, StatusCode::OK, "nothing is wrong with the engine itself");
        let end = engine.client.post(format!("{}/api/v1/broadcasts/{broadcast}/end", engine.http));
        let (status, again, _) = engine.send(end.bearer_auth(&creator), "retry-after").await;
        assert_eq!((status, again.as_deref()), (StatusCode::SERVICE_UNAVAILABLE, Some("1")));

        let before = writer.acknowledged();
        cluster.start_again();
        let back = now();
        until("a word that is taken again", || (writer.acknowledged() > before).then_some(())).await;
        let recovered = back.elapsed();
        assert!(recovered <= Duration::from_secs(2), "writes went on {recovered:?} after the database");
        let ready = || engine.client.get(format!("{}/health/ready", engine.http));
        until_asked("readiness", || async { engine.send(ready(), "date").await.0.is_success().then_some(()) }).await;
        writer.over.store(true, Ordering::SeqCst);
        writing.await.unwrap();

        let mut refused = std::mem::take(&mut *writer.refused.lock().unwrap());
        for (_, again, body) in &refused {
            let unknown = body["code"] == "outcome_unknown";
            assert!(unknown || body["code"] == "unavailable", "{body}");
            assert_eq!(again.as_deref(), Some("1"), "{body}");
        }
        // a busy machine may be late now and then: nine of ten are not
        refused.sort_by_key(|(took, ..)| *took);
        assert!(refused[refused.len() * 9 / 10].0 <= REFUSED_IN, "{refused:?}");
        let (_, me) = engine.get("/api/v1/me", &creator).await;
        let kept: BTreeSet<&str> =
            me["teams"].as_array().unwrap().iter().map(|team| team["name"].as_str().unwrap()).collect();
        let lost: Vec<_> =
            writer.acknowledged.lock().unwrap().iter().filter(|name| !kept.contains(name.as_str())).cloned().collect();
        assert_eq!(lost, Vec::<String>::new(), "acknowledged and gone");
        // the same socket, without a word of an end in between
        let (status, _) = engine.post(&format!("/api/v1/broadcasts/{broadcast}/end"), &creator, json!({})).await;
        assert_eq!(status, StatusCode::OK);
        let next = viewer.next("the end", |frame| frame["t"] == "state" || frame["t"] == "snapshot").await;
        assert_eq!((&next["t"], &next["state"]), (&json!("state"), &json!("ended")));
    });
}

#[test]
fn survive_030_when_every_connection_waits_requests_are_refused_soon_and_people_are_put_out_all_the_same() {
    run(async {
        let cluster = Cluster::start();
        let engine = Arc::new(over(&cluster).await);
        let (creator, member) = (engine.token("creator@demo.test"), engine.token("member@demo.test"));
        let experience = engine.experience().await;
        let mut viewer = engine.watch(&experience, &member).await;
        viewer.next("welcome", |frame| frame["t"] == "welcome").await;
        let held = cluster.lock("audit_log");
        let stuck: Vec<_> = (0..60)
            .map(|number| {
                let (engine, creator) = (engine.clone(), creator.clone());
                tokio::spawn(async move {
                    let name = json!({"name": format!("Team {number}")});
                    let begun = now();
                    (engine.post("/api/v1/teams", &creator, name).await, begun.elapsed())
                })
            })
            .collect();
        let waiting = "select count(*) from pg_stat_activity where wait_event_type = 'Lock'";
        until("connections that wait", || (cluster.ask(waiting).parse::<u32>().unwrap() >= 20).then_some(())).await;
        let ready = engine.client.get(format!("{}/health/ready", engine.http));
        assert_eq!(engine.send(ready, "date").await.0, StatusCode::OK, "health has connections of its own");
        // what another node would do: the right ends, and the log of changes says so
        cluster.ask(
            "update access_grants set status = 'revoked', ended_at = now() where user_id = (select id from users where email = 'member@demo.test');
             insert into rights_changes (user_id, at) select id, now() from users where email = 'member@demo.test'",
        );
        assert_eq!(viewer.closed_after(Duration::from_secs(10)).await, 4003);
        let mut refused = vec![];
        for answer in stuck {
            let ((status, body), took) = answer.await.unwrap();
            assert_eq!((status, &body["code"]), (StatusCode::SERVICE_UNAVAILABLE, &json!("unavailable")), "{body}");
            refused.push(took);
        }
        refused.sort();
        assert!(refused[refused.len() / 2] <= REFUSED_IN * 2, "who found no connection was told late: {refused:?}");
        drop(held);
        until_asked("a write", || async {
            let (status, _) = engine.post("/api/v1/teams", &creator, json!({"name": "After"})).await;
            (status == StatusCode::CREATED).then_some(())
        })
        .await;
    });
}
