-- The engine's own machinery: keys, webhooks as they came, work to do, requests seen before, and who did what.
create table signing_keys (
  purpose text,
  number integer,
  sealed bytea not null,
  created_at timestamptz not null,
  primary key (purpose, number));

create table provider_events (
  provider text,
  event_id text,
  received_at timestamptz not null,
  body jsonb not null,
  applied_at timestamptz,
  primary key (provider, event_id));
create index provider_events_to_prune on provider_events (received_at);

create table jobs (
  id uuid primary key,
  queue text not null,
  kind text not null,
  payload bytea not null,
  dedupe_key text,
  run_at timestamptz not null,
  created_at timestamptz not null,
  tries smallint not null default 0,
  locked_until timestamptz,
  failed_at timestamptz,
  error text);
create unique index one_job_per_key on jobs (kind, dedupe_key) where failed_at is null;
create index jobs_to_run on jobs (queue, run_at) where failed_at is null;

create table idempotency_keys (
  principal text,
  key text,
  request_hash bytea not null,
  status smallint,
  response bytea,
  created_at timestamptz not null,
  primary key (principal, key));
create index idempotency_keys_to_prune on idempotency_keys (created_at);

create table audit_log (
  number bigint generated always as identity primary key,
  at timestamptz not null,
  actor uuid,
  team_id uuid,
  action text not null,
  subject text not null,
  details jsonb not null default '{}');
create index audit_of_a_team on audit_log (team_id, number);
create function audit_log_is_append_only() returns trigger language plpgsql as $$
begin
  raise exception 'the audit log is append-only' using errcode = 'insufficient_privilege';
end $$;
create trigger append_only before update or delete on audit_log for each row execute function audit_log_is_append_only();
