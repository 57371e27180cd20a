-- Tools that come from a server of MCP, and the tools that API keys have pinned on ours.

-- What a server said a tool is when it was imported. A call is refused where the server says anything else by now.
create table mcp_tools (
  tenant_id uuid not null,
  tool text collate "C" not null,
  -- Its name there.
  remote text not null,
  -- SHA-256 of name, description and input schema, as they are below.
  pin text not null check (pin ~ '^[0-9a-f]{64}$'),
  contract json not null,
  protocol text not null,
  checked_at timestamptz not null default now(),
  -- What it was seen to be since then; null where that is what is pinned.
  changed_to text,
  primary key (tenant_id, tool),
  foreign key (tenant_id, tool) references tools on delete cascade
);

-- Tools of a key besides those that everybody has: paths under names of their own.
create table mcp_pins (
  tenant_id uuid not null references tenants,
  key_id uuid not null references api_keys on delete cascade,
  name text collate "C" not null check (name ~ '^[a-z0-9_]{1,64}$'),
  path text not null,
  primary key (tenant_id, key_id, name)
);

select enable_tenant_isolation(array['mcp_tools', 'mcp_pins']::regclass[]);
grant select, insert, delete on mcp_tools, mcp_pins to kgents_app;
grant update (pin, contract, protocol, checked_at, changed_to) on mcp_tools to kgents_app;
grant update (description, input_schema, headers, timeout_seconds) on tools to kgents_app;
