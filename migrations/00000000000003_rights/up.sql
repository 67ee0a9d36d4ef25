-- What people own, who is kept out, and the log that tells every node whose rights changed.
create table access_grants (
  id uuid primary key,
  user_id uuid not null references users,
  team_id uuid not null references teams,
  space_id uuid not null,
  experience_id uuid,
  access_pass_id uuid,
  price_id uuid references prices,
  source text not null check (source in ('free', 'comp', 'direct', 'import')),
  status text not null default 'active'
    check (status in ('active', 'trialing', 'past_due', 'paused', 'expired', 'revoked', 'refunded', 'disputed')),
  starts_at timestamptz not null,
  expires_at timestamptz check (expires_at > starts_at),
  past_due_until timestamptz,
  granted_by uuid references users,
  ended_by uuid references users,
  ended_at timestamptz,
  version integer not null default 1,
  created_at timestamptz not null,
  foreign key (space_id, team_id) references spaces (id, team_id),
  foreign key (experience_id, space_id) references experiences (id, space_id),
  foreign key (access_pass_id, space_id) references access_passes (id, space_id),
  check (source not in ('comp', 'direct') or granted_by is not null),
  check (source <> 'free' or access_pass_id is not null));
-- One running free grant a person and pass: a double click joins once.
create unique index one_running_free_grant on access_grants (user_id, access_pass_id)
  where source = 'free' and status = 'active';
create index rights_of_a_user on access_grants (user_id);
create index holders_of_a_pass on access_grants (access_pass_id, created_at);
create index grants_of_a_space on access_grants (space_id, created_at);
create index next_to_expire on access_grants (expires_at)
  where status in ('active', 'trialing', 'past_due') and expires_at is not null;

create table space_bans (
  space_id uuid references spaces on delete cascade,
  email_norm text,
  reason text,
  until timestamptz,
  banned_by uuid not null references users,
  at timestamptz not null,
  primary key (space_id, email_norm));
create index bans_of_an_address on space_bans (email_norm);

create table rights_changes (
  number bigint generated always as identity primary key,
  user_id uuid not null,
  at timestamptz not null);
create index rights_changes_to_prune on rights_changes (at);
