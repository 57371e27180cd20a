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

-- Who has a session, and what it may do; no row where it is unknown or over, or its person or its key is gone.
create function authenticate_session(hash bytea, idle_seconds integer)
  returns table (
    tenant_id uuid, tier text, status text, user_id uuid, roles jsonb, suspended boolean, session_id uuid,
    key_id uuid, key_rotation integer, scopes jsonb, rate_per_minute integer)
  language sql stable security definer set search_path = pg_catalog, public, pg_temp
as $$
  select t.id, t.tier, public.standing_of(t), u.id, to_jsonb(u.roles), t.suspended_at is not null, s.id,
    s.key_id, s.key_rotation, s.scopes, k.rate_per_minute
  from public.browser_sessions s join public.users u on u.id = s.user_id join public.tenants t on t.id = s.tenant_id
    left join public.api_keys k on k.id = s.key_id
  where s.token_hash = hash and s.expires_at > now()
    and s.last_used_at > now() - make_interval(secs => idle_seconds) and u.removed_at is null
    and (s.key_id is null or (
      k.user_id = u.id and k.revoked_at is null and (k.expires_at is null or k.expires_at > now())
      and (k.rotation = s.key_rotation or (k.rotation = s.key_rotation + 1 and k.previous_until > now()))))
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
