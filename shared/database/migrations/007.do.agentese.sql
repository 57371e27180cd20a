-- What the AGENTESE plane keeps for every node: what a person has taken on, allowed and named, and how state changed.

-- Verbs that a person has besides those of its archetype.
create table capabilities (
  tenant_id uuid not null,
  user_id uuid not null,
  capability text not null,
  acquired_at timestamptz not null default now(),
  primary key (tenant_id, user_id, capability)
);

-- A person lets others do what would otherwise be done to it by force.
create table consents (
  tenant_id uuid not null,
  user_id uuid not null,
  path text not null,
  granted_at timestamptz not null default now(),
  expires_at timestamptz,
  primary key (tenant_id, user_id, path)
);

-- A person's own short names of nodes.
create table aliases (
  tenant_id uuid not null,
  user_id uuid not null,
  alias text not null,
  target text not null,
  created_at timestamptz not null default now(),
  primary key (tenant_id, user_id, alias)
);

-- The state of a target after each change; null when it is gone. Never updated, so the past can be asked for.
create table changes (
  id uuid primary key,
  tenant_id uuid not null,
  target text not null,
  state jsonb,
  path text not null,
  user_id uuid,
  invocation_id uuid not null,
  at timestamptz not null default clock_timestamp()
);
create index changes_by_target on changes (tenant_id, target, at desc, id desc);

-- A node's marks, newest first. A column of its own, because row-level security lets only leakproof functions use an
-- index, and to take the node out of the path is none.
alter table marks add column node text not null default '';
update marks set node = substring(path from '^[^.]+\.[^.]+');
create index marks_by_node on marks (tenant_id, node, at desc);

select enable_tenant_isolation(array['capabilities', 'consents', 'aliases', 'changes']::regclass[]);
grant select, insert, delete on capabilities, aliases to kgents_app;
grant select, insert, update, delete on consents to kgents_app;
grant update (target) on aliases to kgents_app;
grant select, insert on changes to kgents_app;

-- Whoever acts later, as a schedule does, acts with the rights that its owner has then.
grant select (id, tenant_id, roles) on users to kgents_app;
grant select (id, tier, status) on tenants to kgents_app;
