drop table rights_changes;
drop table space_bans;
drop table access_grants;
