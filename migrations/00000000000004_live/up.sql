-- Broadcasts, their journal, and who owns an experience. epoch and version fence every durable step.
create table broadcasts (
  id uuid primary key,
  experience_id uuid not null references experiences,
  title text,
  state text not null check (state in ('scheduled', 'lobby', 'live', 'reconnecting', 'ended', 'cancelled')),
  facts jsonb not null,
  epoch bigint not null,
  version bigint not null check (version >= 0),
  record boolean not null default false,
  scheduled_at timestamptz,
  live_at timestamptz,
  ended_at timestamptz,
  audience_peak integer not null default 0 check (audience_peak >= 0),
  audience_total integer not null default 0 check (audience_total >= 0),
  created_by uuid references users,
  created_at timestamptz not null,
  check ((state in ('ended', 'cancelled')) = (ended_at is not null)),
  check (state not in ('live', 'reconnecting') or live_at is not null));
create unique index one_open_broadcast on broadcasts (experience_id) where state not in ('ended', 'cancelled');
create index broadcasts_of_an_experience on broadcasts (experience_id, created_at);
create index broadcasts_to_wake on broadcasts (scheduled_at) where state = 'scheduled';

create table broadcast_events (
  broadcast_id uuid references broadcasts on delete cascade,
  number bigint,
  at timestamptz not null,
  epoch bigint not null,
  event jsonb not null,
  primary key (broadcast_id, number));

create table leases (
  kind text,
  key uuid,
  node text not null,
  epoch bigint not null,
  until timestamptz not null,
  primary key (kind, key));
