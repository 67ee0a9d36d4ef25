//! The media server's absences, lost and foreign words, and returning publishers, as viewers and creators meet them.

use std::time::Duration;

use livekit_api::services::room::CreateRoomOptions;
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::{Engine, Socket, announce, go_live, publish, run, until_asked};

/// Rule: what webhooks do not tell, lists do.
const HEALED: Duration = Duration::from_secs(10);
/// Rule: a media server that is away is told within this.
const TOLD: Duration = Duration::from_secs(5);

pub async fn within<T>(limit: Duration, what: &str, wanted: impl Future<Output = T>) -> T {
    tokio::time::timeout(limit, wanted).await.unwrap_or_else(|_| panic!("{what}: not within {limit:?}"))
}

/// The publisher's room and identity, with the token.
pub async fn publisher(engine: &Engine, creator: &str, broadcast: &str) -> Value {
    let path = format!("/api/v1/broadcasts/{broadcast}/publisher-token");
    let (status, token) = engine.post(&path, creator, json!({})).await;
    assert_eq!(status, StatusCode::OK, "{token}");
    token
}

async fn drop_publisher(engine: &Engine, creator: &str, broadcast: &str) {
    let token = publisher(engine, creator, broadcast).await;
    engine.order("/livekit/_act", json!({"act": "drop", "room": token["room"], "identity": token["identity"]})).await;
}

async fn state_of(engine: &Engine, creator: &str, broadcast: &str) -> Value {
    engine.get(&format!("/api/v1/broadcasts/{broadcast}"), creator).await.1
}

/// What the viewer is told next of where the picture is.
async fn sources(viewer: &mut Socket) -> Value {
    let told = viewer.next("playback", |frame| frame["t"] == "playback").await;
    told["sources"].clone()
}

#[test]
fn survive_037_a_publisher_back_inside_the_grace_goes_on_and_one_who_stays_away_ends_it_once() {
    run(async {
        let engine = Engine::start().await;
        let (creator, member) = (engine.token("creator@demo.test"), engine.token("member@demo.test"));
        let (experience, broadcast) = go_live(&engine, &creator).await;
        let mut viewer = engine.watch(&experience, &member).await;
        viewer.state("live").await;
        let live_at = state_of(&engine, &creator, &broadcast).await["live_at"].clone();

        drop_publisher(&engine, &creator, &broadcast).await;
        viewer.state("reconnecting").await;
        engine.order("/_clock", json!({"advance_secs": 55})).await;
        publish(&engine, &creator, &broadcast).await;
        viewer.state("live").await;
        let now = state_of(&engine, &creator, &broadcast).await;
        assert_eq!((&now["state"], &now["live_at"]), (&json!("live"), &live_at), "the same broadcast");

        drop_publisher(&engine, &creator, &broadcast).await;
        viewer.state("reconnecting").await;
        engine.order("/_clock", json!({"advance_secs": 61})).await;
        viewer.state("ended").await;
        publish_refused(&engine, &creator, &broadcast).await;
        let (_, journal) = engine.get(&format!("/api/v1/broadcasts/{broadcast}/events"), &creator).await;
        let ends = journal["items"].as_array().unwrap().iter().filter(|row| row["event"]["to"] == "ended").count();
        assert_eq!(ends, 1, "{journal}");
    });
}

async fn publish_refused(engine: &Engine, creator: &str, broadcast: &str) {
    let path = format!("/api/v1/broadcasts/{broadcast}/publisher-token");
    let (status, body) = engine.post(&path, creator, json!({})).await;
    assert_eq!((status, &body["code"]), (StatusCode::CONFLICT, &json!("illegal_transition")));
}

#[test]
fn survive_038_a_publisher_who_comes_from_another_device_takes_over_and_the_audience_is_told() {
    run(async {
        let engine = Engine::start().await;
        let (creator, member) = (engine.token("creator@demo.test"), engine.token("member@demo.test"));
        let (experience, broadcast) = go_live(&engine, &creator).await;
        let mut viewer = engine.watch(&experience, &member).await;
        viewer.state("live").await;
        let token = publisher(&engine, &creator, &broadcast).await;
        engine.order("/livekit/_act", json!({"act": "join", "token": token["token"]})).await;
        viewer.state("reconnecting").await;
        let sends = json!({"act": "publish", "room": token["room"], "identity": token["identity"]});
        engine.order("/livekit/_act", sends).await;
        viewer.state("live").await;
        let people = engine.rooms().list_participants(&broadcast).await.unwrap();
        assert_eq!(people.iter().filter(|person| person.is_publisher).count(), 1);
        let now = state_of(&engine, &creator, &broadcast).await;
        assert_eq!((&now["state"], &now["feed"]), (&json!("live"), &json!("browser")));
    });
}

#[test]
fn survive_039_what_lost_webhooks_would_have_told_is_found_by_listing() {
    run(async {
        let engine = Engine::start().await;
        let (creator, member) = (engine.token("creator@demo.test"), engine.token("member@demo.test"));
        engine.order("/_faults", json!({"provider": "livekit", "action": "lose_webhook"})).await;
        let (experience, broadcast) = announce(&engine, &creator, json!({})).await;
        engine.post(&format!("/api/v1/broadcasts/{broadcast}/lobby"), &creator, json!({})).await;
        let mut viewer = engine.watch(&experience, &member).await;
        viewer.state("lobby").await;
        publish(&engine, &creator, &broadcast).await;
        within(HEALED, "the picture is found", viewer.state("live")).await;
        drop_publisher(&engine, &creator, &broadcast).await;
        within(HEALED, "its loss is found", viewer.state("reconnecting")).await;
        publish(&engine, &creator, &broadcast).await;
        within(HEALED, "its return is found", viewer.state("live")).await;
        let audience = state_of(&engine, &creator, &broadcast).await["audience"].clone();
        assert_eq!((&audience["now"], &audience["users"]), (&json!(1), &json!(1)), "counted by our own sockets");
        assert!(!engine.metrics().await.iter().any(|line| line.starts_with("backstage_webhooks_total")), "none came");
    });
}

#[test]
fn survive_040_webhooks_that_come_twice_and_in_the_wrong_order_end_in_what_the_list_says() {
    run(async {
        let engine = Engine::start().await;
        let (creator, member) = (engine.token("creator@demo.test"), engine.token("member@demo.test"));
        for (action, seed) in [("duplicate_webhook", 3), ("reorder_webhooks", 4)] {
            let fault = json!({"provider": "livekit", "action": action, "copies": 3, "probability": 0.6, "seed": seed});
            engine.order("/_faults", fault).await;
        }
        let (experience, broadcast) = go_live(&engine, &creator).await;
        let mut viewer = engine.watch(&experience, &member).await;
        viewer.state("live").await;
        let token = publisher(&engine, &creator, &broadcast).await;
        for act in ["unpublish", "publish", "leave", "join", "publish", "unpublish", "publish"] {
            let deed = json!({"act": act, "room": token["room"], "identity": token["identity"]});
            engine.order("/livekit/_act", deed).await;
        }
        let settled = |wanted: &'static str| {
            let (engine, creator, broadcast) = (&engine, &creator, &broadcast);
            until_asked(wanted, move || async move {
                let now = state_of(engine, creator, broadcast).await;
                assert_eq!(now["audience"]["now"], 1, "{now}");
                (now["state"] == wanted).then_some(now)
            })
        };
        assert_eq!(settled("live").await["feed"], "browser");
        engine
            .order("/livekit/_act", json!({"act": "leave", "room": token["room"], "identity": token["identity"]}))
            .await;
        settled("reconnecting").await;
        assert!(engine.metric(r#"backstage_webhooks_total{provider="livekit",outcome="duplicate"}"#).await > Some(0.0));
    });
}

#[test]
fn survive_043_going_live_while_the_media_server_fails_or_hangs_is_never_half_done() {
    run(async {
        let engine = Engine::start().await;
        let (creator, member) = (engine.token("creator@demo.test"), engine.token("member@demo.test"));
        for fault in [
            json!({"provider": "livekit", "action": "fail", "status": 500}),
            json!({"provider": "livekit", "action": "delay", "ms": 20_000}),
            json!({"provider": "livekit", "action": "drop_response"}),
        ] {
            let (experience, broadcast) = announce(&engine, &creator, json!({})).await;
            let deed = |deed: &str| format!("/api/v1/broadcasts/{broadcast}/{deed}");
            let mut viewer = engine.watch(&experience, &member).await;
            viewer.state("scheduled").await;
            engine.order("/_faults", fault.clone()).await;
            let live = within(TOLD, "the answer", engine.post(&deed("go-live"), &creator, json!({}))).await;
            assert_eq!((live.0, &live.1["state"], &live.1["feed"]), (StatusCode::OK, &json!("live"), &json!("none")));
            let told = viewer.next("degraded", |frame| {
                assert_ne!(frame["t"], "playback", "nobody is sent to a room that is not there: {frame}");
                frame["t"] == "state" && frame["degraded"] == true
            });
            within(TOLD, "why nothing is seen", told).await;
            let wants = within(TOLD, "a reason", engine.post(&deed("publisher-token"), &creator, json!({}))).await;
            assert_eq!((wants.0, &wants.1["code"]), (StatusCode::SERVICE_UNAVAILABLE, &json!("media_unavailable")));

            engine.heal().await;
            let sources = within(HEALED, "the room", sources(&mut viewer)).await;
            assert_eq!(sources[0]["room"], broadcast.as_str(), "{fault}");
            let rooms = engine.rooms().list_rooms(vec![]).await.unwrap();
            assert_eq!(rooms.iter().map(|room| room.name.as_str()).collect::<Vec<_>>(), [broadcast.as_str()]);
            publish(&engine, &creator, &broadcast).await;
            let (status, over) = engine.post(&deed("end"), &creator, json!({})).await;
            assert_eq!((status, &over["state"]), (StatusCode::OK, &json!("ended")));
        }
    });
}

#[test]
fn survive_048_a_token_of_an_ended_broadcast_opens_nothing_that_lasts() {
    run(async {
        let engine = Engine::start().await;
        let (creator, member) = (engine.token("creator@demo.test"), engine.token("member@demo.test"));
        let (experience, broadcast) = go_live(&engine, &creator).await;
        let mut viewer = engine.watch(&experience, &member).await;
        let token = viewer.next("token", |frame| frame["t"] == "token").await;
        engine.post(&format!("/api/v1/broadcasts/{broadcast}/end"), &creator, json!({})).await;
        viewer.state("ended").await;
        let rooms = engine.rooms();
        until_asked("the end of the room", || async {
            rooms.list_rooms(vec![]).await.unwrap().is_empty().then_some(())
        })
        .await;
        let act = |via: &'static str| {
            let body = json!({"act": "join", "token": token["token"], "via": via});
            engine.client.post(format!("{}/livekit/_act", engine.standins)).json(&body).send()
        };
        assert_eq!(act("rtc").await.unwrap().status(), StatusCode::NOT_FOUND, "rooms are not made by joining");
        // the server's WHIP endpoint makes a room for every good token: it is closed as soon as it is told of
        assert_eq!(act("whip").await.unwrap().status(), StatusCode::OK);
        let closed = until_asked("the end of the foreign room", || async {
            rooms.list_rooms(vec![]).await.unwrap().is_empty().then_some(())
        });
        within(Duration::from_secs(2), "policing", closed).await;
        assert_eq!(state_of(&engine, &creator, &broadcast).await["state"], "ended");
    });
}

#[test]
fn survive_042_a_media_server_that_forgot_the_room_gets_it_again_and_everybody_a_new_way_in() {
    run(async {
        let engine = Engine::start().await;
        let (creator, member) = (engine.token("creator@demo.test"), engine.token("member@demo.test"));
        let (experience, broadcast) = go_live(&engine, &creator).await;
        let mut viewer = engine.watch(&experience, &member).await;
        viewer.state("live").await;
        let first = viewer.next("token", |frame| frame["t"] == "token").await;
        // all that a restart leaves: an answering server without the room and without a word about it
        engine.order("/_faults", json!({"provider": "livekit", "action": "lose_webhook"})).await;
        let rooms = engine.rooms();
        rooms.delete_room(&broadcast).await.unwrap();

        let told = viewer.next("degraded", |frame| {
            assert_ne!(frame["state"], "ended", "{frame}");
            frame["t"] == "state" && frame["degraded"] == true
        });
        within(TOLD, "that something is wrong", told).await;
        let again = viewer.next("a new way in", |frame| frame["t"] == "token" && frame["token"] != first["token"]);
        again.await;
        assert_eq!(rooms.list_rooms(vec![]).await.unwrap().len(), 1);
        publish(&engine, &creator, &broadcast).await;
        let back = viewer.next("live", |frame| {
            assert_ne!(frame["state"], "ended", "{frame}");
            frame["t"] == "state" && frame["state"] == "live" && frame["degraded"] == false
        });
        within(HEALED, "the picture", back).await;
        let options = CreateRoomOptions::default();
        let made = rooms.create_room(&broadcast, options).await.unwrap();
        assert_eq!(made.num_participants, 1, "it is the room that the publisher is in");
    });
}
