-- What operators of the platform may do across tenants, and nothing else: one function for each thing. All of them check here,
-- in the database, that whoever acts is an operator, and each leaves a record in the audit of the operator's tenant and of
-- the one concerned.
create policy operating on tenants to kgents_operator using (true) with check (true);
create policy operating on users to kgents_operator using (true) with check (true);
create policy operating on invitations for insert to kgents_operator with check (true);
grant select, insert (id, slug, name, tier), update (suspended_at, suspended_reason) on tenants to kgents_operator;
grant select (id, tenant_id, kind, email, name, roles, removed_at), update (roles) on users to kgents_operator;
grant insert on invitations to kgents_operator;

-- Operators are people of the tenant in which they act.
create function require_operator(person uuid) returns void
  language plpgsql stable security definer set search_path = pg_catalog, public, pg_temp
as $$
begin
  if not exists (
    select from public.users u join public.tenants t on t.id = u.tenant_id
    where u.id = person and u.tenant_id = public.current_tenant() and u.removed_at is null
      and t.suspended_at is null and 'super_admin' = any (u.roles)
  ) then
    raise exception 'only operators may do this' using errcode = 'insufficient_privilege';
  end if;
end
$$;
revoke execute on function require_operator(uuid) from public;
call hand_over('require_operator(uuid)', 'kgents_operator');

-- The record of an operator's act, on both sides. To the tenant concerned the operator is no more than that.
create function audit_both(person uuid, facts jsonb, concerned uuid, action text, details jsonb) returns void
  language plpgsql security definer set search_path = pg_catalog, public, pg_temp
as $$
declare
  own uuid := public.current_tenant();
begin
  -- In the order of the tenants, so that no two operators wait for each other.
  if own < concerned then
    perform public.append_audit(own, person, facts, action, concerned::text, details);
  end if;
  if own <> concerned then
    perform public.append_audit(concerned, null, '{"operator": true}', action, concerned::text, details);
  end if;
  if own >= concerned then
    perform public.append_audit(own, person, facts, action, concerned::text, details);
  end if;
end
$$;
revoke execute on function audit_both(uuid, jsonb, uuid, text, jsonb) from public;
call hand_over('audit_both(uuid, jsonb, uuid, text, jsonb)', 'kgents_operator');

-- All tenants, as operators see them: how they stand, and nothing that is in them.
create function tenants_for_operator(person uuid)
  returns table (
    id uuid, slug text, name text, tier text, status text, created_at timestamptz,
    suspended_at timestamptz, suspended_reason text, people integer)
  language plpgsql stable security definer set search_path = pg_catalog, public, pg_temp
as $$
begin
  perform public.require_operator(person);
  return query
    select t.id, t.slug, t.name, t.tier, t.status, t.created_at, t.suspended_at, t.suspended_reason,
      (select count(*)::integer from public.users u
        where u.tenant_id = t.id and u.kind = 'person' and u.removed_at is null)
    from public.tenants t;
end
$$;
revoke execute on function tenants_for_operator(uuid) from public;
grant execute on function tenants_for_operator(uuid) to kgents_app;
call hand_over('tenants_for_operator(uuid)', 'kgents_operator');

-- Makes a tenant and the invitation of its first admin; false where the slug is taken.
create function create_tenant_for_operator(
    person uuid, facts jsonb, tenant uuid, tenant_slug text, tenant_name text, tenant_tier text,
    invitation uuid, address text, hash bytea, good_days integer)
  returns boolean
  language plpgsql security definer set search_path = pg_catalog, public, pg_temp
as $$
begin
  perform public.require_operator(person);
  insert into public.tenants (id, slug, name, tier) values (tenant, tenant_slug, tenant_name, tenant_tier)
    on conflict (slug) do nothing;
  if not found then
    return false;
  end if;
  insert into public.invitations (id, tenant_id, email, roles, token_hash, expires_at)
    values (invitation, tenant, address, '{admin,developer}', hash, now() + make_interval(days => good_days));
  perform public.audit_both(person, facts, tenant, 'tenant.created',
    jsonb_build_object('slug', tenant_slug, 'name', tenant_name, 'tier', tenant_tier, 'invitation', invitation, 'email', address));
  return true;
end
$$;
revoke execute on function
  create_tenant_for_operator(uuid, jsonb, uuid, text, text, text, uuid, text, bytea, integer) from public;
grant execute on function
  create_tenant_for_operator(uuid, jsonb, uuid, text, text, text, uuid, text, bytea, integer) to kgents_app;
call hand_over(
  'create_tenant_for_operator(uuid, jsonb, uuid, text, text, text, uuid, text, bytea, integer)', 'kgents_operator');

-- Suspends a tenant for a reason, or resumes it where there is none; false where it stands so already, or is not there.
-- Nobody suspends the tenant in which the operators are.
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
    where t.id = tenant and (t.suspended_at is null) <> (reason is null);
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

-- Makes somebody of the operators' own tenant one of them, or no longer; false where nothing changes, or nobody would be left.
create function appoint_for_operator(person uuid, facts jsonb, candidate uuid, appointed boolean) returns boolean
  language plpgsql security definer set search_path = pg_catalog, public, pg_temp
as $$
declare
  own uuid := public.current_tenant();
begin
  -- The same lock as for every change of people.
  perform pg_advisory_xact_lock(hashtextextended('people:' || own, 0));
  perform public.require_operator(person);
  update public.users u
    set roles = case
      when appointed then array_append(u.roles, 'super_admin')
      when u.roles = '{super_admin}' then '{developer}'
      else array_remove(u.roles, 'super_admin') end
    where u.id = candidate and u.tenant_id = own and u.kind = 'person' and u.removed_at is null
      and ('super_admin' = any (u.roles)) <> appointed
      and (appointed or exists (
        select from public.users other where other.tenant_id = own and other.id <> candidate
          and other.removed_at is null and 'super_admin' = any (other.roles)));
  if not found then
    return false;
  end if;
  perform public.append_audit(own, person, facts,
    case when appointed then 'operator.appointed' else 'operator.dismissed' end, candidate::text, '{}');
  return true;
end
$$;
revoke execute on function appoint_for_operator(uuid, jsonb, uuid, boolean) from public;
grant execute on function appoint_for_operator(uuid, jsonb, uuid, boolean) to kgents_app;
call hand_over('appoint_for_operator(uuid, jsonb, uuid, boolean)', 'kgents_operator');
