-- The relay looks after the clock: it wakes a function by an event where something is due for it, and lets it sleep
-- otherwise. One row for each `tick` in the contracts of functions.
create function due_functions() returns setof text
  language sql stable security invoker set search_path = pg_catalog, public, pg_temp
as $$
  select function from (values
    ('logos', exists (select from public.tenants_with_stalled_compositions())),
    ('time-schedule', exists (select from public.tenants_with_due_schedules()))
  ) as ticking (function, is_due)
  where is_due
$$;
revoke execute on function due_functions() from public;
grant execute on function due_functions() to kgents_relay;

-- Changes what was handed over: whoever applies this may act as its owner, and owns it no longer.
create procedure as_owner(owner text, statement text)
  language plpgsql as $$
begin
  execute format('grant create on schema public to %I', owner);
  execute format('set local role %I', owner);
  execute statement;
  reset role;
  execute format('revoke create on schema public from %I', owner);
end
$$;
revoke execute on procedure as_owner(text, text) from public;
call as_owner('kgents_scheduler', 'grant execute on function
  tenants_with_stalled_compositions(), tenants_with_due_schedules() to kgents_relay');
