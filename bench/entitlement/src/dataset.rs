//! The people, grants and questions of the bench. All of it is arithmetic, so that every answer can be checked.
//!
//! Each person has three grants, each on one of 1,000 passes: two in force and one run out. Each of 2,000 experiences is in two
//! passes. Half of the questions name an experience of a grant in force, a quarter one of the expired grant, a quarter any.

use std::{collections::HashMap, sync::Arc};

use backstage::{
    access::core::{Grant, Opening, Opens, Rights, Source, Status},
    clock::Timestamp,
    ids::{ExperienceId, GrantId, PassId, SpaceId, TeamId, UserId},
};
use uuid::Uuid;

const PASSES: u32 = 1_000;
const EXPERIENCES: u32 = 2_000;
const DAY_MS: i64 = 86_400_000;
/// The moment of every question.
pub const NOW: Timestamp = Timestamp(1_795_000_000_000);

/// An id of any kind, by number.
pub fn id<T: From<Uuid>>(number: u32) -> T {
    // spread over the bits as random ids are, so that maps are not helped by neighbours
    T::from(Uuid::from_u64_pair(mix(u64::from(number)), mix(u64::from(number) << 20 | 1)))
}

fn held(user: u32) -> [(u32, bool); 3] {
    [0, 1, 2].map(|number| ((user * 17 + number * 331 + user / PASSES * 7) % PASSES, number != 2))
}

fn passes(experience: u32) -> [u32; 2] {
    [experience % PASSES, (experience * 7 + 13) % PASSES]
}

/// A question and its right answer.
pub struct Question {
    /// Who.
    pub user: UserId,
    /// Wants to open what.
    pub experience: ExperienceId,
    /// Whether they may.
    pub answer: bool,
}

/// Question number `number` about `users` people.
pub fn question(number: u64, users: u32) -> Question {
    let random = mix(number);
    let user = low(random % u64::from(users));
    let second_half = (low(random >> 33) & 1) * PASSES;
    let experience = match number % 4 {
        0 | 1 => held(user)[usize::from(number % 2 == 1)].0 + second_half,
        2 => held(user)[2].0 + second_half,
        _ => low(random >> 40) % EXPERIENCES,
    };
    let included = passes(experience);
    let answer = held(user).iter().any(|(pass, runs)| *runs && included.contains(pass));
    Question { user: id(user), experience: id(experience), answer }
}

fn low(number: u64) -> u32 {
    u32::try_from(number & u64::from(u32::MAX)).unwrap_or(0)
}

fn mix(number: u64) -> u64 {
    let mut value = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// What each pass opens.
pub fn ticked() -> HashMap<u32, Arc<[ExperienceId]>> {
    let mut ticked: HashMap<u32, Vec<ExperienceId>> = HashMap::new();
    for experience in 0..EXPERIENCES {
        for pass in passes(experience) {
            ticked.entry(pass).or_default().push(id(experience));
        }
    }
    ticked
        .into_iter()
        .map(|(pass, mut experiences)| {
            experiences.sort_unstable();
            experiences.dedup();
            (pass, experiences.into())
        })
        .collect()
}

/// The rights of a person.
pub fn rights(user: u32, ticked: &HashMap<u32, Arc<[ExperienceId]>>) -> Rights {
    let grants = held(user).into_iter().zip(0..).map(|((pass, runs), number)| {
        let opens = Opens::Pass(PassId(id::<Uuid>(pass)), ticked.get(&pass).cloned().unwrap_or_else(|| Arc::from([])));
        let ends = if runs { NOW.0 + 30 * DAY_MS } else { NOW.0 - DAY_MS };
        grant(user * 4 + number, opens, Timestamp(ends))
    });
    Rights { grants: grants.collect(), ..Rights::none(id(user)) }
}

fn grant(number: u32, opens: Opens, ends: Timestamp) -> Grant {
    Grant {
        id: GrantId(id::<Uuid>(number)),
        space: SpaceId(Uuid::nil()),
        opens,
        source: Source::Free,
        status: Status::Active,
        starts_at: Timestamp(0),
        expires_at: Some(ends),
        past_due_until: None,
    }
}

/// Somebody with `count` grants of one space, none of them short: each on a pass with twenty experiences, in force, and only the
/// last opens what is asked for.
pub fn collector(count: u32) -> (Rights, Opening) {
    let wanted: ExperienceId = id(u32::MAX);
    let grants = (0..count).map(|number| {
        let mut experiences: Vec<ExperienceId> = (0..20).map(|other| id(number * 20 + other)).collect();
        if number + 1 == count {
            experiences.push(wanted);
        }
        experiences.sort_unstable();
        grant(number, Opens::Pass(PassId(id::<Uuid>(number)), experiences.into()), Timestamp(NOW.0 + DAY_MS))
    });
    (Rights { grants: grants.collect(), ..Rights::none(id(1)) }, opening(wanted))
}

/// What opens an experience of the bench.
pub fn opening(experience: ExperienceId) -> Opening {
    Opening {
        team: TeamId(Uuid::nil()),
        space: SpaceId(Uuid::nil()),
        space_published: true,
        experience: Some(experience),
    }
}

/// All experiences.
pub fn experiences() -> impl Iterator<Item = ExperienceId> {
    (0..EXPERIENCES).map(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn about_half_of_the_questions_have_yes_for_an_answer() {
        let yes = (0..10_000).filter(|number| question(*number, 100_000).answer).count();
        assert!((5_000..5_200).contains(&yes), "{yes}");
    }
}
