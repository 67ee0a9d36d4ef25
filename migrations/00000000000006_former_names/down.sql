drop table pass_slug_history;
drop table experience_slug_history;
