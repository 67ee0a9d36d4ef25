-- Spaces, what is inside them, and what opens it.
create table spaces (
  id uuid primary key,
  team_id uuid not null references teams,
  slug text not null unique check (slug ~ '^[a-z0-9]+(-[a-z0-9]+)*$' and length(slug) <= 64),
  name text not null check (length(name) between 1 and 120),
  tagline text,
  description text,
  status text not null default 'draft' check (status in ('draft', 'published', 'archived')),
  visibility text not null default 'public' check (visibility in ('public', 'private')),
  refund_policy text,
  created_at timestamptz not null,
  unique (id, team_id));
create table slug_history (
  slug text primary key,
  space_id uuid not null references spaces);
create table space_creators (
  space_id uuid references spaces on delete cascade,
  profile_id uuid references creator_profiles,
  role text not null check (role in ('owner', 'collaborator')),
  primary key (space_id, profile_id));

create table experiences (
  id uuid primary key,
  space_id uuid not null references spaces,
  slug text not null check (slug ~ '^[a-z0-9]+(-[a-z0-9]+)*$' and length(slug) <= 64),
  name text not null check (length(name) between 1 and 120),
  description text,
  kind text not null check (kind in ('live_stream')),
  category text,
  position integer not null,
  lobby_lead_secs integer not null default 900 check (lobby_lead_secs between 0 and 86400),
  publisher_grace_secs integer not null default 60 check (publisher_grace_secs between 0 and 1800),
  auto_start boolean not null default true,
  device_limit smallint not null default 3 check (device_limit between 1 and 100),
  device_policy text not null default 'refuse_newcomer' check (device_policy in ('refuse_newcomer')),
  created_at timestamptz not null,
  deleted_at timestamptz,
  unique (id, space_id));
create unique index one_slug_in_a_space on experiences (space_id, slug) where deleted_at is null;
create index experiences_in_order on experiences (space_id, position) where deleted_at is null;

create table access_passes (
  id uuid primary key,
  space_id uuid not null references spaces,
  slug text not null check (slug ~ '^[a-z0-9]+(-[a-z0-9]+)*$' and length(slug) <= 64),
  name text not null check (length(name) between 1 and 120),
  internal_name text,
  product_type text not null default 'access' check (product_type in ('access')),
  status text not null default 'on_sale' check (status in ('draft', 'on_sale', 'withdrawn')),
  position integer not null,
  headline text,
  description text,
  benefits text[] not null default '{}',
  created_at timestamptz not null,
  deleted_at timestamptz,
  unique (id, space_id));
create unique index one_pass_slug_in_a_space on access_passes (space_id, slug) where deleted_at is null;
create index passes_on_sale on access_passes (space_id, status, position) where deleted_at is null;

-- The same space on both sides, kept by the keys.
create table access_pass_experiences (
  pass_id uuid,
  experience_id uuid,
  space_id uuid not null,
  primary key (pass_id, experience_id),
  foreign key (pass_id, space_id) references access_passes (id, space_id) on delete cascade,
  foreign key (experience_id, space_id) references experiences (id, space_id) on delete cascade);
create index passes_of_an_experience on access_pass_experiences (experience_id);

create table prices (
  id uuid primary key,
  pass_id uuid not null references access_passes,
  kind text not null check (kind in ('free')),
  amount_minor bigint not null check (amount_minor >= 0),
  currency text not null check (currency ~ '^[a-z]{3}$'),
  access_days integer check (access_days between 1 and 3650),
  active boolean not null default true,
  first_sold_at timestamptz,
  created_at timestamptz not null,
  check ((kind = 'free') = (amount_minor = 0)));
create index prices_of_a_pass on prices (pass_id) where active;
create function prices_are_immutable_once_sold() returns trigger language plpgsql as $$
begin
  if old.first_sold_at is not null and
     (new.pass_id, new.kind, new.amount_minor, new.currency, new.access_days)
     is distinct from (old.pass_id, old.kind, old.amount_minor, old.currency, old.access_days)
  then raise exception 'price % was sold and cannot change', old.id using errcode = 'check_violation'; end if;
  return new;
end $$;
create trigger immutable_price before update on prices for each row execute function prices_are_immutable_once_sold();
