-- People come by invitation and go; keys have owners, scopes and ends; a tenant can be suspended.
alter table tenants add column suspended_at timestamptz, add column suspended_reason text;

-- A service is what acts by a key of the tenant itself: it takes no seat, and stays when people go.
alter table users
  add column kind text not null default 'person' check (kind in ('person', 'service')),
  add column removed_at timestamptz,
  alter column email drop not null,
  -- Who was removed gives the address free.
  add constraint users_reachable check ((email is not null) = (kind = 'person' and removed_at is null));
create index users_by_tenant on users (tenant_id, id);

alter table api_keys
  -- What its credential is narrowed to; null is all that its owner may do.
  add column scopes jsonb,
  add column rate_per_minute integer check (rate_per_minute > 0),
  add column created_by uuid,
  add column last_used_at timestamptz,
  add column revoked_by uuid,
  -- How often its secret was replaced; tokens carry it, and end with the secret that they were exchanged for.
  add column rotation integer not null default 0,
  add column rotated_at timestamptz,
  -- The secret before, while it is still good.
  add column previous_hash bytea unique,
  add column previous_until timestamptz;
create index api_keys_by_tenant on api_keys (tenant_id, id desc);
create index api_keys_by_owner on api_keys (user_id);

create table invitations (
  id uuid primary key,
  tenant_id uuid not null references tenants,
  email text not null,
  roles text[] not null check (roles <@ array['viewer', 'developer', 'admin']),
  -- SHA-256 of the token, which is not stored.
  token_hash bytea not null unique,
  invited_by uuid,
  created_at timestamptz not null default now(),
  expires_at timestamptz not null,
  -- Who accepts it becomes a person with the id of the invitation.
  accepted_at timestamptz,
  revoked_at timestamptz
);
create index invitations_by_tenant on invitations (tenant_id, id desc);

select enable_tenant_isolation(array['invitations']::regclass[]);
grant select (id, tenant_id, email, roles, invited_by, created_at, expires_at, accepted_at, revoked_at), insert,
  update (token_hash, expires_at, accepted_at, revoked_at) on invitations to kgents_app;

grant select (email, kind, removed_at, created_at), insert (id, tenant_id, email, name, roles, kind),
  update (email, roles, removed_at) on users to kgents_app;
grant select (slug, name, created_at, suspended_at, suspended_reason), update (name) on tenants to kgents_app;
grant select (id, tenant_id, user_id, name, key_prefix, created_at, expires_at, revoked_at, scopes, rate_per_minute,
    created_by, last_used_at, rotation, rotated_at, previous_until),
  insert (id, tenant_id, user_id, name, key_prefix, key_hash, expires_at, scopes, rate_per_minute, created_by),
  update (revoked_at, revoked_by) on api_keys to kgents_app;

-- Whatever a function is made to write: it makes nobody an operator of the platform.
create policy no_operators on users as restrictive to kgents_app
  using (true) with check (not 'super_admin' = any (roles));

grant update (last_used_at, key_prefix, key_hash, rotation, rotated_at, previous_hash, previous_until)
  on api_keys to kgents_authenticator;
create policy bookkeeping on api_keys for update to kgents_authenticator using (true) with check (true);
create policy authentication on invitations for select to kgents_authenticator using (true);
grant select on invitations to kgents_authenticator;

-- A tenant's status to those that ask for no more than that: a suspended one is paused.
create function standing_of(tenant tenants) returns text
  language sql stable
  return case when tenant.suspended_at is null then tenant.status else 'paused' end;

-- Who a key belongs to, and what it may do; no row where it is unknown, expired or revoked, or its owner is gone.
drop function authenticate_api_key(bytea);
create function authenticate_api_key(hash bytea)
  returns table (
    tenant_id uuid, tier text, status text, user_id uuid, roles jsonb,
    suspended boolean, key_id uuid, rotation integer, scopes jsonb, rate_per_minute integer)
  language sql stable security definer set search_path = pg_catalog, public, pg_temp
as $$
  select t.id, t.tier, public.standing_of(t), u.id, to_jsonb(u.roles), t.suspended_at is not null, k.id,
    k.rotation - case when k.key_hash = hash then 0 else 1 end, k.scopes, k.rate_per_minute
  from public.api_keys k join public.users u on u.id = k.user_id join public.tenants t on t.id = k.tenant_id
  where (k.key_hash = hash or (k.previous_hash = hash and k.previous_until > now()))
    and k.revoked_at is null and (k.expires_at is null or k.expires_at > now()) and u.removed_at is null
$$;
revoke execute on function authenticate_api_key(bytea) from public;
grant execute on function authenticate_api_key(bytea) to kgents_app;
call hand_over('authenticate_api_key(bytea)', 'kgents_authenticator');

-- What the holder of a token may do now; no row where the person or the key behind it is gone. A token of before keys were
-- named in tokens names none.
create function current_rights(tenant uuid, person uuid, key uuid, key_rotation integer)
  returns table (tier text, status text, roles jsonb, suspended boolean, rate_per_minute integer)
  language sql stable security definer set search_path = pg_catalog, public, pg_temp
as $$
  select t.tier, public.standing_of(t), to_jsonb(u.roles), t.suspended_at is not null, k.rate_per_minute
  from public.users u join public.tenants t on t.id = u.tenant_id left join public.api_keys k on k.id = key
  where u.id = person and u.tenant_id = tenant and u.removed_at is null
    and (key is null or (
      k.user_id = person and k.revoked_at is null and (k.expires_at is null or k.expires_at > now())
      and (k.rotation = key_rotation or (k.rotation = key_rotation + 1 and k.previous_until > now()))))
$$;
revoke execute on function current_rights(uuid, uuid, uuid, integer) from public;
grant execute on function current_rights(uuid, uuid, uuid, integer) to kgents_app;
call hand_over('current_rights(uuid, uuid, uuid, integer)', 'kgents_authenticator');

-- Notes that keys are in use, each once a minute at most, whoever says so.
create function note_key_uses(keys jsonb) returns void
  language sql security definer set search_path = pg_catalog, public, pg_temp
as $$
  update public.api_keys set last_used_at = now() where id in (
    select k.id from public.api_keys k
    where k.id in (select used::uuid from jsonb_array_elements_text(keys) as used)
      and (k.last_used_at is null or k.last_used_at < now() - interval '1 minute')
    for update skip locked
  )
$$;
revoke execute on function note_key_uses(jsonb) from public;
grant execute on function note_key_uses(jsonb) to kgents_app;
call hand_over('note_key_uses(jsonb)', 'kgents_authenticator');

-- Replaces the secret of a key of this transaction's tenant; the one before stays good for some seconds.
create function rotate_api_key(key uuid, prefix text, hash bytea, overlap_seconds integer) returns void
  language sql security definer set search_path = pg_catalog, public, pg_temp
as $$
  update public.api_keys
  set previous_hash = key_hash, previous_until = now() + make_interval(secs => overlap_seconds),
    key_prefix = prefix, key_hash = hash, rotation = rotation + 1, rotated_at = now()
  where id = key and tenant_id = public.current_tenant() and revoked_at is null
$$;
revoke execute on function rotate_api_key(uuid, text, bytea, integer) from public;
grant execute on function rotate_api_key(uuid, text, bytea, integer) to kgents_app;
call hand_over('rotate_api_key(uuid, text, bytea, integer)', 'kgents_authenticator');

-- Whose invitation this is; what has become of it is for the tenant's own transaction.
create function authenticate_invitation(hash bytea)
  returns table (tenant_id uuid, tier text, status text, suspended boolean, id uuid)
  language sql stable security definer set search_path = pg_catalog, public, pg_temp
as $$
  select t.id, t.tier, public.standing_of(t), t.suspended_at is not null, i.id
  from public.invitations i join public.tenants t on t.id = i.tenant_id where i.token_hash = hash
$$;
revoke execute on function authenticate_invitation(bytea) from public;
grant execute on function authenticate_invitation(bytea) to kgents_app;
call hand_over('authenticate_invitation(bytea)', 'kgents_authenticator');

-- What is due waits while its tenant is suspended.
create policy due on tenants for select to kgents_scheduler using (true);
grant select (id, status, suspended_at) on tenants to kgents_scheduler;
drop function tenants_with_due_schedules();
create function tenants_with_due_schedules() returns setof uuid
  language sql stable security definer set search_path = pg_catalog, public, pg_temp
as $$
  select distinct s.tenant_id from public.schedules s
  where ((s.status = 'pending' and s.due_at <= now())
     or (s.status = 'running' and s.fired_at <= now() - interval '10 minutes' and s.due_at <= now()))
    and not exists (select from public.tenants t where t.id = s.tenant_id and t.suspended_at is not null)
$$;
revoke execute on function tenants_with_due_schedules() from public;
grant execute on function tenants_with_due_schedules() to kgents_app, kgents_relay;
call hand_over('tenants_with_due_schedules()', 'kgents_scheduler');

grant select (suspended_at) on tenants to kgents_relay;
grant select (removed_at) on users to kgents_relay;
