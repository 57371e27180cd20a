-- What operators see and repair across tenants. As before: one function for each thing, which checks that an operator acts; what
-- changes something leaves a record in the audit of each tenant concerned.

-- Operators page through tenants in the order of slugs; whoever reads a page reads no more than that. The whole row, so that
-- columns which come later are there.
create function page_of_tenants(
    person uuid, beginning text, wanted_tier text, is_suspended boolean, after text, most integer)
  returns table (tenant tenants, people integer)
  language plpgsql stable security definer set search_path = pg_catalog, public, pg_temp
as $$
begin
  perform public.require_operator(person);
  return query
    select t, (select count(*)::integer from public.users u
      where u.tenant_id = t.id and u.kind = 'person' and u.removed_at is null)
    from public.tenants t
    where (after is null or t.slug > after) and starts_with(t.slug, beginning)
      and (wanted_tier is null or t.tier = wanted_tier)
      and (is_suspended is null or (t.suspended_at is not null) = is_suspended)
    order by t.slug limit most;
end
$$;
revoke execute on function page_of_tenants(uuid, text, text, boolean, text, integer) from public;
grant execute on function page_of_tenants(uuid, text, text, boolean, text, integer) to kgents_app;
call hand_over('page_of_tenants(uuid, text, text, boolean, text, integer)', 'kgents_operator');

create function tenant_for_operator(person uuid, wanted uuid) returns table (tenant tenants, people integer)
  language plpgsql stable security definer set search_path = pg_catalog, public, pg_temp
as $$
begin
  perform public.require_operator(person);
  return query
    select t, (select count(*)::integer from public.users u
      where u.tenant_id = t.id and u.kind = 'person' and u.removed_at is null)
    from public.tenants t where t.id = wanted;
end
$$;
revoke execute on function tenant_for_operator(uuid, uuid) from public;
grant execute on function tenant_for_operator(uuid, uuid) to kgents_app;
call hand_over('tenant_for_operator(uuid, uuid)', 'kgents_operator');

-- Jobs that wait and run, of each tenant that has some.
create policy operating on jobs for select to kgents_operator using (true);
grant select (id, tenant_id, status, created_at, admitted_at) on jobs to kgents_operator;
create function queues_for_operator(person uuid)
  returns table (
    id uuid, slug text, tier text, waiting integer, admitted integer, running integer, oldest_waiting timestamptz)
  language plpgsql stable security definer set search_path = pg_catalog, public, pg_temp
as $$
begin
  perform public.require_operator(person);
  return query
    select t.id, t.slug, t.tier, queue.waiting, queue.admitted, queue.running, queue.oldest_waiting
    from (
      select j.tenant_id,
        count(*) filter (where j.status = 'queued' and j.admitted_at is null)::integer as waiting,
        count(*) filter (where j.status = 'queued' and j.admitted_at is not null)::integer as admitted,
        count(*) filter (where j.status = 'running')::integer as running,
        min(j.created_at) filter (where j.status = 'queued' and j.admitted_at is null) as oldest_waiting
      from public.jobs j where j.status in ('queued', 'running') group by j.tenant_id
    ) queue join public.tenants t on t.id = queue.tenant_id;
end
$$;
revoke execute on function queues_for_operator(uuid) from public;
grant execute on function queues_for_operator(uuid) to kgents_app;
call hand_over('queues_for_operator(uuid)', 'kgents_operator');

-- What waits for something to be done about it.
create policy operating on outbox for select to kgents_operator using (true);
create policy operating on dead_letters to kgents_operator using (true) with check (true);
grant select (published_at, created_at) on outbox to kgents_operator;
grant select (id, tenant_id, message_id, function, type, event, error, replays, kept_at), delete, update (error, replays)
  on dead_letters to kgents_operator;
create function backlog_for_operator(person uuid)
  returns table (outbox_waiting integer, outbox_oldest timestamptz, jobs_waiting integer, jobs_oldest timestamptz, dead_letters integer)
  language plpgsql stable security definer set search_path = pg_catalog, public, pg_temp
as $$
begin
  perform public.require_operator(person);
  return query select
    (select count(*)::integer from public.outbox where published_at is null),
    (select min(created_at) from public.outbox where published_at is null),
    (select count(*)::integer from public.jobs where status = 'queued' and admitted_at is null),
    (select min(created_at) from public.jobs where status = 'queued' and admitted_at is null),
    (select count(*)::integer from public.dead_letters);
end
$$;
revoke execute on function backlog_for_operator(uuid) from public;
grant execute on function backlog_for_operator(uuid) to kgents_app;
call hand_over('backlog_for_operator(uuid)', 'kgents_operator');

-- Which dead letters a filter means: { ids, tenant, function, type, from, to }, of which each narrows it.
create function is_wanted_letter(letter dead_letters, filter jsonb) returns boolean
  language sql stable
  return (filter -> 'ids' is null or letter.id in (select (value #>> '{}')::uuid from jsonb_array_elements(filter -> 'ids')))
    and (filter ->> 'tenant' is null or letter.tenant_id = (filter ->> 'tenant')::uuid)
    and (filter ->> 'function' is null or letter.function = filter ->> 'function')
    and (filter ->> 'type' is null or letter.type = filter ->> 'type')
    and (filter ->> 'from' is null or letter.kept_at >= (filter ->> 'from')::timestamptz)
    and (filter ->> 'to' is null or letter.kept_at < (filter ->> 'to')::timestamptz);

-- Without the event, whose data may be a person's own: newest first.
create function page_of_dead_letters(person uuid, filter jsonb, before uuid, most integer)
  returns table (
    id uuid, tenant_id uuid, slug text, message_id text, function text, type text, error jsonb, replays integer,
    kept_at timestamptz)
  language plpgsql stable security definer set search_path = pg_catalog, public, pg_temp
as $$
begin
  perform public.require_operator(person);
  return query
    select d.id, d.tenant_id, t.slug, d.message_id, d.function, d.type, d.error, d.replays, d.kept_at
    from public.dead_letters d join public.tenants t on t.id = d.tenant_id
    where (before is null or d.id < before) and public.is_wanted_letter(d, filter)
    order by d.id desc limit most;
end
$$;
revoke execute on function page_of_dead_letters(uuid, jsonb, uuid, integer) from public;
grant execute on function page_of_dead_letters(uuid, jsonb, uuid, integer) to kgents_app;
call hand_over('page_of_dead_letters(uuid, jsonb, uuid, integer)', 'kgents_operator');

-- Those to deliver again, the least often tried first and of these the oldest, and how many a filter means in all. The events are for their functions, not for eyes.
create function dead_letters_to_replay(person uuid, filter jsonb, most integer)
  returns table (id uuid, function text, event text, matching integer)
  language plpgsql stable security definer set search_path = pg_catalog, public, pg_temp
as $$
begin
  perform public.require_operator(person);
  return query
    select d.id, d.function, d.event, (count(*) over ())::integer from public.dead_letters d
    where public.is_wanted_letter(d, filter) order by d.replays, d.id limit most;
end
$$;
revoke execute on function dead_letters_to_replay(uuid, jsonb, integer) from public;
grant execute on function dead_letters_to_replay(uuid, jsonb, integer) to kgents_app;
call hand_over('dead_letters_to_replay(uuid, jsonb, integer)', 'kgents_operator');

-- A record in the audit of each tenant of `counts`, and one of all of them in the operator's; in the order of the tenants, so
-- that no two operators wait for each other.
create function audit_all(person uuid, facts jsonb, counts jsonb, action text, details jsonb) returns void
  language plpgsql security definer set search_path = pg_catalog, public, pg_temp
as $$
declare
  own uuid := public.current_tenant();
  concerned uuid;
begin
  for concerned in
    select key::uuid from jsonb_each(counts) union select own order by 1
  loop
    if concerned = own then
      perform public.append_audit(own, person, facts, action, own::text, details || jsonb_build_object('tenants', counts));
    else
      perform public.append_audit(concerned, null, '{"operator": true}', action, concerned::text,
        details || jsonb_build_object('count', counts -> concerned::text));
    end if;
  end loop;
end
$$;
revoke execute on function audit_all(uuid, jsonb, jsonb, text, jsonb) from public;
call hand_over('audit_all(uuid, jsonb, jsonb, text, jsonb)', 'kgents_operator');

-- Notes what came of delivering some again: { taken: [id], failed: { id: error } }. Letters that were taken go.
create function note_replays_for_operator(person uuid, facts jsonb, outcome jsonb) returns void
  language plpgsql security definer set search_path = pg_catalog, public, pg_temp
as $$
declare
  counts jsonb;
begin
  perform public.require_operator(person);
  select jsonb_object_agg(tenant_id, n) into counts from (
    select d.tenant_id, count(*) as n from public.dead_letters d
    where d.id in (select (value #>> '{}')::uuid from jsonb_array_elements(outcome -> 'taken'))
      or d.id in (select key::uuid from jsonb_each(outcome -> 'failed'))
    group by d.tenant_id
  ) each;
  delete from public.dead_letters d
    where d.id in (select (value #>> '{}')::uuid from jsonb_array_elements(outcome -> 'taken'));
  update public.dead_letters d set error = failed.value, replays = d.replays + 1
    from jsonb_each(outcome -> 'failed') failed where d.id = failed.key::uuid;
  if counts is not null then
    perform public.audit_all(person, facts, counts, 'dead_letters.replayed', '{}');
  end if;
end
$$;
revoke execute on function note_replays_for_operator(uuid, jsonb, jsonb) from public;
grant execute on function note_replays_for_operator(uuid, jsonb, jsonb) to kgents_app;
call hand_over('note_replays_for_operator(uuid, jsonb, jsonb)', 'kgents_operator');

-- Removes at most so many, oldest first; answers how many, and how many there are still.
create function discard_dead_letters_for_operator(person uuid, facts jsonb, filter jsonb, reason text, most integer)
  returns table (discarded integer, remaining integer)
  language plpgsql security definer set search_path = pg_catalog, public, pg_temp
as $$
declare
  counts jsonb;
begin
  perform public.require_operator(person);
  with chosen as (
    select d.id from public.dead_letters d where public.is_wanted_letter(d, filter) order by d.id limit most for update
  ), gone as (
    delete from public.dead_letters d using chosen where d.id = chosen.id returning d.tenant_id
  )
  select jsonb_object_agg(tenant_id, n), coalesce(sum(n), 0)::integer into counts, discarded from (
    select gone.tenant_id, count(*) as n from gone group by gone.tenant_id
  ) each;
  if counts is not null then
    perform public.audit_all(person, facts, counts, 'dead_letters.discarded', jsonb_build_object('reason', reason));
  end if;
  select count(*)::integer into remaining from public.dead_letters d where public.is_wanted_letter(d, filter);
  return next;
end
$$;
revoke execute on function discard_dead_letters_for_operator(uuid, jsonb, jsonb, text, integer) from public;
grant execute on function discard_dead_letters_for_operator(uuid, jsonb, jsonb, text, integer) to kgents_app;
call hand_over('discard_dead_letters_for_operator(uuid, jsonb, jsonb, text, integer)', 'kgents_operator');

-- What a tenant was invoiced in months of UTC, without what was credited. Where there are no invoices, there is no revenue.
create function monthly_revenue(first_month text, last_month text) returns table (tenant_id uuid, month text, cents bigint)
  language plpgsql stable as $$
begin
  if to_regclass('public.invoices') is not null then
    return query execute $query$
      select i.tenant_id, to_char(i.issued_at at time zone 'UTC', 'YYYY-MM') as month,
        sum(i.total_cents - i.credited_cents)::bigint
      from public.invoices i
      where i.status not in ('draft', 'void')
        and to_char(i.issued_at at time zone 'UTC', 'YYYY-MM') between $1 and $2
      group by 1, 2 $query$ using first_month, last_month;
  end if;
end
$$;
revoke execute on function monthly_revenue(text, text) from public;
call hand_over('monthly_revenue(text, text)', 'kgents_operator');

-- Revenue of tenants beside the tokens that they have used, by month.
create policy operating on allowances for select to kgents_operator using (true);
grant select (tenant_id, resource, period, spent) on allowances to kgents_operator;
create function margins_for_operator(person uuid, first_month text, last_month text)
  returns table (id uuid, slug text, tier text, month text, revenue_cents bigint, tokens numeric)
  language plpgsql stable security definer set search_path = pg_catalog, public, pg_temp
as $$
begin
  perform public.require_operator(person);
  return query
    select t.id, t.slug, t.tier, coalesce(r.month, used.period), coalesce(r.cents, 0), coalesce(used.spent, 0)
    from public.monthly_revenue(first_month, last_month) r
    full join (
      select a.tenant_id, a.period, a.spent from public.allowances a
      where a.resource = 'tokens' and a.period between first_month and last_month
    ) used on used.tenant_id = r.tenant_id and used.period = r.month
    join public.tenants t on t.id = coalesce(r.tenant_id, used.tenant_id);
end
$$;
revoke execute on function margins_for_operator(uuid, text, text) from public;
grant execute on function margins_for_operator(uuid, text, text) to kgents_app;
call hand_over('margins_for_operator(uuid, text, text)', 'kgents_operator');

-- What calls of one trace have left behind, and how long a model has worked on a job.
create index marks_by_trace on marks (tenant_id, trace_id, at, id);
create index jobs_by_trace on jobs (tenant_id, split_part(call ->> 'traceparent', '-', 2));
alter table jobs add column model_seconds real;

-- An operator acts in a tenant for some minutes, and for a reason.
create table impersonations (
  id uuid primary key,
  tenant_id uuid not null,
  operator uuid not null,
  operator_tenant uuid not null,
  -- The API key by which it was begun, and with which it ends.
  key_id uuid,
  key_rotation integer,
  reason text not null,
  may_write boolean not null,
  created_at timestamptz not null default now(),
  expires_at timestamptz not null check (expires_at <= created_at + interval '15 minutes'),
  ended_at timestamptz
);
create index impersonations_by_tenant on impersonations (tenant_id, id desc);
select enable_tenant_isolation(array['impersonations']::regclass[]);
create policy operating on impersonations to kgents_operator using (true) with check (true);
grant select, insert, update (ended_at) on impersonations to kgents_operator;

-- Begins one; answers the tenant's plan, null where there is no such tenant, or it is the operator's own.
create function impersonate_for_operator(
    person uuid, facts jsonb, impersonation uuid, tenant uuid, reason text, may_write boolean, seconds integer,
    key uuid, rotation integer)
  returns text
  language plpgsql security definer set search_path = pg_catalog, public, pg_temp
as $$
declare
  own uuid := public.current_tenant();
  of_tier text;
  until timestamptz := now() + make_interval(secs => seconds);
begin
  perform public.require_operator(person);
  select t.tier into of_tier from public.tenants t where t.id = tenant and t.id <> own;
  if not found then
    return null;
  end if;
  insert into public.impersonations (
      id, tenant_id, operator, operator_tenant, key_id, key_rotation, reason, may_write, expires_at)
    values (impersonation, tenant, person, own, key, rotation, reason, may_write, until);
  perform public.audit_both(person, facts, tenant, 'tenant.impersonated', jsonb_build_object(
    'impersonation', impersonation, 'reason', reason, 'may_write', may_write, 'expires_at', until));
  return of_tier;
end
$$;
revoke execute on function impersonate_for_operator(uuid, jsonb, uuid, uuid, text, boolean, integer, uuid, integer) from public;
grant execute on function impersonate_for_operator(uuid, jsonb, uuid, uuid, text, boolean, integer, uuid, integer) to kgents_app;
call hand_over('impersonate_for_operator(uuid, jsonb, uuid, uuid, text, boolean, integer, uuid, integer)', 'kgents_operator');

-- Ends one that is the operator's own; answers whether there was one to end.
create function end_impersonation_for_operator(person uuid, facts jsonb, impersonation uuid) returns boolean
  language plpgsql security definer set search_path = pg_catalog, public, pg_temp
as $$
declare
  concerned uuid;
begin
  perform public.require_operator(person);
  update public.impersonations i set ended_at = now()
    where i.id = impersonation and i.operator = person and i.ended_at is null and i.expires_at > now()
    returning i.tenant_id into concerned;
  if not found then
    return false;
  end if;
  perform public.audit_both(person, facts, concerned, 'tenant.impersonation_ended',
    jsonb_build_object('impersonation', impersonation));
  return true;
end
$$;
revoke execute on function end_impersonation_for_operator(uuid, jsonb, uuid) from public;
grant execute on function end_impersonation_for_operator(uuid, jsonb, uuid) to kgents_app;
call hand_over('end_impersonation_for_operator(uuid, jsonb, uuid)', 'kgents_operator');

-- Whether a token of one is still good: it has not ended, and whoever has it is an operator still, with the API key by which it
-- was begun. A suspended tenant can be looked into, since that is when there is reason to.
call as_owner('kgents_authenticator', 'grant execute on function current_rights(uuid, uuid, uuid, integer) to kgents_operator');
create function impersonation_rights(impersonation uuid, wanted uuid, person uuid)
  returns table (tier text, plan_version integer, overage boolean, may_write boolean)
  language sql stable security definer set search_path = pg_catalog, public, pg_temp
as $$
  select t.tier, t.plan_version, public.overage_of(t), i.may_write
  from public.impersonations i join public.tenants t on t.id = i.tenant_id,
    public.current_rights(i.operator_tenant, i.operator, i.key_id, i.key_rotation) own
  where i.id = impersonation and i.tenant_id = wanted and i.operator = person and i.ended_at is null and i.expires_at > now()
    and own.roles ? 'super_admin' and not own.suspended and own.status not in ('paused', 'canceled', 'deleted')
$$;
revoke execute on function impersonation_rights(uuid, uuid, uuid) from public;
grant execute on function impersonation_rights(uuid, uuid, uuid) to kgents_app;
call hand_over('impersonation_rights(uuid, uuid, uuid)', 'kgents_operator');
