-- People, how they prove who they are, teams and their members. Times are written by the engine's clock.
create table users (
  id uuid primary key,
  email text not null,
  email_norm text not null unique check (email_norm <> ''),
  email_proven_at timestamptz,
  name text,
  locale text not null default 'en',
  time_zone text not null default 'UTC',
  platform_admin boolean not null default false,
  created_at timestamptz not null,
  deleted_at timestamptz);

create table login_codes (
  id uuid primary key,
  address_hash bytea not null,
  code_hash bytea not null,
  browser_hash bytea not null,
  tries_left smallint not null default 5 check (tries_left between 0 and 5),
  created_at timestamptz not null,
  expires_at timestamptz not null check (expires_at > created_at),
  used_at timestamptz);
create unique index one_live_code on login_codes (address_hash) where used_at is null;
create index codes_to_prune on login_codes (expires_at);
create index codes_of_an_address on login_codes (address_hash, created_at);

create table sessions (
  id uuid primary key,
  user_id uuid not null references users on delete cascade,
  token_hash bytea not null unique,
  device text,
  created_at timestamptz not null,
  seen_at timestamptz not null,
  expires_at timestamptz not null check (expires_at > created_at),
  revoked_at timestamptz);
create index sessions_of_a_user on sessions (user_id) where revoked_at is null;

create table api_tokens (
  id uuid primary key,
  user_id uuid not null references users on delete cascade,
  token_hash bytea not null unique,
  name text not null,
  scopes text[] not null,
  created_at timestamptz not null,
  expires_at timestamptz,
  revoked_at timestamptz);
create index tokens_of_a_user on api_tokens (user_id) where revoked_at is null;

create table creator_profiles (
  id uuid primary key,
  user_id uuid not null unique references users,
  username text not null unique check (username ~ '^[a-z0-9_]{2,32}$'),
  name text,
  bio text);

create table teams (
  id uuid primary key,
  name text not null check (length(name) between 1 and 120),
  created_at timestamptz not null,
  deleted_at timestamptz);

create type team_role as enum ('owner', 'admin', 'editor', 'analyst');
create table memberships (
  id uuid primary key,
  team_id uuid not null references teams on delete restrict,
  user_id uuid not null references users,
  role team_role not null,
  joined_at timestamptz not null,
  left_at timestamptz check (left_at >= joined_at));
create unique index one_open_membership on memberships (team_id, user_id) where left_at is null;
create index memberships_of_a_user on memberships (user_id) where left_at is null;
