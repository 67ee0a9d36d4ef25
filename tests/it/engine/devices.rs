//! One device more than the creator allows, where the oldest gives way: who is closed, with which word, and who stays.

use futures_util::{FutureExt, StreamExt, stream::FuturesUnordered};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{Engine, Socket, announce, go_live, run, until_asked};

/// Lets two devices of a person watch, and the oldest give way to a third.
async fn two_devices(engine: &Engine, creator: &str) {
    let path = format!("/api/v1/experiences/{}", engine.experience().await);
    let wanted = json!({"device_limit": 2, "device_policy": "drop_oldest"});
    let (status, said) = engine.call(Method::PATCH, &path, creator, Some(wanted)).await;
    assert_eq!((status, &said["device_policy"]), (StatusCode::OK, &json!("drop_oldest")));
}

struct Person<'a> {
    engine: &'a Engine,
    live: String,
    token: String,
}

impl Person<'_> {
    async fn knock(&self, device: &str, offer: &str) -> Socket {
        let headers = [
            ("authorization", format!("Bearer {}", self.token)),
            ("sec-websocket-protocol", format!("backstage.v1{offer}")),
        ];
        self.engine.socket(&format!("{}?device={device}", self.live), &headers).await.unwrap()
    }

    /// The socket of a device, and what would bring it back to its place.
    async fn open(&self, device: &str) -> (Socket, String) {
        let mut socket = self.knock(device, "").await;
        let welcome = socket.next("welcome", |frame| frame["t"] == "welcome").await;
        let snapshot = socket.next("snapshot", |frame| frame["t"] == "snapshot").await;
        let [session, secret] = ["session", "resume"].map(|field| welcome[field].as_str().unwrap());
        let offer = format!(", resume.{session}.{secret}.{}.{}", snapshot["epoch"], snapshot["offset"]);
        (socket, offer)
    }
}

/// The socket is told that another device took its place.
async fn is_replaced(mut socket: Socket, who: &str) {
    let bye = socket.next(who, |frame| frame["t"] == "bye").await;
    assert_eq!(
        bye,
        json!({"t": "bye", "code": 4009, "reason": "replaced", "reconnect": false, "after_ms": 0}),
        "{who}"
    );
    assert_eq!(socket.closed().await, 4009, "{who}");
}

/// The socket is still spoken to.
async fn goes_on(socket: &mut Socket, who: &str) {
    socket.say(json!({"t": "ping"})).await;
    let heard = socket.next(who, |frame| frame["t"] == "pong" || frame["t"] == "bye").await;
    assert_eq!(heard["t"], "pong", "{who}: {heard}");
}

#[test]
fn survive_093_the_oldest_device_gives_way_to_the_newcomer_and_does_not_come_back_by_itself() {
    run(async {
        let engine = Engine::start().await;
        let [creator, member] = ["creator", "member"].map(|name| engine.token(&format!("{name}@demo.test")));
        two_devices(&engine, &creator).await;
        let (experience, _) = announce(&engine, &creator, json!({})).await;
        let live = format!("/api/v1/experiences/{experience}/live");
        let person = Person { engine: &engine, live: live.clone(), token: member.clone() };
        let (tv, tv_ticket) = person.open("tv").await;
        let (mut phone, _) = person.open("phone").await;
        let (_, access) = engine.get(&format!("/api/v1/experiences/{experience}/access?device=laptop"), &member).await;
        assert_eq!(access["reason"], "grant", "there is always room");
        let (mut laptop, _) = person.open("laptop").await;
        is_replaced(tv, "the television").await;
        let (mut second, _) = person.open("laptop").await;
        for (socket, who) in [(&mut phone, "the phone"), (&mut laptop, "the laptop"), (&mut second, "its second tab")] {
            goes_on(socket, who).await;
        }

        // whoever did not hear it comes back by itself: it is told, and puts nobody out in turn
        is_replaced(person.knock("tv", &tv_ticket).await, "the television that comes back").await;
        for (socket, who) in [(&mut phone, "the phone"), (&mut laptop, "the laptop")] {
            goes_on(socket, who).await;
        }
        // its person wants to watch there after all
        let (mut tv, tv_ticket) = person.open("tv").await;
        is_replaced(phone, "the phone").await;
        drop(tv);
        tv = person.knock("tv", &tv_ticket).await;
        let welcome = tv.next("welcome", |frame| frame["t"] == "welcome").await;
        assert_eq!(welcome["recovered"], true, "a ticket that was given anew is good again");
        goes_on(&mut laptop, "the laptop").await;

        let staff = Person { engine: &engine, live, token: creator };
        let mut desks = vec![];
        for device in ["a", "b", "c", "d"] {
            desks.push(staff.open(device).await.0);
        }
        for desk in &mut desks {
            goes_on(desk, "a device of somebody who runs the room").await;
        }
    });
}

#[test]
fn survive_093_a_device_that_gave_way_is_out_of_the_room_and_the_others_stay() {
    run(async {
        let engine = Engine::start().await;
        let [creator, member] = ["creator", "member"].map(|name| engine.token(&format!("{name}@demo.test")));
        two_devices(&engine, &creator).await;
        let (experience, broadcast) = go_live(&engine, &creator).await;
        let live = format!("/api/v1/experiences/{experience}/live");
        let person = Person { engine: &engine, live, token: member };
        let mut held: Vec<(Socket, Value)> = vec![];
        for device in ["tv", "phone", "laptop"] {
            let mut socket = person.knock(device, "").await;
            let token = socket.next("token", |frame| frame["t"] == "token").await["token"].clone();
            engine.order("/livekit/_act", json!({"act": "join", "token": token})).await;
            held.push((socket, token));
        }
        let rooms = engine.rooms();
        let watching = || async {
            let people = rooms.list_participants(&broadcast).await.unwrap();
            let devices =
                people.iter().filter_map(|one| one.identity.split_once(':').map(|(_, device)| device.to_owned()));
            let mut devices: Vec<String> = devices.filter(|device| device != "studio").collect();
            devices.sort_unstable();
            devices
        };
        let two = ["laptop", "phone"];
        until_asked("the television to be out", || async { (watching().await == two).then_some(()) }).await;
        for _ in 0..3 {
            engine.order("/livekit/_act", json!({"act": "join", "token": held[0].1})).await;
            until_asked("the television to be out again", || async { (watching().await == two).then_some(()) }).await;
        }
        let (tv, _) = held.remove(0);
        is_replaced(tv, "the television").await;

        let mut tv = person.knock("tv", "").await;
        let token = tv.next("token", |frame| frame["t"] == "token").await["token"].clone();
        engine.order("/livekit/_act", json!({"act": "join", "token": token})).await;
        let other_two = ["laptop", "tv"];
        until_asked("the phone to be out", || async { (watching().await == other_two).then_some(()) }).await;
        let lists = engine.calls("ListParticipants").await;
        until_asked("some lists", || async { (engine.calls("ListParticipants").await > lists + 4).then_some(()) })
            .await;
        assert_eq!(watching().await, other_two, "who came anew stays");
        let series = "backstage_evictions_total{reason=\"device_limit\",door=\"socket\"}".to_owned();
        until_asked("two that gave way", || engine.metric_is(series.clone(), 2.0)).await;
    });
}

#[test]
fn survive_094_of_twenty_devices_that_come_at_once_two_are_left() {
    run(async {
        let engine = Engine::start().await;
        let [creator, member] = ["creator", "member"].map(|name| engine.token(&format!("{name}@demo.test")));
        two_devices(&engine, &creator).await;
        let (experience, broadcast) = announce(&engine, &creator, json!({})).await;
        let live = format!("/api/v1/experiences/{experience}/live");
        let person = Person { engine: &engine, live, token: member };
        let names: Vec<String> = (0..20).map(|number| format!("device-{number}")).collect();
        let sockets = futures_util::future::join_all(names.iter().map(|device| person.knock(device, ""))).await;
        let mut closings: FuturesUnordered<_> =
            sockets.into_iter().map(|socket| is_replaced(socket, "one of twenty")).collect();
        for _ in 0..18 {
            closings.next().await;
        }
        let audience = format!("/api/v1/broadcasts/{broadcast}/audience");
        until_asked("an audience of two", || async {
            let (_, said) = engine.get(&audience, &creator).await;
            ((&said["now"], &said["users"]) == (&json!(2), &json!(1))).then_some(())
        })
        .await;
        assert!(closings.next().now_or_never().is_none(), "two of them go on");
        let _kept = person.open("the-last").await;
        closings.next().await;
        assert!(closings.next().now_or_never().is_none(), "and one of those when one more comes");
    });
}
