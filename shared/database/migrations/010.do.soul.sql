-- What a person keeps with its K-gent, what waits for a person, and how gratitude was told.

-- A question that only a person can answer; whoever asked goes on with the answer. A pending one past its deadline is
-- void, whether or not that has been written down yet.
create table semaphores (
  tenant_id uuid not null,
  id text not null check (id ~ '^sem-[0-9a-f]{8}$'),
  user_id uuid not null,
  reason text not null check (reason in (
    'approval_needed', 'context_required', 'sensitive_action', 'ambiguous_choice', 'resource_decision', 'error_recovery'
  )),
  prompt text not null,
  options jsonb not null default '[]',
  severity text not null check (severity in ('info', 'warning', 'critical')),
  deadline timestamptz,
  escalation text,
  -- What it is about, as whoever asked has passed it.
  about json,
  status text not null default 'pending' check (status in ('pending', 'resolved', 'cancelled', 'voided')),
  human_input text,
  ended_by uuid,
  opened_at timestamptz not null default clock_timestamp(),
  ended_at timestamptz,
  primary key (tenant_id, id),
  check ((status = 'pending') = (ended_at is null))
);
create index semaphores_by_time on semaphores (tenant_id, opened_at desc, id desc);
create index semaphores_waiting on semaphores (tenant_id, deadline) where status = 'pending';

-- What the gatekeeper decided and why. Never updated and never deleted.
create table governance_decisions (
  id uuid primary key,
  tenant_id uuid not null,
  user_id uuid not null,
  action text not null,
  context jsonb not null,
  recommendation text not null check (recommendation in ('approve', 'reject', 'escalate')),
  confidence double precision not null check (confidence >= 0 and confidence <= 1),
  reasoning text not null,
  principles jsonb not null,
  alternatives jsonb not null,
  -- The semaphore that an escalation opened.
  token_id text,
  tokens_used integer not null check (tokens_used >= 0),
  trace_id text not null,
  at timestamptz not null default clock_timestamp(),
  check ((recommendation = 'escalate') = (token_id is not null))
);
create index governance_decisions_by_time on governance_decisions (tenant_id, at desc, id desc);

-- A person's own values by key, as they were sent; and all of them together, as they once were.
create table states (
  tenant_id uuid not null,
  user_id uuid not null,
  key text not null,
  value json not null,
  updated_at timestamptz not null default now(),
  primary key (tenant_id, user_id, key)
);

create table state_checkpoints (
  id uuid primary key,
  tenant_id uuid not null,
  user_id uuid not null,
  label text not null,
  state json not null,
  at timestamptz not null default clock_timestamp()
);
create index state_checkpoints_by_time on state_checkpoints (tenant_id, user_id, at desc, id desc);

-- The ledger of thanks: append-only.
create table gratitude (
  id uuid primary key,
  tenant_id uuid not null,
  user_id uuid not null,
  target text not null,
  amount double precision not null check (amount >= 0),
  at timestamptz not null default clock_timestamp()
);
create index gratitude_by_time on gratitude (tenant_id, at desc, id desc);

select enable_tenant_isolation(
  array['semaphores', 'governance_decisions', 'states', 'state_checkpoints', 'gratitude']::regclass[]
);
grant select, insert on semaphores, governance_decisions, gratitude to kgents_app;
grant update (status, human_input, ended_by, ended_at) on semaphores to kgents_app;
grant select, insert, delete on states, state_checkpoints to kgents_app;
grant update (value, updated_at) on states to kgents_app;

-- A person's own name.
grant select (name) on users to kgents_app;
