// @generated automatically by Diesel CLI.

pub mod sql_types {
    #[derive(diesel::query_builder::QueryId, Clone, diesel::sql_types::SqlType)]
    #[diesel(postgres_type(name = "team_role"))]
    pub struct TeamRole;
}

diesel::table! {
    access_grants (id) {
        id -> Uuid,
        user_id -> Uuid,
        team_id -> Uuid,
        space_id -> Uuid,
        experience_id -> Nullable<Uuid>,
        access_pass_id -> Nullable<Uuid>,
        price_id -> Nullable<Uuid>,
        source -> Text,
        status -> Text,
        starts_at -> Timestamptz,
        expires_at -> Nullable<Timestamptz>,
        past_due_until -> Nullable<Timestamptz>,
        granted_by -> Nullable<Uuid>,
        ended_by -> Nullable<Uuid>,
        ended_at -> Nullable<Timestamptz>,
        version -> Int4,
        created_at -> Timestamptz,
        purchase_id -> Nullable<Uuid>,
        lasts_until -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    access_pass_experiences (pass_id, experience_id) {
        pass_id -> Uuid,
        experience_id -> Uuid,
        space_id -> Uuid,
    }
}

diesel::table! {
    access_passes (id) {
        id -> Uuid,
        space_id -> Uuid,
        slug -> Text,
        name -> Text,
        internal_name -> Nullable<Text>,
        product_type -> Text,
        status -> Text,
        position -> Int4,
        headline -> Nullable<Text>,
        description -> Nullable<Text>,
        benefits -> Array<Nullable<Text>>,
        created_at -> Timestamptz,
        deleted_at -> Nullable<Timestamptz>,
        stock -> Nullable<Int4>,
        questions -> Jsonb,
        redirect_url -> Nullable<Text>,
        auto_expire_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    api_tokens (id) {
        id -> Uuid,
        user_id -> Uuid,
        token_hash -> Bytea,
        name -> Text,
        scopes -> Array<Nullable<Text>>,
        created_at -> Timestamptz,
        expires_at -> Nullable<Timestamptz>,
        revoked_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    audit_log (number) {
        number -> Int8,
        at -> Timestamptz,
        actor -> Nullable<Uuid>,
        team_id -> Nullable<Uuid>,
        action -> Text,
        subject -> Text,
        details -> Jsonb,
    }
}

diesel::table! {
    broadcast_events (broadcast_id, number) {
        broadcast_id -> Uuid,
        number -> Int8,
        at -> Timestamptz,
        epoch -> Int8,
        event -> Jsonb,
    }
}

diesel::table! {
    broadcasts (id) {
        id -> Uuid,
        experience_id -> Uuid,
        title -> Nullable<Text>,
        state -> Text,
        facts -> Jsonb,
        epoch -> Int8,
        version -> Int8,
        record -> Bool,
        scheduled_at -> Nullable<Timestamptz>,
        live_at -> Nullable<Timestamptz>,
        ended_at -> Nullable<Timestamptz>,
        audience_peak -> Int4,
        audience_total -> Int4,
        created_by -> Nullable<Uuid>,
        created_at -> Timestamptz,
    }
}

diesel::table! {
    creator_profiles (id) {
        id -> Uuid,
        user_id -> Uuid,
        username -> Text,
        name -> Nullable<Text>,
        bio -> Nullable<Text>,
    }
}

diesel::table! {
    experience_slug_history (space_id, slug) {
        space_id -> Uuid,
        slug -> Text,
        experience_id -> Uuid,
    }
}

diesel::table! {
    experiences (id) {
        id -> Uuid,
        space_id -> Uuid,
        slug -> Text,
        name -> Text,
        description -> Nullable<Text>,
        kind -> Text,
        category -> Nullable<Text>,
        position -> Int4,
        lobby_lead_secs -> Int4,
        publisher_grace_secs -> Int4,
        auto_start -> Bool,
        device_limit -> Int2,
        device_policy -> Text,
        created_at -> Timestamptz,
        deleted_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    idempotency_keys (principal, key) {
        principal -> Text,
        key -> Text,
        request_hash -> Bytea,
        status -> Nullable<Int2>,
        response -> Nullable<Bytea>,
        created_at -> Timestamptz,
    }
}

diesel::table! {
    jobs (id) {
        id -> Uuid,
        queue -> Text,
        kind -> Text,
        payload -> Bytea,
        dedupe_key -> Nullable<Text>,
        run_at -> Timestamptz,
        created_at -> Timestamptz,
        tries -> Int2,
        locked_until -> Nullable<Timestamptz>,
        failed_at -> Nullable<Timestamptz>,
        error -> Nullable<Text>,
    }
}

diesel::table! {
    leases (kind, key) {
        kind -> Text,
        key -> Uuid,
        node -> Text,
        epoch -> Int8,
        until -> Timestamptz,
    }
}

diesel::table! {
    login_codes (id) {
        id -> Uuid,
        address_hash -> Bytea,
        code_hash -> Bytea,
        browser_hash -> Bytea,
        tries_left -> Int2,
        created_at -> Timestamptz,
        expires_at -> Timestamptz,
        used_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    use diesel::sql_types::{Uuid, Timestamptz, Nullable};
    use super::sql_types::TeamRole;

    memberships (id) {
        id -> Uuid,
        team_id -> Uuid,
        user_id -> Uuid,
        role -> TeamRole,
        joined_at -> Timestamptz,
        left_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    pass_slug_history (space_id, slug) {
        space_id -> Uuid,
        slug -> Text,
        pass_id -> Uuid,
    }
}

diesel::table! {
    prices (id) {
        id -> Uuid,
        pass_id -> Nullable<Uuid>,
        kind -> Text,
        amount_minor -> Int8,
        currency -> Text,
        access_days -> Nullable<Int4>,
        active -> Bool,
        first_sold_at -> Nullable<Timestamptz>,
        created_at -> Timestamptz,
        space_id -> Nullable<Uuid>,
        experience_id -> Nullable<Uuid>,
        billing_interval -> Nullable<Text>,
        initial_fee_minor -> Int8,
        trial_days -> Int2,
        instalments -> Int2,
    }
}

diesel::table! {
    provider_events (provider, event_id) {
        provider -> Text,
        event_id -> Text,
        received_at -> Timestamptz,
        body -> Jsonb,
        applied_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    purchases (id) {
        id -> Uuid,
        price_id -> Uuid,
        space_id -> Uuid,
        pass_id -> Nullable<Uuid>,
        user_id -> Uuid,
        status -> Text,
        amount_minor -> Int8,
        currency -> Text,
        answers -> Jsonb,
        created_at -> Timestamptz,
        completed_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    rights_changes (number) {
        number -> Int8,
        user_id -> Uuid,
        at -> Timestamptz,
    }
}

diesel::table! {
    sessions (id) {
        id -> Uuid,
        user_id -> Uuid,
        token_hash -> Bytea,
        device -> Nullable<Text>,
        created_at -> Timestamptz,
        seen_at -> Timestamptz,
        expires_at -> Timestamptz,
        revoked_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    signing_keys (purpose, number) {
        purpose -> Text,
        number -> Int4,
        sealed -> Bytea,
        created_at -> Timestamptz,
    }
}

diesel::table! {
    slug_history (slug) {
        slug -> Text,
        space_id -> Uuid,
    }
}

diesel::table! {
    space_bans (space_id, email_norm) {
        space_id -> Uuid,
        email_norm -> Text,
        reason -> Nullable<Text>,
        until -> Nullable<Timestamptz>,
        banned_by -> Uuid,
        at -> Timestamptz,
    }
}

diesel::table! {
    space_creators (space_id, profile_id) {
        space_id -> Uuid,
        profile_id -> Uuid,
        role -> Text,
    }
}

diesel::table! {
    spaces (id) {
        id -> Uuid,
        team_id -> Uuid,
        slug -> Text,
        name -> Text,
        tagline -> Nullable<Text>,
        description -> Nullable<Text>,
        status -> Text,
        visibility -> Text,
        refund_policy -> Nullable<Text>,
        created_at -> Timestamptz,
    }
}

diesel::table! {
    stock_units (pass_id, unit) {
        pass_id -> Uuid,
        unit -> Int4,
        state -> Text,
        purchase_id -> Nullable<Uuid>,
        held_until -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    teams (id) {
        id -> Uuid,
        name -> Text,
        created_at -> Timestamptz,
        deleted_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    users (id) {
        id -> Uuid,
        email -> Text,
        email_norm -> Text,
        email_proven_at -> Nullable<Timestamptz>,
        name -> Nullable<Text>,
        locale -> Text,
        time_zone -> Text,
        platform_admin -> Bool,
        created_at -> Timestamptz,
        deleted_at -> Nullable<Timestamptz>,
    }
}

diesel::joinable!(access_grants -> prices (price_id));
diesel::joinable!(access_grants -> purchases (purchase_id));
diesel::joinable!(access_grants -> teams (team_id));
diesel::joinable!(access_passes -> spaces (space_id));
diesel::joinable!(api_tokens -> users (user_id));
diesel::joinable!(broadcast_events -> broadcasts (broadcast_id));
diesel::joinable!(broadcasts -> experiences (experience_id));
diesel::joinable!(broadcasts -> users (created_by));
diesel::joinable!(creator_profiles -> users (user_id));
diesel::joinable!(experiences -> spaces (space_id));
diesel::joinable!(memberships -> teams (team_id));
diesel::joinable!(memberships -> users (user_id));
diesel::joinable!(prices -> access_passes (pass_id));
diesel::joinable!(prices -> experiences (experience_id));
diesel::joinable!(prices -> spaces (space_id));
diesel::joinable!(purchases -> prices (price_id));
diesel::joinable!(purchases -> spaces (space_id));
diesel::joinable!(purchases -> users (user_id));
diesel::joinable!(sessions -> users (user_id));
diesel::joinable!(slug_history -> spaces (space_id));
diesel::joinable!(space_bans -> spaces (space_id));
diesel::joinable!(space_bans -> users (banned_by));
diesel::joinable!(space_creators -> creator_profiles (profile_id));
diesel::joinable!(space_creators -> spaces (space_id));
diesel::joinable!(spaces -> teams (team_id));
diesel::joinable!(stock_units -> access_passes (pass_id));

diesel::allow_tables_to_appear_in_same_query!(
    access_grants,
    access_pass_experiences,
    access_passes,
    api_tokens,
    audit_log,
    broadcast_events,
    broadcasts,
    creator_profiles,
    experience_slug_history,
    experiences,
    idempotency_keys,
    jobs,
    leases,
    login_codes,
    memberships,
    pass_slug_history,
    prices,
    provider_events,
    purchases,
    rights_changes,
    sessions,
    signing_keys,
    slug_history,
    space_bans,
    space_creators,
    spaces,
    stock_units,
    teams,
    users,
);
