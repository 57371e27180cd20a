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

-- Where a tenant wants to be told of what happens. The relay makes a durable consumer of each active row.
create table webhook_subscriptions (
  id uuid primary key,
  tenant_id uuid not null,
  -- It lasts as long as its maker may have one.
  user_id uuid not null references users on delete cascade,
  archetype text not null,
  patterns jsonb not null,
  kinds jsonb not null,
  events jsonb not null,
  sink text not null,
  description text,
  -- The secret is derived from this; it is not stored.
  rotation int not null default 0,
  rotated_at timestamptz,
  status text not null default 'active' check (status in ('active', 'disabled')),
  disabled_reason text,
  -- What the sender reported last, and when that was.
  delivery text not null default 'untried' check (delivery in ('untried', 'delivering', 'failing')),
  last_error jsonb,
  reported_at timestamptz not null default '-infinity',
  created_at timestamptz not null default now()
);
create index webhook_subscriptions_by_tenant on webhook_subscriptions (tenant_id, id desc);

-- Events that no attempt could deliver, to be looked at and sent again.
create table webhook_dead_letters (
  tenant_id uuid not null,
  subscription_id uuid not null references webhook_subscriptions on delete cascade,
  event_id uuid not null,
  event text not null,
  error jsonb not null,
  attempts int not null,
  at timestamptz not null default now(),
  primary key (subscription_id, event_id)
);

select enable_tenant_isolation(array['webhook_subscriptions', 'webhook_dead_letters']::regclass[]);
grant select, insert, update, delete on webhook_subscriptions, webhook_dead_letters to kgents_app;

create policy relay on webhook_subscriptions for select to kgents_relay using (true);
grant select (id, tenant_id, user_id, archetype, patterns, kinds, events, sink, rotation, rotated_at, status, created_at)
  on webhook_subscriptions to kgents_relay;
create policy relay on users for select to kgents_relay using (true);
grant select (id, roles) on users to kgents_relay;
create policy relay on tenants for select to kgents_relay using (true);
grant select (id, status) on tenants to kgents_relay;
