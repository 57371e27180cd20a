-- The job that a key stands for: a repetition is answered with what that has come to.
alter table idempotency_keys add column job_id uuid;
update idempotency_keys set job_id = (answer #>> '{body,job,id}')::uuid where answer ->> 'status' = '202';

-- Whether what was forgotten is gone for good: until then it can be restored.
create function is_gone(memory memories) returns boolean
  language sql stable
  return coalesce(memory.forgotten_at < now() - interval '30 days', false);
create index memories_forgotten on memories (forgotten_at) where forgotten_at is not null;

-- Copies of a memory are in what work came to. They are found by the memory's id, which stands beside each of them in JSON.
create function mentioned_ids(document text) returns uuid[]
  language sql immutable parallel safe
  return array(
    select distinct (match[1])::uuid
    from regexp_matches(document, '"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})"', 'g') match);

-- When something was forgotten that this job quotes: it has no result, or none with the quote.
alter table jobs add column forgotten_at timestamptz;
create index jobs_forgotten on jobs (tenant_id) where forgotten_at is not null;
create index jobs_by_mention on jobs using gin (mentioned_ids(result::text), mentioned_ids((call -> 'input')::text));
create index compositions_by_mention on compositions using gin (mentioned_ids(results::text));
create index schedules_by_mention on schedules using gin (mentioned_ids(result::text));
create index idempotency_keys_by_mention on idempotency_keys using gin (mentioned_ids(answer::text))
  where endpoint like 'self.memory.%';

-- What a worker was sent is of no use once its job has ended.
update jobs set message = null where status not in ('queued', 'running');

-- Erases what was forgotten, of all tenants, and can do nothing else.
do $$
begin
  if not exists (select from pg_roles where rolname = 'kgents_eraser') then
    create role kgents_eraser nologin nosuperuser nobypassrls;
  end if;
end
$$;
grant usage on schema public to kgents_eraser;
create policy erasure on memories to kgents_eraser using (true);
create policy erasure on recall_entries to kgents_eraser using (true);
create policy erasure on jobs to kgents_eraser using (true);
create policy erasure on compositions to kgents_eraser using (true);
create policy erasure on schedules to kgents_eraser using (true);
create policy erasure on idempotency_keys to kgents_eraser using (true);
create policy erasure on outbox to kgents_eraser using (true);
grant select (id, tenant_id, user_id, forgotten_at), delete on memories to kgents_eraser;
grant select (tenant_id, kind, owner, subject), delete on recall_entries to kgents_eraser;
grant select (id, tenant_id, function, path, status, call, result, forgotten_at), update (call, result, forgotten_at)
  on jobs to kgents_eraser;
grant select (id, tenant_id, results, stage_job), update (stages, results) on compositions to kgents_eraser;
grant select (tenant_id, status, result), update (input, result) on schedules to kgents_eraser;
grant select (tenant_id, endpoint, answer), update (answer) on idempotency_keys to kgents_eraser;
grant select (tenant_id, published_at, event), delete on outbox to kgents_eraser;

-- What a recall has found, without the hits that are forgotten.
create function without_hits(recalled json, forgotten uuid[]) returns json
  language sql immutable
  return (
    select jsonb_set(jsonb_set(recalled::jsonb, '{results}', coalesce(jsonb_agg(hit), '[]')), '{count}', to_jsonb(count(hit)))::json
    from jsonb_array_elements(recalled::jsonb -> 'results') hit where (hit ->> 'id')::uuid <> all (forgotten));

-- Erases all copies of memories of one tenant, and returns the jobs of models that quote one and are under way. A
-- composition under way goes on, and is erased when it ends.
create function erase_copies(tenant uuid, forgotten uuid[]) returns setof uuid
  language plpgsql security definer set search_path = pg_catalog, public, pg_temp
as $$
declare
  quoting uuid[] := array(
    select id from public.jobs where tenant_id = tenant and public.mentioned_ids(result::text) && forgotten
    union
    select id from public.jobs
    where tenant_id = tenant and public.mentioned_ids((call -> 'input')::text) && forgotten and function <> 'logos'
    union
    select id from public.compositions where tenant_id = tenant and public.mentioned_ids(results::text) && forgotten
  );
begin
  -- What a later stage has made of a quote has no id beside it.
  quoting := quoting || array(
    select (stage ->> 'job')::uuid from public.compositions c, jsonb_array_elements(c.results) stage
    where c.id = any (quoting) and stage ? 'job'
  ) || array(select stage_job from public.compositions where id = any (quoting) and stage_job is not null);
  update public.jobs set forgotten_at = now() where id = any (quoting) and tenant_id = tenant;
  update public.jobs set call = jsonb_set(call, '{input}', 'null'),
    result = case when path = 'self.memory.recall' and result is not null then public.without_hits(result, forgotten) end
  where id = any (quoting) and tenant_id = tenant and status not in ('queued', 'running');
  update public.compositions c set stages = '[]', results = '[]'
  where id = any (quoting) and exists (
    select from public.jobs j where j.id = c.id and j.status not in ('queued', 'running'));
  update public.schedules set input = '{}', result = null
  where tenant_id = tenant and public.mentioned_ids(result::text) && forgotten and status not in ('pending', 'running');
  update public.idempotency_keys set answer = '{"status": 404, "forgotten": true}'
  where tenant_id = tenant and endpoint like 'self.memory.%' and public.mentioned_ids(answer::text) && forgotten;
  return query select id from public.jobs
    where id = any (quoting) and tenant_id = tenant and status in ('queued', 'running') and function <> 'logos';
end
$$;
revoke execute on function erase_copies(uuid, uuid[]) from public;
call hand_over('erase_copies(uuid, uuid[])', 'kgents_eraser');

-- The same for this transaction's tenant.
create function erase_copies(forgotten uuid) returns setof uuid
  language sql security definer set search_path = pg_catalog, public, pg_temp
as $$
  select public.erase_copies(public.current_tenant(), array[forgotten])
$$;
revoke execute on function erase_copies(uuid) from public;
grant execute on function erase_copies(uuid) to kgents_app;
call hand_over('erase_copies(uuid)', 'kgents_eraser');

-- Deletes memories that were forgotten long enough ago, with everything that is left of them; answers how many.
create function delete_forgotten(most integer) returns integer
  language plpgsql security definer set search_path = pg_catalog, public, pg_temp
as $$
declare
  person record;
  deleted integer := 0;
begin
  for person in
    select due.tenant_id, due.user_id, array_agg(due.id) as memories from (
      select tenant_id, user_id, id from public.memories
      where forgotten_at < now() - interval '30 days' order by forgotten_at limit most
    ) due group by due.tenant_id, due.user_id
  loop
    perform public.erase_copies(person.tenant_id, person.memories);
    delete from public.outbox
    where tenant_id = person.tenant_id and published_at is not null and public.mentioned_ids(event) &&
      (person.memories || array(select id from public.jobs where tenant_id = person.tenant_id and forgotten_at is not null));
    delete from public.recall_entries
    where tenant_id = person.tenant_id and kind = 'memory' and owner = person.user_id
      and subject = any (person.memories::text[]);
    delete from public.memories where id = any (person.memories);
    deleted := deleted + cardinality(person.memories);
  end loop;
  return deleted;
end
$$;
revoke execute on function delete_forgotten(integer) from public;
grant execute on function delete_forgotten(integer) to kgents_relay;
call hand_over('delete_forgotten(integer)', 'kgents_eraser');
