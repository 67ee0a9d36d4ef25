-- Names that experiences and passes gave up: old links lead on to what carries another name now. A name belongs to one space
-- only, so it may be taken up again there, and never leads to another team.
create table experience_slug_history (
  space_id uuid,
  slug text,
  experience_id uuid not null,
  primary key (space_id, slug),
  foreign key (experience_id, space_id) references experiences (id, space_id) on delete cascade);
create table pass_slug_history (
  space_id uuid,
  slug text,
  pass_id uuid not null,
  primary key (space_id, slug),
  foreign key (pass_id, space_id) references access_passes (id, space_id) on delete cascade);
