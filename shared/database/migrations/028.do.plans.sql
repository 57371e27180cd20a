-- Plans as data. A version of a plan is a row that never changes: tenants keep the version that they bought.
create table plans (
  id text not null check (id in ('free', 'starter', 'pro', 'team', 'enterprise')),
  version integer not null check (version > 0),
  name text not null check (name <> ''),
  -- When it can be bought from. Of those that can be, the one with the highest version is sold.
  effective_at timestamptz not null default now(),
  -- Whole cents of a US dollar; null where the price is agreed with the customer.
  price_month_cents bigint check (price_month_cents >= 0),
  price_year_cents bigint check (price_year_cents >= 0),
  trial_days integer not null default 0 check (trial_days >= 0),
  -- Their members are listed in shared/plans/plan.ts.
  limits jsonb not null check (jsonb_typeof(limits) = 'object'),
  features jsonb not null check (jsonb_typeof(features) = 'array'),
  overage jsonb not null default '{}' check (jsonb_typeof(overage) = 'object'),
  -- The one tenant that it was made for; null where anybody can buy it. No reference: it outlives that tenant.
  made_for uuid,
  created_at timestamptz not null default now(),
  created_by uuid,
  primary key (id, version)
);

-- Whoever runs it: what was sold stays as it was sold.
create function refuse_plan_change() returns trigger
  language plpgsql set search_path = pg_catalog, public, pg_temp
as $$
begin
  raise exception 'versions of plans are neither changed nor removed: make another version'
    using errcode = 'insufficient_privilege';
end
$$;
create trigger immutable before update or delete on plans for each row execute function refuse_plan_change();
create trigger immutable_at_once before truncate on plans execute function refuse_plan_change();

insert into plans (id, version, name, price_month_cents, price_year_cents, trial_days, limits, features, overage) values
  ('free', 1, 'Free', 0, 0, 0,
    '{"requestsPerMinute": 60, "requestsPerHour": 1000, "requestsAtOnce": 10, "apiCallsPerDay": 100,
      "tokensPerMonth": 10000, "sessionsPerMonth": 10, "agents": 1, "entities": 1000, "tools": 5, "subscriptions": 20,
      "seats": 1, "storageBytes": 100000000, "auditDays": 30}',
    '["soul.reflect"]', '{}'),
  ('starter', 1, 'Starter', 2900, 31320, 14,
    '{"requestsPerMinute": 300, "requestsPerHour": 10000, "requestsAtOnce": 50, "apiCallsPerDay": 1000,
      "tokensPerMonth": 100000, "sessionsPerMonth": 100, "agents": 5, "entities": 10000, "tools": 25, "subscriptions": 20,
      "seats": 1, "storageBytes": 1000000000, "auditDays": 90}',
    '["soul.reflect"]',
    '{"tokens": {"cents": "1", "per": 1000}, "sessions": {"cents": "5", "per": 1}, "api_calls": {"cents": "0.1", "per": 1},
      "storage_gb_months": {"cents": "10", "per": 1}, "gpu_seconds": {"cents": "50", "per": 3600}}'),
  ('pro', 1, 'Pro', 14900, 160920, 14,
    '{"requestsPerMinute": 1000, "requestsPerHour": 50000, "requestsAtOnce": 200, "apiCallsPerDay": 10000,
      "tokensPerMonth": 500000, "sessionsPerMonth": 500, "agents": 25, "entities": 100000, "tools": 100, "subscriptions": 20,
      "seats": 5, "storageBytes": 10000000000, "auditDays": 365}',
    '["soul.reflect", "soul.advise", "soul.challenge", "soul.explore", "soul.gatekeeper", "dialectic"]',
    '{"tokens": {"cents": "1", "per": 1000}, "sessions": {"cents": "5", "per": 1}, "api_calls": {"cents": "0.1", "per": 1},
      "storage_gb_months": {"cents": "10", "per": 1}, "gpu_seconds": {"cents": "50", "per": 3600}}'),
  ('team', 1, 'Team', 49900, 538920, 14,
    '{"requestsPerMinute": 3000, "requestsPerHour": 150000, "requestsAtOnce": 600, "apiCallsPerDay": 50000,
      "tokensPerMonth": 2000000, "sessionsPerMonth": 2000, "agents": 100, "entities": 1000000, "tools": 500, "subscriptions": 20,
      "seats": null, "storageBytes": 100000000000, "auditDays": 730}',
    '["soul.reflect", "soul.advise", "soul.challenge", "soul.explore", "soul.gatekeeper", "soul.deep", "dialectic",
      "collaboration", "rbac", "audit_logs", "analytics"]',
    '{"tokens": {"cents": "1", "per": 1000}, "sessions": {"cents": "5", "per": 1}, "api_calls": {"cents": "0.1", "per": 1},
      "storage_gb_months": {"cents": "10", "per": 1}, "gpu_seconds": {"cents": "50", "per": 3600}}'),
  ('enterprise', 1, 'Enterprise', null, null, 14,
    '{"requestsPerMinute": 10000, "requestsPerHour": 1000000, "requestsAtOnce": 2000, "apiCallsPerDay": null,
      "tokensPerMonth": null, "sessionsPerMonth": null, "agents": null, "entities": null, "tools": null, "subscriptions": 20,
      "seats": null, "storageBytes": null, "auditDays": null}',
    '["soul.reflect", "soul.advise", "soul.challenge", "soul.explore", "soul.gatekeeper", "soul.deep", "dialectic",
      "collaboration", "rbac", "audit_logs", "analytics", "sso", "scim", "silo", "custom_models", "on_premise", "white_label"]',
    '{"tokens": {"cents": "0.8", "per": 1000}, "sessions": {"cents": "4", "per": 1}, "api_calls": {"cents": "0.1", "per": 1},
      "storage_gb_months": {"cents": "10", "per": 1}, "gpu_seconds": {"cents": "40", "per": 3600}}');

-- A version that was made for one tenant is not for the eyes of others.
alter table plans enable row level security;
alter table plans force row level security;
create policy offered on plans for select to kgents_app
  using (made_for is null or made_for = (select current_tenant()));
create policy operating on plans to kgents_operator using (true) with check (true);
create policy authentication on plans for select to kgents_authenticator using (true);
create policy auditing on plans for select to kgents_auditor using (true);
grant select on plans to kgents_app, kgents_authenticator;
grant select, insert (id, version, name, effective_at, price_month_cents, price_year_cents, trial_days, limits, features,
  overage, made_for, created_by) on plans to kgents_operator;
grant select (id, version, limits) on plans to kgents_auditor;

-- The version of a plan that is sold now.
create function current_plan_version(plan text) returns integer
  language sql stable security definer set search_path = pg_catalog, public, pg_temp
as $$
  select max(version) from public.plans where id = plan and made_for is null and effective_at <= now()
$$;
revoke execute on function current_plan_version(text) from public;
grant execute on function current_plan_version(text) to kgents_app, kgents_operator;
call hand_over('current_plan_version(text)', 'kgents_authenticator');

-- What is sold now.
create function offered_plans() returns setof plans
  language sql stable security definer set search_path = pg_catalog, public, pg_temp
as $$
  select distinct on (id) * from public.plans where made_for is null and effective_at <= now() order by id, version desc
$$;
revoke execute on function offered_plans() from public;
grant execute on function offered_plans() to kgents_app;
call hand_over('offered_plans()', 'kgents_authenticator');

alter table tenants
  add column plan_version integer,
  -- Whether use past what the plan includes goes on, at the plan's prices, where it has one.
  add column overage_allowed boolean not null default false;
update tenants set plan_version = 1;
alter table tenants
  alter column plan_version set not null,
  add foreign key (tier, plan_version) references plans (id, version);

-- Without a version a tenant gets the one that is sold now; nobody gets one that was made for another.
create function choose_plan_version() returns trigger
  language plpgsql security definer set search_path = pg_catalog, public, pg_temp
as $$
begin
  new.plan_version := coalesce(new.plan_version, public.current_plan_version(new.tier));
  if exists (select from public.plans p
    where p.id = new.tier and p.version = new.plan_version and p.made_for <> new.id) then
    raise exception 'version % of plan % was made for another tenant', new.plan_version, new.tier
      using errcode = 'check_violation';
  end if;
  return new;
end
$$;
revoke execute on function choose_plan_version() from public;
create trigger plan_version before insert or update of tier, plan_version on tenants
  for each row execute function choose_plan_version();
call hand_over('choose_plan_version()', 'kgents_authenticator');

-- A version of a plan, whoever it was made for: for processes, which keep it for ever.
create function find_plan(plan text, plan_version integer) returns plans
  language sql stable security definer set search_path = pg_catalog, public, pg_temp
as $$
  select p from public.plans p where p.id = plan and p.version = plan_version
$$;
revoke execute on function find_plan(text, integer) from public;
grant execute on function find_plan(text, integer) to kgents_app;
call hand_over('find_plan(text, integer)', 'kgents_authenticator');

grant select (plan_version, overage_allowed), update (overage_allowed) on tenants to kgents_app;
grant select (plan_version) on tenants to kgents_auditor;
grant update (tier, plan_version) on tenants to kgents_operator;

-- Use past what is included goes on for those that allow it and pay.
create function overage_of(tenant tenants) returns boolean
  language sql stable
  return tenant.overage_allowed and tenant.status = 'active';

-- As before, with the version of the plan.
drop function authenticate_api_key(bytea);
create function authenticate_api_key(hash bytea)
  returns table (
    tenant_id uuid, tier text, plan_version integer, overage boolean, status text, user_id uuid, roles jsonb,
    suspended boolean, key_id uuid, rotation integer, scopes jsonb, rate_per_minute integer)
  language sql stable security definer set search_path = pg_catalog, public, pg_temp
as $$
  select t.id, t.tier, t.plan_version, public.overage_of(t), public.standing_of(t), u.id, to_jsonb(u.roles),
    t.suspended_at is not null, k.id, k.rotation - case when k.key_hash = hash then 0 else 1 end, k.scopes, k.rate_per_minute
  from public.api_keys k join public.users u on u.id = k.user_id join public.tenants t on t.id = k.tenant_id
  where (k.key_hash = hash or (k.previous_hash = hash and k.previous_until > now()))
    and k.revoked_at is null and (k.expires_at is null or k.expires_at > now()) and u.removed_at is null
$$;
revoke execute on function authenticate_api_key(bytea) from public;
grant execute on function authenticate_api_key(bytea) to kgents_app;
call hand_over('authenticate_api_key(bytea)', 'kgents_authenticator');

drop function current_rights(uuid, uuid, uuid, integer);
create function current_rights(tenant uuid, person uuid, key uuid, key_rotation integer)
  returns table (
    tier text, plan_version integer, overage boolean, status text, roles jsonb, suspended boolean, rate_per_minute integer)
  language sql stable security definer set search_path = pg_catalog, public, pg_temp
as $$
  select t.tier, t.plan_version, public.overage_of(t), public.standing_of(t), to_jsonb(u.roles), t.suspended_at is not null,
    k.rate_per_minute
  from public.users u join public.tenants t on t.id = u.tenant_id left join public.api_keys k on k.id = key
  where u.id = person and u.tenant_id = tenant and u.removed_at is null
    and (key is null or (
      k.user_id = person and k.revoked_at is null and (k.expires_at is null or k.expires_at > now())
      and (k.rotation = key_rotation or (k.rotation = key_rotation + 1 and k.previous_until > now()))))
$$;
revoke execute on function current_rights(uuid, uuid, uuid, integer) from public;
grant execute on function current_rights(uuid, uuid, uuid, integer) to kgents_app;
call hand_over('current_rights(uuid, uuid, uuid, integer)', 'kgents_authenticator');

drop function authenticate_invitation(bytea);
create function authenticate_invitation(hash bytea)
  returns table (
    tenant_id uuid, tier text, plan_version integer, overage boolean, status text, suspended boolean, id uuid)
  language sql stable security definer set search_path = pg_catalog, public, pg_temp
as $$
  select t.id, t.tier, t.plan_version, public.overage_of(t), public.standing_of(t), t.suspended_at is not null, i.id
  from public.invitations i join public.tenants t on t.id = i.tenant_id where i.token_hash = hash
$$;
revoke execute on function authenticate_invitation(bytea) from public;
grant execute on function authenticate_invitation(bytea) to kgents_app;
call hand_over('authenticate_invitation(bytea)', 'kgents_authenticator');

-- As before, with the days that each tenant's plan keeps.
drop function delete_old_audit(jsonb, integer);
create function delete_old_audit(most integer) returns integer
  language plpgsql security definer set search_path = pg_catalog, public, pg_temp
as $$
declare
  deleted integer;
begin
  delete from public.audit where (tenant_id, seq) in (
    select old.tenant_id, old.seq
    from public.tenants t join public.plans p on p.id = t.tier and p.version = t.plan_version, lateral (
      select a.tenant_id, a.seq from public.audit a
      where a.tenant_id = t.id and a.at < now() - make_interval(days => (p.limits ->> 'auditDays')::integer)
      order by a.at limit most
    ) old limit most
  );
  get diagnostics deleted = row_count;
  return deleted;
end
$$;
revoke execute on function delete_old_audit(integer) from public;
grant execute on function delete_old_audit(integer) to kgents_relay;
call hand_over('delete_old_audit(integer)', 'kgents_auditor');

-- Read page by page since; see 035.
drop function tenants_for_operator(uuid);

-- Makes the next version of a plan, and answers it.
create function make_plan_for_operator(person uuid, facts jsonb, made jsonb) returns integer
  language plpgsql security definer set search_path = pg_catalog, public, pg_temp
as $$
declare
  plan text := made ->> 'id';
  made_version integer;
begin
  perform public.require_operator(person);
  perform pg_advisory_xact_lock(hashtextextended('plan:' || plan, 0));
  select coalesce(max(p.version), 0) + 1 into made_version from public.plans p where p.id = plan;
  insert into public.plans (id, version, name, effective_at, price_month_cents, price_year_cents, trial_days, limits,
      features, overage, made_for, created_by)
    values (plan, made_version, made ->> 'name', greatest(now(), (made ->> 'effective_at')::timestamptz),
      (made ->> 'price_month_cents')::bigint, (made ->> 'price_year_cents')::bigint, (made ->> 'trial_days')::integer,
      made -> 'limits', made -> 'features', made -> 'overage', (made ->> 'made_for')::uuid, person);
  perform public.append_audit(public.current_tenant(), person, facts, 'plan.made', plan || '@' || made_version, made);
  return made_version;
end
$$;
revoke execute on function make_plan_for_operator(uuid, jsonb, jsonb) from public;
grant execute on function make_plan_for_operator(uuid, jsonb, jsonb) to kgents_app;
call hand_over('make_plan_for_operator(uuid, jsonb, jsonb)', 'kgents_operator');

-- Puts a tenant on a version of a plan, the one that is sold now where it is null, and answers what it was on and is on; no row
-- where the tenant has no such version. For functions that act across tenants.
create function put_on_plan(tenant uuid, plan text, wanted integer)
  returns table (tier_before text, version_before integer, tier_after text, version_after integer)
  language plpgsql security definer set search_path = pg_catalog, public, pg_temp
as $$
declare
  was record;
  chosen integer := coalesce(wanted, public.current_plan_version(plan));
begin
  if not exists (select from public.plans p where p.id = plan and p.version = chosen
      and (p.made_for is null or p.made_for = tenant) and p.effective_at <= now()) then
    return;
  end if;
  select t.tier, t.plan_version into was from public.tenants t where t.id = tenant for update;
  if not found then
    return;
  end if;
  update public.tenants t set tier = plan, plan_version = chosen where t.id = tenant;
  return query select was.tier, was.plan_version, plan, chosen;
end
$$;
revoke execute on function put_on_plan(uuid, text, integer) from public;
call hand_over('put_on_plan(uuid, text, integer)', 'kgents_operator');

create function set_plan_for_operator(person uuid, facts jsonb, tenant uuid, plan text, wanted integer)
  returns table (tier_before text, version_before integer, tier_after text, version_after integer)
  language plpgsql security definer set search_path = pg_catalog, public, pg_temp
as $$
begin
  perform public.require_operator(person);
  select * into tier_before, version_before, tier_after, version_after from public.put_on_plan(tenant, plan, wanted);
  if not found then
    return;
  end if;
  perform public.audit_both(person, facts, tenant, 'tenant.plan_changed', jsonb_build_object(
    'from', tier_before || '@' || version_before, 'to', tier_after || '@' || version_after));
  return next;
end
$$;
revoke execute on function set_plan_for_operator(uuid, jsonb, uuid, text, integer) from public;
grant execute on function set_plan_for_operator(uuid, jsonb, uuid, text, integer) to kgents_app;
call hand_over('set_plan_for_operator(uuid, jsonb, uuid, text, integer)', 'kgents_operator');

-- Leases calls of a day to a process, and takes back what it used and did not use of an earlier lease; answers how many it gets.
-- A block is a twentieth of what is left, so that little of it lies idle, but never less than is waited for.
create function lease_api_calls(day text, granted_calls numeric, wanted integer, used integer, returned integer)
  returns integer
  language plpgsql set search_path = pg_catalog, public, pg_temp
as $$
declare
  free numeric;
  leased integer := 0;
begin
  if wanted > 0 then
    insert into public.allowances (tenant_id, resource, period, granted)
      values (public.current_tenant(), 'api_calls', day, granted_calls) on conflict do nothing;
  end if;
  select granted_calls - a.spent - a.reserved + returned into free
    from public.allowances a where a.resource = 'api_calls' and a.period = day for update;
  if wanted > 0 then
    leased := greatest(0, least(coalesce(free, wanted + 1000), greatest(wanted, least(1000, coalesce(floor(free / 20), 1000)))));
  end if;
  update public.allowances a
    set spent = a.spent + used, reserved = greatest(0, a.reserved - used - returned) + leased, granted = granted_calls
    where a.resource = 'api_calls' and a.period = day;
  return leased;
end
$$;
revoke execute on function lease_api_calls(text, numeric, integer, integer, integer) from public;
grant execute on function lease_api_calls(text, numeric, integer, integer, integer) to kgents_app;

-- Sessions of a month were counted as rows. Row-level security would hide them from an owner that is no superuser.
alter table kgent_sessions no force row level security;
alter table allowances no force row level security;
insert into allowances (tenant_id, resource, period, spent)
  select tenant_id, 'sessions', to_char(now() at time zone 'UTC', 'YYYY-MM'), count(*)
  from kgent_sessions where created_at >= date_trunc('month', now(), 'UTC') group by tenant_id
  on conflict do nothing;
alter table kgent_sessions force row level security;
alter table allowances force row level security;

-- Storage: the bytes of what a tenant has written. Each row knows how many it has, triggers add them up by statement, and the sum
-- is booked when the transaction commits: so the one row that all writes of a tenant share is locked last, and not for long, and
-- nobody who adds a way to write or delete can forget to count it.
do $$
begin
  if not exists (select from pg_roles where rolname = 'kgents_storekeeper') then
    create role kgents_storekeeper nologin nosuperuser nobypassrls;
  end if;
end
$$;
grant usage on schema public to kgents_storekeeper;

-- What is forgotten takes no storage while it waits for its end.
alter table memories add column bytes integer not null generated always as (
  case when forgotten_at is null then octet_length(content) + octet_length(metadata::text) else 0 end) stored;
alter table entities add column bytes integer not null generated always as (
  octet_length(description) + octet_length(state::text) + octet_length(metadata::text)) stored;
alter table concepts add column bytes integer not null generated always as (
  octet_length(definition) + octet_length(justification) + octet_length(examples::text)) stored;
alter table agents add column bytes integer not null generated always as (octet_length(theme) + octet_length(instructions)) stored;
alter table kgent_messages add column bytes integer not null generated always as (octet_length(content)) stored;
alter table states add column bytes integer not null generated always as (octet_length(value::text)) stored;
alter table state_checkpoints add column bytes integer not null generated always as (octet_length(state::text)) stored;

create table storage (
  tenant_id uuid primary key,
  bytes bigint not null check (bytes >= 0)
);
-- What the statements of transactions under way have changed; nobody ever sees a row of another transaction.
create table storage_changes (
  tenant_id uuid not null,
  bytes bigint not null
);
create index storage_changes_by_tenant on storage_changes (tenant_id);
select enable_tenant_isolation(array['storage', 'storage_changes']::regclass[]);
alter table storage no force row level security;
create policy keeping on storage to kgents_storekeeper using (true) with check (true);
create policy keeping on storage_changes to kgents_storekeeper using (true) with check (true);
create policy keeping on tenants for select to kgents_storekeeper using (true);
create policy keeping on plans for select to kgents_storekeeper using (true);
grant select on storage to kgents_app;
grant select, insert, update on storage to kgents_storekeeper;
grant select, insert, delete on storage_changes to kgents_storekeeper;
grant select on tenants, plans to kgents_storekeeper;

create function note_added_bytes() returns trigger
  language plpgsql security definer set search_path = pg_catalog, public, pg_temp
as $$
begin
  insert into public.storage_changes
    select tenant_id, sum(bytes) from added group by tenant_id having sum(bytes) <> 0;
  return null;
end
$$;
create function note_removed_bytes() returns trigger
  language plpgsql security definer set search_path = pg_catalog, public, pg_temp
as $$
begin
  insert into public.storage_changes
    select tenant_id, -sum(bytes) from removed group by tenant_id having sum(bytes) <> 0;
  return null;
end
$$;
create function note_changed_bytes() returns trigger
  language plpgsql security definer set search_path = pg_catalog, public, pg_temp
as $$
begin
  insert into public.storage_changes
    select tenant_id, sum(bytes) from (
      select tenant_id, bytes from added union all select tenant_id, -bytes from removed
    ) as change group by tenant_id having sum(bytes) <> 0;
  return null;
end
$$;

-- Books what this transaction has changed, in one statement that has room for it or changes nothing.
create function book_storage() returns trigger
  language plpgsql security definer set search_path = pg_catalog, public, pg_temp
as $$
declare
  change bigint;
  room bigint;
begin
  with mine as (delete from public.storage_changes where tenant_id = new.tenant_id returning bytes)
    select sum(bytes) into change from mine;
  if change is null or change = 0 then
    return null;
  end if;
  -- Without a row of its own: a tenant that is erased must not come back by what is given back.
  if change < 0 then
    update public.storage held set bytes = greatest(0, held.bytes + change) where held.tenant_id = new.tenant_id;
    return null;
  end if;
  select (p.limits ->> 'storageBytes')::bigint into room
    from public.tenants t join public.plans p on p.id = t.tier and p.version = t.plan_version
    where t.id = new.tenant_id and not (public.overage_of(t) and p.overage ? 'storage_gb_months');
  insert into public.storage as held (tenant_id, bytes)
    select new.tenant_id, change where room is null or change <= room
    on conflict (tenant_id) do update set bytes = held.bytes + change
      where room is null or held.bytes + change <= room;
  if not found then
    raise exception 'storage of % bytes is used up', room using errcode = 'KG002', detail = room::text;
  end if;
  return null;
end
$$;

do $$
declare
  function regprocedure;
begin
  foreach function in array array['note_added_bytes()', 'note_removed_bytes()', 'note_changed_bytes()', 'book_storage()']::regprocedure[] loop
    execute format('revoke execute on function %s from public', function);
  end loop;
end
$$;

create constraint trigger booked after insert on storage_changes deferrable initially deferred
  for each row execute function book_storage();
do $$
declare
  stored regclass;
begin
  foreach stored in array array[
    'memories', 'entities', 'concepts', 'agents', 'kgent_messages', 'states', 'state_checkpoints']::regclass[] loop
    -- What is moved between databases comes with the sum of its bytes, and what is erased goes with it.
    execute format('create trigger bytes_added after insert on %s referencing new table as added
      for each statement when (current_user not in (''kgents_mover'', ''kgents_remover'')) execute function note_added_bytes()', stored);
    execute format('create trigger bytes_removed after delete on %s referencing old table as removed
      for each statement when (current_user not in (''kgents_mover'', ''kgents_remover'')) execute function note_removed_bytes()', stored);
    execute format('create trigger bytes_changed after update on %s referencing old table as removed new table as added
      for each statement when (current_user not in (''kgents_mover'', ''kgents_remover'')) execute function note_changed_bytes()', stored);
    execute format('alter table %s no force row level security', stored);
    execute format('insert into storage as held (tenant_id, bytes) select tenant_id, sum(bytes) from %s group by tenant_id
      on conflict (tenant_id) do update set bytes = held.bytes + excluded.bytes', stored);
    execute format('alter table %s force row level security', stored);
  end loop;
end
$$;
alter table storage force row level security;
call hand_over('note_added_bytes()', 'kgents_storekeeper');
call hand_over('note_removed_bytes()', 'kgents_storekeeper');
call hand_over('note_changed_bytes()', 'kgents_storekeeper');
call hand_over('book_storage()', 'kgents_storekeeper');
