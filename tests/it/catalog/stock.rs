//! Stock: exactly as many as there are, whoever comes at once, and no unit is ever lost.

use actix_web::http::Method;
use backstage::{
    access::{
        core::Source,
        store::grants::{self, NewGrant, Target},
    },
    ids::{PassId, SpaceId},
    store::StoreError,
};
use futures_util::{FutureExt, future::join_all};
use serde_json::{Value, json};

use super::house::{Answer, House, Person, Space, uuid};

async fn limited(stock: Value) -> (House, Person, Space) {
    let house = House::open();
    let owner = house.person("owner").await;
    let team = house.team(&owner).await;
    let space = house.space(&owner, team, "ours").await;
    let answer = set(&house, &owner, &space, stock).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    (house, owner, space)
}

async fn set(house: &House, owner: &Person, space: &Space, stock: Value) -> Answer {
    house.patch(&format!("/api/v1/passes/{}", space.pass), owner, json!({ "stock": stock })).await
}

async fn units(house: &House, state: &str) -> i64 {
    house.count(&format!("stock_units where state = '{state}'")).await
}

/// Free, held, sold and withdrawn are all that were ever made; as many are offered as the seller said; and each that is sold
/// belongs to a purchase of the same pass that was completed, as each such purchase has its unit.
async fn nothing_is_lost(house: &House) {
    for (what, breach) in [
        ("a unit is missing", "(select pass_id from stock_units group by pass_id having count(*) <> max(unit)) x"),
        (
            "another number is offered",
            "access_passes p where p.stock is not null and p.stock <> (select count(*) from stock_units u
               where u.pass_id = p.id and u.state <> 'withdrawn')",
        ),
        (
            "a unit is sold to nobody",
            "stock_units u left join purchases b on b.id = u.purchase_id and b.status = 'completed'
              where u.state = 'sold' and b.id is null",
        ),
        (
            "a grant has no purchase",
            "access_grants g left join purchases b on b.id = g.purchase_id and b.user_id = g.user_id
              where g.source = 'free' and b.id is null",
        ),
    ] {
        assert_eq!(house.count(breach).await, 0, "{what}");
    }
}

#[actix_web::test]
async fn survive_074_of_many_who_come_at_once_exactly_as_many_get_in_as_there_are_units() {
    let (house, owner, _) = limited(json!(12)).await;
    let mut people = Vec::new();
    for number in 0..60 {
        people.push(house.person(&format!("buyer{number}")).await);
    }
    let answers = join_all(people.iter().map(|one| house.post("/ours/basic/purchase", one, json!({})))).await;
    let told = |status, code| answers.iter().filter(|answer| (answer.status, answer.code()) == (status, code)).count();
    assert_eq!((told(201, ""), told(409, "sold_out")), (12, 48), "{answers:?}");
    assert_eq!(house.count("access_grants where status = 'active'").await, 12);
    assert_eq!((units(&house, "sold").await, units(&house, "free").await), (12, 0));
    nothing_is_lost(&house).await;
    let public = house.get("/api/v1/spaces/ours/passes/basic/public", None).await;
    assert_eq!((&public.body["pass"]["sold_out"], &public.body["pass"]["stock_left"]), (&json!(true), &json!(0)));
    let page = house.get("/ours/basic", Some(&owner)).await;
    assert!(page.text.contains("Sold out") && !page.text.contains("/ours/basic/purchase"));
}

#[actix_web::test]
async fn a_button_pressed_many_times_at_once_takes_one_unit() {
    let (house, ..) = limited(json!(5)).await;
    let member = house.person("member").await;
    join_all((0..8).map(|_| house.post("/ours/basic/purchase", &member, json!({})))).await;
    assert_eq!((units(&house, "sold").await, house.count("purchases").await), (1, 1));
    nothing_is_lost(&house).await;
}

#[actix_web::test]
async fn survive_078_fewer_than_are_sold_is_refused_and_zero_is_zero() {
    let (house, owner, space) = limited(json!(3)).await;
    for name in ["ann", "ben"] {
        let person = house.person(name).await;
        assert_eq!(house.post("/ours/basic/purchase", &person, json!({})).await.status, 201);
    }
    let refused = set(&house, &owner, &space, json!(1)).await;
    assert_eq!((refused.status, refused.code()), (409, "stock_below_sold"));
    assert_eq!((&refused.body["sold"], &refused.body["held"]), (&json!(2), &json!(0)));
    for (wanted, left) in
        [(json!(2), json!(0)), (json!(10), json!(8)), (json!(4), json!(2)), (json!(null), json!(null))]
    {
        let answer = set(&house, &owner, &space, wanted.clone()).await;
        assert_eq!((answer.status, &answer.body["stock"], &answer.body["stock_left"]), (200, &wanted, &left));
        nothing_is_lost(&house).await;
    }
    assert_eq!(house.count("stock_units").await, 10, "what was made once is brought back, not made again");
    let carla = house.person("carla").await;
    assert_eq!(house.post("/ours/basic/purchase", &carla, json!({})).await.status, 201, "there is no limit any more");
    assert_eq!(units(&house, "sold").await, 2);
    let none = json!({ "slug": "none", "name": "None", "stock": 0 });
    let none = house.post(&format!("/api/v1/spaces/{}/passes", space.id), &owner, none).await;
    house.post(&format!("/api/v1/passes/{}/prices", none.id()), &owner, json!({ "kind": "free" })).await;
    let refused = house.post("/ours/none/purchase", &carla, json!({})).await;
    assert_eq!((refused.status, refused.code()), (409, "sold_out"));
}

#[actix_web::test]
async fn whoever_holds_a_pass_that_is_sold_out_is_told_so_and_an_address_alone_is_told_what_everybody_is() {
    let (house, ..) = limited(json!(1)).await;
    let member = house.person("member").await;
    assert_eq!(house.post("/ours/basic/purchase", &member, json!({})).await.status, 201);
    let owned = house.post("/ours/basic/purchase", &member, json!({})).await;
    assert_eq!((owned.status, owned.code()), (409, "already_owned"));
    for email in [member.email.as_str(), "stranger@house.test"] {
        let answer = house.call(Method::POST, "/ours/basic/purchase", None, Some(json!({ "email": email }))).await;
        assert_eq!((answer.status, answer.code()), (409, "sold_out"), "{email}");
    }
    assert_eq!(house.count("users where email_norm = 'stranger@house.test'").await, 0, "nothing is left of a refusal");
}

#[actix_web::test]
async fn what_is_given_by_hand_takes_no_unit() {
    let (house, owner, space) = limited(json!(1)).await;
    let friend = house.person("friend").await;
    let at = house.clock.now();
    let comp = NewGrant {
        id: house.ids.fresh(),
        user: friend.id,
        space: SpaceId(uuid(&space.id)),
        opens: Target::Pass(PassId(uuid(&space.pass))),
        price: None,
        source: Source::Comp,
        starts_at: at,
        expires_at: None,
        purchase: None,
        granted_by: Some(owner.id),
        at,
    };
    let made: Result<_, StoreError> =
        house.database.store.transaction(move |connection| grants::insert_grant(connection, comp).boxed()).await;
    made.unwrap();
    assert_eq!((units(&house, "free").await, units(&house, "sold").await), (1, 0));
}

#[actix_web::test]
async fn survive_077_the_database_itself_keeps_every_unit() {
    let (house, ..) = limited(json!(2)).await;
    for (statement, kept) in [
        ("delete from stock_units", "a unit that is deleted"),
        ("update stock_units set state = 'sold'", "a unit that is sold to nobody"),
        ("update stock_units set held_until = now()", "a hold on a free unit"),
        ("update stock_units set state = 'gone'", "a fifth state"),
    ] {
        assert!(house.try_sql(statement).await.is_err(), "{kept}");
    }
    assert_eq!(units(&house, "free").await, 2);
}
