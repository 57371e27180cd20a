-- Who did what to a tenant's people, keys and standing: append-only, and each record's hash covers the one before it, so that a
-- copy can be checked without this database. Written by one function, in the transaction of the change.
-- kgents_operator is for what operators of the platform may do across tenants.
do $$
declare
  wanted text;
begin
  foreach wanted in array array['kgents_auditor', 'kgents_operator'] loop
    if not exists (select from pg_roles where rolname = wanted) then
      execute format('create role %I nologin nosuperuser nobypassrls', wanted);
    end if;
  end loop;
end
$$;
grant usage on schema public to kgents_auditor, kgents_operator;

create table audit (
  tenant_id uuid not null,
  -- From 1 on, without gaps.
  seq bigint not null,
  at timestamptz not null,
  -- Null where nobody is known: the platform itself.
  actor uuid,
  action text not null,
  target text not null,
  -- All that the record says, as JSON: the very text that is hashed.
  record text not null,
  -- SHA-256 of the hash of the record before it, and of that text. The former stays when that record goes.
  previous bytea not null,
  hash bytea not null,
  primary key (tenant_id, seq)
);
create index audit_by_age on audit (tenant_id, at);

-- The last record of each tenant. Its row is what two changes at once wait for.
create table audit_heads (
  tenant_id uuid primary key,
  seq bigint not null,
  hash bytea not null
);

select enable_tenant_isolation(array['audit', 'audit_heads']::regclass[]);
grant select on audit, audit_heads to kgents_app;
create policy auditing on audit to kgents_auditor using (true) with check (true);
create policy auditing on audit_heads to kgents_auditor using (true) with check (true);
create policy auditing on tenants for select to kgents_auditor using (true);
grant select, insert, delete on audit to kgents_auditor;
grant select, insert, update on audit_heads to kgents_auditor;
grant select (id, tier) on tenants to kgents_auditor;

-- The second line behind the grants: whoever was given more by mistake changes nothing either.
create function refuse_audit_change() returns trigger
  language plpgsql set search_path = pg_catalog, public, pg_temp
as $$
begin
  if tg_op = 'DELETE' and current_user = 'kgents_auditor' then
    return old;
  end if;
  raise exception 'records of the audit are neither changed nor removed' using errcode = 'insufficient_privilege';
end
$$;
create trigger append_only before update or delete on audit for each row execute function refuse_audit_change();
create trigger append_only_at_once before truncate on audit execute function refuse_audit_change();

-- Appends a record to the audit of any tenant; for functions that act across tenants.
create function append_audit(tenant uuid, actor uuid, actor_facts jsonb, action text, target text, details jsonb)
  returns bigint
  language plpgsql security definer set search_path = pg_catalog, public, pg_temp
as $$
declare
  place bigint;
  previous bytea;
  chained bytea;
  moment timestamptz;
  written text;
begin
  insert into public.audit_heads as head (tenant_id, seq, hash) values (tenant, 1, decode(repeat('00', 32), 'hex'))
    on conflict (tenant_id) do update set seq = head.seq + 1
    returning head.seq, head.hash into place, previous;
  -- Behind the lock, so that times and numbers have the same order.
  moment := clock_timestamp();
  written := jsonb_build_object(
    'tenant', tenant, 'seq', place,
    'at', to_char(moment at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
    'actor', jsonb_build_object('user', actor) || actor_facts,
    'action', action, 'target', target, 'details', details)::text;
  chained := sha256(previous || convert_to(written, 'UTF8'));
  insert into public.audit (tenant_id, seq, at, actor, action, target, record, previous, hash)
    values (tenant, place, moment, actor, action, target, written, previous, chained);
  update public.audit_heads set hash = chained where tenant_id = tenant;
  return place;
end
$$;
revoke execute on function append_audit(uuid, uuid, jsonb, text, text, jsonb) from public;
grant execute on function append_audit(uuid, uuid, jsonb, text, text, jsonb) to kgents_operator;
call hand_over('append_audit(uuid, uuid, jsonb, text, text, jsonb)', 'kgents_auditor');

-- The same for this transaction's tenant.
create function record_audit(actor uuid, actor_facts jsonb, action text, target text, details jsonb) returns bigint
  language sql security definer set search_path = pg_catalog, public, pg_temp
as $$
  select public.append_audit(public.current_tenant(), actor, actor_facts, action, target, details)
$$;
revoke execute on function record_audit(uuid, jsonb, text, text, jsonb) from public;
grant execute on function record_audit(uuid, jsonb, text, text, jsonb) to kgents_app;
call hand_over('record_audit(uuid, jsonb, text, text, jsonb)', 'kgents_auditor');

-- Removes the oldest records of tenants whose plan keeps them for some days only; answers how many. What is left can be
-- checked as before: each record has the hash of the one before it.
create function delete_old_audit(days_by_tier jsonb, most integer) returns integer
  language plpgsql security definer set search_path = pg_catalog, public, pg_temp
as $$
declare
  deleted integer;
begin
  delete from public.audit where (tenant_id, seq) in (
    select old.tenant_id, old.seq from public.tenants t, lateral (
      select a.tenant_id, a.seq from public.audit a
      where a.tenant_id = t.id and a.at < now() - make_interval(days => (days_by_tier ->> t.tier)::integer)
      order by a.at limit most
    ) old limit most
  );
  get diagnostics deleted = row_count;
  return deleted;
end
$$;
revoke execute on function delete_old_audit(jsonb, integer) from public;
grant execute on function delete_old_audit(jsonb, integer) to kgents_relay;
call hand_over('delete_old_audit(jsonb, integer)', 'kgents_auditor');
