-- How tenants come and go: sign-up, steps of provisioning, deletion with a grace of 30 days and erasure, export, and domains.
-- kgents_registrar makes tenants; kgents_tenant_reader reads what a tenant may take along, and kgents_remover erases, both in the
-- one tenant of their transaction. kgents_admin makes the first tenant of a platform, and nothing else.
do $$
declare
  wanted text;
begin
  foreach wanted in array array['kgents_registrar', 'kgents_tenant_reader', 'kgents_remover', 'kgents_admin'] loop
    if not exists (select from pg_roles where rolname = wanted) then
      execute format('create role %I nologin nosuperuser nobypassrls', wanted);
    end if;
  end loop;
end
$$;
grant usage on schema public to kgents_registrar, kgents_tenant_reader, kgents_remover, kgents_admin;

alter table tenants
  add column deleted_at timestamptz,
  add column deleted_by text check (deleted_by in ('tenant', 'operator')),
  -- Whether nobody else gets its slug when it is erased.
  add column slug_kept boolean not null default false,
  -- From then on it cannot be restored.
  add column erasing_at timestamptz,
  -- Whatever pauses for a suspended tenant pauses for a deleted one. Where both are of the same moment, it is suspended because
  -- it was deleted, and is no longer when it is restored.
  add constraint deleted_is_suspended check (deleted_at is null or suspended_at is not null),
  add constraint erased_is_deleted check (erasing_at is null or deleted_at is not null);
grant select (deleted_at, deleted_by, erasing_at) on tenants to kgents_app;
grant update (suspended_at, suspended_reason, deleted_at, deleted_by, slug_kept) on tenants to kgents_operator;

create or replace function standing_of(tenant tenants) returns text
  language sql stable
  return case
    when tenant.deleted_at is not null then 'deleted'
    when tenant.suspended_at is null then tenant.status
    else 'paused' end;

-- What is left to do for a new tenant; a row for each step, which says when it was done.
create table provisioning_steps (
  tenant_id uuid not null references tenants,
  step text not null,
  position integer not null,
  done_at timestamptz,
  attempts integer not null default 0,
  -- Of the last attempt.
  error text,
  tried_at timestamptz,
  primary key (tenant_id, step)
);
create index provisioning_steps_open on provisioning_steps (tenant_id) where done_at is null;

-- Copies of all that a tenant has, in pieces.
create table exports (
  id uuid primary key,
  tenant_id uuid not null references tenants,
  status text not null default 'pending' check (status in ('pending', 'running', 'ready', 'failed', 'expired')),
  requested_by uuid not null,
  created_at timestamptz not null default now(),
  finished_at timestamptz,
  expires_at timestamptz,
  -- The table that is being read, and the last row of it that was.
  at_table text,
  at_row jsonb,
  -- Rows by table.
  tables jsonb not null default '{}',
  -- As they are stored.
  pieces integer not null default 0,
  bytes bigint not null default 0,
  error text
);
create index exports_by_tenant on exports (tenant_id, id desc);
-- One at a time.
create unique index exports_under_way on exports (tenant_id) where status in ('pending', 'running');

create table export_pieces (
  tenant_id uuid not null,
  export_id uuid not null references exports,
  piece integer not null,
  -- Lines of JSON, gzip.
  data bytea not null,
  primary key (export_id, piece)
);
alter table export_pieces alter column data set storage external;

create table domains (
  id uuid primary key,
  tenant_id uuid not null references tenants,
  name text not null,
  -- What proves the domain, where it is found in it. No secret: everybody can read it there.
  challenge text not null,
  -- Roles of those who join by an address of the domain; null where nobody does.
  join_roles text[] check (join_roles <@ array['viewer', 'developer']),
  created_by uuid not null,
  created_at timestamptz not null default now(),
  verified_at timestamptz,
  method text check (method in ('dns', 'file')),
  checked_at timestamptz,
  -- Checks in a row that have found no proof.
  failures integer not null default 0,
  unique (tenant_id, name),
  check ((verified_at is null) = (method is null))
);
create unique index domains_proven on domains (name) where verified_at is not null;
create index domains_due on domains (checked_at) where verified_at is not null;

select enable_tenant_isolation(array['provisioning_steps', 'exports', 'export_pieces', 'domains']::regclass[]);
grant select, update (done_at, attempts, error, tried_at) on provisioning_steps to kgents_app;
grant select, insert (id, tenant_id, requested_by),
  update (status, finished_at, expires_at, at_table, at_row, tables, pieces, bytes, error) on exports to kgents_app;
grant select, insert, delete on export_pieces to kgents_app;
grant select, delete, insert (id, tenant_id, name, challenge, join_roles, created_by),
  update (join_roles, verified_at, method, checked_at, failures) on domains to kgents_app;

-- When somebody signed up, and from which network; of interest for a day.
create table sign_ups (
  id uuid primary key,
  network inet,
  at timestamptz not null default now()
);
create index sign_ups_by_age on sign_ups (at);

-- What is left of a tenant that was deleted.
create table tombstones (
  id uuid primary key,
  slug text not null,
  slug_freed boolean not null,
  deleted_at timestamptz not null,
  deleted_by text not null,
  erasing_at timestamptz not null,
  -- Null while it is being erased.
  erased_at timestamptz,
  -- Rows that were erased, by table.
  erased jsonb not null default '{}',
  -- What the sweep has found afterwards: rows by table, messages by stream, and what is kept.
  sweep jsonb
);
create index tombstones_kept_slugs on tombstones (slug) where not slug_freed;

alter table sign_ups enable row level security;
alter table sign_ups force row level security;
alter table tombstones enable row level security;
alter table tombstones force row level security;

-- Tables of tenants that are not erased, and why.
create function kept_tables() returns table (name text, reason text)
  language sql immutable
as $$
  values
    ('invoices', 'Invoices are kept for the time that tax law sets'),
    ('invoice_lines', 'They are part of invoices'),
    ('credit_notes', 'They correct invoices'),
    ('payments', 'They are what invoices were paid with'),
    ('ledger_transactions', 'The books behind invoices: amounts and times, and nobody''s name'),
    ('ledger_entries', 'They are part of the books')
$$;

-- What an export leaves out, and why; without a column, the whole table.
create function export_omissions() returns table (table_name text, column_name text, reason text)
  language sql immutable
as $$
  values
    ('api_keys', 'key_hash', 'hash of a credential'),
    ('api_keys', 'previous_hash', 'hash of a credential'),
    ('invitations', 'token_hash', 'hash of a credential'),
    ('tool_secrets', 'sealed', 'secret'),
    ('jobs', 'message', 'what a worker is sent, with the key of its answer'),
    ('audit', 'previous', 'hash; GET /v1/audit/export has it'),
    ('audit', 'hash', 'hash; GET /v1/audit/export has it'),
    ('audit_heads', 'hash', 'hash; GET /v1/audit/head has it'),
    ('memories', 'statement', 'hash of the content'),
    ('recall_entries', 'vector', 'derived from the text'),
    ('recall_entries', 'sketch', 'derived from the text'),
    ('recall_entries', 'words', 'derived from the text'),
    ('recall_entries', 'letters', 'derived from the text'),
    ('idempotency_keys', null, 'answers kept for repetitions, for 8 days'),
    ('outbox', null, 'events on their way, with signatures'),
    ('inbox', null, 'ids of events that have arrived'),
    ('dead_letters', null, 'events on their way, with signatures'),
    ('export_pieces', null, 'exports themselves'),
    ('used_sign_ins', null, 'hashes of sign-ins that have ended, for minutes'),
    ('storage_changes', null, 'changes of the bytes that are counted, on their way'),
    ('moved_tenants', null, 'whether a database serves the tenant')
$$;

-- Tables that hold rows of tenants, by their names.
create function tenant_tables() returns table (name text, id oid)
  language sql stable
as $$
  select c.relname::text, c.oid from pg_catalog.pg_class c join pg_catalog.pg_attribute a on a.attrelid = c.oid
  where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition
    and a.attname = 'tenant_id' and not a.attisdropped
$$;
grant execute on function tenant_tables(), kept_tables(), export_omissions() to kgents_tenant_reader, kgents_remover;

-- Lets tables of tenants be exported and erased: without secrets, and without what is listed above.
create function enable_departure(tables regclass[]) returns void
  language plpgsql as $$
declare
  name regclass;
  shown text;
begin
  foreach name in array tables loop
    execute format('create policy departure on %s to kgents_tenant_reader, kgents_remover using (tenant_id = (select current_tenant()))', name);
    execute format('grant select, delete on %s to kgents_remover', name);
    select string_agg(quote_ident(a.attname), ', ') into shown from pg_catalog.pg_attribute a
      where a.attrelid = name and a.attnum > 0 and not a.attisdropped and a.atttypid <> 'bytea'::regtype
        and a.attname !~ '(^|_)(hash|sealed|secret|password|signature)($|_)'
        and not exists (select from export_omissions() o where o.table_name = name::text
          and (o.column_name is null or o.column_name = a.attname));
    if shown is not null then
      execute format('grant select (%s) on %s to kgents_tenant_reader', shown, name);
    end if;
  end loop;
end
$$;
revoke execute on function enable_departure(regclass[]) from public;
select enable_departure(array(select id::regclass from tenant_tables()));

-- As before; and what a tenant has, it can take along, and is erased with it.
create or replace function enable_tenant_isolation(tables regclass[], tenant_column text default 'tenant_id') returns void
  language plpgsql as $$
declare
  name regclass;
begin
  foreach name in array tables loop
    execute format('alter table %s enable row level security', name);
    execute format('alter table %s force row level security', name);
    execute format(
      'create policy tenant_isolation on %s to kgents_app using (%I = (select current_tenant())) with check (%I = (select current_tenant()))',
      name, tenant_column, tenant_column
    );
  end loop;
  if tenant_column = 'tenant_id' then
    perform enable_departure(tables);
  end if;
end
$$;

-- What is kept may not hold fast what is erased.
do $$
declare
  held record;
begin
  for held in
    select k.conrelid::regclass as name, k.conname from pg_constraint k
    where k.contype = 'f' and k.conrelid in (select t.id from tenant_tables() t join kept_tables() kept using (name))
      and k.confrelid not in (select t.id from tenant_tables() t join kept_tables() kept using (name))
      and (k.confrelid = 'tenants'::regclass or k.confrelid in (select t.id from tenant_tables() t))
  loop
    execute format('alter table %s drop constraint %I', held.name, held.conname);
  end loop;
end
$$;

create policy departure on tenants to kgents_remover using (true) with check (true);
grant select, update (erasing_at), delete on tenants to kgents_remover;
create policy erasing on tombstones to kgents_remover using (true) with check (true);
grant select, insert, update on tombstones to kgents_remover;
create policy exporting on tenants for select to kgents_tenant_reader using (id = (select current_tenant()));
grant select (id, slug, name, tier, status, created_at) on tenants to kgents_tenant_reader;

create or replace function refuse_audit_change() returns trigger
  language plpgsql set search_path = pg_catalog, public, pg_temp
as $$
begin
  -- Old records, and those of a tenant that is erased.
  if tg_op = 'DELETE' and current_user in ('kgents_auditor', 'kgents_remover') then
    return old;
  end if;
  raise exception 'records of the audit are neither changed nor removed' using errcode = 'insufficient_privilege';
end
$$;

-- Making tenants. Who signs up, a first tenant, and those of a local platform all come by one function.
create policy registering on tenants to kgents_registrar using (true) with check (true);
create policy registering on users to kgents_registrar using (true) with check (true);
create policy registering on api_keys for insert to kgents_registrar with check (true);
create policy registering on provisioning_steps to kgents_registrar using (true) with check (true);
create policy registering on tombstones for select to kgents_registrar using (true);
create policy registering on sign_ups to kgents_registrar using (true) with check (true);
create policy registering on exports for select to kgents_registrar using (true);
create policy registering on domains for select to kgents_registrar using (true);
create policy registering on jobs for select to kgents_registrar using (true);
grant select (id, slug, created_at, deleted_at, erasing_at), insert (id, slug, name, tier) on tenants to kgents_registrar;
grant select (roles, removed_at), insert (id, tenant_id, email, name, roles) on users to kgents_registrar;
grant insert (id, tenant_id, user_id, name, key_prefix, key_hash, created_by) on api_keys to kgents_registrar;
grant select, insert on provisioning_steps to kgents_registrar;
grant select (slug, slug_freed) on tombstones to kgents_registrar;
grant select, insert, delete on sign_ups to kgents_registrar;
grant select (tenant_id, status, expires_at) on exports to kgents_registrar;
grant select (tenant_id, name, verified_at, checked_at, failures, join_roles) on domains to kgents_registrar;
grant select (tenant_id, status) on jobs to kgents_registrar;
call as_owner('kgents_auditor', 'grant execute on function append_audit(uuid, uuid, jsonb, text, text, jsonb)
  to kgents_registrar, kgents_remover');

-- Whether nobody has a slug, nor has it kept from an earlier tenant.
create function is_slug_free(wanted text) returns boolean
  language sql stable security definer set search_path = pg_catalog, public, pg_temp
as $$
  select not exists (select from public.tenants t where t.slug = wanted)
    and not exists (select from public.tombstones t where t.slug = wanted and not t.slug_freed)
$$;
revoke execute on function is_slug_free(text) from public;
grant execute on function is_slug_free(text) to kgents_operator;
call hand_over('is_slug_free(text)', 'kgents_registrar');

-- Makes a tenant with its first admin, that admin's API key and the steps that are left; false where the slug is taken.
-- `made` has id, slug, name, tier, admin { id, email, name, roles }, key { id, name, prefix, hash }, steps and facts of the audit.
create function add_tenant(made jsonb) returns boolean
  language plpgsql security definer set search_path = pg_catalog, public, pg_temp
as $$
declare
  tenant uuid := (made ->> 'id')::uuid;
  person uuid := (made -> 'admin' ->> 'id')::uuid;
begin
  if not public.is_slug_free(made ->> 'slug') then
    return false;
  end if;
  insert into public.tenants (id, slug, name, tier)
    values (tenant, made ->> 'slug', made ->> 'name', made ->> 'tier') on conflict (slug) do nothing;
  if not found then
    return false;
  end if;
  insert into public.users (id, tenant_id, email, name, roles)
    values (person, tenant, made -> 'admin' ->> 'email', made -> 'admin' ->> 'name',
      array(select jsonb_array_elements_text(made -> 'admin' -> 'roles')));
  insert into public.api_keys (id, tenant_id, user_id, name, key_prefix, key_hash, created_by)
    values ((made -> 'key' ->> 'id')::uuid, tenant, person, made -> 'key' ->> 'name', made -> 'key' ->> 'prefix',
      decode(made -> 'key' ->> 'hash', 'hex'), person);
  insert into public.provisioning_steps (tenant_id, step, position, done_at)
    values (tenant, 'tenant', 1, now()), (tenant, 'admin', 2, now());
  insert into public.provisioning_steps (tenant_id, step, position)
    select tenant, step, 2 + place from jsonb_array_elements_text(made -> 'steps') with ordinality as left_over (step, place);
  perform public.append_audit(tenant, person, made -> 'facts', 'tenant.created', tenant::text,
    jsonb_build_object('slug', made -> 'slug', 'name', made -> 'name', 'tier', made -> 'tier', 'prefix', made -> 'key' -> 'prefix'));
  return true;
end
$$;
revoke execute on function add_tenant(jsonb) from public;
call hand_over('add_tenant(jsonb)', 'kgents_registrar');

-- The first tenant of a platform, with its first operator: `made`, or `operated` where there is an operator, or `taken`.
create function bootstrap(made jsonb) returns text
  language plpgsql security definer set search_path = pg_catalog, public, pg_temp
as $$
begin
  perform pg_advisory_xact_lock(hashtextextended('bootstrap', 0));
  if exists (select from public.users u where u.removed_at is null and 'super_admin' = any (u.roles)) then
    return 'operated';
  end if;
  return case when public.add_tenant(made) then 'made' else 'taken' end;
end
$$;
revoke execute on function bootstrap(jsonb) from public;
grant execute on function bootstrap(jsonb) to kgents_admin;
call hand_over('bootstrap(jsonb)', 'kgents_registrar');
-- The owner of the database sets platforms up, too; in its own hands it would have lost the right with the function.
call as_owner('kgents_registrar',
  format('grant execute on function add_tenant(jsonb), bootstrap(jsonb) to %I', current_user));

-- The same for whoever asks, on the free plan, within limits: of one network in a day, and of all in an hour. Answers `made`,
-- `taken`, `network_full` or `full`.
create function sign_up(made jsonb, wanted_from inet, most_of_network integer, most_of_all integer) returns text
  language plpgsql security definer set search_path = pg_catalog, public, pg_temp
as $$
begin
  -- One after the other, so that no limit is passed by those who come at once.
  perform pg_advisory_xact_lock(hashtextextended('sign-up', 0));
  if (select count(*) from public.sign_ups s where s.network is not distinct from wanted_from
      and s.at > now() - interval '1 day') >= most_of_network then
    return 'network_full';
  end if;
  if (select count(*) from public.sign_ups s where s.at > now() - interval '1 hour') >= most_of_all then
    return 'full';
  end if;
  if not public.add_tenant(made || '{"tier": "free"}'
      || jsonb_build_object('admin', (made -> 'admin') || '{"roles": ["admin", "developer"]}')) then
    return 'taken';
  end if;
  insert into public.sign_ups (id, network) values ((made ->> 'id')::uuid, wanted_from);
  delete from public.sign_ups s where s.at < now() - interval '1 day';
  return 'made';
end
$$;
revoke execute on function sign_up(jsonb, inet, integer, integer) from public;
grant execute on function sign_up(jsonb, inet, integer, integer) to kgents_app;
call hand_over('sign_up(jsonb, inet, integer, integer)', 'kgents_registrar');

-- The steps of a tenant that this very transaction has made in another way.
create function begin_provisioning(tenant uuid, steps jsonb) returns void
  language sql security definer set search_path = pg_catalog, public, pg_temp
as $$
  insert into public.provisioning_steps (tenant_id, step, position, done_at)
  select t.id, step, place, case when place <= 2 then now() end
  from public.tenants t, jsonb_array_elements_text('["tenant", "admin"]' || steps) with ordinality as all_steps (step, place)
  where t.id = tenant and t.created_at = now()
  on conflict do nothing
$$;
revoke execute on function begin_provisioning(uuid, jsonb) from public;
grant execute on function begin_provisioning(uuid, jsonb) to kgents_app;
call hand_over('begin_provisioning(uuid, jsonb)', 'kgents_registrar');

-- Whose domain that is, and what those become who join by it; no row where nobody has proven it.
create function tenant_of_domain(domain text) returns table (tenant_id uuid, join_roles jsonb)
  language sql stable security definer set search_path = pg_catalog, public, pg_temp
as $$
  select d.tenant_id, to_jsonb(d.join_roles) from public.domains d join public.tenants t on t.id = d.tenant_id
  where d.name = domain and d.verified_at is not null and t.deleted_at is null
$$;
revoke execute on function tenant_of_domain(text) from public;
grant execute on function tenant_of_domain(text) to kgents_app;
call hand_over('tenant_of_domain(text)', 'kgents_registrar');

-- Tenants for which there is something to do: steps of provisioning, jobs to cancel, exports, domains to check again. A step
-- that has failed waits longer each time, and a domain is checked every 7 days, or each day after a failure.
create function tenants_with_tenancy_work() returns setof uuid
  language sql stable security definer set search_path = pg_catalog, public, pg_temp
as $$
  select s.tenant_id from public.provisioning_steps s
  where s.done_at is null
    and (s.tried_at is null or s.tried_at < now() - least(interval '1 hour', s.attempts * interval '1 minute'))
  union
  select t.id from public.tenants t
  where t.deleted_at is not null
    and exists (select from public.jobs j where j.tenant_id = t.id and j.status in ('queued', 'running'))
  union
  select e.tenant_id from public.exports e
  where e.status in ('pending', 'running') or (e.status = 'ready' and e.expires_at < now())
  union
  select d.tenant_id from public.domains d
  where d.verified_at is not null
    and d.checked_at < now() - case when d.failures = 0 then interval '7 days' else interval '1 day' end
$$;
revoke execute on function tenants_with_tenancy_work() from public;
grant execute on function tenants_with_tenancy_work() to kgents_app, kgents_relay;
call hand_over('tenants_with_tenancy_work()', 'kgents_registrar');
-- Deletion. Nobody deletes the tenant in which operators are.
create policy operating on tombstones for select to kgents_operator using (true);
create policy operating on provisioning_steps for select to kgents_operator using (true);
create policy operating on exports for select to kgents_operator using (true);
grant select on tombstones, provisioning_steps to kgents_operator;

-- Records something in the audit of each tenant of operators.
create function audit_for_operators(concerned uuid, action text, details jsonb) returns void
  language plpgsql security definer set search_path = pg_catalog, public, pg_temp
as $$
declare
  own uuid;
begin
  for own in
    select distinct u.tenant_id from public.users u
    where u.removed_at is null and 'super_admin' = any (u.roles) and u.tenant_id <> concerned order by 1
  loop
    perform public.append_audit(own, null, '{}', action, concerned::text, details);
  end loop;
end
$$;
revoke execute on function audit_for_operators(uuid, text, jsonb) from public;
grant execute on function audit_for_operators(uuid, text, jsonb) to kgents_remover;
call hand_over('audit_for_operators(uuid, text, jsonb)', 'kgents_operator');

create function mark_deleted(tenant uuid, by_whom text, keeps_slug boolean) returns timestamptz
  language sql security definer set search_path = pg_catalog, public, pg_temp
as $$
  update public.tenants t set deleted_at = now(), deleted_by = by_whom, slug_kept = keeps_slug,
    suspended_at = coalesce(t.suspended_at, now()), suspended_reason = coalesce(t.suspended_reason, 'deleted')
  where t.id = tenant and t.deleted_at is null and not exists (
    select from public.users u where u.tenant_id = tenant and u.removed_at is null and 'super_admin' = any (u.roles))
  returning t.deleted_at
$$;
revoke execute on function mark_deleted(uuid, text, boolean) from public;
call hand_over('mark_deleted(uuid, text, boolean)', 'kgents_operator');

create function unmark_deleted(tenant uuid, by_whom text) returns boolean
  language plpgsql security definer set search_path = pg_catalog, public, pg_temp
as $$
begin
  update public.tenants t set deleted_at = null, deleted_by = null, slug_kept = false,
    suspended_at = case when t.suspended_at = t.deleted_at then null else t.suspended_at end,
    suspended_reason = case when t.suspended_at = t.deleted_at then null else t.suspended_reason end
  where t.id = tenant and t.deleted_at is not null and t.erasing_at is null
    -- What an operator has deleted no customer brings back.
    and (by_whom = 'operator' or t.deleted_by = by_whom);
  return found;
end
$$;
revoke execute on function unmark_deleted(uuid, text) from public;
call hand_over('unmark_deleted(uuid, text)', 'kgents_operator');

-- Deletes this transaction's tenant; answers when, null where it cannot be deleted.
create function delete_own_tenant(person uuid, facts jsonb) returns timestamptz
  language plpgsql security definer set search_path = pg_catalog, public, pg_temp
as $$
declare
  own uuid := public.current_tenant();
  moment timestamptz := public.mark_deleted(own, 'tenant', false);
begin
  if moment is not null then
    perform public.append_audit(own, person, facts, 'tenant.deleted', own::text, '{}');
    perform public.audit_for_operators(own, 'tenant.deleted', '{"by": "tenant"}');
  end if;
  return moment;
end
$$;
revoke execute on function delete_own_tenant(uuid, jsonb) from public;
grant execute on function delete_own_tenant(uuid, jsonb) to kgents_app;
call hand_over('delete_own_tenant(uuid, jsonb)', 'kgents_operator');

create function restore_own_tenant(person uuid, facts jsonb) returns boolean
  language plpgsql security definer set search_path = pg_catalog, public, pg_temp
as $$
declare
  own uuid := public.current_tenant();
begin
  if not public.unmark_deleted(own, 'tenant') then
    return false;
  end if;
  perform public.append_audit(own, person, facts, 'tenant.restored', own::text, '{}');
  perform public.audit_for_operators(own, 'tenant.restored', '{"by": "tenant"}');
  return true;
end
$$;
revoke execute on function restore_own_tenant(uuid, jsonb) from public;
grant execute on function restore_own_tenant(uuid, jsonb) to kgents_app;
call hand_over('restore_own_tenant(uuid, jsonb)', 'kgents_operator');

create function delete_for_operator(person uuid, facts jsonb, tenant uuid, keeps_slug boolean) returns timestamptz
  language plpgsql security definer set search_path = pg_catalog, public, pg_temp
as $$
declare
  moment timestamptz;
begin
  perform public.require_operator(person);
  moment := public.mark_deleted(tenant, 'operator', keeps_slug);
  if moment is not null then
    perform public.audit_both(person, facts, tenant, 'tenant.deleted',
      jsonb_build_object('by', 'operator', 'slug_kept', keeps_slug));
  end if;
  return moment;
end
$$;
revoke execute on function delete_for_operator(uuid, jsonb, uuid, boolean) from public;
grant execute on function delete_for_operator(uuid, jsonb, uuid, boolean) to kgents_app;
call hand_over('delete_for_operator(uuid, jsonb, uuid, boolean)', 'kgents_operator');

create function restore_for_operator(person uuid, facts jsonb, tenant uuid) returns boolean
  language plpgsql security definer set search_path = pg_catalog, public, pg_temp
as $$
begin
  perform public.require_operator(person);
  if not public.unmark_deleted(tenant, 'operator') then
    return false;
  end if;
  perform public.audit_both(person, facts, tenant, 'tenant.restored', '{"by": "operator"}');
  return true;
end
$$;
revoke execute on function restore_for_operator(uuid, jsonb, uuid) from public;
grant execute on function restore_for_operator(uuid, jsonb, uuid) to kgents_app;
call hand_over('restore_for_operator(uuid, jsonb, uuid)', 'kgents_operator');

-- As before; a tenant that is deleted is restored, and not resumed.
drop function suspend_for_operator(uuid, jsonb, uuid, text);
create function suspend_for_operator(person uuid, facts jsonb, tenant uuid, reason text) returns boolean
  language plpgsql security definer set search_path = pg_catalog, public, pg_temp
as $$
begin
  perform public.require_operator(person);
  if tenant = public.current_tenant() then
    return false;
  end if;
  update public.tenants t
    set suspended_at = case when reason is null then null else now() end, suspended_reason = reason
    where t.id = tenant and (t.suspended_at is null) <> (reason is null) and t.deleted_at is null;
  if not found then
    return false;
  end if;
  perform public.audit_both(person, facts, tenant,
    case when reason is null then 'tenant.resumed' else 'tenant.suspended' end,
    case when reason is null then '{}'::jsonb else jsonb_build_object('reason', reason) end);
  return true;
end
$$;
revoke execute on function suspend_for_operator(uuid, jsonb, uuid, text) from public;
grant execute on function suspend_for_operator(uuid, jsonb, uuid, text) to kgents_app;
call hand_over('suspend_for_operator(uuid, jsonb, uuid, text)', 'kgents_operator');

create function provisioning_for_operator(person uuid)
  returns table (id uuid, slug text, steps jsonb, is_ready boolean, created_at timestamptz)
  language plpgsql stable security definer set search_path = pg_catalog, public, pg_temp
as $$
begin
  perform public.require_operator(person);
  return query
    select t.id, t.slug, jsonb_agg(jsonb_strip_nulls(jsonb_build_object(
        'step', s.step, 'done_at', s.done_at, 'attempts', s.attempts, 'error', s.error)) order by s.position),
      bool_and(s.done_at is not null), t.created_at
    from public.provisioning_steps s join public.tenants t on t.id = s.tenant_id group by t.id;
end
$$;
revoke execute on function provisioning_for_operator(uuid) from public;
grant execute on function provisioning_for_operator(uuid) to kgents_app;
call hand_over('provisioning_for_operator(uuid)', 'kgents_operator');

-- Tenants that are deleted, with what an erasure has left of them.
create function deletions_for_operator(person uuid)
  returns table (id uuid, slug text, deleted_at timestamptz, deleted_by text, slug_freed boolean,
    erasing_at timestamptz, erased_at timestamptz, erased jsonb, sweep jsonb)
  language plpgsql stable security definer set search_path = pg_catalog, public, pg_temp
as $$
begin
  perform public.require_operator(person);
  return query
    select t.id, t.slug, t.deleted_at, t.deleted_by, not t.slug_kept, null::timestamptz, null::timestamptz, '{}'::jsonb, null::jsonb
    from public.tenants t where t.deleted_at is not null and t.erasing_at is null
    union all
    select b.id, b.slug, b.deleted_at, b.deleted_by, b.slug_freed, b.erasing_at, b.erased_at, b.erased, b.sweep
    from public.tombstones b;
end
$$;
revoke execute on function deletions_for_operator(uuid) from public;
grant execute on function deletions_for_operator(uuid) to kgents_app;
call hand_over('deletions_for_operator(uuid)', 'kgents_operator');

-- Whether something of a tenant that is to be erased is still elsewhere, and goes first. Here nothing is; whoever keeps
-- something in another database replaces this.
create function erasure_waits(tenant uuid) returns boolean
  language sql security definer set search_path = pg_catalog, public, pg_temp
as $$
  select false
$$;
revoke execute on function erasure_waits(uuid) from public;
call hand_over('erasure_waits(uuid)', 'kgents_remover');

-- Whether this is the database of one tenant (see 033). What it says of tenants is a copy.
create function is_silo() returns boolean
  language sql stable
  return current_database() ~ '_silo_[0-9a-f]{32}$';

-- Erasure, in the hands of the relay. Answers tenants whose grace is over and whose jobs have ended; from then on none of them
-- can be restored.
create function tenants_to_erase() returns setof uuid
  language plpgsql security definer set search_path = pg_catalog, public, pg_temp
as $$
declare
  due record;
begin
  -- There a tenant may have been restored of which the copy does not know yet.
  if public.is_silo() then
    return;
  end if;
  perform set_config('app.central', 'on', true);
  for due in
    select t.id, t.slug, t.slug_kept, t.deleted_at, t.deleted_by, t.erasing_at from public.tenants t
    where t.deleted_at < now() - interval '30 days' order by t.deleted_at limit 20 for update skip locked
  loop
    perform set_config('app.current_tenant', due.id::text, true);
    if due.erasing_at is null then
      continue when exists (select from public.jobs j where j.tenant_id = due.id and j.status in ('queued', 'running'));
      update public.tenants t set erasing_at = now() where t.id = due.id;
      insert into public.tombstones (id, slug, slug_freed, deleted_at, deleted_by, erasing_at)
        values (due.id, due.slug, not due.slug_kept, due.deleted_at, due.deleted_by, now());
    end if;
    continue when public.erasure_waits(due.id);
    return next due.id;
  end loop;
  perform set_config('app.current_tenant', '', true);
end
$$;
revoke execute on function tenants_to_erase() from public;
grant execute on function tenants_to_erase() to kgents_relay;
call hand_over('tenants_to_erase()', 'kgents_remover');

-- Tables in the order in which they can be emptied: what refers to others comes before these.
create function tables_to_erase() returns table (name text, rank integer)
  language sql stable
as $$
  with recursive erased as (
    select t.name, t.id from tenant_tables() t where t.name not in (select kept.name from kept_tables() kept)
  ), ranked (name, id, rank) as (
    select name, id, 0 from erased
    union
    select r.name, r.id, above.rank + 1
    from ranked above join pg_catalog.pg_constraint k on k.conrelid = above.id and k.contype = 'f' and k.confrelid <> above.id
      join erased r on r.id = k.confrelid
    where above.rank < 50
  )
  select name, max(rank) from ranked group by name
$$;
grant execute on function tables_to_erase() to kgents_remover;

-- The condition under which a row of a table refers to another row of the same table, as `child` and `t`; null where none does.
create function self_reference(of_table oid) returns text
  language sql stable
as $$
  select string_agg('(' || joined || ')', ' or ') from (
    select (
      select string_agg(format('child.%I = t.%I', own.attname, other.attname), ' and ')
      from unnest(k.conkey, k.confkey) as pair (own_number, other_number)
        join pg_catalog.pg_attribute own on own.attrelid = of_table and own.attnum = pair.own_number
        join pg_catalog.pg_attribute other on other.attrelid = of_table and other.attnum = pair.other_number
    ) as joined
    from pg_catalog.pg_constraint k where k.conrelid = of_table and k.confrelid = of_table and k.contype = 'f'
  ) conditions
$$;
grant execute on function self_reference(oid) to kgents_remover;

-- Erases about `most` rows of a tenant whose erasure has begun; answers how many. Each call is a step of its own, and one
-- that never came to its end has done nothing.
create function erase_rows(tenant uuid, most integer) returns integer
  language plpgsql security definer set search_path = pg_catalog, public, pg_temp
as $$
declare
  emptied text;
  reference text;
  now_gone integer;
  rest integer;
  total integer := 0;
  counts jsonb := '{}';
begin
  -- One at a time; and nothing of a tenant that can still be restored.
  perform from public.tenants t where t.id = tenant and t.erasing_at is not null for update;
  if not found then
    return 0;
  end if;
  perform set_config('app.current_tenant', tenant::text, true);
  for emptied in select name from public.tables_to_erase() order by rank, name loop
    reference := public.self_reference(format('public.%I', emptied)::regclass);
    execute format('delete from public.%1$I where ctid = any (array(
      select t.ctid from public.%1$I t where t.tenant_id = $1 %2$s limit $2))', emptied,
      case when reference is null then '' else format(
        'and not exists (select from public.%I child where child.ctid <> t.ctid and (%s))', emptied, reference) end)
      using tenant, most - total;
    get diagnostics now_gone = row_count;
    -- Rows to which no other refers have gone first; what is left of them refers to each other, and goes together.
    if reference is not null and now_gone < most - total then
      execute format('delete from public.%I where tenant_id = $1', emptied) using tenant;
      get diagnostics rest = row_count;
      now_gone := now_gone + rest;
    end if;
    total := total + now_gone;
    if now_gone > 0 then
      counts := counts || jsonb_build_object(emptied, now_gone);
    end if;
    exit when total >= most;
  end loop;
  update public.tombstones b set erased = b.erased || (
    select coalesce(jsonb_object_agg(key, coalesce((b.erased ->> key)::bigint, 0) + value::bigint), '{}')
    from jsonb_each_text(counts)) where b.id = tenant;
  perform set_config('app.current_tenant', '', true);
  return total;
end
$$;
revoke execute on function erase_rows(uuid, integer) from public;
grant execute on function erase_rows(uuid, integer) to kgents_relay;
call hand_over('erase_rows(uuid, integer)', 'kgents_remover');

-- Counts what there is of a tenant in every table, as { table: rows }.
create function count_rows(tenant uuid) returns jsonb
  language plpgsql security definer set search_path = pg_catalog, public, pg_temp
as $$
declare
  counted text;
  held bigint;
  counts jsonb := '{}';
begin
  perform from public.tombstones b where b.id = tenant;
  if not found then
    raise exception 'only what is erased is counted' using errcode = 'insufficient_privilege';
  end if;
  perform set_config('app.current_tenant', tenant::text, true);
  for counted in select t.name from public.tenant_tables() t order by 1 loop
    execute format('select count(*) from public.%I where tenant_id = $1', counted) into held using tenant;
    counts := counts || jsonb_build_object(counted, held);
  end loop;
  perform set_config('app.current_tenant', '', true);
  return counts;
end
$$;
revoke execute on function count_rows(uuid) from public;
grant execute on function count_rows(uuid) to kgents_relay;
call hand_over('count_rows(uuid)', 'kgents_remover');

-- Ends an erasure where nothing is left but what is kept: the tenant itself goes, and its tombstone says so. `streams` is what
-- the relay has counted in each stream. Answers whether it has ended.
create function finish_erasure(tenant uuid, streams jsonb) returns boolean
  language plpgsql security definer set search_path = pg_catalog, public, pg_temp
as $$
declare
  tables jsonb;
  kept jsonb;
begin
  perform from public.tenants t where t.id = tenant and t.erasing_at is not null for update;
  if not found then
    return false;
  end if;
  tables := public.count_rows(tenant);
  select coalesce(jsonb_object_agg(k.name, tables -> k.name), '{}') into kept from public.kept_tables() k
    where coalesce((tables ->> k.name)::bigint, 0) > 0;
  tables := tables - array(select k.name from public.kept_tables() k);
  if exists (select from jsonb_each_text(tables || streams) where value::bigint > 0) then
    update public.tombstones b set sweep = jsonb_build_object('tables', tables, 'streams', streams, 'kept', kept)
      where b.id = tenant;
    return false;
  end if;
  delete from public.tenants t where t.id = tenant;
  update public.tombstones b set erased_at = now(),
    sweep = jsonb_build_object('tables', tables, 'streams', streams, 'kept', kept) where b.id = tenant;
  perform public.audit_for_operators(tenant, 'tenant.erased', jsonb_build_object('kept', kept));
  return true;
end
$$;
revoke execute on function finish_erasure(uuid, jsonb) from public;
grant execute on function finish_erasure(uuid, jsonb) to kgents_relay;
call hand_over('finish_erasure(uuid, jsonb)', 'kgents_remover');

-- Export. Tables that there is something to take of, in the order in which they are read.
create function exported_tables() returns setof text
  language sql stable security definer set search_path = pg_catalog, public, pg_temp
as $$
  select t.name from public.tenant_tables() t
  where exists (
    select from pg_catalog.pg_attribute a where a.attrelid = t.id and a.attnum > 0 and not a.attisdropped
      and has_column_privilege('kgents_tenant_reader', t.id, a.attnum, 'select'))
    and not exists (select from public.export_omissions() o where o.table_name = t.name and o.column_name is null)
  order by 1
$$;
revoke execute on function exported_tables() from public;
grant execute on function exported_tables() to kgents_app;
call hand_over('exported_tables()', 'kgents_tenant_reader');

-- Rows of a table of this transaction's tenant as JSON, without what is omitted, in the order of a key: those behind `after`, as
-- many as make `most` bytes, and at least one. With each comes its place in that order.
create function export_rows(wanted text, after jsonb, most integer) returns table (line text, place jsonb)
  language plpgsql stable security definer set search_path = pg_catalog, public, pg_temp
as $$
declare
  source oid := (select t.id from public.tenant_tables() t where t.name = wanted);
  shown text;
  key text;
  bounds text;
  places text;
  size bigint := 0;
begin
  if wanted not in (select * from public.exported_tables()) then
    raise exception 'table % is not exported', wanted using errcode = 'insufficient_privilege';
  end if;
  select string_agg(format('t.%I', a.attname), ', ' order by a.attnum) into shown from pg_catalog.pg_attribute a
    where a.attrelid = source and a.attnum > 0 and not a.attisdropped
      and has_column_privilege('kgents_tenant_reader', source, a.attnum, 'select');
  -- The primary key, or another one that is no secret; without any, what is in each row distinguishes it.
  select string_agg(format('t.%I', a.attname), ', ' order by k.place),
      string_agg(format('($1 ->> %s)::%s', k.place - 1, format_type(a.atttypid, a.atttypmod)), ', ' order by k.place),
      string_agg(format('t.%I::text', a.attname), ', ' order by k.place)
    into key, bounds, places
    from unnest(coalesce(
      (select i.indkey::smallint[] from pg_catalog.pg_index i
        where i.indrelid = source and i.indisunique and i.indpred is null and i.indexprs is null
          and not exists (select from unnest(i.indkey::smallint[]) as part (number)
            where not has_column_privilege('kgents_tenant_reader', source, part.number, 'select'))
        order by i.indisprimary desc, i.indexrelid limit 1),
      array(select c.attnum from pg_catalog.pg_attribute c
        where c.attrelid = source and c.attnum > 0 and not c.attisdropped and c.attnotnull
          and has_column_privilege('kgents_tenant_reader', source, c.attnum, 'select')
          and c.atttypid not in ('json'::regtype, 'xid8'::regtype) order by c.attnum)
    )) with ordinality as k (number, place)
      join pg_catalog.pg_attribute a on a.attrelid = source and a.attnum = k.number;
  for line, place in execute format(
    'select row_to_json((select x from (select %s) x))::text, jsonb_build_array(%s) from public.%I t
     where t.tenant_id = (select public.current_tenant()) and ($1 is null or (%s) > (%s)) order by %s',
    shown, places, wanted, key, bounds, key) using after
  loop
    return next;
    size := size + length(line);
    exit when size >= most;
  end loop;
end
$$;
revoke execute on function export_rows(text, jsonb, integer) from public;
grant execute on function export_rows(text, jsonb, integer) to kgents_app;
call hand_over('export_rows(text, jsonb, integer)', 'kgents_tenant_reader');
