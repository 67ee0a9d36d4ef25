//! Views as handlers would fill them, one for each state a page can be in.

use std::sync::Arc;

use crate::{
    clock::Timestamp,
    web::view::{
        Bundle, Cue, Layout, Moment, OnAir, Person, Section, Theme,
        experience::{Door, ExperiencePage, OpenBecause, OpenDoor, PassLink, Room, Shut, ShutReason, WatchState},
        member::{GrantState, HeldGrant, HeldSpace, OnwardPage},
        parts::initials_of,
        space::{Opened, PassOffer, PriceChoice, SpaceHead, Way},
        studio::{Holder, LiveSettings, May, OpenBroadcast, SpaceStatus, StageState, StudioLivePage, StudioSpace},
    },
};

/// A date well ahead, so that a countdown in a screenshot stands for days.
pub fn at(plus_mins: i64) -> Moment {
    Timestamp(1_795_629_600_000 + plus_mins * 60_000).into()
}

pub fn layout(title: &str, who: Option<&str>) -> Layout {
    let bundle = Bundle {
        css: "/assets/@css".into(),
        shell: "/assets/@shell".into(),
        sign_in: "/assets/@sign_in".into(),
        space: "/assets/@space".into(),
        watch: "/assets/@watch".into(),
        studio: "/assets/@studio".into(),
        font_text: "/assets/@font_text".into(),
        font_display: "/assets/@font_display".into(),
    };
    let signed_in = who.map(|name| Person {
        name: name.into(),
        email: format!("{}@demo.test", name.split(' ').next().unwrap_or(name).to_lowercase()),
        initials: initials_of(name),
        creator: name.starts_with("Creator"),
    });
    let section = if who.is_some() { Section::Spaces } else { Section::Discover };
    Layout {
        title: title.into(),
        csrf: "token-of-the-form".into(),
        signed_in,
        theme: Theme::Device,
        bundle: Some(Arc::new(bundle)),
        section,
        path: "/demo".into(),
        ..Layout::default()
    }
}

pub fn live() -> OnAir {
    OnAir::Live { title: "The boring parts of Kubernetes".into(), since: at(-24), watching: 312 }
}

pub fn next() -> OnAir {
    OnAir::Next { title: "The boring parts of Kubernetes".into(), at: at(0) }
}

pub fn lobby() -> OnAir {
    OnAir::Lobby { title: "The boring parts of Kubernetes".into(), at: Some(at(0)), waiting: 128 }
}

pub fn head() -> SpaceHead {
    SpaceHead {
        slug: "demo".into(),
        name: "Demo Space".into(),
        tagline: "One hard topic a week, live, from people who run it in production.".into(),
        description: "We open the dashboard and look.\nConference talks end where the trouble starts.".into(),
        team: "Demo Studio".into(),
        draft: false,
        staff: false,
    }
}

pub fn offer(slug: &str, name: &str, position: usize, way: Way) -> PassOffer {
    PassOffer {
        slug: slug.into(),
        name: name.into(),
        headline: "Every live talk, and the room after it".into(),
        description: "For people who want to keep learning while they work.".into(),
        benefits: vec!["Questions while it is still warm".into(), "Three devices at once".into()],
        opens: vec![Opened { name: "Main Stage".into(), text: "A talk every Thursday".into() }],
        position,
        way,
        left: None,
        ends: None,
        leaves_to: None,
        enter: "/account/purchased_spaces/demo/experiences/main-stage".into(),
    }
}

pub fn free(id: &str) -> Way {
    let note = "Open for 7 days, then it ends by itself. No card, no payment.".into();
    Way::Offered { prices: vec![PriceChoice { id: id.into(), words: "Free for 7 days".into(), note, free: true }] }
}

pub fn offers() -> Vec<PassOffer> {
    vec![
        offer("basic", "Basic", 0, free("prc_1")),
        offer("vip", "VIP", 1, Way::ByInvitation),
        offer("crew", "Crew", 2, Way::Held { until: Some(at(40_000)) }),
    ]
}

pub fn held() -> HeldSpace {
    let grant = |name: &str, state, until| HeldGrant {
        name: name.into(),
        source: "given by the team".into(),
        state,
        since: at(-90_000),
        until,
    };
    HeldSpace {
        slug: "demo".into(),
        name: "Demo Space".into(),
        tagline: "One hard topic a week, live.".into(),
        on_air: live(),
        grants: vec![
            grant("VIP", GrantState::Active, None),
            grant("Basic", GrantState::Expired, Some(at(-3000))),
            grant("Workshop", GrantState::NotYet, Some(at(90_000))),
            grant("Old friends", GrantState::Revoked, Some(at(-9000))),
        ],
        role: None,
    }
}

fn room(cue: Cue) -> Room {
    let starts = matches!(cue, Cue::Scheduled | Cue::Lobby).then(|| at(0));
    let until = (cue == Cue::Reconnecting).then(|| at(0));
    Room {
        cue,
        title: "The boring parts of Kubernetes".into(),
        starts_at: starts.clone(),
        until: until.clone(),
        ended_at: (cue == Cue::Ended).then(|| at(-5)),
        audience: 312,
        peak: 341,
        because: OpenBecause::Grant {
            pass: Some("VIP".into()),
            source: "given by the team".into(),
            since: at(-90_000),
            until: Some(at(30_000)),
        },
        device_limit: 3,
        state: WatchState {
            experience: "exp_1".into(),
            socket: "/api/v1/experiences/exp_1/live".into(),
            state: cue,
            starts_at: starts.map(|at| at.iso),
            until: until.map(|at| at.iso),
            loopback: true,
            picture: true,
            reactions: vec!["❤️".into(), "👏".into(), "🔥".into()],
        },
    }
}

pub fn experience(door: Door) -> ExperiencePage {
    ExperiencePage {
        layout: layout("Main Stage, Demo Space", Some("Member Vogt")),
        space_slug: "demo".into(),
        space_name: "Demo Space".into(),
        slug: "main-stage".into(),
        name: "Main Stage".into(),
        text: "Probes, limits, disruption budgets: what nobody shows at conferences.".into(),
        staff: false,
        door,
    }
}

pub fn open(cue: Cue) -> ExperiencePage {
    experience(Door::Open(Box::new(room(cue))))
}

pub fn shut(reason: ShutReason) -> ExperiencePage {
    let basic = PassLink { slug: "basic".into(), name: "Basic".into(), free: true };
    let vip = PassLink { slug: "vip".into(), name: "VIP".into(), free: false };
    let none = matches!(reason, ShutReason::Banned | ShutReason::DeviceLimit | ShutReason::NotYet);
    experience(Door::Shut(Shut {
        reason,
        pass: (reason != ShutReason::NoGrant).then(|| "VIP".to_owned()),
        at: Some(at(-3000)),
        words: matches!(reason, ShutReason::Banned | ShutReason::Revoked).then(|| "account shared".to_owned()),
        device_limit: 3,
        opened_by: if none { vec![] } else { vec![basic, vip] },
        still_open: if none { vec![] } else { vec![OpenDoor { slug: "lounge".into(), name: "Office hours".into() }] },
    }))
}

pub fn studio_space() -> StudioSpace {
    StudioSpace {
        id: "spc_1".into(),
        team: "team_1".into(),
        slug: "demo".into(),
        name: "Demo Space".into(),
        tagline: "One hard topic a week, live.".into(),
        description: "We open the dashboard and look.".into(),
        status: SpaceStatus::Published,
        private: false,
        may: May { edit: true, admit: true },
        stage: Some("main-stage".into()),
    }
}

pub fn studio_layout(title: &str) -> Layout {
    Layout { section: Section::Studio, ..layout(title, Some("Creator Halvorsen")) }
}

pub fn settings() -> LiveSettings {
    LiveSettings {
        lobby_lead_secs: 900,
        publisher_grace_secs: 60,
        auto_start: true,
        device_limit: 3,
        drops_oldest: false,
    }
}

pub fn studio_live(cue: Cue) -> StudioLivePage {
    let is_open = matches!(cue, Cue::Scheduled | Cue::Lobby | Cue::Live | Cue::Reconnecting);
    let open = is_open.then(|| OpenBroadcast {
        id: "bc_1".into(),
        title: "The boring parts of Kubernetes".into(),
        state: cue,
        scheduled_at: Some(at(0).iso),
        live_at: matches!(cue, Cue::Live | Cue::Reconnecting).then(|| at(-24).iso),
        until: (cue == Cue::Reconnecting).then(|| at(0).iso),
    });
    StudioLivePage {
        layout: studio_layout("Main Stage, studio"),
        space: studio_space(),
        slug: "main-stage".into(),
        name: "Main Stage".into(),
        cue,
        audience: if is_open { 312 } else { 0 },
        peak: if is_open { 318 } else { 0 },
        entitled: 347,
        past: vec![super::past("Postgres at midnight", Cue::Ended), super::past("On call", Cue::Cancelled)],
        state: StageState {
            experience: "exp_1".into(),
            socket: "/api/v1/experiences/exp_1/studio".into(),
            broadcast: open,
            settings: settings(),
            loopback: true,
            picture: true,
            may_run: true,
        },
    }
}

pub fn holders() -> Vec<Holder> {
    let states = [GrantState::Active, GrantState::Expired, GrantState::Revoked, GrantState::PastDue];
    let people = ["Lena Vogt", "Léo Bernard", "Alejandra Ruiz", "Kofi Mensah"];
    let one = |(state, name): (GrantState, &str)| Holder {
        grant_id: "gr_1".into(),
        name: name.into(),
        email: "somebody@vogt.example".into(),
        initials: initials_of(name),
        holds: "VIP".into(),
        source: "given by the team".into(),
        state,
        until: (state != GrantState::Active).then(|| at(-3000)),
    };
    states.into_iter().zip(people).map(one).collect()
}

pub fn onward() -> OnwardPage {
    OnwardPage {
        layout: layout("Basic", Some("Member Vogt")),
        space: "Demo Space".into(),
        pass: "Basic".into(),
        host: "forum.example.org".into(),
        url: "https://forum.example.org/hello".into(),
        inside: "/account/purchased_spaces/demo".into(),
    }
}
