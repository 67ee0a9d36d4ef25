-- Selling: prices of every kind, what is asked and promised with a pass, one row for each unit of its stock, and purchases.
alter table prices
  alter column pass_id drop not null,
  add column space_id uuid references spaces,
  add column experience_id uuid references experiences,
  add column billing_interval text,
  add column initial_fee_minor bigint not null default 0 check (initial_fee_minor >= 0),
  add column trial_days smallint not null default 0 check (trial_days between 0 and 730),
  add column instalments smallint not null default 1 check (instalments between 1 and 24),
  drop constraint prices_kind_check,
  add constraint prices_kind_check check (kind in ('free', 'one_time', 'recurring')),
  add constraint price_is_of_one_thing check (num_nonnulls(pass_id, space_id, experience_id) = 1),
  add constraint recurring_has_an_interval
    check ((kind = 'recurring') = (billing_interval is not null) and billing_interval in ('month', 'year')),
  add constraint recurring_alone_has_fee_and_trial check (kind = 'recurring' or (initial_fee_minor = 0 and trial_days = 0)),
  add constraint recurring_lasts_as_paid check (kind <> 'recurring' or access_days is null),
  add constraint one_time_alone_is_split check (kind = 'one_time' or instalments = 1);
create index prices_of_a_space on prices (space_id) where space_id is not null;
create index prices_of_an_experience on prices (experience_id) where experience_id is not null;
create or replace function prices_are_immutable_once_sold() returns trigger language plpgsql as $$
begin
  if old.first_sold_at is not null and
     (new.pass_id, new.space_id, new.experience_id, new.kind, new.amount_minor, new.currency, new.access_days,
      new.billing_interval, new.initial_fee_minor, new.trial_days, new.instalments)
     is distinct from
     (old.pass_id, old.space_id, old.experience_id, old.kind, old.amount_minor, old.currency, old.access_days,
      old.billing_interval, old.initial_fee_minor, old.trial_days, old.instalments)
  then raise exception 'price % was sold and cannot change', old.id using errcode = 'check_violation'; end if;
  return new;
end $$;

-- stock: how many units are free, held or sold together; null is without limit.
alter table access_passes
  add column stock integer check (stock >= 0),
  add column questions jsonb not null default '[]' check (jsonb_typeof(questions) = 'array'),
  add column redirect_url text check (redirect_url ~ '^https://'),
  add column auto_expire_at timestamptz;
create index passes_to_end on access_passes (auto_expire_at) where auto_expire_at is not null;

-- The intent to buy. What is asked of a provider for it comes with attempts of their own.
create table purchases (
  id uuid primary key,
  price_id uuid not null references prices,
  space_id uuid not null references spaces,
  pass_id uuid,
  user_id uuid not null references users,
  status text not null check (status in
    ('open', 'paying', 'completed', 'abandoned', 'failed', 'refunded', 'partially_refunded', 'disputed')),
  amount_minor bigint not null check (amount_minor >= 0),
  currency text not null check (currency ~ '^[a-z]{3}$'),
  answers jsonb not null default '[]' check (jsonb_typeof(answers) = 'array'),
  created_at timestamptz not null,
  completed_at timestamptz,
  unique (id, pass_id),
  foreign key (pass_id, space_id) references access_passes (id, space_id),
  check (status in ('open', 'paying', 'abandoned', 'failed') or completed_at is not null));
create index purchases_of_a_user on purchases (user_id, created_at);
create index purchases_of_a_pass on purchases (pass_id, created_at);
create index purchases_of_a_space on purchases (space_id, created_at);

-- One row for each unit that was ever made; a row is never deleted, so free + held + sold + withdrawn are all there are.
create table stock_units (
  pass_id uuid not null references access_passes,
  unit integer not null check (unit > 0),
  state text not null default 'free' check (state in ('free', 'held', 'sold', 'withdrawn')),
  purchase_id uuid unique,
  held_until timestamptz,
  primary key (pass_id, unit),
  foreign key (purchase_id, pass_id) references purchases (id, pass_id),
  check ((state in ('held', 'sold')) = (purchase_id is not null)),
  check ((state = 'held') = (held_until is not null)));
create index free_units on stock_units (pass_id, unit) where state = 'free';
create index holds_to_return on stock_units (held_until) where state = 'held';
create function stock_units_are_never_deleted() returns trigger language plpgsql as $$
begin
  raise exception 'a unit of stock is withdrawn, never deleted' using errcode = 'restrict_violation';
end $$;
create trigger conserved before delete on stock_units for each row execute function stock_units_are_never_deleted();

-- A free grant may also be of a space or an experience that is offered directly.
-- lasts_until is the grant's own end; expires_at is that or the end of its pass, whichever comes first. A grant that would begin
-- after its pass ended is over when it begins.
alter table access_grants
  add column purchase_id uuid references purchases,
  add column lasts_until timestamptz,
  drop constraint access_grants_check2,
  drop constraint access_grants_check,
  add constraint ends_after_it_begins check (expires_at >= starts_at);
update access_grants set lasts_until = expires_at;
create unique index one_grant_per_purchase on access_grants (purchase_id) where purchase_id is not null;
