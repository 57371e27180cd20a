-- Jobs are admitted by turns of tenants: within a tenant by the priority that it gave them, then first come first served.
alter table jobs
  -- Tokens, as estimated when the job was queued.
  add column estimate integer not null default 0 check (estimate >= 0),
  add column priority smallint not null default 0,
  -- When its answer is of no use any more.
  add column deadline timestamptz;
create index jobs_by_turn on jobs (tenant_id, priority desc, xid, seq) where admitted_at is null and status = 'queued';
create index jobs_with_deadline on jobs (deadline)
  where admitted_at is null and status = 'queued' and deadline is not null;
-- How fast the jobs of a tenant are admitted.
create index jobs_admitted_by_tenant on jobs (tenant_id, admitted_at) where admitted_at is not null;

grant select (estimate, priority, deadline) on jobs to kgents_relay;
grant select (tier) on tenants to kgents_relay;
