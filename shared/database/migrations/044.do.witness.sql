-- What was done, for as long as a plan keeps it, and the crystals that are made of it.

-- What a person did in a session (level 0, of 5 to 50 marks) or on a day (level 1, of the crystals of that day). Marks have no
-- content, so a crystal has none. It belongs to that person alone.
create table crystals (
  id uuid primary key,
  tenant_id uuid not null,
  user_id uuid not null,
  level smallint not null check (level in (0, 1)),
  -- Marks or crystals, in the order of time.
  sources uuid[] not null check (cardinality(sources) > 0),
  starts_at timestamptz not null,
  ends_at timestamptz not null check (ends_at >= starts_at),
  session_id uuid,
  -- Of a day (UTC): a later session of it changes the crystal.
  day date check ((day is not null) = (level = 1)),
  part_of uuid,
  counts jsonb not null,
  summary text not null,
  -- The model that has written the summary; null where it follows from the counts.
  model text,
  created_at timestamptz not null default now()
);
-- Whoever makes one twice meets the first.
create unique index crystals_of_marks on crystals (tenant_id, user_id, (sources[1])) where level = 0;
create unique index crystals_of_days on crystals (tenant_id, user_id, day) where level = 1;
create index crystals_by_time on crystals (tenant_id, user_id, ends_at desc, id desc);
create index crystals_apart on crystals (ends_at) where level = 0 and part_of is null;
select enable_tenant_isolation(array['crystals']::regclass[]);
grant select on crystals to kgents_app;
grant insert (id, tenant_id, user_id, level, sources, starts_at, ends_at, session_id, day, counts, summary) on crystals to kgents_app;
grant update (sources, starts_at, ends_at, part_of, counts, summary, model) on crystals to kgents_app;
create index marks_by_person on marks (tenant_id, user_id, at, id);

-- Tenants with crystals of a day that is over and that is not a crystal yet, or lacks them.
create policy due on crystals for select to kgents_scheduler using (true);
grant select (tenant_id, level, ends_at, part_of) on crystals to kgents_scheduler;
create function tenants_with_due_crystals() returns setof uuid
  language sql stable security definer set search_path = pg_catalog, public, pg_temp
as $$
  select distinct tenant_id from public.crystals
  where level = 0 and part_of is null and ends_at < date_trunc('day', now(), 'UTC')
$$;
revoke execute on function tenants_with_due_crystals() from public;
grant execute on function tenants_with_due_crystals() to kgents_app, kgents_relay;
call hand_over('tenants_with_due_crystals()', 'kgents_scheduler');

-- Removes what is older than a plan keeps, of all tenants, and can do nothing else.
do $$
begin
  if not exists (select from pg_roles where rolname = 'kgents_pruner') then
    create role kgents_pruner nologin nosuperuser nobypassrls;
  end if;
end
$$;
grant usage on schema public to kgents_pruner;
create policy pruning on tenants for select to kgents_pruner using (true);
grant select (id, tier, plan_version) on tenants to kgents_pruner;
create policy pruning on plans for select to kgents_pruner using (true);
grant select (id, version, limits) on plans to kgents_pruner;
create policy pruning on usage_state for select to kgents_pruner using (true);
grant select on usage_state to kgents_pruner;
create policy pruning on marks to kgents_pruner using (true);
grant select (id, tenant_id, at, xid), delete on marks to kgents_pruner;
create policy pruning on changes to kgents_pruner using (true);
grant select (id, tenant_id, target, user_id, at, xid), delete on changes to kgents_pruner;
create policy pruning on jobs to kgents_pruner using (true);
grant select (id, tenant_id, status, call, charges, finished_at, admitted_at), delete on jobs to kgents_pruner;
create policy pruning on compositions to kgents_pruner using (true);
grant select (id), delete on compositions to kgents_pruner;
create policy pruning on idempotency_keys for select to kgents_pruner using (true);
grant select (tenant_id, job_id) on idempotency_keys to kgents_pruner;
create index jobs_by_end on jobs (tenant_id, finished_at) where finished_at is not null;
create index idempotency_keys_by_job on idempotency_keys (job_id) where job_id is not null;

-- What an agent did goes with the job of its run.
do $$
begin
  if to_regclass('public.agent_runs') is not null then
    create policy pruning on agent_runs to kgents_pruner using (true);
    grant select (id), delete on agent_runs to kgents_pruner;
    create policy pruning on agent_steps to kgents_pruner using (true);
    grant select (run_id), delete on agent_steps to kgents_pruner;
  end if;
end
$$;

-- Until when each tenant's records may go: `auditDays` of its plan ago. What is not counted and reconciled yet stays.
create function tenants_kept_until() returns table (tenant_id uuid, kept_until timestamptz)
  language sql stable
as $$
  select t.id, least(now() - make_interval(days => (p.limits ->> 'auditDays')::integer),
    (select reconcile_day::timestamp at time zone 'UTC' from public.usage_state))
  from public.tenants t join public.plans p on p.id = t.tier and p.version = t.plan_version
  where p.limits ->> 'auditDays' is not null
$$;
revoke execute on function tenants_kept_until() from public;
grant execute on function tenants_kept_until() to kgents_pruner;

-- Deletes so many at most, the oldest of each tenant first; how many there were.
create function delete_old_marks(most integer) returns integer
  language plpgsql security definer set search_path = pg_catalog, public, pg_temp
as $$
declare
  deleted integer;
begin
  delete from public.marks where id in (
    select old.id from public.tenants_kept_until() k, lateral (
      select m.id from public.marks m
      where m.tenant_id = k.tenant_id and m.at < k.kept_until
        and (m.xid is null or m.xid < (select xid from public.usage_state))
        and not exists (select from public.trace_exports e where (m.xid, m.id) > (e.xid, e.mark))
      order by m.at limit most
    ) old limit most
  );
  get diagnostics deleted = row_count;
  return deleted;
end
$$;

-- The state that something had when the time that is kept begins stays: it is what later changes are seen against.
create function delete_old_changes(most integer) returns integer
  language plpgsql security definer set search_path = pg_catalog, public, pg_temp
as $$
declare
  deleted integer;
begin
  delete from public.changes where id in (
    select old.id from public.tenants_kept_until() k, lateral (
      select c.id from public.changes c
      where c.tenant_id = k.tenant_id and c.at < k.kept_until
        and (c.xid is null or c.xid < (select xid from public.usage_state))
        and exists (
          select from public.changes later
          where later.tenant_id = c.tenant_id and later.target = c.target and later.at < k.kept_until
            and later.user_id is not distinct from c.user_id and (later.at, later.id) > (c.at, c.id))
      order by c.at limit most
    ) old limit most
  );
  get diagnostics deleted = row_count;
  return deleted;
end
$$;

-- Jobs that have ended and are charged, and that nothing goes on with: neither the job that they are part of, nor a repetition of
-- the request, which is answered by them.
create function delete_old_jobs(most integer) returns integer
  language plpgsql security definer set search_path = pg_catalog, public, pg_temp
as $$
declare
  old_jobs uuid[];
begin
  select array(
    select old.id from public.tenants_kept_until() k, lateral (
      select j.id from public.jobs j
      where j.tenant_id = k.tenant_id and j.finished_at < k.kept_until and j.status in ('completed', 'failed', 'cancelled')
        and (j.status <> 'cancelled' or j.charges is not null or j.admitted_at is null)
        and not exists (select from public.idempotency_keys i where i.job_id = j.id)
        and not exists (
          select from public.jobs p where p.id = (j.call ->> 'parent')::uuid and p.status in ('queued', 'running'))
      order by j.finished_at limit most
    ) old limit most
  ) into old_jobs;
  delete from public.compositions where id = any (old_jobs);
  if to_regclass('public.agent_runs') is not null then
    execute 'delete from public.agent_steps where run_id = any ($1)' using old_jobs;
    execute 'delete from public.agent_runs where id = any ($1)' using old_jobs;
  end if;
  delete from public.jobs where id = any (old_jobs);
  return cardinality(old_jobs);
end
$$;

do $$
declare
  name text;
begin
  foreach name in array array['marks', 'changes', 'jobs'] loop
    execute format('revoke execute on function delete_old_%s(integer) from public', name);
    execute format('grant execute on function delete_old_%s(integer) to kgents_relay', name);
    execute format('call hand_over(''delete_old_%s(integer)'', ''kgents_pruner'')', name);
  end loop;
end
$$;

-- How far marks are exported to a store of traces besides this database: in the order of their transactions. One that takes no
-- more of them has no row.
create table trace_exports (
  name text primary key,
  xid xid8 not null default '0',
  mark uuid not null default '00000000-0000-0000-0000-000000000000',
  sent bigint not null default 0,
  sent_at timestamptz
);
alter table trace_exports enable row level security;
alter table trace_exports force row level security;
create policy exporting on trace_exports to kgents_usage_exporter using (true) with check (true);
grant select, insert, update, delete on trace_exports to kgents_usage_exporter;
create policy pruning on trace_exports for select to kgents_pruner using (true);
grant select on trace_exports to kgents_pruner;
create policy trace_exporting on marks for select to kgents_usage_exporter using (true);
grant select (id, tenant_id, at, trace_id, path, category, outcome, code, user_id, archetype, charges, job_id, model, duration_ms, xid)
  on marks to kgents_usage_exporter;
create policy trace_exporting on tenants for select to kgents_usage_exporter using (true);
grant select (id, tier, plan_version) on tenants to kgents_usage_exporter;
create policy trace_exporting on plans for select to kgents_usage_exporter using (true);
grant select (id, version, limits) on plans to kgents_usage_exporter;
create policy trace_exporting on tombstones for select to kgents_usage_exporter using (true);
grant select (id, erased_at) on tombstones to kgents_usage_exporter;
