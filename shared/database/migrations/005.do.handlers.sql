-- State of the AGENTESE handlers, per tenant.

create table entropy_pools (
  tenant_id uuid primary key,
  initial double precision not null default 100,
  remaining double precision not null default 100 check (remaining >= 0 and remaining <= initial)
);

-- Each sip is a grant, and a grant is poured back once at most.
create table entropy_grants (
  id uuid primary key,
  tenant_id uuid not null,
  amount double precision not null check (amount > 0),
  seed double precision not null check (seed >= 0 and seed < 1),
  sipped_at timestamptz not null default now(),
  poured_at timestamptz
);
create index entropy_grants_by_time on entropy_grants (tenant_id, sipped_at desc);

-- A persona's mode belongs to a person, never to the process or to the whole tenant.
create table souls (
  tenant_id uuid not null,
  user_id uuid not null,
  mode text not null default 'reflect' check (mode in ('reflect', 'advise', 'challenge', 'explore')),
  primary key (tenant_id, user_id)
);

select enable_tenant_isolation(array['entropy_pools', 'entropy_grants', 'souls']::regclass[]);
grant select, insert, update on entropy_pools, entropy_grants, souls to kgents_app;
