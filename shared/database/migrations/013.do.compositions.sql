-- A composition that cannot end within one request: its plan, and how far it has come. The job of the same id is what
-- its caller follows.
create table compositions (
  id uuid primary key references jobs,
  tenant_id uuid not null,
  expression text not null,
  stages jsonb not null,
  mode text not null check (mode in ('fail-fast', 'collect')),
  results jsonb not null default '[]',
  position int not null default 0,
  attempts int not null default 0,
  stage_job uuid,
  stage_started_at timestamptz not null default now(),
  created_at timestamptz not null default now()
);
select enable_tenant_isolation(array['compositions']::regclass[]);
grant select, insert, update on compositions to kgents_app;

-- The job of a composition goes to no worker, so it has no message.
alter table jobs alter column message drop not null;

-- Compositions that wait for no job and have not moved for a while: the word to go on was lost on its way.
create view stalled_compositions with (security_invoker = true) as
  select c.id, c.tenant_id from compositions c join jobs j on j.id = c.id
  where j.status = 'running' and c.stage_started_at < now() - interval '10 minutes'
    and not exists (select from jobs s where s.id = c.stage_job and s.status in ('queued', 'running'));
grant select on stalled_compositions to kgents_app, kgents_scheduler;
create policy due on compositions for select to kgents_scheduler using (true);
create policy due on jobs for select to kgents_scheduler using (true);
grant select (id, tenant_id, stage_job, stage_started_at) on compositions to kgents_scheduler;
grant select (id, status) on jobs to kgents_scheduler;

create function tenants_with_stalled_compositions() returns setof uuid
  language sql stable security definer set search_path = pg_catalog, public, pg_temp
as $$
  select distinct tenant_id from public.stalled_compositions
$$;
revoke execute on function tenants_with_stalled_compositions() from public;
grant execute on function tenants_with_stalled_compositions() to kgents_app;
call hand_over('tenants_with_stalled_compositions()', 'kgents_scheduler');
