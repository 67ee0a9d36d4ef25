//! Every page in every state: it renders, says what it must, and carries nothing the content policy would refuse.
//! What was rendered lies in `target/view-preview`, where `web/preview.mjs` shows it.

mod samples;

use std::{fs, path::Path};

use askama::Template;

use super::{
    Cue, Layout, Notice, NoticeKind, OnAir,
    error::ErrorPage,
    experience::{Door, OpenBecause, ShutReason},
    member::{DevicesPage, MemberExperience, PurchasedSpacePage, PurchasedSpacesPage, SessionRow},
    parts::{initials_of, page_state},
    sign_in::{SignInError, SignInPage, SignInStep},
    space::{HomePage, JoinError, PassPage, SpaceCard, SpacePage, Way},
    studio::{
        BanRow, Included, May, MemberRow, PassStatus, PastBroadcast, PriceRow, SpaceStatus, StockForm,
        StudioExperienceRow, StudioHomePage, StudioPassPage, StudioPassRow, StudioPeoplePage, StudioSettingsPage,
        StudioSpaceCard, StudioSpacePage, StudioTeam,
    },
    team::{Allowed, RoleChoice, StudioTeamPage, TeamMember},
};

const REASONS: [ShutReason; 12] = [
    ShutReason::Banned,
    ShutReason::DeviceLimit,
    ShutReason::Disputed,
    ShutReason::Refunded,
    ShutReason::Revoked,
    ShutReason::PastDueOver,
    ShutReason::Paused,
    ShutReason::Expired,
    ShutReason::NotYet,
    ShutReason::NotIncluded,
    ShutReason::SpaceUnpublished,
    ShutReason::NoGrant,
];

const CUES: [Cue; 7] =
    [Cue::Offline, Cue::Scheduled, Cue::Lobby, Cue::Live, Cue::Reconnecting, Cue::Ended, Cue::Cancelled];

/// Renders, keeps a copy for looking at, and holds the page to what every page must be.
fn page(name: &str, view: &impl Template) -> String {
    let html = view.render().expect("a view of plain fields renders");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/view-preview");
    fs::create_dir_all(&folder).expect("the target directory can be written");
    fs::write(folder.join(format!("{name}.html")), &html).expect("the target directory can be written");
    assert!(!html.contains(" style="), "{name}: the content policy refuses inline styles");
    assert!(!html.contains(" onclick") && !html.contains("<style"), "{name}: the content policy refuses inline code");
    for line in html.split("<script").skip(1) {
        let plain =
            line.starts_with(" type=\"application/json\"") || line.starts_with(" type=\"module\" src=\"/assets/");
        assert!(plain, "{name}: an inline script");
    }
    for must in ["<title>", "class=\"skip\" href=\"#main\"", "id=\"main\"", "<h1", "lang=\"en\"", "csrf-token"] {
        assert!(html.contains(must), "{name}: lacks {must}");
    }
    assert!(!html.replace("<!doctype", "").contains('!'), "{name}: an exclamation mark");
    html
}

pub(super) fn past(title: &str, cue: Cue) -> PastBroadcast {
    PastBroadcast { title: title.into(), cue, at: Some(samples::at(-9000)), length: "58 min".into(), peak: 341 }
}

fn sign_in(step: SignInStep, error: Option<SignInError>) -> SignInPage {
    SignInPage {
        layout: Layout { path: "/login".into(), ..samples::layout("Sign in", None) },
        step,
        email: "lena@vogt.example".into(),
        next: "/account/purchased_spaces/demo".into(),
        going_to: Some("Main Stage, Demo Space".into()),
        error,
        mailbox: Some("http://127.0.0.1:9999/mail".into()),
    }
}

fn code() -> SignInStep {
    SignInStep::Code { request: "lc_1".into(), digits: 6 }
}

#[test]
fn signing_in_asks_for_the_address_then_the_code_and_says_what_was_wrong() {
    let html = page("sign-in-email", &sign_in(SignInStep::Email, None));
    assert!(html.contains("action=\"/login\"") && html.contains("Send the code") && !html.contains("name=\"code\""));
    let html = page("sign-in-code", &sign_in(code(), None));
    assert!(html.contains("action=\"/login/code\"") && html.contains("value=\"lc_1\"") && html.contains("10 minutes"));
    let said = [
        ("wrong", SignInError::CodeWrong { tries_left: Some(3) }, "You have 3 tries left"),
        ("wrong-last", SignInError::CodeWrong { tries_left: Some(1) }, "You have 1 try left"),
        ("wrong-unknown", SignInError::CodeWrong { tries_left: None }, "not the code we sent"),
        ("expired", SignInError::CodeExpired, "does not count any more"),
        ("tries", SignInError::TooManyTries, "Five wrong codes"),
        ("codes", SignInError::TooManyCodes { again_at: Some(samples::at(0)) }, "can be sent at"),
        ("codes-unknown", SignInError::TooManyCodes { again_at: None }, "wait a few minutes"),
        ("incomplete", SignInError::CodeIncomplete, "digits are missing"),
        ("form", SignInError::FormExpired, "lay open too long"),
        ("unavailable", SignInError::Unavailable, "We cannot reach what we need"),
    ];
    for (name, error, words) in said {
        let html = page(&format!("sign-in-{name}"), &sign_in(code(), Some(error)));
        assert!(html.contains(words) && html.contains("aria-invalid=\"true\""), "{name}");
    }
    let html = page("sign-in-address", &sign_in(SignInStep::Email, Some(SignInError::EmailInvalid)));
    assert!(html.contains("not a whole address"));
}

#[test]
fn the_home_page_shows_what_is_on() {
    let card = |slug: &str, on_air| SpaceCard {
        slug: slug.into(),
        name: "Demo Space".into(),
        tagline: "One hard topic a week, live.".into(),
        team: "Demo Studio".into(),
        on_air,
    };
    let spaces = vec![
        card("demo", samples::live()),
        card("b", samples::lobby()),
        card("c", samples::next()),
        card("d", OnAir::Quiet),
    ];
    let html = page("home", &HomePage { layout: samples::layout("Home", None), spaces });
    assert!(html.contains("href=\"/demo\"") && html.contains("312 watching") && html.contains("128 waiting"));
    let html = page("home-empty", &HomePage { layout: samples::layout("Home", Some("Member Vogt")), spaces: vec![] });
    assert!(html.contains("No space is open yet") && html.contains("Sign out"));
}

#[test]
fn a_space_page_selects_the_first_pass_and_shows_what_the_visitor_can_do() {
    let view = |on_air, selected: &str, who: Option<&str>| SpacePage {
        layout: samples::layout("Demo Space", who),
        space: samples::head(),
        on_air,
        enter: who.map(|_| "/account/purchased_spaces/demo/experiences/main-stage".to_owned()),
        passes: samples::offers(),
        selected: selected.into(),
    };
    let html = page("space-next", &view(samples::next(), "", None));
    assert!(html.contains("value=\"basic\" checked") && html.contains("data-pass=\"vip\" hidden"));
    assert!(html.contains("Free for 7 days") && html.contains("By invitation"));
    let html = page("space-live", &view(samples::live(), "vip", None));
    assert!(html.contains("value=\"vip\" checked") && html.contains("data-pass=\"basic\" hidden"));
    assert!(html.contains("I have a pass") && html.contains("Live now"));
    let html = page("space-lobby-inside", &view(samples::lobby(), "crew", Some("Member Vogt")));
    assert!(html.contains("This is already yours") && html.contains("Go inside"));
    let mut empty = view(OnAir::Quiet, "", Some("Creator Halvorsen"));
    empty.passes.clear();
    (empty.space.draft, empty.space.staff) = (true, true);
    let html = page("space-empty-staff", &empty);
    assert!(html.contains("No pass is offered just now") && html.contains("Edit in the studio"));
}

#[test]
fn whoever_is_sent_on_to_another_site_is_told_where_and_may_stay() {
    let html = page("onward", &samples::onward());
    assert!(html.contains("href=\"https://forum.example.org/hello\"") && html.contains("Go inside instead"));
}

#[test]
fn a_pass_page_offers_what_fits_the_visitor() {
    let view = |way, who: Option<&str>, error| PassPage {
        layout: samples::layout("Basic, Demo Space", who),
        space: samples::head(),
        pass: samples::offer("basic", "Basic", 0, way),
        questions: vec![],
        chosen: String::new(),
        email: String::new(),
        error,
    };
    let free = || samples::free("prc_1");
    let html = page("pass-free", &view(free(), None, None));
    assert!(html.contains("action=\"/demo/basic/purchase\"") && html.contains("name=\"email\""));
    assert!(html.contains("value=\"prc_1\"") && html.contains("name=\"csrf\""));
    let html = page("pass-free-signed", &view(free(), Some("Member Vogt"), None));
    assert!(html.contains("You join as") && !html.contains("name=\"email\""));
    let html = page("pass-held", &view(Way::Held { until: None }, Some("Member Vogt"), None));
    assert!(html.contains("yours for good") && !html.contains("/purchase\""));
    let html = page("pass-invitation", &view(Way::ByInvitation, None, None));
    assert!(html.contains("gives this pass away by hand"));
    let html = page("pass-withdrawn", &view(Way::Withdrawn, None, None));
    assert!(html.contains("not offered any more"));
    let html = page("pass-banned", &view(Way::Banned, Some("Member Vogt"), None));
    assert!(html.contains("closed this space for you"));
    let errors = [
        ("email", JoinError::EmailInvalid, "not a whole address"),
        ("gone", JoinError::NotOffered, "not offered any more"),
        ("owned", JoinError::AlreadyOwned, "already yours"),
        ("form", JoinError::FormExpired, "lay open too long"),
        ("many", JoinError::TooMany, "Many tries"),
        ("unavailable", JoinError::Unavailable, "just now"),
    ];
    for (name, error, words) in errors {
        assert!(page(&format!("pass-error-{name}"), &view(free(), None, Some(error))).contains(words), "{name}");
    }
}

#[test]
fn a_member_sees_their_spaces_rooms_and_devices() {
    let one = PurchasedSpacesPage {
        layout: samples::layout("Your spaces", Some("Member Vogt")),
        spaces: vec![samples::held()],
    };
    let html = page("spaces", &one);
    assert!(html.contains("/account/purchased_spaces/demo") && html.contains("Active") && html.contains("Taken back"));
    let html = page("spaces-empty", &PurchasedSpacesPage { spaces: vec![], ..one.clone() });
    assert!(html.contains("You hold no pass yet"));
    let room = |slug: &str, on_air, cue, open| MemberExperience {
        slug: slug.into(),
        name: "Main Stage".into(),
        text: "A talk every Thursday".into(),
        on_air,
        cue,
        open,
    };
    let view = PurchasedSpacePage {
        layout: samples::layout("Demo Space", Some("Member Vogt")),
        space: samples::held(),
        experiences: vec![
            room("main-stage", samples::live(), Cue::Live, true),
            room("lounge", samples::next(), Cue::Scheduled, false),
            room("third", samples::live(), Cue::Reconnecting, true),
        ],
    };
    let html = page("member-space", &view);
    assert!(html.contains("Open for you") && html.contains("Not in your pass") && html.contains("Reconnecting"));
    let html = page("member-space-empty", &PurchasedSpacePage { experiences: vec![], ..view });
    assert!(html.contains("No room yet"));
    let row = |id: &str, here| SessionRow {
        id: id.into(),
        device: "Firefox on Linux".into(),
        since: samples::at(-9000),
        seen: samples::at(-5),
        here,
    };
    let layout = samples::layout("Devices", Some("Member Vogt"));
    let html = page("devices", &DevicesPage { layout, sessions: vec![row("ses_1", true), row("ses_2", false)] });
    assert!(html.contains("DELETE /api/v1/auth/sessions/ses_2") && !html.contains("sessions/ses_1"));
}

#[test]
fn the_room_has_every_state_and_shows_one() {
    for cue in CUES {
        let html = page(&format!("room-{}", cue.word()), &samples::open(cue));
        let lamp = format!("<span class=\"cue cue--{0}\" data-when=\"{0}\">", cue.word());
        assert!(html.contains(&lamp) || cue == Cue::Scheduled, "{cue:?}: its lamp is lit");
        let lit =
            CUES.iter().filter(|c| html.contains(&format!("\" data-when=\"{}\">{}", c.word(), c.label()))).count();
        assert_eq!(lit, 1, "{cue:?}: one lamp");
        assert!(html.contains("id=\"page-state\"") && html.contains("given by the team"));
    }
    let mut staff = samples::open(Cue::Live);
    staff.staff = true;
    if let Door::Open(room) = &mut staff.door {
        room.because = OpenBecause::Staff { role: "owner".into() };
        room.state.picture = false;
    }
    staff.layout.banner = Some("No media server runs here, so no picture can be seen.".into());
    let html = page("room-live-staff", &staff);
    assert!(html.contains("Your role is owner") && html.contains("/studio/demo/experiences/main-stage"));
}

#[test]
fn every_refusal_says_what_is_so_and_the_way_back() {
    let said = [
        "The team closed this space for you",
        "already watching on 3 devices",
        "Your bank is looking into the payment",
        "Your VIP was refunded",
        "The team took your VIP back",
        "did not go through",
        "You paused your VIP",
        "Your VIP ended on",
        "Your VIP starts on",
        "Your VIP does not open Main Stage",
        "Demo Space is closed for now",
        "Main Stage needs a pass",
    ];
    for (reason, words) in REASONS.into_iter().zip(said) {
        let html = page(&format!("door-{}", reason.code()), &samples::shut(reason));
        assert!(html.contains(words), "{reason:?}: {words}");
        assert!(html.contains(&format!("data-shut=\"{}\"", reason.code())), "{reason:?}");
        assert!(!html.contains("page-state"), "{reason:?}: nothing of the room is told");
    }
    let html = page("door-unknown", &samples::experience(Door::Unknown));
    assert!(html.contains("We cannot look your pass up just now"));
}

#[test]
fn the_studio_says_who_can_see_the_creator() {
    for cue in CUES {
        let html = page(&format!("studio-live-{}", cue.word()), &samples::studio_live(cue));
        assert!(html.contains(&format!("truth--{}", cue.word())));
    }
    let html = page("studio-live-analyst", &{
        let mut view = samples::studio_live(Cue::Lobby);
        view.state.may_run = false;
        view
    });
    assert!(html.contains("Your role can look on") && !html.contains("data-command=\"lobby\""));
    let settings = StudioSettingsPage {
        layout: samples::studio_layout("Settings of Main Stage"),
        space: samples::studio_space(),
        id: "exp_1".into(),
        slug: "main-stage".into(),
        name: "Main Stage".into(),
        description: "A talk every Thursday".into(),
        settings: samples::settings(),
    };
    assert!(page("studio-settings", &settings).contains("PATCH /api/v1/experiences/exp_1"));
}

#[test]
fn the_studio_lists_teams_spaces_rooms_and_passes() {
    let card = |status, on_air| StudioSpaceCard {
        slug: "demo".into(),
        name: "Demo Space".into(),
        status,
        on_air,
        holders: 347,
    };
    let team = |name: &str, spaces| StudioTeam {
        id: "team_1".into(),
        name: name.into(),
        role: "owner".into(),
        may: May { edit: true, admit: true },
        spaces,
    };
    let spaces = vec![card(SpaceStatus::Published, samples::live()), card(SpaceStatus::Draft, OnAir::Quiet)];
    let layout = || samples::studio_layout("Studio");
    let html = page(
        "studio",
        &StudioHomePage { layout: layout(), teams: vec![team("Demo Studio", spaces), team("Second", vec![])] },
    );
    assert!(html.contains("POST /api/v1/teams/team_1/spaces") && html.contains("347"));
    assert!(page("studio-new", &StudioHomePage { layout: layout(), teams: vec![] }).contains("Start with a team"));
    let view = StudioSpacePage {
        layout: samples::studio_layout("Demo Space, studio"),
        space: samples::studio_space(),
        experiences: vec![StudioExperienceRow {
            id: "exp_1".into(),
            slug: "main-stage".into(),
            name: "Main Stage".into(),
            cue: Cue::Live,
            on_air: samples::live(),
            opened_by: vec!["Basic".into(), "VIP".into()],
        }],
        passes: vec![StudioPassRow {
            id: "pas_1".into(),
            slug: "basic".into(),
            name: "Basic".into(),
            price: "Free, 7 days".into(),
            holders: 12,
            status: PassStatus::OnSale,
        }],
    };
    let html = page("studio-space", &view);
    assert!(html.contains("Opened by Basic and VIP") && html.contains("PATCH /api/v1/spaces/spc_1"));
    let bare = StudioSpacePage { experiences: vec![], passes: vec![], ..view };
    assert!(page("studio-space-empty", &bare).contains("No pass yet"));
}

#[test]
fn the_studio_shows_who_holds_a_pass_and_lets_admins_give_and_take() {
    let view = StudioPassPage {
        layout: samples::studio_layout("VIP, studio"),
        space: samples::studio_space(),
        id: "pas_1".into(),
        slug: "vip".into(),
        name: "VIP".into(),
        internal_name: "autumn".into(),
        headline: "Everything".into(),
        description: "For friends.".into(),
        benefits: vec!["One".into(), "Two".into()],
        status: PassStatus::OnSale,
        stock: StockForm { limit: Some(20), left: Some(3) },
        questions: vec!["Your team? *".into()],
        redirect_url: String::new(),
        ends: None,
        prices: vec![PriceRow { id: "prc_1".into(), words: "Free for 7 days".into(), active: true }],
        experiences: vec![Included { id: "exp_1".into(), name: "Main Stage".into(), yes: true }],
        holders: samples::holders(),
    };
    let html = page("studio-pass", &view);
    assert!(html.contains("PUT /api/v1/passes/pas_1/experiences") && html.contains("DELETE /api/v1/grants/gr_1"));
    let mut analyst = view;
    analyst.space.may = May { edit: false, admit: false };
    let html = page("studio-pass-analyst", &analyst);
    assert!(!html.contains("DELETE /api/v1/grants") && !html.contains("id=\"comp\"") && html.contains("disabled"));
    let people = StudioPeoplePage {
        layout: samples::studio_layout("People"),
        space: samples::studio_space(),
        team_id: "team_1".into(),
        holders: samples::holders(),
        members: vec![MemberRow {
            name: "Ines Halvorsen".into(),
            email: "creator@demo.test".into(),
            initials: initials_of("Ines Halvorsen"),
            role: "owner".into(),
        }],
        bans: vec![BanRow { email: "rude@demo.test".into(), reason: "shouting".into(), until: None }],
        doors: vec![("exp_1".into(), "Main Stage".into())],
        passes: vec![("pas_1".into(), "VIP".into())],
    };
    let html = page("studio-people", &people);
    assert!(html.contains("Why can they open this?") && html.contains("“shouting”"));
}

fn team_member(name: &str, role: &str, me: bool) -> TeamMember {
    TeamMember {
        id: format!("mem_{name}"),
        name: name.into(),
        email: format!("{name}@demo.test"),
        initials: initials_of(name),
        role: role.into(),
        since: samples::at(-90_000),
        me,
        choices: vec![],
        may_end: false,
    }
}

#[test]
fn a_team_page_offers_what_the_readers_role_may_do_with_each_member() {
    let choice = |word: &str, chosen| RoleChoice { word: word.into(), chosen };
    let choices = vec![choice("owner", false), choice("admin", false), choice("editor", true)];
    let view = StudioTeamPage {
        layout: samples::studio_layout("Demo Studio"),
        id: "team_1".into(),
        name: "Demo Studio".into(),
        role: "owner".into(),
        may_rename: true,
        members: vec![
            team_member("ines", "owner", true),
            TeamMember { choices, may_end: true, ..team_member("kofi", "editor", false) },
        ],
        may_add: ["owner", "admin", "editor", "analyst"].map(str::to_owned).to_vec(),
        roles: ["owner", "admin", "editor", "analyst"].map(str::to_owned).to_vec(),
        allowed: vec![Allowed { words: "Run broadcasts".into(), by: vec![true, true, true, false] }],
    };
    let html = page("studio-team", &view);
    assert!(
        html.contains("PATCH /api/v1/teams/team_1/members/mem_kofi")
            && html.contains("<option value=\"editor\" selected")
    );
    assert!(
        html.contains("DELETE /api/v1/teams/team_1/members/mem_kofi")
            && html.contains("POST /api/v1/teams/team_1/members")
    );
    assert!(!html.contains("members/mem_ines"), "the last owner can neither leave nor become something else");
    let mut analyst = StudioTeamPage { role: "analyst".into(), may_rename: false, may_add: vec![], ..view };
    analyst.members[1].choices.clear();
    analyst.members[1].may_end = false;
    let html = page("studio-team-analyst", &analyst);
    assert!(!html.contains("PATCH /api") && !html.contains("POST /api") && !html.contains("data-opens="));
}

#[test]
fn an_error_page_says_what_is_so_and_what_to_do() {
    let layout = || samples::layout("", Some("Member Vogt"));
    assert!(page("error-404", &ErrorPage::not_found(layout())).contains("There is nothing at this address"));
    assert!(page("error-403", &ErrorPage::forbidden(layout())).contains("another role"));
    assert!(page("error-500", &ErrorPage::fault(layout())).contains("broke on our side"));
    let mut noted = layout();
    noted.notices = vec![Notice { kind: NoticeKind::Warn, title: "Kept".into(), text: "Nothing was lost.".into() }];
    assert!(page("error-503", &ErrorPage::unavailable(noted)).contains("Try again"));
}

#[test]
fn without_the_bundle_a_page_says_how_to_build_it() {
    let layout = Layout { bundle: None, ..samples::layout("", None) };
    let html = page("not-built", &ErrorPage::not_found(layout));
    assert!(html.contains("bin/build") && !html.contains("stylesheet"));
}

#[test]
fn what_a_script_reads_cannot_end_its_own_element() {
    let json = page_state(&"</script><b>&");
    assert_eq!(json, "\"\\u003c/script\\u003e\\u003cb\\u003e\\u0026\"");
    let mut named = samples::open(Cue::Live);
    named.name = "<img src=x onerror=alert(1)>".into();
    assert!(!page("room-evil", &named).contains("<img src=x"));
}

#[test]
fn initials_are_the_first_letters_of_the_first_and_last_word() {
    assert_eq!(initials_of("Ines van Halvorsen"), "IH");
    assert_eq!(initials_of("lena"), "L");
    assert_eq!(initials_of("  "), "");
}
