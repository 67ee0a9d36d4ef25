drop table audit_log;
drop function audit_log_is_append_only();
drop table idempotency_keys;
drop table jobs;
drop table provider_events;
drop table signing_keys;
