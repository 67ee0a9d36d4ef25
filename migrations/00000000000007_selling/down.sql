-- What the older schema has no words for goes with it.
update access_grants set expires_at = starts_at + interval '1 microsecond' where expires_at = starts_at;
alter table access_grants
  drop column purchase_id,
  drop column lasts_until,
  drop constraint ends_after_it_begins,
  add constraint access_grants_check check (expires_at > starts_at);
delete from access_grants where source = 'free' and access_pass_id is null;
alter table access_grants add constraint access_grants_check2 check (source <> 'free' or access_pass_id is not null);
drop table stock_units;
drop function stock_units_are_never_deleted;
drop table purchases;
alter table access_passes drop column stock, drop column questions, drop column redirect_url, drop column auto_expire_at;
update access_grants set price_id = null where price_id in (select id from prices where kind <> 'free' or pass_id is null);
delete from prices where kind <> 'free' or pass_id is null;
create or replace function prices_are_immutable_once_sold() returns trigger language plpgsql as $$
begin
  if old.first_sold_at is not null and
     (new.pass_id, new.kind, new.amount_minor, new.currency, new.access_days)
     is distinct from (old.pass_id, old.kind, old.amount_minor, old.currency, old.access_days)
  then raise exception 'price % was sold and cannot change', old.id using errcode = 'check_violation'; end if;
  return new;
end $$;
alter table prices
  drop constraint price_is_of_one_thing,
  drop constraint recurring_has_an_interval,
  drop constraint recurring_alone_has_fee_and_trial,
  drop constraint recurring_lasts_as_paid,
  drop constraint one_time_alone_is_split,
  drop constraint prices_kind_check,
  add constraint prices_kind_check check (kind in ('free')),
  drop column space_id,
  drop column experience_id,
  drop column billing_interval,
  drop column initial_fee_minor,
  drop column trial_days,
  drop column instalments,
  alter column pass_id set not null;
