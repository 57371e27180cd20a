-- The words of the model, for streams that are resumed when the token log is gone. As personal as the result, and gone with it.
alter table jobs add column text text;

create function forget_job_text() returns trigger
  language plpgsql set search_path = pg_catalog, pg_temp
as $$
begin
  new.text := null;
  return new;
end
$$;
create trigger forget_text before update of forgotten_at on jobs
  for each row when (new.forgotten_at is not null) execute function forget_job_text();
