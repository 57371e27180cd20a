-- What tenants use, by meter. Each row that says so is counted exactly once, into sums by time and by what it was used for.
--
-- kgents_meter reads what is counted, of all tenants, and is the only one that writes the sums.
-- kgents_usage_exporter is what the export of usage to services of others logs in as, and sees nothing else.
do $$
declare
  wanted text;
begin
  foreach wanted in array array['kgents_meter', 'kgents_usage_exporter'] loop
    if not exists (select from pg_roles where rolname = wanted) then
      execute format('create role %I nologin nosuperuser nobypassrls', wanted);
    end if;
  end loop;
end
$$;
grant usage on schema public to kgents_meter, kgents_usage_exporter;

-- Rows that were there before have no xid: they are counted once, below.
alter table marks
  add column key_id uuid,
  -- Of the job that it stands for.
  add column model text,
  add column gpu_seconds numeric,
  -- Requests of callers that it stands for: none where it is a later stage of a composition, or was called by a schedule or an
  -- event, or where the platform itself failed.
  add column api_calls smallint not null default 1,
  add column xid xid8;
alter table marks alter column xid set default pg_current_xact_id();
alter table charges
  add column user_id uuid,
  add column key_id uuid,
  add column model text,
  add column tokens_in bigint,
  add column tokens_out bigint,
  add column xid xid8;
alter table charges alter column xid set default pg_current_xact_id();
alter table changes add column xid xid8;
alter table changes alter column xid set default pg_current_xact_id();
-- Transactions come in their order, so these grow at one end only.
create index marks_by_xid on marks (xid) where xid is not null;
create index charges_by_xid on charges (xid) where xid is not null and kind = 'settled' and resource = 'tokens';
create index changes_by_xid on changes (xid) where xid is not null;
create index changes_by_time on changes (tenant_id, at);

create or replace function record_calls(batch jsonb) returns void
  language plpgsql as $$
declare
  entry record;
begin
  for entry in select * from jsonb_to_recordset(batch) as (tenant uuid, marks jsonb, events jsonb) loop
    perform set_tenant_context(entry.tenant);
    insert into marks (
      id, tenant_id, path, node, category, outcome, code, user_id, archetype, effects, charges, job_id, trace_id, duration_ms, at,
      key_id, model, gpu_seconds, api_calls)
    select id, tenant_id, path, node, category, outcome, code, user_id, archetype, effects, charges, job_id, trace_id,
      duration_ms, at, key_id, model, gpu_seconds, coalesce(api_calls, 1)
    from jsonb_populate_recordset(null::marks, entry.marks)
    on conflict do nothing;
    insert into outbox (id, tenant_id, subjects, event)
    select id, tenant_id, subjects, event from jsonb_populate_recordset(null::outbox, entry.events);
  end loop;
end
$$;

-- What a tenant stored in each hour: the ledger of what is held, which no other row says.
create table storage_samples (
  tenant_id uuid not null,
  at timestamptz not null,
  bytes bigint not null check (bytes >= 0),
  xid xid8 default pg_current_xact_id(),
  primary key (tenant_id, at)
);
create index storage_samples_by_xid on storage_samples (xid) where xid is not null;

-- Everything that is counted, one row for each meter that it counts for. Amounts of a meter are never negative.
create view usage_lines with (security_invoker = true) as
  select c.xid, c.tenant_id, c.at, line.meter, c.path, c.model, c.user_id, c.key_id, line.quantity
  from charges c cross join lateral (values
    ('tokens', c.amount), ('tokens_in', c.tokens_in::numeric), ('tokens_out', c.tokens_out::numeric)
  ) as line (meter, quantity)
  where c.kind = 'settled' and c.resource = 'tokens' and line.quantity > 0
  union all
  select m.xid, m.tenant_id, m.at, line.meter, m.path, m.model, m.user_id, m.key_id, line.quantity
  from marks m cross join lateral (values
    ('invocations', 1::numeric),
    ('api_calls', m.api_calls::numeric),
    ('compute_seconds', case when m.job_id is null then m.duration_ms::numeric / 1000 end),
    ('gpu_seconds', m.gpu_seconds),
    ('sessions', case when m.path = 'self.kgent.create' and m.outcome = 'success' then 1::numeric end),
    ('session_messages', case when m.path = 'self.kgent.message' and m.outcome = 'success' then 1::numeric end)
  ) as line (meter, quantity)
  where line.quantity > 0
  union all
  select c.xid, c.tenant_id, c.at, 'storage_bytes_written', c.path, null, c.user_id, null, octet_length(c.state::text)::numeric
  from changes c where c.state is not null
  union all
  select s.xid, s.tenant_id, s.at, 'storage_byte_hours', null, null, null, null, s.bytes::numeric
  from storage_samples s where s.bytes > 0;

-- Stands where there is no person, or no key: a column of a primary key is never null.
create function nobody() returns uuid
  language sql immutable parallel safe
  return '00000000-0000-0000-0000-000000000000'::uuid;

-- Sums of quarters of an hour: every time zone's days begin with one.
create table usage_quarters (
  tenant_id uuid not null,
  meter text not null,
  quarter timestamptz not null,
  quantity numeric not null,
  primary key (tenant_id, meter, quarter)
) with (fillfactor = 70);

-- Sums of hours and days (UTC) by what was used. A text is empty, and an id nil, where there is none.
create table usage_hourly (
  tenant_id uuid not null,
  meter text not null,
  hour timestamptz not null,
  path text not null,
  model text not null,
  person uuid not null,
  key uuid not null,
  quantity numeric not null,
  primary key (tenant_id, meter, hour, path, model, person, key)
) with (fillfactor = 70);
create table usage_daily (
  tenant_id uuid not null,
  meter text not null,
  day date not null,
  path text not null,
  model text not null,
  person uuid not null,
  key uuid not null,
  quantity numeric not null,
  primary key (tenant_id, meter, day, path, model, person, key)
) with (fillfactor = 70);

-- Sums of a day or a month (UTC), such as 2026-11-27 and 2026-11: what limits are compared with.
create table usage_periods (
  tenant_id uuid not null,
  meter text not null,
  period text not null,
  quantity numeric not null,
  primary key (tenant_id, meter, period)
) with (fillfactor = 70);

-- The paths of an hour that are named; all others are `other`, since tenants name holons as they like.
create table usage_paths (
  tenant_id uuid not null,
  hour timestamptz not null,
  path text not null,
  primary key (tenant_id, hour, path)
);
create index usage_paths_by_age on usage_paths (hour);

-- A limit of a tenant's plan is used to 50, 80 or 100 percent: once for each period.
create table usage_alerts (
  tenant_id uuid not null,
  meter text not null,
  period text not null,
  threshold smallint not null,
  used numeric not null,
  bound numeric not null,
  reached_at timestamptz not null default now(),
  -- When the event about it was written.
  notified_at timestamptz,
  primary key (tenant_id, meter, period, threshold)
);
create index usage_alerts_waiting on usage_alerts (tenant_id) where notified_at is null;

-- What the ledger, the sums and the events say of a day; the discrepancy is the greatest difference between ledger and sums.
create table usage_reconciliations (
  tenant_id uuid not null,
  day date not null,
  meter text not null,
  ledger numeric not null,
  daily numeric not null,
  hourly numeric not null,
  quarters numeric not null,
  -- Of other records of the same; null where there are none.
  events numeric,
  discrepancy numeric not null,
  checked_at timestamptz not null default now(),
  primary key (tenant_id, day, meter)
);
create index usage_reconciliations_wrong on usage_reconciliations (day) where discrepancy <> 0;

select enable_tenant_isolation(array[
  'storage_samples', 'usage_quarters', 'usage_hourly', 'usage_daily', 'usage_periods', 'usage_paths', 'usage_alerts',
  'usage_reconciliations']::regclass[]);
grant select on storage_samples, usage_lines, usage_quarters, usage_hourly, usage_daily, usage_periods, usage_alerts,
  usage_reconciliations to kgents_app;
grant update (notified_at) on usage_alerts to kgents_app;

-- How far it is: rows of transactions below `xid` are counted.
create table usage_state (
  id boolean primary key default true check (id),
  xid xid8 not null default pg_current_xact_id(),
  rolled_up_at timestamptz not null default now(),
  -- The first hour whose storage is not sampled yet.
  storage_hour timestamptz not null default date_trunc('hour', now(), 'UTC'),
  -- The first day that is not reconciled yet, and the last tenant that is, of that day.
  reconcile_day date not null default (now() at time zone 'UTC')::date,
  reconciled_tenant uuid not null default '00000000-0000-0000-0000-000000000000'
);
insert into usage_state default values;
alter table usage_state enable row level security;
alter table usage_state force row level security;

-- Where usage is exported to, and how far; there are rows for what is configured only.
create table usage_exports (
  -- Written behind the lock of usage_state, so numbers and commits have the same order.
  seq bigint generated always as identity primary key,
  id uuid not null default uuidv7(),
  tenant_id uuid not null,
  at timestamptz not null,
  meter text not null,
  path text not null,
  model text not null,
  person uuid not null,
  key uuid not null,
  quantity numeric not null
);
create table usage_export_targets (
  name text primary key check (name in ('openmeter', 'lago')),
  sent_through bigint not null default 0,
  sent bigint not null default 0,
  rejected bigint not null default 0,
  flush_errors bigint not null default 0,
  last_flush timestamptz,
  -- Why the last attempt failed; null where it did not.
  error text,
  since timestamptz not null default now()
);
-- Events that a target will never take.
create table usage_export_rejects (
  tenant_id uuid not null,
  target text not null,
  id uuid not null,
  status integer not null,
  reason text not null,
  event jsonb not null,
  at timestamptz not null default now(),
  primary key (target, id)
);
select enable_tenant_isolation(array['usage_exports', 'usage_export_rejects']::regclass[]);
alter table usage_export_targets enable row level security;
alter table usage_export_targets force row level security;

do $$
declare
  name regclass;
begin
  foreach name in array array[
    'storage_samples', 'usage_quarters', 'usage_hourly', 'usage_daily', 'usage_periods', 'usage_paths', 'usage_alerts',
    'usage_reconciliations', 'usage_state', 'usage_exports', 'usage_export_targets', 'usage_export_rejects']::regclass[]
  loop
    execute format('create policy metering on %s to kgents_meter using (true) with check (true)', name);
    execute format('grant select, insert, update, delete on %s to kgents_meter', name);
  end loop;
  foreach name in array array['marks', 'charges', 'changes', 'tenants', 'kgent_sessions']::regclass[] loop
    execute format('create policy metering on %s for select to kgents_meter using (true)', name);
  end loop;
end
$$;
create policy exporting on usage_exports for select to kgents_usage_exporter using (true);
create policy exporting on usage_export_targets to kgents_usage_exporter using (true) with check (true);
create policy exporting on usage_export_rejects for insert to kgents_usage_exporter with check (true);
grant select on usage_exports to kgents_usage_exporter;
grant select, insert, update, delete on usage_export_targets to kgents_usage_exporter;
grant insert on usage_export_rejects to kgents_usage_exporter;
grant select on usage_lines, marks, charges, changes to kgents_meter;
grant select (id, tier) on tenants to kgents_meter;
grant select (id, tenant_id, created_at) on kgent_sessions to kgents_meter;
-- A database that was restored elsewhere starts counting transactions anew.
grant update (xid) on marks, charges, changes to kgents_meter;
create policy metering_anew on marks for update to kgents_meter using (true) with check (true);
create policy metering_anew on charges for update to kgents_meter using (true) with check (true);
create policy metering_anew on changes for update to kgents_meter using (true) with check (true);

-- What a tenant's plan bounds: by month, or by day. Where plans are rows of their own, as the version says that it bought.
create function usage_bounds(tenant uuid) returns table (meter text, every text, bound numeric)
  language sql stable security definer set search_path = pg_catalog, public, pg_temp
as $$
  select bounds.meter, bounds.every, (p.limits ->> bounds.name)::numeric
  from public.tenants t join public.plans p on p.id = t.tier and p.version = t.plan_version
  cross join (values
    ('tokens', 'month', 'tokensPerMonth'), ('sessions', 'month', 'sessionsPerMonth'),
    ('api_calls', 'day', 'apiCallsPerDay'), ('storage_bytes', 'month', 'storageBytes')
  ) as bounds (meter, every, name)
  where t.id = tenant and p.limits ->> bounds.name is not null
$$;
create function usage_prices(tenant uuid) returns jsonb
  language sql stable security definer set search_path = pg_catalog, public, pg_temp
as $$
  select p.overage from public.tenants t join public.plans p on p.id = t.tier and p.version = t.plan_version
  where t.id = tenant
$$;
grant select (id, version, limits, overage) on plans to kgents_meter;
create policy metering on plans for select to kgents_meter using (true);
grant select (plan_version) on tenants to kgents_meter;
revoke execute on function usage_bounds(uuid), usage_prices(uuid) from public;
call hand_over('usage_bounds(uuid)', 'kgents_meter');
call hand_over('usage_prices(uuid)', 'kgents_meter');

-- What the plan of this transaction's tenant bounds, and what use past it costs.
create function own_usage_bounds() returns table (meter text, every text, bound numeric)
  language sql stable security definer set search_path = pg_catalog, public, pg_temp
as $$
  select * from public.usage_bounds(public.current_tenant())
$$;
create function own_usage_prices() returns jsonb
  language sql stable security definer set search_path = pg_catalog, public, pg_temp
as $$
  select public.usage_prices(public.current_tenant())
$$;
revoke execute on function own_usage_bounds(), own_usage_prices() from public;
grant execute on function own_usage_bounds(), own_usage_prices() to kgents_app;
call hand_over('own_usage_bounds()', 'kgents_meter');
call hand_over('own_usage_prices()', 'kgents_meter');

-- Notes that limits are reached; what has been noted of a period stays as it is. A use that passes several thresholds at once
-- reaches them all.
create function note_usage_alert(tenant uuid, used_meter text, used_period text, quantity numeric) returns void
  language sql security definer set search_path = pg_catalog, public, pg_temp
as $$
  insert into public.usage_alerts (tenant_id, meter, period, threshold, used, bound)
  select tenant, used_meter, used_period, threshold, quantity, b.bound
  from public.usage_bounds(tenant) b cross join unnest('{50,80,100}'::smallint[]) as threshold
  where b.meter = used_meter and b.bound > 0 and quantity * 100 >= threshold * b.bound
    and length(used_period) = case b.every when 'day' then 10 else 7 end
  on conflict do nothing
$$;
revoke execute on function note_usage_alert(uuid, text, text, numeric) from public;
call hand_over('note_usage_alert(uuid, text, text, numeric)', 'kgents_meter');

-- Adds the rows that meet a condition to all sums, as one change of each; how many there were. The conditions are those below,
-- in which $1 to $4 are the other arguments.
create function add_usage(condition text, low xid8, high xid8, tenant uuid, day date, exporting boolean) returns bigint
  language plpgsql security definer set search_path = pg_catalog, public, pg_temp
as $$
declare
  -- Paths of a tenant that are named in one hour.
  most_paths constant integer := 100;
  added bigint;
  reached record;
begin
  execute format($query$
    with counted as materialized (
      select l.tenant_id, l.meter, date_bin('15 minutes', l.at, '2000-01-01T00:00Z') as quarter, coalesce(l.path, '') as path,
        coalesce(l.model, '') as model, coalesce(l.user_id, public.nobody()) as person, coalesce(l.key_id, public.nobody()) as key,
        sum(l.quantity) as quantity, count(*) as lines
      from public.usage_lines l where %s group by 1, 2, 3, 4, 5, 6, 7
    ),
    seen as (
      select tenant_id, date_trunc('hour', quarter, 'UTC') as hour, path from counted where path <> '' group by 1, 2, 3
    ),
    fresh as (
      select s.*, row_number() over (partition by s.tenant_id, s.hour order by s.path) as place from seen s
      where not exists (
        select from public.usage_paths k where k.tenant_id = s.tenant_id and k.hour = s.hour and k.path = s.path)
    ),
    named as (
      insert into public.usage_paths (tenant_id, hour, path)
      select f.tenant_id, f.hour, f.path from fresh f
      where f.place <= %s - (
        select count(*) from public.usage_paths k where k.tenant_id = f.tenant_id and k.hour = f.hour)
      returning tenant_id, hour, path
    ),
    -- Hardly any, so that what all rows are joined with is small.
    unnamed as materialized (
      select f.tenant_id, f.hour, f.path from fresh f left join named n using (tenant_id, hour, path) where n.path is null
    ),
    labelled as materialized (
      select c.tenant_id, c.meter, c.quarter, date_trunc('hour', c.quarter, 'UTC') as hour,
        case when u.path is null then c.path else 'other' end as path,
        c.model, c.person, c.key, c.quantity
      from counted c
      left join unnamed u on u.tenant_id = c.tenant_id and u.hour = date_trunc('hour', c.quarter, 'UTC') and u.path = c.path
    ),
    quarters as (
      insert into public.usage_quarters as u (tenant_id, meter, quarter, quantity)
      select tenant_id, meter, quarter, sum(quantity) from counted group by 1, 2, 3
      on conflict (tenant_id, meter, quarter) do update set quantity = u.quantity + excluded.quantity
    ),
    hours as (
      insert into public.usage_hourly as u (tenant_id, meter, hour, path, model, person, key, quantity)
      select tenant_id, meter, hour, path, model, person, key, sum(quantity) from labelled group by 1, 2, 3, 4, 5, 6, 7
      on conflict (tenant_id, meter, hour, path, model, person, key) do update set quantity = u.quantity + excluded.quantity
    ),
    days as (
      insert into public.usage_daily as u (tenant_id, meter, day, path, model, person, key, quantity)
      select tenant_id, meter, (quarter at time zone 'UTC')::date, path, model, person, key, sum(quantity) from labelled
      group by 1, 2, 3, 4, 5, 6, 7
      on conflict (tenant_id, meter, day, path, model, person, key) do update set quantity = u.quantity + excluded.quantity
    ),
    exported as (
      insert into public.usage_exports (tenant_id, at, meter, path, model, person, key, quantity)
      select tenant_id, quarter, meter, path, model, person, key, sum(quantity) from labelled
      where $5 and exists (select from public.usage_export_targets)
      group by 1, 2, 3, 4, 5, 6, 7
    ),
    periods as (
      insert into public.usage_periods as u (tenant_id, meter, period, quantity)
      select tenant_id, meter, to_char(quarter at time zone 'UTC', form), sum(quantity)
      from counted cross join unnest('{YYYY-MM,YYYY-MM-DD}'::text[]) as form group by 1, 2, 3
      on conflict (tenant_id, meter, period) do update set quantity = u.quantity + excluded.quantity
      returning u.tenant_id, u.meter, u.period, u.quantity
    ),
    noted as (
      select public.note_usage_alert(tenant_id, meter, period, quantity) from periods
      where period in (to_char(now() at time zone 'UTC', 'YYYY-MM'), to_char(now() at time zone 'UTC', 'YYYY-MM-DD'))
    )
    select coalesce(sum(lines), 0)::bigint as lines, (select count(*) from noted) as noted from counted
    $query$, condition, most_paths)
    into reached using low, high, tenant, day, exporting;
  return reached.lines;
end
$$;
revoke execute on function add_usage(text, xid8, xid8, uuid, date, boolean) from public;
call hand_over('add_usage(text, xid8, xid8, uuid, date, boolean)', 'kgents_meter');

-- Counts what has been committed since the last time, exactly once: rows of transactions from the last bound up to the oldest
-- that still runs, in one transaction with the new bound. Two at once wait for each other. How many rows there were.
create function roll_up_usage() returns bigint
  language plpgsql security definer set search_path = pg_catalog, public, pg_temp
as $$
declare
  low xid8;
  high xid8;
  added bigint;
begin
  select xid into low from public.usage_state for update;
  high := pg_snapshot_xmin(pg_current_snapshot());
  if low > pg_snapshot_xmax(pg_current_snapshot()) then
    -- The database was restored on a server whose transactions begin anew: the numbers in its rows mean nothing here, and
    -- would be met again. What was not counted there is counted, and the numbers are removed.
    added := public.add_usage('l.xid >= $1', low, high, null, null, true);
    update public.marks set xid = null where xid is not null;
    update public.charges set xid = null where xid is not null;
    update public.changes set xid = null where xid is not null;
    update public.storage_samples set xid = null where xid is not null;
  elsif low < high then
    added := public.add_usage('l.xid >= $1 and l.xid < $2', low, high, null, null, true);
  end if;
  update public.usage_state set xid = high, rolled_up_at = clock_timestamp();
  return coalesce(added, 0);
end
$$;
revoke execute on function roll_up_usage() from public;
grant execute on function roll_up_usage() to kgents_relay;
call hand_over('roll_up_usage()', 'kgents_meter');

-- Counts one day of a tenant again, from the rows themselves; for sums that are wrong.
create function recount_usage(tenant uuid, wanted date) returns bigint
  language plpgsql security definer set search_path = pg_catalog, public, pg_temp
as $$
declare
  since constant timestamptz := wanted::timestamp at time zone 'UTC';
  until constant timestamptz := (wanted + 1)::timestamp at time zone 'UTC';
  high xid8;
  added bigint;
begin
  select xid into high from public.usage_state for update;
  delete from public.usage_quarters where tenant_id = tenant and quarter >= since and quarter < until;
  delete from public.usage_hourly where tenant_id = tenant and hour >= since and hour < until;
  delete from public.usage_daily where tenant_id = tenant and day = wanted;
  delete from public.usage_paths where tenant_id = tenant and hour >= since and hour < until;
  -- The month's sum is of its days, so what this day had is first taken out of it, and put in again with what is counted.
  delete from public.usage_periods
    where tenant_id = tenant and period in (to_char(wanted, 'YYYY-MM'), to_char(wanted, 'YYYY-MM-DD'));
  insert into public.usage_periods (tenant_id, meter, period, quantity)
    select tenant, meter, to_char(wanted, 'YYYY-MM'), sum(quantity) from public.usage_daily
    where tenant_id = tenant and day >= date_trunc('month', wanted)::date
      and day < (date_trunc('month', wanted) + interval '1 month')::date
    group by meter;
  added := public.add_usage(
    '(l.xid is null or l.xid < $2) and l.tenant_id = $3 and l.at >= $4::timestamp at time zone ''UTC''
      and l.at < ($4 + 1)::timestamp at time zone ''UTC''', null, high, tenant, wanted, false);
  return added;
end
$$;
revoke execute on function recount_usage(uuid, date) from public;
call hand_over('recount_usage(uuid, date)', 'kgents_meter');

-- What is not in the sums yet, of this transaction's tenant. Of the same snapshot as the statement that calls it, so that
-- nothing is seen here and in the sums.
create function usage_tail(since timestamptz, until timestamptz)
  returns table (at timestamptz, meter text, path text, model text, person uuid, key uuid, quantity numeric)
  language plpgsql stable security definer set search_path = pg_catalog, public, pg_temp set plan_cache_mode = force_custom_plan
as $$
declare
  low xid8 := (select xid from public.usage_state);
begin
  return query
    select l.at, l.meter, coalesce(l.path, ''), coalesce(l.model, ''),
      coalesce(l.user_id, public.nobody()), coalesce(l.key_id, public.nobody()),
      l.quantity
    from public.usage_lines l
    where l.xid >= low and l.tenant_id = public.current_tenant() and l.at >= since and l.at < until;
end
$$;
revoke execute on function usage_tail(timestamptz, timestamptz) from public;
grant execute on function usage_tail(timestamptz, timestamptz) to kgents_app;
call hand_over('usage_tail(timestamptz, timestamptz)', 'kgents_meter');

-- What is in the sums of a part of an hour, row by row: for days that begin in the middle of an hour.
create function usage_of_part(since timestamptz, until timestamptz)
  returns table (meter text, path text, model text, person uuid, key uuid, quantity numeric)
  language plpgsql stable security definer set search_path = pg_catalog, public, pg_temp set plan_cache_mode = force_custom_plan
as $$
declare
  high xid8 := (select xid from public.usage_state);
begin
  if until - since >= interval '1 hour' then
    raise exception 'a part of an hour has less than 60 minutes';
  end if;
  return query
    select l.meter, coalesce(l.path, ''), coalesce(l.model, ''),
      coalesce(l.user_id, public.nobody()), coalesce(l.key_id, public.nobody()),
      l.quantity
    from public.usage_lines l
    where (l.xid is null or l.xid < high) and l.tenant_id = public.current_tenant() and l.at >= since and l.at < until;
end
$$;
revoke execute on function usage_of_part(timestamptz, timestamptz) from public;
grant execute on function usage_of_part(timestamptz, timestamptz) to kgents_app;
call hand_over('usage_of_part(timestamptz, timestamptz)', 'kgents_meter');

-- What the ledger, the sums and the events say of a day of a tenant, as far as it is counted.
create function reconcile_usage(tenant uuid, wanted date) returns void
  language sql security definer set search_path = pg_catalog, public, pg_temp
as $$
  with times as (
    select wanted::timestamp at time zone 'UTC' as since, (wanted + 1)::timestamp at time zone 'UTC' as until,
      (select xid from public.usage_state) as high
  ),
  said as (
    select l.meter, 'ledger' as by, sum(l.quantity) as quantity from public.usage_lines l, times
      where l.tenant_id = tenant and l.at >= times.since and l.at < times.until and (l.xid is null or l.xid < times.high)
      group by 1
    union all select meter, 'daily', sum(quantity) from public.usage_daily where tenant_id = tenant and day = wanted group by 1
    union all select meter, 'hourly', sum(quantity) from public.usage_hourly, times
      where tenant_id = tenant and hour >= since and hour < until group by 1
    union all select meter, 'quarters', sum(quantity) from public.usage_quarters, times
      where tenant_id = tenant and quarter >= since and quarter < until group by 1
    union all select 'tokens', 'events', sum((m.charges ->> 'tokens')::numeric) from public.marks m, times
      where m.tenant_id = tenant and m.at >= since and m.at < until and (m.xid is null or m.xid < times.high)
        and m.charges ? 'tokens'
    union all select 'sessions', 'events', count(*) from public.kgent_sessions s, times
      where s.tenant_id = tenant and s.created_at >= since and s.created_at < until
  ),
  beside as (
    select meter,
      coalesce(sum(quantity) filter (where by = 'ledger'), 0) as ledger, coalesce(sum(quantity) filter (where by = 'daily'), 0) as daily,
      coalesce(sum(quantity) filter (where by = 'hourly'), 0) as hourly,
      coalesce(sum(quantity) filter (where by = 'quarters'), 0) as quarters,
      case when meter in ('tokens', 'sessions') then coalesce(sum(quantity) filter (where by = 'events'), 0) end as events
    from said where quantity <> 0 group by meter
  ),
  -- What nothing is said of any more.
  gone as (
    delete from public.usage_reconciliations where tenant_id = tenant and day = wanted and meter not in (select meter from beside)
  )
  insert into public.usage_reconciliations as old (tenant_id, day, meter, ledger, daily, hourly, quarters, events, discrepancy)
  select tenant, wanted, meter, ledger, daily, hourly, quarters, events,
    greatest(abs(ledger - daily), abs(ledger - hourly), abs(ledger - quarters))
  from beside
  on conflict (tenant_id, day, meter) do update set ledger = excluded.ledger, daily = excluded.daily, hourly = excluded.hourly,
    quarters = excluded.quarters, events = excluded.events, discrepancy = excluded.discrepancy, checked_at = now()
$$;
revoke execute on function reconcile_usage(uuid, date) from public;
call hand_over('reconcile_usage(uuid, date)', 'kgents_meter');

-- Reconciles each day that is over, for some tenants at a time; how many there were. A quarter of an hour after its end, when
-- what was late is there.
create function reconcile_usage_days(most integer) returns integer
  language plpgsql security definer set search_path = pg_catalog, public, pg_temp
as $$
declare
  state public.usage_state;
  tenant uuid;
  done integer := 0;
begin
  select * into state from public.usage_state;
  if now() < (state.reconcile_day + 1)::timestamp at time zone 'UTC' + interval '15 minutes'
    or not pg_try_advisory_xact_lock(hashtextextended('reconcile_usage', 0)) then
    return 0;
  end if;
  for tenant in
    select t.id from public.tenants t where t.id > state.reconciled_tenant order by t.id limit most
  loop
    perform public.reconcile_usage(tenant, state.reconcile_day);
    done := done + 1;
    state.reconciled_tenant := tenant;
  end loop;
  if done < most then
    state.reconcile_day := state.reconcile_day + 1;
    state.reconciled_tenant := public.nobody();
  end if;
  update public.usage_state s set reconcile_day = state.reconcile_day, reconciled_tenant = state.reconciled_tenant
    where (s.reconcile_day, s.reconciled_tenant) < (state.reconcile_day, state.reconciled_tenant);
  return done;
end
$$;
revoke execute on function reconcile_usage_days(integer) from public;
grant execute on function reconcile_usage_days(integer) to kgents_relay;
call hand_over('reconcile_usage_days(integer)', 'kgents_meter');

-- Writes what every tenant stores at the beginning of each hour; hours that passed unseen are taken to be as this one. Counted is
-- what tenants gave to be kept; records of calls, the ledger and what is sent are the platform's. How many tenants there were.
create function sample_storage() returns integer
  language plpgsql security definer set search_path = pg_catalog, public, pg_temp
as $$
declare
  kept constant text[] := array['entities', 'entity_relations', 'agents', 'tools', 'recall_entries', 'memories', 'concepts',
    'changes', 'states', 'state_checkpoints', 'kgent_sessions', 'kgent_messages', 'compositions', 'schedules', 'event_mappings'];
  due timestamptz;
  hour constant timestamptz := date_trunc('hour', now(), 'UTC');
  query text;
  sampled integer;
begin
  select storage_hour into due from public.usage_state for update;
  if due > hour then
    return 0;
  end if;
  -- A value that is stored apart is not read: its size is known without.
  select string_agg(
    format('select tenant_id, sum(%s)::bigint as bytes from public.%I group by 1', sizes, table_name), ' union all ')
    into query
  from (
    select c.table_name, string_agg(format('coalesce(pg_column_size(%I), 0)', c.column_name), ' + ') as sizes
    from information_schema.columns c where c.table_schema = 'public' and c.table_name = any (kept) group by 1
  ) as sized;
  execute format(
    'insert into public.storage_samples (tenant_id, at, bytes)
     select s.tenant_id, at, sum(s.bytes) from (%s) s
     cross join generate_series(greatest($1, $2 - interval ''31 days''), $2, interval ''1 hour'') as at
     group by 1, 2 on conflict do nothing', query) using due, hour;
  get diagnostics sampled = row_count;
  perform public.note_usage_alert(s.tenant_id, 'storage_bytes', to_char(now() at time zone 'UTC', 'YYYY-MM'), s.bytes)
    from public.storage_samples s where s.at = hour;
  update public.usage_state set storage_hour = hour + interval '1 hour';
  return sampled;
end
$$;
revoke execute on function sample_storage() from public;
grant execute on function sample_storage() to kgents_relay;
do $$
declare
  name regclass;
begin
  foreach name in array array['entities', 'entity_relations', 'agents', 'tools', 'recall_entries', 'memories', 'concepts', 'states',
    'state_checkpoints', 'kgent_messages', 'compositions', 'schedules', 'event_mappings']::regclass[]
  loop
    execute format('create policy metering on %s for select to kgents_meter using (true)', name);
    execute format('grant select on %s to kgents_meter', name);
  end loop;
  grant select on kgent_sessions to kgents_meter;
end
$$;
call hand_over('sample_storage()', 'kgents_meter');

-- Age of the oldest row that is not counted yet.
create function usage_lag_seconds() returns double precision
  language plpgsql stable security definer set search_path = pg_catalog, public, pg_temp set plan_cache_mode = force_custom_plan
as $$
declare
  low xid8 := (select xid from public.usage_state);
begin
  return greatest(0, extract(epoch from now() - least(
    (select m.at from public.marks m where m.xid >= low order by m.xid limit 1),
    (select c.at from public.charges c where c.xid >= low and c.kind = 'settled' and c.resource = 'tokens' order by c.xid limit 1)
  )));
end
$$;
revoke execute on function usage_lag_seconds() from public;
grant execute on function usage_lag_seconds() to kgents_relay, kgents_app;
call hand_over('usage_lag_seconds()', 'kgents_meter');

-- In how many days of tenants ledger and sums differ.
create function usage_discrepancies() returns bigint
  language sql stable security definer set search_path = pg_catalog, public, pg_temp
as $$
  select count(distinct (tenant_id, day)) from public.usage_reconciliations where discrepancy <> 0
$$;
revoke execute on function usage_discrepancies() from public;
grant execute on function usage_discrepancies() to kgents_relay, kgents_app;
call hand_over('usage_discrepancies()', 'kgents_meter');

-- How the export is, for the health of the platform.
create function usage_export_state()
  returns table (name text, waiting bigint, sent bigint, rejected bigint, last_flush timestamptz, error text)
  language sql stable security definer set search_path = pg_catalog, public, pg_temp
as $$
  select t.name, (select count(*) from (select from public.usage_exports e where e.seq > t.sent_through limit 100000) as waiting),
    t.sent, t.rejected, t.last_flush, t.error
  from public.usage_export_targets t
$$;
revoke execute on function usage_export_state() from public;
grant execute on function usage_export_state() to kgents_app;
call hand_over('usage_export_state()', 'kgents_meter');

-- Removes what is of no use any more: names of paths once nothing comes so late, and exports that all targets have. Exports that
-- nobody fetches go after 40 days.
create function delete_old_usage(most integer) returns integer
  language plpgsql security definer set search_path = pg_catalog, public, pg_temp
as $$
declare
  deleted integer;
  more integer;
begin
  delete from public.usage_paths where ctid in (
    select ctid from public.usage_paths where hour < now() - interval '8 days' limit most);
  get diagnostics deleted = row_count;
  delete from public.usage_exports where seq in (
    select seq from public.usage_exports
    where seq <= (select min(sent_through) from public.usage_export_targets) or at < now() - interval '40 days'
    order by seq limit most);
  get diagnostics more = row_count;
  return greatest(deleted, more);
end
$$;
revoke execute on function delete_old_usage(integer) from public;
grant execute on function delete_old_usage(integer) to kgents_relay;
call hand_over('delete_old_usage(integer)', 'kgents_meter');

-- Tenants of which a limit is reached that nobody was informed of.
create function tenants_with_usage_alerts() returns setof uuid
  language sql stable security definer set search_path = pg_catalog, public, pg_temp
as $$
  select distinct tenant_id from public.usage_alerts where notified_at is null
$$;
revoke execute on function tenants_with_usage_alerts() from public;
grant execute on function tenants_with_usage_alerts() to kgents_app, kgents_relay;
call hand_over('tenants_with_usage_alerts()', 'kgents_meter');

-- Operators see how far the counting is, and what was found wrong; and have one day of a tenant counted again.
create policy operating on usage_reconciliations for select to kgents_operator using (true);
create policy operating on usage_state for select to kgents_operator using (true);
grant select on usage_reconciliations, usage_state to kgents_operator;
call as_owner('kgents_meter', 'grant execute on function recount_usage(uuid, date), reconcile_usage(uuid, date), usage_lag_seconds()
  to kgents_operator');

create function metering_for_operator(person uuid)
  returns table (lag_seconds double precision, rolled_up_at timestamptz, reconciled_through date)
  language plpgsql stable security definer set search_path = pg_catalog, public, pg_temp
as $$
begin
  perform public.require_operator(person);
  return query select public.usage_lag_seconds(), s.rolled_up_at, s.reconcile_day - 1 from public.usage_state s;
end
$$;
revoke execute on function metering_for_operator(uuid) from public;
grant execute on function metering_for_operator(uuid) to kgents_app;
call hand_over('metering_for_operator(uuid)', 'kgents_operator');

create function usage_reconciliations_for_operator(person uuid) returns setof usage_reconciliations
  language plpgsql stable security definer set search_path = pg_catalog, public, pg_temp
as $$
begin
  perform public.require_operator(person);
  return query select * from public.usage_reconciliations;
end
$$;
revoke execute on function usage_reconciliations_for_operator(uuid) from public;
grant execute on function usage_reconciliations_for_operator(uuid) to kgents_app;
call hand_over('usage_reconciliations_for_operator(uuid)', 'kgents_operator');

-- Counts one day of a tenant again and reconciles it; false where there is no such tenant.
create function recount_usage_for_operator(person uuid, facts jsonb, tenant uuid, wanted date) returns boolean
  language plpgsql security definer set search_path = pg_catalog, public, pg_temp
as $$
begin
  perform public.require_operator(person);
  if not exists (select from public.tenants t where t.id = tenant) then
    return false;
  end if;
  perform public.recount_usage(tenant, wanted);
  perform public.reconcile_usage(tenant, wanted);
  perform public.audit_both(person, facts, tenant, 'usage.recounted', jsonb_build_object('day', wanted));
  return true;
end
$$;
revoke execute on function recount_usage_for_operator(uuid, jsonb, uuid, date) from public;
grant execute on function recount_usage_for_operator(uuid, jsonb, uuid, date) to kgents_app;
call hand_over('recount_usage_for_operator(uuid, jsonb, uuid, date)', 'kgents_operator');

-- What was there before.
call as_owner('kgents_meter', $$select public.add_usage('l.xid is null', null, null, null, null, false)$$);
