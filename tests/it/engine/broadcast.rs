//! A broadcast's life as creators and viewers see it.

use std::time::Duration;

use reqwest::StatusCode;
use serde_json::json;

use super::{Engine, announce, go_live, publish, run};

#[test]
fn a_broadcast_goes_live_by_itself_when_media_starts_and_viewers_see_every_state() {
    run(async {
        let engine = Engine::start().await;
        let (creator, member) = (engine.token("creator@demo.test"), engine.token("member@demo.test"));
        let (experience, broadcast) = announce(&engine, &creator, json!({"title": "First night"})).await;
        let mut viewer = engine.watch(&experience, &member).await;
        let welcome = viewer.next("welcome", |frame| frame["t"] == "welcome").await;
        assert_eq!(welcome["recovered"], false);
        viewer.state("scheduled").await;
        engine.post(&format!("/api/v1/broadcasts/{broadcast}/lobby"), &creator, json!({})).await;
        viewer.state("lobby").await;

        publish(&engine, &creator, &broadcast).await;
        viewer.state("live").await;
        let playback = viewer.next("playback", |frame| frame["t"] == "playback").await;
        assert_eq!(playback["sources"][0]["room"], broadcast.as_str());
        let token = viewer.next("token", |frame| frame["t"] == "token").await;
        assert_eq!(token["kind"], "livekit");
        viewer.say(json!({"t": "react", "e": "❤️"})).await;
        let hearts = viewer.next("reactions", |frame| frame["t"] == "reactions").await;
        assert_eq!(hearts["totals"]["❤️"], 1);

        let (_, now) = engine.get(&format!("/api/v1/broadcasts/{broadcast}/audience"), &creator).await;
        assert_eq!((&now["now"], &now["users"]), (&json!(1), &json!(1)));
        let (status, over) = engine.post(&format!("/api/v1/broadcasts/{broadcast}/end"), &creator, json!({})).await;
        assert_eq!((status, &over["state"]), (StatusCode::OK, &json!("ended")));
        viewer.state("ended").await;
    });
}

#[test]
fn survive_036_lost_media_is_told_as_reconnecting_and_the_same_broadcast_goes_on() {
    run(async {
        let engine = Engine::start().await;
        let (creator, member) = (engine.token("creator@demo.test"), engine.token("member@demo.test"));
        let (experience, broadcast) = go_live(&engine, &creator).await;
        let mut viewer = engine.watch(&experience, &member).await;
        viewer.state("live").await;
        let (_, token) =
            engine.post(&format!("/api/v1/broadcasts/{broadcast}/publisher-token"), &creator, json!({})).await;
        let gone = json!({"act": "drop", "room": token["room"], "identity": token["identity"]});
        engine.order("/livekit/_act", gone).await;
        let lost = viewer.state("reconnecting").await;
        assert!(lost["until"].is_string());
        publish(&engine, &creator, &broadcast).await;
        // over the same socket, which was never closed
        let back = viewer.next("live", |frame| {
            assert_ne!(frame["state"], "ended", "{frame}");
            frame["t"] == "state" && frame["state"] == "live"
        });
        back.await;
        let (_, now) = engine.get(&format!("/api/v1/broadcasts/{broadcast}"), &creator).await;
        assert_eq!((&now["state"], &now["feed"], &now["id"]), (&json!("live"), &json!("browser"), &json!(broadcast)));
    });
}

#[test]
fn survive_013_of_two_announcements_at_once_one_is_made_and_both_learn_which() {
    run(async {
        let engine = Engine::start().await;
        let creator = engine.token("creator@demo.test");
        let path = format!("/api/v1/experiences/{}/broadcasts", engine.experience().await);
        let tries = (0..20).map(|_| engine.post(&path, &creator, json!({})));
        let answers = futures_util::future::join_all(tries).await;
        let made: Vec<_> = answers.iter().filter(|(status, _)| *status == StatusCode::CREATED).collect();
        assert_eq!(made.len(), 1);
        for (status, body) in answers.iter().filter(|(status, _)| *status != StatusCode::CREATED) {
            assert_eq!((*status, &body["code"]), (StatusCode::CONFLICT, &json!("broadcast_open")));
            assert_eq!(body["broadcast_id"], made[0].1["id"]);
        }
        let id = made[0].1["id"].as_str().unwrap();
        let go_live = format!("/api/v1/broadcasts/{id}/go-live");
        let lives = (0..10).map(|_| engine.post(&go_live, &creator, json!({})));
        let answers = futures_util::future::join_all(lives).await;
        assert!(
            answers
                .iter()
                .all(|(status, body)| *status == StatusCode::OK && body["live_at"] == answers[0].1["live_at"])
        );
        let (_, journal) = engine.get(&format!("/api/v1/broadcasts/{id}/events"), &creator).await;
        let went = journal["items"].as_array().unwrap().iter().filter(|row| row["event"]["to"] == "live").count();
        assert_eq!(went, 1, "{journal}");
    });
}

#[test]
fn what_the_state_does_not_allow_and_what_is_not_theirs_is_refused_with_a_reason() {
    run(async {
        let engine = Engine::start().await;
        let (creator, stranger) = (engine.token("creator@demo.test"), engine.token("stranger@else.test"));
        let (experience, broadcast) = announce(&engine, &creator, json!({})).await;
        let deed = |deed: &str| format!("/api/v1/broadcasts/{broadcast}/{deed}");
        let (status, body) = engine.post(&deed("end"), &creator, json!({})).await;
        assert_eq!(
            (status, &body["code"], &body["state"]),
            (StatusCode::CONFLICT, &json!("illegal_transition"), &json!("scheduled"))
        );
        let (status, body) = engine.post(&deed("go-live"), &stranger, json!({})).await;
        assert_eq!((status, &body["code"]), (StatusCode::NOT_FOUND, &json!("not_found")));
        let path = format!("/api/v1/experiences/{experience}/broadcasts");
        assert_eq!(engine.post(&path, &stranger, json!({})).await.0, StatusCode::NOT_FOUND);
        let unknown = format!("/api/v1/broadcasts/bc_{}/end", "0".repeat(32));
        assert_eq!(engine.post(&unknown, &creator, json!({})).await.0, StatusCode::NOT_FOUND);
        let (status, body) = engine.post(&path, &creator, json!({"title": "x", "price": 1})).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{body}");
        assert_eq!(engine.post(&deed("cancel"), &creator, json!({})).await.0, StatusCode::OK);
        assert_eq!(engine.post(&deed("cancel"), &creator, json!({})).await.0, StatusCode::OK, "already there");
    });
}

#[test]
fn the_lobby_opens_and_the_unstarted_is_cancelled_when_the_clock_says_so() {
    run(async {
        let engine = Engine::start().await;
        let (creator, member) = (engine.token("creator@demo.test"), engine.token("member@demo.test"));
        let experience = engine.experience().await;
        let mut early = engine.watch(&experience, &member).await;
        let welcome = early.next("welcome", |frame| frame["t"] == "welcome").await;
        let now: chrono::DateTime<chrono::Utc> = welcome["server_time"].as_str().unwrap().parse().unwrap();
        let starts = now + chrono::TimeDelta::hours(1);
        let body = json!({"scheduled_at": starts.to_rfc3339()});
        announce(&engine, &creator, body).await;
        let mut viewer = engine.watch(&experience, &member).await;
        viewer.state("scheduled").await;
        engine.order("/_clock", json!({"advance_secs": 46 * 60})).await;
        viewer.state("lobby").await;
        engine.order("/_clock", json!({"advance_secs": Duration::from_secs(3 * 3600).as_secs()})).await;
        viewer.state("cancelled").await;
    });
}
