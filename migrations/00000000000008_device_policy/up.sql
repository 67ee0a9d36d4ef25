-- Beside refusing the newcomer, a creator may let the device that has been there longest give way.
alter table experiences drop constraint experiences_device_policy_check;
alter table experiences add constraint experiences_device_policy_check
  check (device_policy in ('refuse_newcomer', 'drop_oldest'));
