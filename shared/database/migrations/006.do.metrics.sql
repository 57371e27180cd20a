-- Counts over all tenants for the platform's own metrics; no row of any tenant can be told from them.
do $$
begin
  if not exists (select from pg_roles where rolname = 'kgents_metrics') then
    create role kgents_metrics nologin nosuperuser nobypassrls;
  end if;
end
$$;
grant usage on schema public to kgents_metrics;

create index marks_recent on marks using brin (at);

create policy metrics on marks for select to kgents_metrics using (true);
create policy metrics on jobs for select to kgents_metrics using (true);
create policy metrics on outbox for select to kgents_metrics using (true);
grant select (path, category, outcome, at) on marks to kgents_metrics;
grant select (status, created_at) on jobs to kgents_metrics;
grant select (published_at, created_at) on outbox to kgents_metrics;

create function platform_metrics()
  returns table (name text, labels jsonb, value double precision)
  language sql stable security definer set search_path = public
as $$
  select 'kgents_invocations_hour', jsonb_build_object('path', path, 'category', category, 'outcome', outcome), count(*)
  from marks where at > now() - interval '1 hour' group by path, category, outcome
  union all
  select 'kgents_jobs_day', jsonb_build_object('status', status), count(*)
  from jobs where created_at > now() - interval '1 day' group by status
  union all
  select 'kgents_outbox_waiting', '{}', count(*) from outbox where published_at is null
  union all
  select 'kgents_outbox_lag_seconds', '{}', coalesce(extract(epoch from now() - min(created_at)), 0)
  from outbox where published_at is null
$$;
revoke execute on function platform_metrics() from public;
grant execute on function platform_metrics() to kgents_app;
grant create on schema public to kgents_metrics;
alter function platform_metrics() owner to kgents_metrics;
revoke create on schema public from kgents_metrics;
