drop table memberships;
drop type team_role;
drop table teams;
drop table creator_profiles;
drop table api_tokens;
drop table sessions;
drop table login_codes;
drop table users;
