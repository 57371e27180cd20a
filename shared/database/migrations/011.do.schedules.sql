-- Calls that are to be made later, in the name of who ordered them.
create table schedules (
  id uuid primary key,
  tenant_id uuid not null,
  user_id uuid not null,
  archetype text not null,
  -- Null where the credential was not narrowed.
  scopes jsonb,
  path text not null,
  input jsonb not null,
  due_at timestamptz not null,
  status text not null default 'pending' check (status in ('pending', 'running', 'executed', 'failed', 'cancelled')),
  attempts int not null default 0,
  fired_at timestamptz,
  finished_at timestamptz,
  result jsonb,
  error jsonb,
  job_id uuid,
  created_at timestamptz not null default now()
);
create index schedules_by_tenant on schedules (tenant_id, id desc);
create index schedules_due on schedules (due_at) where status in ('pending', 'running');

select enable_tenant_isolation(array['schedules']::regclass[]);
grant select, insert, update on schedules to kgents_app;

-- Names the tenants for which something is due, and nothing else of any of them.
do $$
begin
  if not exists (select from pg_roles where rolname = 'kgents_scheduler') then
    create role kgents_scheduler nologin nosuperuser nobypassrls;
  end if;
end
$$;
grant usage on schema public to kgents_scheduler;
create policy due on schedules for select to kgents_scheduler using (true);
grant select (tenant_id, due_at, status, fired_at) on schedules to kgents_scheduler;

-- A call that was fired long ago and has not ended was lost on its way: its word is given again.
create function tenants_with_due_schedules() returns setof uuid
  language sql stable security definer set search_path = pg_catalog, public, pg_temp
as $$
  select distinct tenant_id from public.schedules
  where (status = 'pending' and due_at <= now())
     or (status = 'running' and fired_at <= now() - interval '10 minutes' and due_at <= now())
$$;
revoke execute on function tenants_with_due_schedules() from public;
grant execute on function tenants_with_due_schedules() to kgents_app;
call hand_over('tenants_with_due_schedules()', 'kgents_scheduler');
