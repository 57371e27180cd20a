-- Events that come in from tenants' own systems, and what is done with them.

-- What to invoke when an event of a type comes in, as the person who said so.
create table event_mappings (
  id uuid primary key,
  tenant_id uuid not null,
  user_id uuid not null,
  type text not null,
  source text,
  path text not null,
  input jsonb not null,
  archetype text,
  description text,
  created_at timestamptz not null default now()
);
create index event_mappings_by_tenant on event_mappings (tenant_id, id desc);

-- What became of each event that a mapping was for. `attempts` counts those that failed in a way that may pass.
create table event_mapping_runs (
  tenant_id uuid not null,
  mapping_id uuid not null references event_mappings on delete cascade,
  event_id uuid not null,
  origin_id text not null,
  status text not null check (status in ('succeeded', 'accepted', 'retrying', 'failed')),
  code text,
  message text,
  job_id uuid,
  attempts int not null default 1,
  at timestamptz not null default now(),
  primary key (mapping_id, event_id)
);
create index event_mapping_runs_by_time on event_mapping_runs (mapping_id, at desc);

select enable_tenant_isolation(array['event_mappings', 'event_mapping_runs']::regclass[]);
grant select, insert, delete on event_mappings to kgents_app;
grant select, insert, update, delete on event_mapping_runs to kgents_app;
