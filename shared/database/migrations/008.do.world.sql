-- The world of a tenant: its entities, its agents, its tools.

-- How many of a kind a tenant holds, counted where they are made, so that two makers never share the last place of a plan.
create table holdings (
  tenant_id uuid not null,
  kind text not null,
  held integer not null check (held >= 0),
  primary key (tenant_id, kind)
);

-- `world.<name>`; sorted by bytes, so that pages and PATH order agree whatever the server's language.
create table entities (
  tenant_id uuid not null,
  name text collate "C" not null check (name ~ '^[a-z][a-z0-9_]{0,63}$'),
  entity_type text not null,
  description text not null,
  state jsonb not null,
  metadata jsonb not null,
  parent text collate "C",
  -- How often it was transformed.
  changes integer not null default 0,
  -- Whose consent it takes to tear it down.
  created_by uuid not null,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (tenant_id, name),
  foreign key (tenant_id, parent) references entities
);
create index entities_by_parent on entities (tenant_id, parent, name) where parent is not null;

-- What an entity says that it is tied to. The other end is a name: it may be torn down and built again.
create table entity_relations (
  tenant_id uuid not null,
  source text collate "C" not null,
  kind text collate "C" not null,
  target text collate "C" not null,
  primary key (tenant_id, source, kind, target),
  foreign key (tenant_id, source) references entities on delete cascade
);
create index entity_relations_by_target on entity_relations (tenant_id, target);

create table agents (
  id uuid primary key,
  tenant_id uuid not null,
  handle text collate "C" not null check (handle ~ '^[a-z][a-z0-9_]{0,63}$'),
  name text not null,
  theme text not null,
  instructions text not null,
  status text not null default 'active' check (status in ('active', 'retired')),
  created_by uuid not null,
  created_at timestamptz not null default now(),
  retired_at timestamptz
);
-- A handle is free again once its agent has retired.
create unique index agents_by_handle on agents (tenant_id, handle) where status = 'active';

-- HTTP tools: what is sent where, and what may come back. Headers name secrets and never hold them.
create table tools (
  tenant_id uuid not null,
  name text collate "C" not null check (name ~ '^[a-z][a-z0-9_]{0,63}$'),
  description text not null,
  method text not null check (method in ('GET', 'POST', 'PUT', 'PATCH', 'DELETE')),
  url text not null,
  headers jsonb not null,
  input_schema jsonb not null,
  output_schema jsonb,
  timeout_seconds integer not null check (timeout_seconds between 1 and 20),
  created_by uuid not null,
  created_at timestamptz not null default now(),
  primary key (tenant_id, name)
);

-- Sealed by the functions (shared/identity/secret-box.ts); sent to their own origins only.
create table tool_secrets (
  tenant_id uuid not null,
  name text collate "C" not null,
  sealed bytea not null,
  origins jsonb not null,
  updated_by uuid not null,
  updated_at timestamptz not null default now(),
  primary key (tenant_id, name)
);

-- Origins that a tenant's admins have allowed besides https on its usual ports.
create table tool_origins (
  tenant_id uuid not null,
  origin text collate "C" not null,
  allowed_by uuid not null,
  allowed_at timestamptz not null default now(),
  primary key (tenant_id, origin)
);

select enable_tenant_isolation(
  array['holdings', 'entities', 'entity_relations', 'agents', 'tools', 'tool_secrets', 'tool_origins']::regclass[]
);
grant select, insert on holdings, agents to kgents_app;
grant update (held) on holdings to kgents_app;
grant select, insert, delete on entities, entity_relations, tools, tool_secrets, tool_origins to kgents_app;
grant update (description, state, metadata, changes, updated_at) on entities to kgents_app;
grant update (status, retired_at) on agents to kgents_app;
grant update (sealed, origins, updated_by, updated_at) on tool_secrets to kgents_app;

-- A call that waits for others claims its key before and gives the claim up where it fails.
grant delete on idempotency_keys to kgents_app;
