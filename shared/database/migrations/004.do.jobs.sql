-- LLM work: a job is queued here by the function that asks, admitted by the relay, run by a worker, and finished by
-- the function's continuation.
create table jobs (
  id uuid primary key,
  seq bigint generated always as identity,
  xid xid8 not null default pg_current_xact_id(),
  tenant_id uuid not null,
  user_id uuid,
  function text not null,
  path text not null,
  -- Who called, with what, and how: what the continuation needs to go on as the same invocation.
  call jsonb not null,
  -- What the worker gets; holds the key of this job's results, so no answer shows it.
  message text not null,
  status text not null default 'queued' check (status in ('queued', 'running', 'completed', 'failed', 'cancelled')),
  result json,
  error jsonb,
  tokens jsonb,
  charges jsonb,
  created_at timestamptz not null default now(),
  admitted_at timestamptz,
  started_at timestamptz,
  finished_at timestamptz
);
create index jobs_waiting on jobs (xid, seq) where admitted_at is null and status = 'queued';
-- What the relay looks through when it takes over, and for jobs that never ended.
create index jobs_admitted on jobs (admitted_at) where status in ('queued', 'running');
create index jobs_by_tenant on jobs (tenant_id, id desc);

create trigger jobs_wake_relay after insert on jobs for each statement execute function wake_relay();

select enable_tenant_isolation(array['jobs']::regclass[]);
grant select, insert, update on jobs to kgents_app;

create policy relay on jobs to kgents_relay using (true);
grant select (id, seq, xid, tenant_id, message, status, admitted_at, created_at) on jobs to kgents_relay;
grant update (admitted_at) on jobs to kgents_relay;
