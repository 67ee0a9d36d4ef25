drop table prices;
drop function prices_are_immutable_once_sold();
drop table access_pass_experiences;
drop table access_passes;
drop table experiences;
drop table space_creators;
drop table slug_history;
drop table spaces;
