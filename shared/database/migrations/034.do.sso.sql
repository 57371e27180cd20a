-- Sessions of browsers, and how people sign in by their own providers.

-- The secret in the cookie is not stored: only its SHA-256.
create table browser_sessions (
  id uuid primary key,
  tenant_id uuid not null,
  user_id uuid not null,
  token_hash bytea not null unique,
  -- How it was opened.
  method text not null check (method in ('api_key', 'token', 'sso', 'recovery_code')),
  -- The API key that it was opened with, and ends with.
  key_id uuid,
  key_rotation integer,
  -- What it is narrowed to; null is all that its person may do.
  scopes jsonb,
  created_at timestamptz not null default now(),
  last_used_at timestamptz not null default now(),
  expires_at timestamptz not null
);
create index browser_sessions_by_person on browser_sessions (tenant_id, user_id, id desc);

select enable_tenant_isolation(array['browser_sessions']::regclass[]);
grant select (id, tenant_id, user_id, method, key_id, created_at, last_used_at, expires_at),
  insert (id, tenant_id, user_id, token_hash, method, key_id, key_rotation, scopes, expires_at), delete
  on browser_sessions to kgents_app;
create policy authentication on browser_sessions for select to kgents_authenticator using (true);
create policy bookkeeping on browser_sessions for update to kgents_authenticator using (true) with check (true);
grant select, update (last_used_at) on browser_sessions to kgents_authenticator;

-- Whose session it is, and what it is good for; no row where it is unknown or over. What its person may do now, and whether the key
-- behind it still is good, is for current_rights to say.
create function authenticate_session(hash bytea, idle_seconds integer)
  returns table (tenant_id uuid, user_id uuid, session_id uuid, key_id uuid, key_rotation integer, scopes jsonb)
  language sql stable security definer set search_path = pg_catalog, public, pg_temp
as $$
  select s.tenant_id, s.user_id, s.id, s.key_id, s.key_rotation, s.scopes from public.browser_sessions s
  where s.token_hash = hash and s.expires_at > now()
    and s.last_used_at > now() - make_interval(secs => idle_seconds)
$$;
revoke execute on function authenticate_session(bytea, integer) from public;
grant execute on function authenticate_session(bytea, integer) to kgents_app;
call hand_over('authenticate_session(bytea, integer)', 'kgents_authenticator');

-- Notes that sessions are in use, each once a minute at most.
create function note_session_uses(sessions jsonb) returns void
  language sql security definer set search_path = pg_catalog, public, pg_temp
as $$
  update public.browser_sessions set last_used_at = now() where id in (
    select s.id from public.browser_sessions s
    where s.id in (select used::uuid from jsonb_array_elements_text(sessions) as used)
      and s.last_used_at < now() - interval '30 seconds'
    for update skip locked
  )
$$;
revoke execute on function note_session_uses(jsonb) from public;
grant execute on function note_session_uses(jsonb) to kgents_app;
call hand_over('note_session_uses(jsonb)', 'kgents_authenticator');

-- Somebody who was deactivated stays a member and can do nothing: whatever authenticates does not see such a person.
alter table users add column deactivated_at timestamptz;
alter policy authentication on users using (deactivated_at is null);
grant select (deactivated_at), update (deactivated_at, name) on users to kgents_app;
grant select (deactivated_at) on users to kgents_relay;

-- Providers of OpenID Connect by which people of a tenant sign in.
create table identity_providers (
  id uuid primary key,
  tenant_id uuid not null,
  name text not null check (name ~ '^[a-z][a-z0-9-]{0,62}$'),
  issuer text not null,
  client_id text not null,
  -- Null for a client without one.
  client_secret_sealed bytea,
  -- What tokens that are exchanged may name besides the client.
  audience text,
  groups_claim text not null,
  -- Roles by the name of a group.
  role_map jsonb not null default '{}',
  default_roles jsonb not null default '[]',
  -- Whether people open sessions by a provider only.
  enforced boolean not null default false,
  just_in_time boolean not null default false,
  -- Domains of addresses that the provider may speak for.
  email_domains jsonb not null default '[]',
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  unique (tenant_id, name),
  unique (tenant_id, issuer, client_id)
);

-- Who somebody is to a provider: its subject, and never an address.
create table identity_links (
  tenant_id uuid not null,
  issuer text not null,
  subject text not null,
  user_id uuid not null references users,
  created_at timestamptz not null default now(),
  last_sign_in_at timestamptz not null default now(),
  primary key (tenant_id, issuer, subject)
);
create index identity_links_by_person on identity_links (user_id);

-- Answers of providers that were taken; none is taken twice.
create table used_sign_ins (
  tenant_id uuid not null,
  state_hash bytea not null,
  expires_at timestamptz not null,
  primary key (tenant_id, state_hash)
);

-- Codes that let an admin in where the provider does not; each is good once.
create table recovery_codes (
  id uuid primary key,
  tenant_id uuid not null,
  user_id uuid not null references users,
  code_hash bytea not null unique,
  created_at timestamptz not null default now(),
  used_at timestamptz
);

select enable_tenant_isolation(
  array['identity_providers', 'identity_links', 'used_sign_ins', 'recovery_codes']::regclass[]);
grant select, insert, delete,
  update (issuer, client_id, client_secret_sealed, audience, groups_claim, role_map, default_roles, enforced, just_in_time,
    email_domains, updated_at)
  on identity_providers to kgents_app;
grant select, insert, delete, update (user_id, last_sign_in_at) on identity_links to kgents_app;
grant select, insert, delete on used_sign_ins to kgents_app;
grant select, insert, delete, update (used_at) on recovery_codes to kgents_app;

-- The tenant that somebody wants to sign in to, and how it stands.
create function sign_in_tenant(tenant_slug text)
  returns table (
    tenant_id uuid, tier text, plan_version integer, overage boolean, status text, suspended boolean)
  language sql stable security definer set search_path = pg_catalog, public, pg_temp
as $$
  select t.id, t.tier, t.plan_version, public.overage_of(t), public.standing_of(t), t.suspended_at is not null
  from public.tenants t where t.slug = tenant_slug
$$;
revoke execute on function sign_in_tenant(text) from public;
grant execute on function sign_in_tenant(text) to kgents_app;
call hand_over('sign_in_tenant(text)', 'kgents_authenticator');

-- Programs that wait for a person to approve them. Whose they are is known when somebody has: until then no tenant sees them.
create table device_requests (
  id uuid primary key,
  device_hash bytea not null unique,
  user_code_hash bytea not null unique,
  tenant_id uuid,
  user_id uuid,
  -- What the token will be narrowed to; null is all that the person may do.
  scopes jsonb,
  -- Name and address of the program, as shown to who approves it.
  client text,
  address text,
  interval_seconds integer not null,
  created_at timestamptz not null default now(),
  polled_at timestamptz,
  expires_at timestamptz not null,
  approved_at timestamptz,
  denied_at timestamptz
);
create index device_requests_by_age on device_requests (expires_at);
select enable_tenant_isolation(array['device_requests']::regclass[]);
create policy authentication on device_requests to kgents_authenticator using (true) with check (true);
grant select, insert, update, delete on device_requests to kgents_authenticator;

create function begin_device_request(
    request uuid, device bytea, code bytea, wanted jsonb, client_name text, from_address text, interval_secs integer,
    good_seconds integer)
  returns void
  language plpgsql security definer set search_path = pg_catalog, public, pg_temp
as $$
begin
  delete from public.device_requests where expires_at < now() - interval '1 hour';
  insert into public.device_requests
      (id, device_hash, user_code_hash, scopes, client, address, interval_seconds, expires_at)
    values (request, device, code, wanted, client_name, from_address, interval_secs,
      now() + make_interval(secs => good_seconds));
end
$$;
revoke execute on function begin_device_request(uuid, bytea, bytea, jsonb, text, text, integer, integer) from public;
grant execute on function begin_device_request(uuid, bytea, bytea, jsonb, text, text, integer, integer) to kgents_app;
call hand_over('begin_device_request(uuid, bytea, bytea, jsonb, text, text, integer, integer)', 'kgents_authenticator');

-- What waits under a code that a person was shown; no row where there is none, or it was decided on.
create function find_device_request(code bytea)
  returns table (id uuid, scopes jsonb, client text, address text, created_at timestamptz, expires_at timestamptz)
  language sql stable security definer set search_path = pg_catalog, public, pg_temp
as $$
  select d.id, d.scopes, d.client, d.address, d.created_at, d.expires_at from public.device_requests d
  where d.user_code_hash = code and d.expires_at > now() and d.approved_at is null and d.denied_at is null
$$;
revoke execute on function find_device_request(bytea) from public;
grant execute on function find_device_request(bytea) to kgents_app;
call hand_over('find_device_request(bytea)', 'kgents_authenticator');

-- Decides on it for a person of this transaction's tenant, once; `granted` are the scopes that were approved.
create function decide_device_request(request uuid, person uuid, granted jsonb, approved boolean) returns boolean
  language plpgsql security definer set search_path = pg_catalog, public, pg_temp
as $$
begin
  update public.device_requests d
    set tenant_id = public.current_tenant(), user_id = person, scopes = granted,
      approved_at = case when approved then now() end, denied_at = case when approved then null else now() end
    where d.id = request and d.expires_at > now() and d.approved_at is null and d.denied_at is null
      and exists (select from public.users u where u.id = person and u.tenant_id = public.current_tenant());
  return found;
end
$$;
revoke execute on function decide_device_request(uuid, uuid, jsonb, boolean) from public;
grant execute on function decide_device_request(uuid, uuid, jsonb, boolean) to kgents_app;
call hand_over('decide_device_request(uuid, uuid, jsonb, boolean)', 'kgents_authenticator');

-- How a request stands, to the program that polls; what was approved or denied is answered once. Who polls too fast has to wait 5
-- seconds more between any two polls (RFC 8628, 3.5).
create function poll_device_request(device bytea)
  returns table (state text, tenant_id uuid, user_id uuid, scopes jsonb, interval_seconds integer)
  language plpgsql security definer set search_path = pg_catalog, public, pg_temp
as $$
declare
  known public.device_requests;
begin
  select * into known from public.device_requests d where d.device_hash = device for update;
  if not found then
    return;
  end if;
  if known.expires_at <= now() then
    return query select 'expired', null::uuid, null::uuid, null::jsonb, known.interval_seconds;
  elsif known.denied_at is not null or known.approved_at is not null then
    delete from public.device_requests d where d.id = known.id;
    return query select case when known.denied_at is null then 'approved' else 'denied' end,
      known.tenant_id, known.user_id, known.scopes, known.interval_seconds;
  elsif known.polled_at > now() - make_interval(secs => known.interval_seconds) then
    update public.device_requests d set polled_at = now(), interval_seconds = d.interval_seconds + 5
      where d.id = known.id;
    return query select 'too fast', null::uuid, null::uuid, null::jsonb, known.interval_seconds + 5;
  else
    update public.device_requests d set polled_at = now() where d.id = known.id;
    return query select 'pending', null::uuid, null::uuid, null::jsonb, known.interval_seconds;
  end if;
end
$$;
revoke execute on function poll_device_request(bytea) from public;
grant execute on function poll_device_request(bytea) to kgents_app;
call hand_over('poll_device_request(bytea)', 'kgents_authenticator');
