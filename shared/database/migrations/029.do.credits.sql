-- Credits of tenants, kept by double entry. A transaction moves amounts between accounts of one tenant; its entries sum to zero
-- and are never changed. kgents_ledger owns the functions that write; functions of the platform call them and can write nothing.
--
-- Accounts: credits:KIND is what can be spent, `held` is promised, `usage` spent, `expired` gone. Grants come from the counter
-- accounts promotion, rollover, sales and compensation, whose balances are negative.
do $$
begin
  if not exists (select from pg_roles where rolname = 'kgents_ledger') then
    create role kgents_ledger nologin nosuperuser nobypassrls;
  end if;
end
$$;
grant usage on schema public to kgents_ledger;

-- One row for each tenant with credits: what two changes at once wait for, before any other lock.
create table ledgers (
  tenant_id uuid primary key,
  -- Of the last transaction.
  seq bigint not null default 0,
  -- Nothing of this tenant expires before.
  due_at timestamptz
);
create index ledgers_due on ledgers (due_at);

create table credit_grants (
  id uuid primary key,
  tenant_id uuid not null,
  kind text not null check (kind in ('promotional', 'rollover', 'prepaid', 'compensation')),
  amount numeric(18, 6) not null check (amount > 0),
  source text not null,
  reason text,
  granted_at timestamptz not null,
  expires_at timestamptz not null check (expires_at > granted_at),
  -- Sums of its entries by account; only the trigger on entries changes them.
  available numeric(18, 6) not null default 0 check (available >= 0),
  held numeric(18, 6) not null default 0 check (held >= 0),
  spent numeric(18, 6) not null default 0 check (spent >= 0),
  expired numeric(18, 6) not null default 0 check (expired >= 0),
  constraint adds_up check (available + held + spent + expired in (0, amount))
);
create index credit_grants_open on credit_grants (tenant_id, expires_at) where available > 0;
create index credit_grants_by_tenant on credit_grants (tenant_id, id desc);

create table ledger_transactions (
  tenant_id uuid not null,
  -- From 1 on, without gaps.
  seq bigint not null,
  kind text not null check (kind in ('grant', 'hold', 'capture', 'release', 'spend', 'refund', 'expiry')),
  -- What it was made for: a call, a job, an invoice, an event of the payment provider, an operator's act. A refund's may be
  -- that of what it refunds, with a word before it.
  source text not null check (length(source) between 1 and 520),
  -- The source of the spending that is refunded.
  about text,
  requested numeric(18, 6) not null,
  amount numeric(18, 6) not null check (amount >= 0),
  at timestamptz not null,
  primary key (tenant_id, seq)
);
-- Each source does each thing once. A grant may expire in parts.
create unique index ledger_transactions_once on ledger_transactions
  (tenant_id, source, kind, (case when kind = 'expiry' then seq else 0 end));
create index ledger_transactions_about on ledger_transactions (tenant_id, about) where about is not null;

create table ledger_entries (
  tenant_id uuid not null,
  seq bigint not null,
  account text not null check (account in (
    'credits:promotional', 'credits:rollover', 'credits:prepaid', 'credits:compensation', 'held', 'usage', 'expired',
    'promotion', 'rollover', 'sales', 'compensation')),
  grant_id uuid not null,
  amount numeric(18, 6) not null check (amount <> 0),
  primary key (tenant_id, seq, grant_id, account)
);

create table credit_holds (
  tenant_id uuid not null,
  source text not null,
  -- Its transaction, whose entries say of which grants it is.
  seq bigint not null,
  amount numeric(18, 6) not null check (amount > 0),
  captured numeric(18, 6) not null default 0 check (captured between 0 and amount),
  status text not null default 'open' check (status in ('open', 'captured', 'released', 'expired')),
  expires_at timestamptz not null,
  primary key (tenant_id, source)
);
create index credit_holds_open on credit_holds (tenant_id, expires_at) where status = 'open';

select enable_tenant_isolation(
  array['ledgers', 'credit_grants', 'ledger_transactions', 'ledger_entries', 'credit_holds']::regclass[]);
grant select on ledgers, credit_grants, ledger_transactions, ledger_entries, credit_holds to kgents_app;
create policy bookkeeping on ledgers to kgents_ledger using (true) with check (true);
create policy bookkeeping on credit_grants to kgents_ledger using (true) with check (true);
create policy bookkeeping on ledger_transactions to kgents_ledger using (true) with check (true);
create policy bookkeeping on ledger_entries to kgents_ledger using (true) with check (true);
create policy bookkeeping on credit_holds to kgents_ledger using (true) with check (true);
grant select, insert on ledgers, credit_grants, ledger_transactions, ledger_entries, credit_holds to kgents_ledger;
grant update (seq, due_at) on ledgers to kgents_ledger;
grant update (available, held, spent, expired) on credit_grants to kgents_ledger;
grant update (captured, status) on credit_holds to kgents_ledger;

-- The second line behind the grants: whoever was given more by mistake changes nothing either.
create function refuse_ledger_change() returns trigger
  language plpgsql set search_path = pg_catalog, public, pg_temp
as $$
begin
  -- With all else of a tenant that is erased.
  if tg_op = 'DELETE' and current_user = 'kgents_remover' then
    return old;
  end if;
  raise exception 'the ledger is neither changed nor removed: correct it by another transaction'
    using errcode = 'insufficient_privilege';
end
$$;
create trigger append_only before update or delete on ledger_entries for each row execute function refuse_ledger_change();
create trigger append_only_at_once before truncate on ledger_entries execute function refuse_ledger_change();
create trigger append_only before update or delete on ledger_transactions
  for each row execute function refuse_ledger_change();
create trigger append_only_at_once before truncate on ledger_transactions execute function refuse_ledger_change();

-- Whatever is inserted at once sums to zero in each transaction, and for each grant in it; the grants follow their entries.
create function apply_ledger_entries() returns trigger
  language plpgsql set search_path = pg_catalog, public, pg_temp
as $$
declare
  moved record;
begin
  for moved in
    select tenant_id, seq, grant_id, sum(amount) as total,
      coalesce(sum(amount) filter (where starts_with(account, 'credits:')), 0) as available,
      coalesce(sum(amount) filter (where account = 'held'), 0) as held,
      coalesce(sum(amount) filter (where account = 'usage'), 0) as spent,
      coalesce(sum(amount) filter (where account = 'expired'), 0) as expired
    from added group by tenant_id, seq, grant_id
  loop
    if moved.total <> 0 then
      raise exception 'the entries of a transaction must sum to zero' using errcode = 'check_violation';
    end if;
    -- One by one, so that each is found by its key whatever is known of the table.
    update public.credit_grants g
    set available = g.available + moved.available, held = g.held + moved.held,
      spent = g.spent + moved.spent, expired = g.expired + moved.expired
    where g.id = moved.grant_id and g.tenant_id = moved.tenant_id and exists (
      select from public.ledger_transactions t where t.tenant_id = moved.tenant_id and t.seq = moved.seq);
    if not found then
      raise exception 'entries belong to a transaction and a grant' using errcode = 'foreign_key_violation';
    end if;
  end loop;
  return null;
end
$$;
create trigger balanced after insert on ledger_entries referencing new table as added
  for each statement execute function apply_ledger_entries();

-- Below, `ledger_...` functions act for any tenant at any moment and are called by those at the end of this file alone. Each
-- that moves something answers an outcome: done; repeated, where its source has done it before; mismatch, where that was for
-- another amount; short, where there is less than was requested; unknown; ended; past.

-- The place of a kind in the order of spending. Within a kind, what expires soonest comes first.
create function credit_rank(kind text) returns integer
  language sql immutable parallel safe
  return array_position(array['promotional', 'rollover', 'prepaid', 'compensation'], kind);

-- Appends the head of a transaction after which something expires at `due`, null where not; answers its number.
create function ledger_append(
    tenant uuid, moment timestamptz, what text, origin text, subject text, wanted numeric, booked numeric, due timestamptz)
  returns bigint
  language plpgsql as $$
declare
  place bigint;
begin
  update public.ledgers set seq = seq + 1, due_at = least(due_at, due) where tenant_id = tenant returning seq into place;
  insert into public.ledger_transactions (tenant_id, seq, kind, source, about, requested, amount, at)
    values (tenant, place, what, origin, subject, wanted, booked, moment);
  return place;
end
$$;

-- Moves an amount of each grant from one account to another, as entries of transaction `place`. `credits` and `origin` stand
-- for the accounts of the grant's kind.
create function ledger_move(tenant uuid, place bigint, grants uuid[], amounts numeric[], giving text, receiving text)
  returns void
  language plpgsql as $$
begin
  insert into public.ledger_entries (tenant_id, seq, grant_id, account, amount)
  select tenant, place, moved.id,
    case side.account
      when 'credits' then 'credits:' || moved.kind
      when 'origin' then (array['promotion', 'rollover', 'sales', 'compensation'])[public.credit_rank(moved.kind)]
      else side.account end,
    side.sign * moved.amount
  from (
    select id, amount, (select g.kind from public.credit_grants g where g.id = each.id) as kind
    from unnest(grants, amounts) each (id, amount) where amount > 0
  ) moved cross join (values (giving, -1), (receiving, 1)) side (account, sign);
end
$$;

-- Which grants an amount is taken from, in the order of spending: as much as there is.
create function ledger_take(tenant uuid, moment timestamptz, wanted numeric, out grants uuid[], out amounts numeric[], out total numeric)
  language plpgsql stable as $$
begin
  select coalesce(array_agg(id), '{}'), coalesce(array_agg(least(available, wanted - before)), '{}'),
    coalesce(sum(least(available, wanted - before)), 0)
  into grants, amounts, total
  from (
    select id, available, sum(available) over spending - available as before from public.credit_grants
    where tenant_id = tenant and available > 0 and expires_at > moment
    window spending as (order by public.credit_rank(kind), expires_at, id rows unbounded preceding)
  ) standing where before < wanted;
end
$$;

-- Ends a hold: captures a part of it, first what comes first in the order of spending, and gives the rest back.
create function ledger_end_hold(tenant uuid, moment timestamptz, hold credit_holds, part numeric, how text) returns void
  language plpgsql as $$
declare
  grants uuid[];
  taken numeric[];
  rest numeric[];
  soonest timestamptz;
begin
  select array_agg(id), array_agg(greatest(0, least(amount, part - before))),
    array_agg(amount - greatest(0, least(amount, part - before))),
    min(expires_at) filter (where before + amount > part)
  into grants, taken, rest, soonest
  from (
    select g.id, e.amount, g.expires_at, sum(e.amount) over spending - e.amount as before
    from public.ledger_entries e join public.credit_grants g on g.id = e.grant_id
    where e.tenant_id = tenant and e.seq = hold.seq and e.account = 'held'
    window spending as (order by public.credit_rank(g.kind), g.expires_at, g.id rows unbounded preceding)
  ) slices;
  if how = 'captured' then
    perform public.ledger_move(tenant, public.ledger_append(tenant, moment, 'capture', hold.source, null, part, part, null),
      grants, taken, 'held', 'usage');
  end if;
  if part < hold.amount then
    perform public.ledger_move(tenant,
      public.ledger_append(
        tenant, moment, 'release', hold.source, null, hold.amount - part, hold.amount - part, soonest),
      grants, rest, 'held', 'credits');
  end if;
  update public.credit_holds set status = how, captured = part where tenant_id = tenant and source = hold.source;
end
$$;

-- Expires what is due: holds first, whose credits go back to their grants; then what is left of grants. What is held stays.
create function ledger_expire(tenant uuid, moment timestamptz) returns void
  language plpgsql as $$
declare
  hold public.credit_holds;
  past record;
begin
  for hold in
    select * from public.credit_holds where tenant_id = tenant and status = 'open' and expires_at <= moment
    order by expires_at, source
  loop
    perform public.ledger_end_hold(tenant, moment, hold, 0, 'expired');
  end loop;
  for past in
    select id, source, available from public.credit_grants
    where tenant_id = tenant and available > 0 and expires_at <= moment order by expires_at, id
  loop
    perform public.ledger_move(tenant,
      public.ledger_append(tenant, moment, 'expiry', past.source, null, past.available, past.available, null),
      array[past.id], array[past.available], 'credits', 'expired');
  end loop;
  update public.ledgers set due_at = least(
    (select min(expires_at) from public.credit_grants where tenant_id = tenant and available > 0),
    (select min(expires_at) from public.credit_holds where tenant_id = tenant and status = 'open'))
  where tenant_id = tenant;
end
$$;

-- Makes all changes of a tenant's credits happen one after the other, each on what has not expired.
create function ledger_open(tenant uuid, moment timestamptz) returns void
  language plpgsql as $$
declare
  due timestamptz;
begin
  select due_at into due from public.ledgers where tenant_id = tenant for update;
  if not found then
    insert into public.ledgers (tenant_id) values (tenant) on conflict do nothing;
    select due_at into due from public.ledgers where tenant_id = tenant for update;
  end if;
  if due <= moment then
    perform public.ledger_expire(tenant, moment);
  end if;
end
$$;

-- What has expired by now of what was just given back.
create function ledger_close(tenant uuid, moment timestamptz) returns void
  language plpgsql as $$
begin
  if (select due_at <= moment from public.ledgers where tenant_id = tenant) then
    perform public.ledger_expire(tenant, moment);
  end if;
end
$$;

-- Whether `source` has done this before, and how much that came to.
create function ledger_repeated(
    tenant uuid, what text, origin text, wanted numeric, subject text, out outcome text, out amount numeric)
  language plpgsql stable as $$
declare
  before public.ledger_transactions;
begin
  select * into before from public.ledger_transactions t
    where t.tenant_id = tenant and t.source = origin and t.kind = what;
  if found then
    outcome := case
      when before.requested = wanted and before.about is not distinct from subject then 'repeated' else 'mismatch' end;
    amount := before.amount;
  end if;
end
$$;

create function ledger_grant(
    tenant uuid, moment timestamptz, grant_id uuid, grant_kind text, wanted numeric, until timestamptz, origin text, why text,
    out outcome text, out amount numeric)
  language plpgsql as $$
begin
  perform public.ledger_open(tenant, moment);
  select * into outcome, amount from public.ledger_repeated(tenant, 'grant', origin, wanted, null);
  if outcome is not null then
    if not exists (
      select from public.credit_grants g where g.tenant_id = tenant and g.source = origin and g.kind = grant_kind
    ) then
      outcome := 'mismatch';
    end if;
    return;
  end if;
  if until <= moment then
    outcome := 'past';
    return;
  end if;
  insert into public.credit_grants (id, tenant_id, kind, amount, source, reason, granted_at, expires_at)
    values (grant_id, tenant, grant_kind, wanted, origin, why, moment, until);
  perform public.ledger_move(tenant, public.ledger_append(tenant, moment, 'grant', origin, null, wanted, wanted, until),
    array[grant_id], array[wanted], 'origin', 'credits');
  outcome := 'done';
  amount := wanted;
end
$$;

create function ledger_spend(
    tenant uuid, moment timestamptz, up_to numeric, origin text, out outcome text, out amount numeric)
  language plpgsql as $$
declare
  taken record;
begin
  perform public.ledger_open(tenant, moment);
  select * into outcome, amount from public.ledger_repeated(tenant, 'spend', origin, up_to, null);
  if outcome is not null then
    return;
  end if;
  select * into taken from public.ledger_take(tenant, moment, up_to);
  -- Also where it is nothing: the same request later must take nothing either.
  perform public.ledger_move(tenant, public.ledger_append(tenant, moment, 'spend', origin, null, up_to, taken.total, null),
    taken.grants, taken.amounts, 'credits', 'usage');
  outcome := 'done';
  amount := taken.total;
end
$$;

create function ledger_hold(
    tenant uuid, moment timestamptz, wanted numeric, origin text, until timestamptz, out outcome text, out amount numeric)
  language plpgsql as $$
declare
  taken record;
  place bigint;
begin
  perform public.ledger_open(tenant, moment);
  select * into outcome, amount from public.ledger_repeated(tenant, 'hold', origin, wanted, null);
  if outcome is not null then
    return;
  end if;
  select * into taken from public.ledger_take(tenant, moment, wanted);
  amount := taken.total;
  if taken.total < wanted then
    outcome := 'short';
    return;
  end if;
  place := public.ledger_append(tenant, moment, 'hold', origin, null, wanted, wanted, until);
  perform public.ledger_move(tenant, place, taken.grants, taken.amounts, 'credits', 'held');
  insert into public.credit_holds (tenant_id, source, seq, amount, expires_at) values (tenant, origin, place, wanted, until);
  outcome := 'done';
end
$$;

-- Captures `part` of a hold, or releases all of it where `how` says so.
create function ledger_settle(
    tenant uuid, moment timestamptz, origin text, part numeric, how text, out outcome text, out amount numeric)
  language plpgsql as $$
declare
  hold public.credit_holds;
begin
  perform public.ledger_open(tenant, moment);
  select * into hold from public.credit_holds where tenant_id = tenant and source = origin;
  amount := hold.captured;
  if hold.source is null then
    outcome := 'unknown';
  elsif hold.status = 'open' and part > hold.amount then
    outcome := 'short';
    amount := hold.amount;
  elsif hold.status = 'open' then
    perform public.ledger_end_hold(tenant, moment, hold, part, how);
    perform public.ledger_close(tenant, moment);
    outcome := 'done';
    amount := part;
  elsif hold.status = how and hold.captured = part then
    outcome := 'repeated';
  elsif hold.status = how then
    outcome := 'mismatch';
  else
    -- It is free already, which is all that a release is for.
    outcome := case when how = 'released' and hold.status = 'expired' then 'repeated' else 'ended' end;
  end if;
end
$$;

-- Gives back what was spent or captured for a source: first what was taken last. It returns to the grants that it came from,
-- with the dates that they have: what is past by now expires with them.
create function ledger_refund(
    tenant uuid, moment timestamptz, wanted numeric, spending text, origin text, out outcome text, out amount numeric)
  language plpgsql as $$
declare
  back record;
  acts bigint[];
begin
  perform public.ledger_open(tenant, moment);
  select * into outcome, amount from public.ledger_repeated(tenant, 'refund', origin, wanted, spending);
  if outcome is not null then
    return;
  end if;
  -- What was spent for it, and what of that is refunded already.
  acts := array(
    select seq from public.ledger_transactions
      where tenant_id = tenant and source = spending and kind in ('spend', 'capture')
    union all select seq from public.ledger_transactions where tenant_id = tenant and about = spending);
  select array_agg(id) as grants, array_agg(greatest(0, least(spent, wanted - before))) as amounts, sum(spent) as total,
    min(expires_at) filter (where before < wanted) as soonest
  into back
  from (
    select g.id, g.expires_at, e.spent, sum(e.spent) over undoing - e.spent as before
    from (
      select entry.grant_id, sum(entry.amount) as spent from public.ledger_entries entry
      where entry.tenant_id = tenant and entry.seq = any (acts) and entry.account = 'usage'
      group by entry.grant_id having sum(entry.amount) > 0
    ) e join public.credit_grants g on g.id = e.grant_id
    window undoing as (order by public.credit_rank(g.kind) desc, g.expires_at desc, g.id desc rows unbounded preceding)
  ) slices;
  amount := coalesce(back.total, 0);
  if amount < wanted then
    outcome := case when cardinality(acts) > 0 then 'short' else 'unknown' end;
    return;
  end if;
  perform public.ledger_move(tenant, public.ledger_append(tenant, moment, 'refund', origin, spending, wanted, wanted, back.soonest),
    back.grants, back.amounts, 'usage', 'credits');
  perform public.ledger_close(tenant, moment);
  outcome := 'done';
  amount := wanted;
end
$$;

-- What functions of the platform call, each for this transaction's tenant. The time is read when a statement begins: behind
-- the lock of another it may be a little late, which changes nothing of what has expired by then.
create function grant_credits(
    grant_id uuid, grant_kind text, wanted numeric, until timestamptz, origin text, why text,
    out outcome text, out amount numeric)
  language sql security definer set search_path = pg_catalog, public, pg_temp
as $$
  select * from public.ledger_grant(public.current_tenant(), clock_timestamp(), grant_id, grant_kind, wanted, until, origin, why)
$$;
create function spend_credits(up_to numeric, origin text, out outcome text, out amount numeric)
  language sql security definer set search_path = pg_catalog, public, pg_temp
as $$
  select * from public.ledger_spend(public.current_tenant(), clock_timestamp(), up_to, origin)
$$;
create function hold_credits(wanted numeric, origin text, seconds integer, out outcome text, out amount numeric)
  language sql security definer set search_path = pg_catalog, public, pg_temp
as $$
  select * from public.ledger_hold(
    public.current_tenant(), clock_timestamp(), wanted, origin, clock_timestamp() + make_interval(secs => seconds))
$$;
create function settle_hold(origin text, part numeric, how text, out outcome text, out amount numeric)
  language sql security definer set search_path = pg_catalog, public, pg_temp
as $$
  select * from public.ledger_settle(public.current_tenant(), clock_timestamp(), origin, part, how)
$$;
create function refund_credits(wanted numeric, spending text, origin text, out outcome text, out amount numeric)
  language sql security definer set search_path = pg_catalog, public, pg_temp
as $$
  select * from public.ledger_refund(public.current_tenant(), clock_timestamp(), wanted, spending, origin)
$$;
create function expire_credits() returns void
  language sql security definer set search_path = pg_catalog, public, pg_temp
as $$
  select public.ledger_open(public.current_tenant(), clock_timestamp())
$$;

-- For functions that act across tenants.
create function grant_credits_to(
    tenant uuid, grant_id uuid, grant_kind text, wanted numeric, until timestamptz, origin text, why text,
    out outcome text, out amount numeric)
  language sql security definer set search_path = pg_catalog, public, pg_temp
as $$
  select * from public.ledger_grant(tenant, clock_timestamp(), grant_id, grant_kind, wanted, until, origin, why)
$$;

create function tenants_with_due_credits() returns setof uuid
  language sql stable security definer set search_path = pg_catalog, public, pg_temp
as $$
  select tenant_id from public.ledgers where due_at <= now()
$$;

do $$
declare
  function regprocedure;
begin
  for function in select p.oid from pg_proc p join pg_namespace n on n.oid = p.pronamespace
    where n.nspname = 'public' and (p.proname like 'ledger\_%' or p.proname in (
      'grant_credits', 'spend_credits', 'hold_credits', 'settle_hold', 'refund_credits', 'expire_credits', 'grant_credits_to',
      'tenants_with_due_credits'))
  loop
    execute format('revoke execute on function %s from public', function);
    if function::text !~ '^(ledger_|grant_credits_to)' then
      execute format('grant execute on function %s to kgents_app', function);
    end if;
    call hand_over(function, 'kgents_ledger');
  end loop;
end
$$;
call as_owner('kgents_ledger', 'grant execute on function tenants_with_due_credits() to kgents_relay');
call as_owner('kgents_ledger', 'grant execute on function
  grant_credits_to(uuid, uuid, text, numeric, timestamptz, text, text) to kgents_operator');

-- Gives a tenant credits on behalf of an operator, with a record on both sides; no row where there is no such tenant.
create function grant_credits_for_operator(
    person uuid, facts jsonb, tenant uuid, grant_id uuid, grant_kind text, wanted numeric, until timestamptz, origin text, why text)
  returns table (outcome text)
  language plpgsql security definer set search_path = pg_catalog, public, pg_temp
as $$
begin
  perform public.require_operator(person);
  if not exists (select from public.tenants t where t.id = tenant) then
    return;
  end if;
  return query select granted.outcome
    from public.grant_credits_to(tenant, grant_id, grant_kind, wanted, until, origin, why) granted;
  perform public.audit_both(person, facts, tenant, 'credits.granted', jsonb_build_object(
    'grant', grant_id, 'kind', grant_kind, 'amount', wanted, 'expires_at', until, 'source', origin, 'reason', why));
end
$$;
revoke execute on function
  grant_credits_for_operator(uuid, jsonb, uuid, uuid, text, numeric, timestamptz, text, text) from public;
grant execute on function
  grant_credits_for_operator(uuid, jsonb, uuid, uuid, text, numeric, timestamptz, text, text) to kgents_app;
call hand_over(
  'grant_credits_for_operator(uuid, jsonb, uuid, uuid, text, numeric, timestamptz, text, text)', 'kgents_operator');

