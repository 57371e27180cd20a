-- Who may connect, and how a row knows its tenant.
--
-- kgents_app is what functions run as: row-level security binds it, it owns nothing and cannot bypass anything.
-- kgents_relay moves events and jobs of all tenants and touches nothing else.
-- kgents_authenticator, kgents_waker and kgents_metrics cannot log in: each owns the one function that does what the app
-- role may not, and can do just that.
-- Roles belong to the whole server, so another database on it may have made them already.
do $$
declare
  wanted text;
begin
  foreach wanted in array array['kgents_app', 'kgents_relay', 'kgents_authenticator', 'kgents_waker', 'kgents_metrics'] loop
    if not exists (select from pg_roles where rolname = wanted) then
      execute format('create role %I nologin nosuperuser nobypassrls', wanted);
      -- With the role and not again for each database: roles are the server's, and two who change one collide.
      if wanted = 'kgents_app' then
        alter role kgents_app set statement_timeout = '20s';
        alter role kgents_app set lock_timeout = '5s';
        alter role kgents_app set idle_in_transaction_session_timeout = '30s';
      end if;
    end if;
  end loop;
end
$$;

-- Temporary objects are looked up before all others: whoever could make some could stand in for our tables.
do $$
begin
  execute format('revoke temporary on database %I from public', current_database());
end
$$;
revoke create on schema public from public;
grant usage on schema public to kgents_app, kgents_relay, kgents_authenticator, kgents_waker, kgents_metrics;

-- Hands a function over to the role that may do what it does, whoever runs this.
create procedure hand_over(function regprocedure, new_owner text)
  language plpgsql as $$
begin
  if not pg_has_role(current_user, new_owner, 'set') then
    execute format('grant %I to current_user with set true, inherit false', new_owner);
  end if;
  execute format('grant create on schema public to %I', new_owner);
  execute format('alter function %s owner to %I', function, new_owner);
  execute format('revoke create on schema public from %I', new_owner);
end
$$;
revoke execute on procedure hand_over(regprocedure, text) from public;

-- The tenant of this transaction; null, and so no row at all, where none was set.
create function current_tenant() returns uuid
  language sql stable parallel safe
  return nullif(current_setting('app.current_tenant', true), '')::uuid;

-- Binds the rest of the transaction to one tenant. Local to the transaction, so a pooled connection forgets it.
create function set_tenant_context(tenant uuid) returns void
  language plpgsql as $$
begin
  perform set_config('app.current_tenant', tenant::text, true);
end
$$;

-- Turns on forced row-level security with the one policy that every tenant table has.
create function enable_tenant_isolation(tables regclass[], tenant_column text default 'tenant_id') returns void
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
end
$$;
revoke execute on function enable_tenant_isolation(regclass[], text) from public;

create table tenants (
  id uuid primary key,
  slug text not null unique check (slug ~ '^[a-z][a-z0-9-]{0,62}$'),
  name text not null,
  tier text not null check (tier in ('free', 'starter', 'pro', 'team', 'enterprise')),
  status text not null default 'active' check (status in ('trialing', 'active', 'past_due', 'paused', 'canceled')),
  created_at timestamptz not null default now()
);

create table users (
  id uuid primary key,
  tenant_id uuid not null references tenants,
  email text not null,
  name text not null,
  roles text[] not null check (roles <@ array['viewer', 'developer', 'admin', 'super_admin']),
  created_at timestamptz not null default now(),
  unique (tenant_id, email)
);

-- The key itself is never stored: only its SHA-256, and the prefix by which a person recognises it.
create table api_keys (
  id uuid primary key,
  tenant_id uuid not null references tenants,
  user_id uuid not null references users,
  name text not null,
  key_prefix text not null,
  key_hash bytea not null unique,
  created_at timestamptz not null default now(),
  expires_at timestamptz,
  revoked_at timestamptz
);

select enable_tenant_isolation(array['users', 'api_keys']::regclass[]);
select enable_tenant_isolation(array['tenants']::regclass[], 'id');

create policy authentication on tenants for select to kgents_authenticator using (true);
create policy authentication on users for select to kgents_authenticator using (true);
create policy authentication on api_keys for select to kgents_authenticator using (true);
grant select on tenants, users, api_keys to kgents_authenticator;

-- Who a key belongs to, or no row. The only way to see across tenants, and it answers about one hash at a time.
create function authenticate_api_key(hash bytea)
  returns table (tenant_id uuid, tier text, status text, user_id uuid, roles jsonb)
  language sql stable security definer set search_path = pg_catalog, public, pg_temp
as $$
  select t.id, t.tier, t.status, u.id, to_jsonb(u.roles)
  from public.api_keys k join public.users u on u.id = k.user_id join public.tenants t on t.id = k.tenant_id
  where k.key_hash = hash and k.revoked_at is null and (k.expires_at is null or k.expires_at > now())
$$;
revoke execute on function authenticate_api_key(bytea) from public;
grant execute on function authenticate_api_key(bytea) to kgents_app;
call hand_over('authenticate_api_key(bytea)', 'kgents_authenticator');
