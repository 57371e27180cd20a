-- What calls of several tenants left behind, in one statement: marks and events of each in that tenant's own context, so that
-- row-level security checks every row. The transaction's context is the last tenant's afterwards.
create function record_calls(batch jsonb) returns void
  language plpgsql as $$
declare
  entry record;
begin
  for entry in select * from jsonb_to_recordset(batch) as (tenant uuid, marks jsonb, events jsonb) loop
    perform set_tenant_context(entry.tenant);
    insert into marks (
      id, tenant_id, path, node, category, outcome, code, user_id, archetype, effects, charges, job_id, trace_id, duration_ms, at)
    select id, tenant_id, path, node, category, outcome, code, user_id, archetype, effects, charges, job_id, trace_id,
      duration_ms, at
    from jsonb_populate_recordset(null::marks, entry.marks)
    on conflict do nothing;
    insert into outbox (id, tenant_id, subjects, event)
    select id, tenant_id, subjects, event from jsonb_populate_recordset(null::outbox, entry.events);
  end loop;
end
$$;
revoke execute on function record_calls(jsonb) from public;
grant execute on function record_calls(jsonb) to kgents_app;
