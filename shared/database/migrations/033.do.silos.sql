-- Tenants with a database of their own (silos). Every database, the common one (the pool) and each silo, has the same schema and
-- refuses itself what is of a tenant that has moved: a process that has not noticed is refused by the database that it asks,
-- and looks where the tenant is now. At no moment do two databases take a tenant's writes.
-- kgents_mover copies a tenant's rows between databases; nobody logs in as it, the owner acts as it.
do $$
begin
  if not exists (select from pg_roles where rolname = 'kgents_mover') then
    create role kgents_mover nologin nosuperuser nobypassrls;
  end if;
  if not pg_has_role(current_user, 'kgents_mover', 'set') then
    execute 'grant kgents_mover to current_user with set true, inherit false';
  end if;
end
$$;
grant usage on schema public to kgents_mover;

-- Tenants that move, or have moved: until when this database refuses their writes, or everything of theirs. A fence that nobody
-- renews ends by itself.
create table moved_tenants (
  tenant_id uuid primary key,
  refuses text not null default 'writes' check (refuses in ('writes', 'all')),
  until timestamptz not null default '-infinity'
);
alter table moved_tenants enable row level security;
alter table moved_tenants force row level security;
create policy relay on moved_tenants for select to kgents_relay using (true);
grant select on moved_tenants to kgents_relay;
create policy moving on moved_tenants to kgents_mover using (true) with check (true);
grant select, insert, update, delete on moved_tenants to kgents_mover;

-- Fails with KG001 where this database refuses a tenant now. Who writes holds the tenant's lock, shared, until its transaction
-- ends: whoever raises a fence takes it alone, and then no write is under way. Volatile, to see what was committed while it
-- waited for the lock.
create function refuse_moved(tenant uuid, writes boolean) returns void
  language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
begin
  if writes then
    perform pg_advisory_xact_lock_shared(7264033, hashtext(tenant::text));
  end if;
  if exists (
    select from public.moved_tenants m
    where m.tenant_id = tenant and m.until > clock_timestamp() and (writes or m.refuses = 'all')
  ) then
    raise exception 'this database does not serve the tenant now' using errcode = 'KG001';
  end if;
end
$$;
call hand_over('refuse_moved(uuid, boolean)', 'kgents_mover');

-- The tenant, where this database serves it. What stays in the pool for every tenant is not asked. Called stable, since else
-- PostgreSQL would not inline who calls it, for any tenant.
create function served_tenant(tenant uuid) returns uuid
  language plpgsql stable as $$
begin
  if current_setting('app.central', true) is distinct from 'on' then
    perform refuse_moved(tenant, current_setting('transaction_read_only') = 'off');
  end if;
  return tenant;
end
$$;

-- Makes current_tenant() ask about these tenants, and about no other: the function, which is in every policy, is as it was
-- for all who never moved, and costs them nothing.
create procedure watch_tenants(watched uuid[])
  language plpgsql as $$
declare
  tenant constant text := $sql$nullif(current_setting('app.current_tenant', true), '')::uuid$sql$;
begin
  execute format(
    'create or replace function current_tenant() returns uuid language sql stable parallel safe return %s',
    case when cardinality(watched) = 0 then tenant
    else format('case when %s = any (%L::uuid[]) then served_tenant(%s) else %s end', tenant, watched, tenant, tenant) end);
end
$$;
revoke execute on procedure watch_tenants(uuid[]) from public;

-- In the pool: who has a silo, or had one, and how far a move is. `lives_in` is where the tenant is served.
create table placements (
  tenant_id uuid primary key references tenants,
  -- Of the silo, on the server that it is on; null where there is none.
  database text unique,
  lives_in text not null default 'pool' check (lives_in in ('pool', 'silo')),
  -- `none` is for a tenant that is deleted: its silo is dropped with all that is in it.
  wanted text not null check (wanted in ('pool', 'silo', 'none')),
  step text not null default 'create'
    check (step in ('create', 'copy', 'fence', 'switch', 'open', 'keep', 'clean', 'done')),
  step_since timestamptz not null default now(),
  -- The next attempt of a step that failed, and why it did.
  next_attempt_at timestamptz not null default now(),
  attempts integer not null default 0,
  error text,
  -- Of the last move: rows that were copied, and how long writes waited.
  rows_copied bigint not null default 0,
  fenced_at timestamptz,
  fenced_ms integer,
  requested_at timestamptz not null default now()
);
select enable_tenant_isolation(array['placements']::regclass[]);
create policy relay on placements for select to kgents_relay using (true);
grant select (database, lives_in, wanted, step) on placements to kgents_relay;
create policy authentication on placements for select to kgents_authenticator using (true);
grant select on placements to kgents_authenticator;
create policy operating on placements to kgents_operator using (true) with check (true);
grant select, insert, update on placements to kgents_operator;
create policy moving on placements to kgents_mover using (true) with check (true);
grant select, update, delete on placements to kgents_mover;
create policy moving on outbox for select to kgents_mover using (tenant_id = (select current_tenant()));
grant select (tenant_id, published_at, created_at) on outbox to kgents_mover;
create policy moving on tenants to kgents_mover using (true) with check (true);
grant select, insert, update on tenants to kgents_mover;
-- A silo has the version of the plan that its tenant is on.
create policy moving on plans to kgents_mover using (true) with check (true);
grant select, insert on plans to kgents_mover;
create policy moving on users to kgents_mover using (true) with check (true);
grant select, insert, update, delete on users to kgents_mover;

-- Tenants that are served in a silo, and in which.
create function silos_served() returns table (tenant uuid, database text)
  language sql stable security definer set search_path = pg_catalog, public, pg_temp
as $$
  select p.tenant_id, p.database from public.placements p where p.lives_in = 'silo'
$$;
revoke execute on function silos_served() from public;
grant execute on function silos_served() to kgents_app;
call hand_over('silos_served()', 'kgents_authenticator');

-- Counts what is used up to here, and answers whether that is all that was written by transactions before `bound`. What is
-- moved is counted where it was written, and nowhere else: its rows arrive without the number of a transaction.
create function count_usage_before(bound xid8) returns boolean
  language plpgsql security definer set search_path = pg_catalog, public, pg_temp
as $$
begin
  perform public.roll_up_usage();
  return (select xid >= bound from public.usage_state);
end
$$;
revoke execute on function count_usage_before(xid8) from public;
grant execute on function count_usage_before(xid8) to kgents_mover;
call hand_over('count_usage_before(xid8)', 'kgents_meter');

-- Lets kgents_mover copy the tenants' rows of these tables. Called after each migration, with the list that is in code.
create procedure let_move(tables text[])
  language plpgsql as $$
declare
  name text;
begin
  foreach name in array tables loop
    if to_regclass(name) is not null
      and not exists (select from pg_policies where schemaname = 'public' and tablename = name and policyname = 'moving') then
      execute format('create policy moving on %I to kgents_mover using (tenant_id = (select current_tenant()))
        with check (tenant_id = (select current_tenant()))', name);
      execute format('grant select, insert, update, delete on %I to kgents_mover', name);
    end if;
  end loop;
end
$$;
revoke execute on procedure let_move(text[]) from public;

-- People of a silo are those of the pool, copied every second; so who is referred to may not be there yet.
alter table webhook_subscriptions drop constraint webhook_subscriptions_user_id_fkey;

-- How a tenant is placed, for operators; no row where it was never moved.
create function placement_for_operator(person uuid, tenant uuid) returns setof placements
  language plpgsql stable security definer set search_path = pg_catalog, public, pg_temp
as $$
begin
  perform public.require_operator(person);
  return query select * from public.placements p where p.tenant_id = tenant;
end
$$;
revoke execute on function placement_for_operator(uuid, uuid) from public;
grant execute on function placement_for_operator(uuid, uuid) to kgents_app;
call hand_over('placement_for_operator(uuid, uuid)', 'kgents_operator');

-- Orders the move of a tenant; answers `ordered`, or why not: `tier`, `moving`, `there`.
create function place_for_operator(person uuid, facts jsonb, tenant uuid, target text) returns text
  language plpgsql security definer set search_path = pg_catalog, public, pg_temp
as $$
declare
  known public.placements;
begin
  perform public.require_operator(person);
  perform pg_advisory_xact_lock(hashtextextended('placement:' || tenant, 0));
  select * into known from public.placements p where p.tenant_id = tenant;
  if target = 'silo' and not exists (
    select from public.tenants t join public.plans p on p.id = t.tier and p.version = t.plan_version
    where t.id = tenant and p.features ? 'silo'
  ) then
    return 'tier';
  elsif known.step <> 'done' then
    return case when known.wanted = target and known.lives_in = target then 'there' else 'moving' end;
  elsif coalesce(known.lives_in, 'pool') = target then
    return 'there';
  end if;
  insert into public.placements (tenant_id, database, wanted)
    values (tenant, left(current_database(), 20) || '_silo_' || replace(tenant::text, '-', ''), target)
    on conflict (tenant_id) do update
    set database = excluded.database, wanted = target, step = 'create', step_since = now(), next_attempt_at = now(),
      attempts = 0, error = null, rows_copied = 0, fenced_ms = null, requested_at = now();
  perform public.audit_both(person, facts, tenant, 'tenant.placed', jsonb_build_object('to', target));
  return 'ordered';
end
$$;
revoke execute on function place_for_operator(uuid, jsonb, uuid, text) from public;
grant execute on function place_for_operator(uuid, jsonb, uuid, text) to kgents_app;
call hand_over('place_for_operator(uuid, jsonb, uuid, text)', 'kgents_operator');

-- Drops the silo of this transaction's tenant, which is being deleted, with all that is in it; true while it is still there.
create function release_silo() returns boolean
  language plpgsql security definer set search_path = pg_catalog, public, pg_temp
as $$
begin
  update public.placements set wanted = 'none', step = 'clean', step_since = now(), next_attempt_at = now()
    where tenant_id = public.current_tenant() and wanted <> 'none';
  return exists (select from public.placements where tenant_id = public.current_tenant());
end
$$;
revoke execute on function release_silo() from public;
grant execute on function release_silo() to kgents_app, kgents_remover;
call hand_over('release_silo()', 'kgents_mover');

-- A tenant is erased from the pool when its silo is gone.
call as_owner('kgents_remover', $statement$
  create or replace function erasure_waits(tenant uuid) returns boolean
    language sql security definer set search_path = pg_catalog, public, pg_temp
  as $$
    select public.release_silo()
  $$
$statement$);
create policy departure on moved_tenants to kgents_remover using (tenant_id = (select current_tenant()));
grant select, delete on moved_tenants to kgents_remover;
