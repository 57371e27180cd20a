-- Counts over all tenants for the platform's own metrics; no row of any tenant can be told from them.
create index marks_recent on marks using brin (at);

create policy metrics on marks for select to kgents_metrics using (true);
create policy metrics on jobs for select to kgents_metrics using (true);
create policy metrics on outbox for select to kgents_metrics using (true);
grant select (path, category, outcome, at) on marks to kgents_metrics;
grant select (status, created_at) on jobs to kgents_metrics;
grant select (published_at, created_at) on outbox to kgents_metrics;

-- How long the oldest event has waited, which tells whether the relay and NATS do their work.
create function outbox_lag_seconds() returns double precision
  language sql stable security definer set search_path = pg_catalog, public, pg_temp
as $$
  select coalesce(extract(epoch from now() - min(created_at)), 0) from public.outbox where published_at is null
$$;
revoke execute on function outbox_lag_seconds() from public;
grant execute on function outbox_lag_seconds() to kgents_app;
call hand_over('outbox_lag_seconds()', 'kgents_metrics');

create function platform_metrics()
  returns table (name text, labels jsonb, value double precision)
  language sql stable security definer set search_path = pg_catalog, public, pg_temp
as $$
  select 'kgents_invocations_hour', jsonb_build_object('path', path, 'category', category, 'outcome', outcome), count(*)
  from public.marks where at > now() - interval '1 hour' group by path, category, outcome
  union all
  select 'kgents_jobs_day', jsonb_build_object('status', status), count(*)
  from public.jobs where created_at > now() - interval '1 day' group by status
  union all
  select 'kgents_outbox_waiting', '{}', count(*) from public.outbox where published_at is null
  union all
  select 'kgents_outbox_lag_seconds', '{}', public.outbox_lag_seconds()
$$;
revoke execute on function platform_metrics() from public;
grant execute on function platform_metrics() to kgents_app;
call hand_over('platform_metrics()', 'kgents_metrics');
