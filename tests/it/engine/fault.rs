//! What the engine survives as a whole: its own death, its database's, and its media server's absence.

use std::sync::{Arc, Mutex};

use reqwest::StatusCode;
use serde_json::{Value, json};

use super::{Engine, announce, connect, go_live, run, until, until_asked};

#[test]
fn survive_009_a_killed_engine_comes_back_with_the_same_broadcast_still_live() {
    run(async {
        let engine = Engine::start().await;
        let (creator, member) = (engine.token("creator@demo.test"), engine.token("member@demo.test"));
        let (experience, broadcast) = go_live(&engine, &creator).await;
        let mut viewer = engine.watch(&experience, &member).await;
        let before = viewer.state("live").await;
        let engine = engine.crash_and_restart().await;
        let mut viewer = engine.watch(&experience, &member).await;
        let after = viewer.state("live").await;
        assert_eq!(after["broadcast"]["id"], broadcast.as_str());
        assert!(after["epoch"].as_u64() > before["epoch"].as_u64(), "a new activation is a new epoch");
        let (_, now) = engine.get(&format!("/api/v1/broadcasts/{broadcast}"), &creator).await;
        assert_eq!((&now["state"], &now["ended_at"]), (&json!("live"), &Value::Null));
    });
}

/// One who watches as a page does: comes back by itself, to the same address, with what it was given to resume by.
#[derive(Default)]
struct Follower {
    /// Every state it was shown, with the activation that said so and the broadcast.
    shown: Mutex<Vec<(u64, String, Value)>>,
}

impl Follower {
    async fn follow(&self, http: &str, experience: &str, token: &str) {
        let path = format!("/api/v1/experiences/{experience}/live?device=sofa");
        let mut offer = "backstage.v1".to_owned();
        loop {
            let headers = [("authorization", format!("Bearer {token}")), ("sec-websocket-protocol", offer.clone())];
            let open = || async { connect(http, &path, &headers).await.ok() };
            let mut socket = until_asked("an engine that takes viewers", open).await;
            while let Some(frame) = socket.heard().await {
                let place = format!("{}.{}", frame["epoch"], frame["offset"]);
                match frame["t"].as_str().unwrap() {
                    "welcome" => {
                        let (session, secret) = (frame["session"].as_str().unwrap(), frame["resume"].as_str().unwrap());
                        offer = format!("backstage.v1, resume.{session}.{secret}.{place}");
                    }
                    "snapshot" | "state" => {
                        let state = frame["state"].as_str().unwrap().to_owned();
                        let of = frame["broadcast"]["id"].clone();
                        self.shown.lock().unwrap().push((frame["epoch"].as_u64().unwrap(), state, of));
                    }
                    _ => {}
                }
            }
        }
    }

    fn last(&self) -> Option<(u64, String, Value)> {
        self.shown.lock().unwrap().last().cloned()
    }
}

#[test]
fn survive_006_viewers_of_a_killed_engine_are_back_by_themselves_and_never_hear_of_an_end() {
    run(async {
        let port = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
        let engine = Engine::with(vec![("BACKSTAGE__SERVER__PORT", port.to_string())]).await;
        let (creator, member) = (engine.token("creator@demo.test"), engine.token("member@demo.test"));
        let (experience, broadcast) = go_live(&engine, &creator).await;
        let followers: Vec<_> = [&creator, &member, &creator, &member]
            .map(|token| {
                let (follower, http, experience) =
                    (Arc::<Follower>::default(), engine.http.clone(), experience.clone());
                let (me, token) = (follower.clone(), token.clone());
                (follower, tokio::spawn(async move { me.follow(&http, &experience, &token).await }))
            })
            .into();
        let live_after = |epoch: u64| {
            let shown = |(follower, _): &(Arc<Follower>, _)| {
                follower.last().is_some_and(|(now, state, _)| now > epoch && state == "live")
            };
            followers.iter().all(shown).then(|| followers[0].0.last().unwrap().0)
        };
        let before = until("four who watch", || live_after(0)).await;
        let engine = engine.crash_and_restart().await;
        until("everybody who watched before", || live_after(before)).await;
        for (follower, task) in &followers {
            task.abort();
            for (epoch, state, of) in follower.shown.lock().unwrap().iter() {
                let before_it_began = *epoch <= before && state == "lobby";
                assert!(state == "live" || state == "reconnecting" || before_it_began, "{state} was shown");
                assert!(of.is_null() || *of == broadcast.as_str(), "another broadcast: {of}");
            }
        }
        let (_, now) = engine.get(&format!("/api/v1/broadcasts/{broadcast}"), &creator).await;
        assert_eq!((&now["state"], &now["audience"]["users"]), (&json!("live"), &json!(2)), "{now}");
    });
}

#[test]
fn survive_043_going_live_without_a_media_server_is_degraded_and_follows_when_it_is_back() {
    run(async {
        let engine = Engine::start().await;
        let creator = engine.token("creator@demo.test");
        let (_, broadcast) = announce(&engine, &creator, json!({})).await;
        engine.order("/_faults", json!({"provider": "livekit", "action": "fail", "status": 503})).await;
        let deed = |deed: &str| format!("/api/v1/broadcasts/{broadcast}/{deed}");
        let (status, live) = engine.post(&deed("go-live"), &creator, json!({})).await;
        assert_eq!((status, &live["state"]), (StatusCode::OK, &json!("live")));
        let (status, body) = engine.post(&deed("publisher-token"), &creator, json!({})).await;
        assert_eq!((status, &body["code"]), (StatusCode::SERVICE_UNAVAILABLE, &json!("media_unavailable")));
        let (_, now) = engine.get(&format!("/api/v1/broadcasts/{broadcast}"), &creator).await;
        assert_eq!(now["degraded"], true);
        engine.client.delete(format!("{}/_faults", engine.standins)).send().await.unwrap();
        until_asked("the room", || async {
            let (status, _) = engine.post(&deed("publisher-token"), &creator, json!({})).await;
            (status == StatusCode::OK).then_some(())
        })
        .await;
    });
}

#[test]
fn a_second_engine_on_the_same_state_says_so_in_one_sentence() {
    run(async {
        let engine = Engine::start().await;
        let mut second = super::command(engine.state());
        let output = second.stderr(std::process::Stdio::piped()).arg("serve").output().unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{told}");
        let told: Vec<&str> = told.lines().filter(|line| line.starts_with("backstage: ")).collect();
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].contains("Another engine runs with the state directory"), "{told:?}");
    });
}

#[test]
fn a_clean_stop_leaves_no_child_and_no_announcement_behind() {
    run(async {
        let engine = Engine::start().await;
        let postgres = engine.postgres();
        let served = engine.state().join("serve.json");
        let child = nix::unistd::Pid::from_raw(i32::try_from(engine.child.id()).unwrap());
        nix::sys::signal::kill(child, nix::sys::signal::Signal::SIGTERM).unwrap();
        until("the end of Postgres", || nix::sys::signal::kill(postgres, None).err()).await;
        until("the end of the announcement", || (!served.exists()).then_some(())).await;
    });
}
