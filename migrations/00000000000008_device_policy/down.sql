update experiences set device_policy = 'refuse_newcomer' where device_policy = 'drop_oldest';
alter table experiences drop constraint experiences_device_policy_check;
alter table experiences add constraint experiences_device_policy_check check (device_policy in ('refuse_newcomer'));
