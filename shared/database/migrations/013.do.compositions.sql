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
