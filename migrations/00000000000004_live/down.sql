drop table leases;
drop table broadcast_events;
drop table broadcasts;
