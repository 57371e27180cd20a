-- What a call leaves behind: its mark, its charges, and the answer to give when it is repeated.

-- One immutable record of each invocation, whether it succeeded or not.
create table marks (
  id uuid primary key,
  tenant_id uuid not null,
  path text not null,
  category text not null check (category in ('P', 'M', 'C', 'I', 'G', 'E')),
  outcome text not null check (outcome in ('success', 'failure', 'refusal')),
  code text,
  user_id uuid,
  archetype text not null,
  effects text[] not null,
  charges jsonb not null default '{}',
  job_id uuid,
  trace_id text not null,
  duration_ms real not null,
  at timestamptz not null default now()
);
create index marks_by_time on marks (tenant_id, at desc);

-- The ledger: append-only, in units of the resource. A reservation settles or is refunded, once.
create table charges (
  id uuid primary key,
  tenant_id uuid not null,
  reservation_id uuid not null,
  kind text not null check (kind in ('reserved', 'settled', 'refunded')),
  resource text not null,
  amount numeric not null,
  path text not null,
  at timestamptz not null default now(),
  unique (reservation_id, kind, resource)
);
-- A reservation ends one way only.
create unique index charges_end_once on charges (reservation_id, resource) where kind <> 'reserved';
create index charges_by_time on charges (tenant_id, at desc);

-- How much of a metered resource a tenant has used in a period; granted is null where the plan sets no limit.
create table allowances (
  tenant_id uuid not null,
  resource text not null,
  period text not null,
  granted numeric,
  reserved numeric not null default 0 check (reserved >= 0),
  spent numeric not null default 0 check (spent >= 0),
  primary key (tenant_id, resource, period)
);

-- The answer to a mutation that named a key, to be given again when the same request comes again.
create table idempotency_keys (
  tenant_id uuid not null,
  key text not null,
  endpoint text not null,
  request_hash bytea not null,
  answer json,
  created_at timestamptz not null default now(),
  primary key (tenant_id, key)
);

select enable_tenant_isolation(array['marks', 'charges', 'allowances', 'idempotency_keys']::regclass[]);
grant select, insert on marks, charges to kgents_app;
grant select, insert, update on allowances, idempotency_keys to kgents_app;
