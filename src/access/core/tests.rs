//! The judge against tables written by hand, and against a second judge that knows no shortcuts.

mod agreement;
mod history;
mod reference;
mod rows;

use std::sync::Arc;

use proptest::{collection::vec, option, prelude::*, sample::select};
use uuid::Uuid;

use super::*;
use crate::{
    clock::Timestamp,
    ids::{ExperienceId, GrantId, PassId, SpaceId, TeamId, UserId},
};

const TEAM: TeamId = TeamId(Uuid::from_u128(1));
const OTHER_TEAM: TeamId = TeamId(Uuid::from_u128(2));
const SPACE: SpaceId = SpaceId(Uuid::from_u128(11));
const OTHER_SPACE: SpaceId = SpaceId(Uuid::from_u128(12));
const STAGE: ExperienceId = ExperienceId(Uuid::from_u128(21));
const LOUNGE: ExperienceId = ExperienceId(Uuid::from_u128(22));
const NOW: Timestamp = Timestamp(1_000);

fn grant(number: u128) -> Grant {
    Grant {
        id: GrantId(Uuid::from_u128(100 + number)),
        space: SPACE,
        opens: Opens::Pass(PassId(Uuid::from_u128(31)), Arc::from([STAGE])),
        source: Source::Free,
        status: Status::Active,
        starts_at: Timestamp(0),
        expires_at: None,
        past_due_until: None,
    }
}

fn holding(grants: impl Into<Box<[Grant]>>) -> Rights {
    Rights { grants: grants.into(), ..Rights::none(UserId(Uuid::from_u128(5))) }
}

fn stage() -> Opening {
    Opening { team: TEAM, space: SPACE, space_published: true, experience: Some(STAGE) }
}

fn lounge() -> Opening {
    Opening { experience: Some(LOUNGE), ..stage() }
}

fn member_page() -> Opening {
    Opening { experience: None, ..stage() }
}

fn word(rights: &Rights, opening: &Opening) -> &'static str {
    judge(NOW, rights, opening).reason.word()
}

#[test]
fn each_standing_of_a_grant_has_its_own_answer() {
    let at = |ms: i64| Some(Timestamp(ms));
    for (status, starts, ends, grace, expected) in [
        (Status::Active, 0, None, None, "grant"),
        (Status::Active, 1_000, None, None, "grant"),
        (Status::Active, 1_001, None, None, "not_yet"),
        (Status::Active, 0, at(1_001), None, "grant"),
        (Status::Active, 0, at(1_000), None, "expired"),
        (Status::Trialing, 0, at(1_001), None, "grant"),
        (Status::Trialing, 0, at(999), None, "expired"),
        (Status::PastDue, 0, None, at(1_001), "grant"),
        (Status::PastDue, 0, None, at(1_000), "past_due_over"),
        (Status::PastDue, 0, None, None, "past_due_over"),
        (Status::PastDue, 0, at(1_000), at(2_000), "expired"),
        (Status::PastDue, 0, at(500), at(900), "past_due_over"),
        (Status::Paused, 0, at(1), None, "paused"),
        (Status::Expired, 0, at(9_999), None, "expired"),
        (Status::Revoked, 0, at(1), None, "revoked"),
        (Status::Refunded, 5_000, None, None, "refunded"),
        (Status::Disputed, 0, None, None, "disputed"),
    ] {
        let held = Grant { status, starts_at: Timestamp(starts), expires_at: ends, past_due_until: grace, ..grant(1) };
        let answer = judge(NOW, &holding([held.clone()]), &stage());
        assert_eq!(answer.reason.word(), expected, "{held:?}");
        assert_eq!((answer.allowed, answer.rests_on()), (expected == "grant", Some(held.id)), "{held:?}");
    }
}

#[test]
fn a_grant_opens_what_it_is_on_and_nothing_else() {
    let pass = grant(1);
    let space = Grant { opens: Opens::Space, ..grant(1) };
    let one = Grant { opens: Opens::Experience(STAGE), ..grant(1) };
    let elsewhere = Grant { space: OTHER_SPACE, opens: Opens::Space, ..grant(1) };
    for (held, on_stage, in_lounge, on_member_page) in [
        (pass, "grant", "not_included", "grant"),
        (space, "grant", "grant", "grant"),
        (one, "grant", "not_included", "not_included"),
        (elsewhere, "no_grant", "no_grant", "no_grant"),
    ] {
        let rights = holding([held.clone()]);
        let answers = [word(&rights, &stage()), word(&rights, &lounge()), word(&rights, &member_page())];
        assert_eq!(answers, [on_stage, in_lounge, on_member_page], "{held:?}");
    }
    let over = Grant { opens: Opens::Experience(STAGE), status: Status::Revoked, ..grant(1) };
    assert_eq!(word(&holding([over]), &lounge()), "no_grant", "what is over elsewhere says nothing here");
}

#[test]
fn of_several_refusals_the_first_in_the_order_of_the_contract_is_told() {
    let order = [Status::Disputed, Status::Refunded, Status::Revoked, Status::PastDue, Status::Paused, Status::Expired];
    let mut grants: Vec<Grant> =
        order.iter().zip(1..).map(|(status, number)| Grant { status: *status, ..grant(number) }).collect();
    grants.push(Grant { starts_at: Timestamp(2_000), ..grant(50) });
    grants.push(Grant { opens: Opens::Experience(LOUNGE), ..grant(51) });
    grants.reverse();
    let mut told = vec![];
    let unpublished = Opening { space_published: false, ..stage() };
    while !grants.is_empty() {
        let answer = judge(NOW, &holding(grants.clone()), &unpublished);
        told.push(answer.reason.word());
        grants.retain(|held| Some(held.id) != answer.refused_for);
    }
    told.push(word(&holding([]), &unpublished));
    told.push(word(&holding([]), &stage()));
    let expected =
        "disputed refunded revoked past_due_over paused expired not_yet not_included space_unpublished no_grant";
    assert_eq!(told.join(" "), expected);
    let words: Vec<_> = Refusal::ALL.iter().map(|refusal| refusal.word()).collect();
    assert_eq!(words.join(" "), format!("banned device_limit {expected}"));
}

#[test]
fn survive_091_losing_one_of_two_grants_closes_no_door_that_the_other_opens() {
    for lost in [Status::Revoked, Status::Refunded, Status::Disputed, Status::Paused, Status::Expired] {
        let rights = holding([Grant { status: lost, ..grant(1) }, Grant { opens: Opens::Space, ..grant(2) }]);
        let answer = judge(NOW, &rights, &stage());
        assert_eq!((answer.allowed, answer.grant), (true, Some(grant(2).id)), "{lost}");
    }
}

#[test]
fn the_grant_that_lasts_longest_decides_and_the_older_of_two_equals() {
    let until = |number, ms: i64| Grant { expires_at: Some(Timestamp(ms)), ..grant(number) };
    let decides = |grants: &[Grant]| {
        let answer = judge(NOW, &holding(grants), &stage());
        (answer.grant.unwrap().0.as_u128() - 100, answer.expires_at)
    };
    assert_eq!(decides(&[until(1, 2_000), until(2, 3_000)]), (2, Some(Timestamp(3_000))));
    assert_eq!(decides(&[until(2, 3_000), grant(3), until(1, 2_000)]), (3, None));
    assert_eq!(decides(&[until(9, 3_000), until(4, 3_000)]), (4, Some(Timestamp(3_000))));
    let late = Grant { status: Status::PastDue, past_due_until: Some(Timestamp(1_500)), ..grant(1) };
    assert_eq!(decides(&[late, until(2, 1_400)]), (1, Some(Timestamp(1_500))));
}

#[test]
fn of_grants_that_are_refused_alike_the_first_to_open_speaks_or_else_the_newest() {
    let later = |number, ms: i64| Grant { starts_at: Timestamp(ms), ..grant(number) };
    let revoked = |number| Grant { status: Status::Revoked, ..grant(number) };
    let speaks = |mut grants: Vec<Grant>| {
        let told = judge(NOW, &holding(grants.clone()), &stage()).refused_for.unwrap();
        grants.reverse();
        assert_eq!(judge(NOW, &holding(grants), &stage()).refused_for, Some(told), "a table has no order");
        told.0.as_u128() - 100
    };
    assert_eq!(speaks(vec![later(1, 3_000), later(2, 2_000), later(3, 4_000)]), 2);
    assert_eq!(speaks(vec![later(1, 2_000), later(2, 2_000)]), 2);
    assert_eq!(speaks(vec![revoked(5), revoked(9), revoked(7), later(2, 2_000)]), 9);
}

#[test]
fn staff_enter_without_a_grant_also_what_is_not_published_and_only_at_their_own_team() {
    let staff = |team, enters| Rights { staff: Box::new([Staff { team, enters, runs: false }]), ..holding([]) };
    let draft = Opening { space_published: false, ..stage() };
    assert_eq!(word(&staff(TEAM, true), &draft), "staff");
    assert_eq!(word(&staff(OTHER_TEAM, true), &stage()), "no_grant");
    assert_eq!(word(&staff(TEAM, false), &stage()), "no_grant");
}

#[test]
fn a_ban_closes_every_door_of_its_space_until_it_is_over() {
    let banned = |space, until: Option<i64>| Rights {
        bans: Box::new([Ban { space, until: until.map(Timestamp) }]),
        staff: Box::new([Staff { team: TEAM, enters: true, runs: true }]),
        ..holding([grant(1)])
    };
    assert_eq!(word(&banned(SPACE, None), &stage()), "banned");
    assert_eq!(word(&banned(SPACE, Some(1_001)), &member_page()), "banned");
    assert_eq!(word(&banned(SPACE, Some(1_000)), &stage()), "staff");
    assert_eq!(word(&banned(OTHER_SPACE, None), &stage()), "staff");
}

/// The same rules, written the long way: every reason that holds is collected, then the order is asked.
fn judge_the_long_way(now: i64, rights: &Rights, opening: &Opening) -> (bool, &'static str, Option<GrantId>) {
    let mut reasons: Vec<&'static str> = vec!["no_grant"];
    let mut open: Vec<(i64, GrantId)> = vec![];
    for g in &*rights.grants {
        if g.space != opening.space {
            continue;
        }
        let reaches = match &g.opens {
            Opens::Space => true,
            Opens::Experience(e) => opening.experience == Some(*e),
            Opens::Pass(_, list) => opening.experience.is_none_or(|wanted| list.contains(&wanted)),
        };
        let end = g.expires_at.map_or(i64::MAX, |t| t.0);
        let grace = g.past_due_until.map_or(i64::MIN, |t| t.0);
        let word = g.status.word();
        let late = word == "past_due";
        let mut against = vec![];
        if ["disputed", "refunded", "revoked", "paused", "expired"].contains(&word) {
            against.push(word);
        } else {
            if late && grace <= now {
                against.push("past_due_over");
            }
            if end <= now {
                against.push("expired");
            }
            if g.starts_at.0 > now {
                against.push("not_yet");
            }
        }
        let for_another = matches!(g.opens, Opens::Experience(_)) && !reaches;
        if against.is_empty() && reaches {
            open.push((if late { end.min(grace) } else { end }, g.id));
        } else if against.is_empty() {
            reasons.push("not_included");
        } else if !for_another {
            reasons.extend(against);
        }
    }
    if rights.bans.iter().any(|b| b.space == opening.space && b.until.is_none_or(|t| t.0 > now)) {
        return (false, "banned", None);
    }
    if rights.staff.iter().any(|s| s.enters && s.team == opening.team) {
        return (true, "staff", None);
    }
    if !open.is_empty() {
        if !opening.space_published {
            return (false, "space_unpublished", None);
        }
        let longest = open.iter().map(|(end, _)| *end).max().unwrap();
        let grant = open.iter().filter(|(end, _)| *end == longest).map(|(_, id)| *id).min();
        return (true, "grant", grant);
    }
    if !opening.space_published {
        reasons.push("space_unpublished");
    }
    let order = Refusal::ALL.map(Refusal::word);
    (false, order.into_iter().find(|word| reasons.contains(word)).unwrap(), None)
}

/// Times in a range so small that every boundary is met.
fn some_time() -> impl Strategy<Value = Timestamp> {
    (0i64..12).prop_map(Timestamp)
}

fn some_grant() -> impl Strategy<Value = Grant> {
    let opens = prop_oneof![
        Just(Opens::Space),
        select(vec![STAGE, LOUNGE]).prop_map(Opens::Experience),
        select(vec![vec![], vec![STAGE], vec![LOUNGE], vec![STAGE, LOUNGE]])
            .prop_map(|ticked| Opens::Pass(PassId(Uuid::from_u128(31)), ticked.into())),
    ];
    (
        0u128..1_000,
        select(vec![SPACE, SPACE, SPACE, OTHER_SPACE]),
        opens,
        select(Status::ALL),
        some_time(),
        option::of(some_time()),
        option::of(some_time()),
    )
        .prop_map(|(number, space, opens, status, starts_at, expires_at, past_due_until)| Grant {
            space,
            opens,
            status,
            starts_at,
            expires_at,
            past_due_until,
            ..grant(number)
        })
}

fn some_rights() -> impl Strategy<Value = Rights> {
    let ban =
        (select(vec![SPACE, OTHER_SPACE]), option::of(some_time())).prop_map(|(space, until)| Ban { space, until });
    let staff =
        (select(vec![TEAM, OTHER_TEAM]), any::<bool>()).prop_map(|(team, enters)| Staff { team, enters, runs: false });
    (vec(some_grant(), 0..6), vec(ban, 0..2), vec(staff, 0..2)).prop_map(|(grants, bans, staff)| Rights {
        bans: bans.into(),
        staff: staff.into(),
        ..holding(grants)
    })
}

fn some_opening() -> impl Strategy<Value = Opening> {
    (select(vec![Some(STAGE), Some(LOUNGE), None]), proptest::bool::weighted(0.8))
        .prop_map(|(experience, space_published)| Opening { space_published, experience, ..stage() })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn the_judge_agrees_with_the_long_way(now in 0i64..14, rights in some_rights(), opening in some_opening()) {
        let answer = judge(Timestamp(now), &rights, &opening);
        prop_assert_eq!((answer.allowed, answer.reason.word(), answer.grant), judge_the_long_way(now, &rights, &opening));
    }

    #[test]
    fn no_answer_changes_before_the_next_change(now in 0i64..12, rights in some_rights(), opening in some_opening()) {
        let next = rights.next_change(Timestamp(now));
        prop_assert!(next.is_none_or(|at| at.0 > now));
        let seen = judge(Timestamp(now), &rights, &opening);
        for later in now..next.map_or(30, |at| at.0) {
            prop_assert_eq!(judge(Timestamp(later), &rights, &opening), seen, "at {}", later);
        }
    }

    #[test]
    fn an_allowed_answer_holds_until_its_end_and_that_grant_not_after_it(
        now in 0i64..12, rights in some_rights(), opening in some_opening(),
    ) {
        let answer = judge(Timestamp(now), &rights, &opening);
        if let (Some(grant), Some(end)) = (answer.grant, answer.expires_at) {
            prop_assert!(end.0 > now);
            for later in now..end.0 {
                prop_assert!(judge(Timestamp(later), &rights, &opening).allowed, "at {}", later);
            }
            prop_assert_ne!(judge(end, &rights, &opening).grant, Some(grant));
        }
    }

    #[test]
    fn one_grant_more_never_closes_a_door(now in 0i64..12, rights in some_rights(), more in some_grant(), opening in some_opening()) {
        let before = judge(Timestamp(now), &rights, &opening).allowed;
        let grants: Vec<Grant> = rights.grants.iter().cloned().chain([more]).collect();
        let after = judge(Timestamp(now), &Rights { grants: grants.into(), ..rights }, &opening).allowed;
        prop_assert!(after || !before);
    }
}
