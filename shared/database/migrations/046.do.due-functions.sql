-- The functions that have something to do now, of all that have a tick.
create or replace function due_functions() returns setof text
  language sql stable security invoker set search_path = pg_catalog, public, pg_temp
as $$
  select function from (values
    ('logos', exists (select from public.tenants_with_stalled_compositions())),
    ('world-agent', exists (select from public.tenants_with_stalled_agent_runs())),
    ('self-kgent', exists (select from public.tenants_with_due_kgent_sessions())),
    ('time-trace', exists (select from public.tenants_with_due_crystals())),
    ('time-schedule', exists (select from public.tenants_with_due_schedules())),
    ('credits', exists (select from public.tenants_with_due_credits())),
    ('usage', exists (select from public.tenants_with_usage_alerts())),
    ('billing', exists (select from public.tenants_with_due_billing())),
    ('tenant', exists (select from public.tenants_with_tenancy_work()))
  ) as ticking (function, is_due)
  where is_due
$$;
