-- Subscriptions of tenants to plans, and the invoices for them. What an invoice says is fixed when it is finalized: then it has
-- its number, and neither it nor its lines change; what happens to it afterwards is another row.
--
-- kgents_biller owns the few functions that do more than the app role may: they find the tenant of a customer of the payment
-- provider, put a tenant on the plan that it has subscribed to, and count deliveries of the provider.
do $$
begin
  if not exists (select from pg_roles where rolname = 'kgents_biller') then
    create role kgents_biller nologin nosuperuser nobypassrls;
  end if;
end
$$;
grant usage on schema public to kgents_biller;

create table plan_subscriptions (
  id uuid primary key,
  tenant_id uuid not null,
  plan text not null,
  plan_version integer not null,
  term text not null check (term in ('month', 'year', 'two_years')),
  -- The base fee of a term, as it was agreed when it was bought.
  base_cents bigint not null check (base_cents between 0 and 100000000000),
  status text not null check (status in (
    'trialing', 'active', 'past_due', 'canceled', 'incomplete', 'incomplete_expired', 'unpaid', 'paused')),
  -- From which its months are counted.
  anchor timestamptz not null,
  -- The month that runs, from 0 on; -1 is the trial.
  month integer not null check (month >= -1),
  period_start timestamptz not null,
  period_end timestamptz not null check (period_end > period_start),
  -- The month with which the running term began.
  term_month integer not null default 0,
  trial_end timestamptz,
  trial_noticed_at timestamptz,
  cancels_at_end boolean not null default false,
  -- What it changes to when its term ends.
  next_plan text,
  next_plan_version integer,
  next_term text check (next_term in ('month', 'year', 'two_years')),
  -- Counts changes within a term, each of which has an invoice.
  changes integer not null default 0,
  past_due_since timestamptz,
  -- When the days of grace were over.
  lapsed_at timestamptz,
  -- Until when use past what the plan includes was last paid for, where that is not so any more.
  overage_until timestamptz,
  ended_at timestamptz,
  -- The subscription of the payment provider that pays the base fee; null is paid by bank transfer.
  stripe_id text unique check (length(stripe_id) between 1 and 255),
  created_at timestamptz not null,
  constraint next_is_whole check (num_nonnulls(next_plan, next_plan_version, next_term) in (0, 3))
);
create index plan_subscriptions_by_tenant on plan_subscriptions (tenant_id, id);
-- What a tenant makes itself, one at a time; the payment provider may have more.
create unique index plan_subscriptions_one on plan_subscriptions (tenant_id) where ended_at is null and stripe_id is null;

create table invoices (
  id uuid primary key,
  tenant_id uuid not null,
  subscription_id uuid not null references plan_subscriptions,
  -- `month:` and when it begins, `change:` and its number, `end`: a subscription has one invoice of each.
  key text not null,
  status text not null default 'draft' check (status in ('draft', 'finalized', 'paid', 'failed', 'void')),
  -- Counted for each tenant from 1 on without gaps, from when it is finalized.
  seq bigint,
  currency text not null default 'usd' check (currency = 'usd'),
  total_cents bigint not null,
  paid_cents bigint not null default 0 check (paid_cents >= 0),
  -- By credit notes.
  credited_cents bigint not null default 0 check (credited_cents between 0 and greatest(total_cents, 0)),
  period_start timestamptz not null,
  period_end timestamptz not null,
  plan text not null,
  plan_version integer not null,
  -- The name of the tenant when it was made.
  bill_to text not null,
  -- The subscription of the payment provider that pays the base fee in it, and how much that is.
  stripe_subscription text,
  base_cents bigint not null default 0,
  -- The invoice of the payment provider for what is left.
  stripe_invoice text unique,
  issued_at timestamptz not null,
  due_at timestamptz not null,
  finalized_at timestamptz,
  paid_at timestamptz,
  voided_at timestamptz,
  void_reason text,
  -- When the credits that it had taken were given back.
  restored_at timestamptz,
  unique (subscription_id, key),
  unique (tenant_id, seq),
  constraint numbered check ((seq is null) = (status = 'draft')),
  constraint bounded check (total_cents between -100000000000000 and 100000000000000)
);
create index invoices_by_tenant on invoices (tenant_id, issued_at desc, id desc);
create index invoices_open on invoices (due_at) where status in ('finalized', 'failed');

create table invoice_lines (
  invoice_id uuid not null references invoices,
  tenant_id uuid not null,
  position integer not null check (position > 0),
  kind text not null check (kind in ('base', 'usage', 'discount', 'proration', 'credit')),
  description text not null,
  period_start timestamptz not null,
  period_end timestamptz not null,
  plan text not null,
  plan_version integer not null,
  -- What usage was measured, what the plan includes of it, and what so many units of more cost.
  meter text,
  quantity numeric,
  included numeric,
  price_cents numeric,
  price_per integer,
  cents bigint not null,
  primary key (invoice_id, position),
  constraint usage_is_traced check ((kind = 'usage') = (num_nonnulls(meter, quantity, included, price_cents, price_per) = 5))
);

create table invoice_numbers (
  tenant_id uuid primary key,
  last bigint not null
);

create table payments (
  id uuid primary key,
  tenant_id uuid not null,
  -- Null where it came before what it pays for.
  invoice_id uuid references invoices,
  cents bigint not null check (cents between 1 and 100000000000000),
  method text not null check (method in ('stripe', 'bank_transfer')),
  -- The invoice of the payment provider, or what the bank says.
  reference text not null check (length(reference) between 1 and 500),
  stripe_subscription text,
  received_at timestamptz not null
);
-- A payment of the provider counts once, whatever it is notified by.
create unique index payments_of_stripe on payments (reference) where method = 'stripe';
create index payments_by_invoice on payments (invoice_id);
create index payments_waiting on payments (tenant_id) where invoice_id is null;

create table credit_notes (
  id uuid primary key,
  tenant_id uuid not null,
  invoice_id uuid not null references invoices,
  seq integer not null,
  cents bigint not null check (cents > 0),
  -- The part of it that was paid already, and is given back as credits.
  refund_cents bigint not null check (refund_cents between 0 and cents),
  reason text not null check (length(reason) between 1 and 500),
  created_at timestamptz not null default now(),
  refunded_at timestamptz,
  unique (invoice_id, seq)
);

-- What is to be done about an invoice that was not paid.
create table dunning (
  tenant_id uuid not null,
  invoice_id uuid not null references invoices,
  step text not null check (step in ('reminder', 'second_reminder', 'last_notice', 'end')),
  due_at timestamptz not null,
  done_at timestamptz,
  primary key (invoice_id, step)
);
create index dunning_due on dunning (due_at) where done_at is null;

-- Customers of the payment provider, each made by us for one tenant. A deleted one stays, since events about it may still come.
create table stripe_customers (
  id text primary key check (length(id) between 1 and 255),
  tenant_id uuid not null,
  -- Counts what was read from the provider: who has read before somebody else has written reads again.
  synced bigint not null default 0,
  email text,
  deleted_at timestamptz,
  created_at timestamptz not null default now()
);
create unique index stripe_customers_one on stripe_customers (tenant_id) where deleted_at is null;

-- Deliveries of the payment provider, each written with its effects.
create table stripe_events (
  event_id text primary key check (length(event_id) between 1 and 255),
  tenant_id uuid not null,
  type text not null,
  -- By the provider's clock.
  created_at timestamptz not null,
  received_at timestamptz not null default now()
);
create index stripe_events_by_tenant on stripe_events (tenant_id, received_at);

select enable_tenant_isolation(array[
  'plan_subscriptions', 'invoices', 'invoice_lines', 'invoice_numbers', 'payments', 'credit_notes', 'dunning',
  'stripe_customers', 'stripe_events']::regclass[]);
grant select, insert on plan_subscriptions, invoices, invoice_lines, payments, credit_notes, dunning, stripe_customers,
  stripe_events to kgents_app;
grant select on invoice_numbers to kgents_app;
grant update (plan, plan_version, term, base_cents, status, anchor, month, period_start, period_end, term_month, trial_end, trial_noticed_at, cancels_at_end,
  next_plan, next_plan_version, next_term, changes, past_due_since, lapsed_at, ended_at) on plan_subscriptions to kgents_app;
grant update (status, paid_cents, stripe_invoice, finalized_at, paid_at, restored_at) on invoices to kgents_app;
grant update (invoice_id) on payments to kgents_app;
grant update (refunded_at) on credit_notes to kgents_app;
grant update (done_at) on dunning to kgents_app;
grant update (synced, email, deleted_at) on stripe_customers to kgents_app;

-- Numbers a draft when it is finalized, and lets nobody change what has been finalized.
create function keep_invoice() returns trigger
  language plpgsql security definer set search_path = pg_catalog, public, pg_temp
as $$
declare
  fixed jsonb;
  sum bigint;
begin
  if tg_op = 'INSERT' then
    if new.status <> 'draft' then
      raise exception 'an invoice begins as a draft' using errcode = 'check_violation';
    end if;
    return new;
  end if;
  fixed := to_jsonb(old) - array[
    'status', 'seq', 'paid_cents', 'credited_cents', 'stripe_invoice', 'finalized_at', 'paid_at', 'voided_at',
    'void_reason', 'restored_at'];
  if not to_jsonb(new) @> fixed then
    raise exception 'an invoice is not changed: void it, or write a credit note' using errcode = 'insufficient_privilege';
  end if;
  if old.status = 'draft' then
    if new.status = 'draft' then
      return new;
    elsif new.status <> 'finalized' then
      raise exception 'a draft is finalized first' using errcode = 'check_violation';
    end if;
    select coalesce(sum(cents), 0) into sum from public.invoice_lines where invoice_id = new.id;
    if sum <> new.total_cents then
      raise exception 'the lines of an invoice add up to its total' using errcode = 'check_violation';
    end if;
    insert into public.invoice_numbers as numbers (tenant_id, last) values (new.tenant_id, 1)
      on conflict (tenant_id) do update set last = numbers.last + 1 returning last into new.seq;
    return new;
  end if;
  if new.seq is distinct from old.seq or new.finalized_at is distinct from old.finalized_at
    or new.status = 'draft' or (old.status in ('paid', 'void') and new.status <> old.status)
    or (old.status = 'failed' and new.status = 'finalized')
  then
    raise exception 'an invoice goes from draft to finalized, and from there to paid, failed or void'
      using errcode = 'check_violation';
  end if;
  return new;
end
$$;
create policy numbering on invoice_lines for select to kgents_biller using (true);
create policy numbering on invoice_numbers to kgents_biller using (true) with check (true);
grant select on invoice_lines to kgents_biller;
grant select, insert, update on invoice_numbers to kgents_biller;
call hand_over('keep_invoice()', 'kgents_biller');
create trigger kept before insert or update on invoices for each row execute function keep_invoice();

create function refuse_billing_change() returns trigger
  language plpgsql set search_path = pg_catalog, public, pg_temp
as $$
begin
  raise exception 'records of billing are neither changed nor removed' using errcode = 'insufficient_privilege';
end
$$;
create trigger not_at_once before truncate on invoices execute function refuse_billing_change();
create trigger not_at_once before truncate on invoice_lines execute function refuse_billing_change();
create trigger append_only before update on invoice_lines for each row execute function refuse_billing_change();

create function keep_invoice_lines() returns trigger
  language plpgsql security definer set search_path = pg_catalog, public, pg_temp
as $$
begin
  if not exists (select from public.invoices i
    where i.id = new.invoice_id and i.tenant_id = new.tenant_id and i.status = 'draft') then
    raise exception 'lines belong to a draft' using errcode = 'insufficient_privilege';
  end if;
  return new;
end
$$;
create policy numbering on invoices for select to kgents_biller using (true);
grant select on invoices to kgents_biller;
call hand_over('keep_invoice_lines()', 'kgents_biller');
create trigger kept before insert on invoice_lines for each row execute function keep_invoice_lines();

-- What is about an invoice is about one of the same tenant.
create function check_invoice_tenant() returns trigger
  language plpgsql security definer set search_path = pg_catalog, public, pg_temp
as $$
begin
  if new.invoice_id is not null and not exists (
    select from public.invoices i where i.id = new.invoice_id and i.tenant_id = new.tenant_id) then
    raise exception 'there is no such invoice of this tenant' using errcode = 'foreign_key_violation';
  end if;
  return new;
end
$$;
call hand_over('check_invoice_tenant()', 'kgents_biller');
create trigger of_tenant before insert or update on payments for each row execute function check_invoice_tenant();
create trigger of_tenant before insert on credit_notes for each row execute function check_invoice_tenant();
create trigger of_tenant before insert on dunning for each row execute function check_invoice_tenant();

-- Whose customer of the payment provider this is; null where it is nobody's.
create function tenant_of_stripe_customer(customer text) returns uuid
  language sql stable security definer set search_path = pg_catalog, public, pg_temp
as $$ select tenant_id from public.stripe_customers where id = customer $$;
create policy finding on stripe_customers for select to kgents_biller using (true);
grant select (id, tenant_id) on stripe_customers to kgents_biller;
revoke execute on function tenant_of_stripe_customer(text) from public;
grant execute on function tenant_of_stripe_customer(text) to kgents_app;
call hand_over('tenant_of_stripe_customer(text)', 'kgents_biller');

-- Deliveries of the payment provider by what became of them, over all tenants.
create table stripe_webhook_counts (
  outcome text primary key check (outcome in ('received', 'processed', 'skipped', 'errors')),
  count bigint not null default 0
);
alter table stripe_webhook_counts enable row level security;
alter table stripe_webhook_counts force row level security;
create policy counting on stripe_webhook_counts to kgents_biller using (true) with check (true);
create policy metrics on stripe_webhook_counts for select to kgents_metrics using (true);
grant select, insert, update on stripe_webhook_counts to kgents_biller;
grant select on stripe_webhook_counts to kgents_metrics;
create function count_stripe_webhooks(counts jsonb) returns void
  language sql security definer set search_path = pg_catalog, public, pg_temp
as $$
  insert into public.stripe_webhook_counts as counted (outcome, count)
  select key, value::bigint from jsonb_each_text(counts) where value::bigint between 1 and 1000000 order by key
  on conflict (outcome) do update set count = counted.count + excluded.count
$$;
revoke execute on function count_stripe_webhooks(jsonb) from public;
grant execute on function count_stripe_webhooks(jsonb) to kgents_app;
call hand_over('count_stripe_webhooks(jsonb)', 'kgents_biller');
create function stripe_webhook_counts() returns table (outcome text, count bigint)
  language sql stable security definer set search_path = pg_catalog, public, pg_temp
as $$ select outcome, count from public.stripe_webhook_counts $$;
revoke execute on function stripe_webhook_counts() from public;
grant execute on function stripe_webhook_counts() to kgents_app, kgents_relay;
call hand_over('stripe_webhook_counts()', 'kgents_metrics');

-- Puts this transaction's tenant on the plan that it has subscribed to, in the version that it bought.
create function apply_plan(plan text, version integer, standing text)
  returns table (tier_before text, version_before integer, tier_after text, version_after integer)
  language plpgsql security definer set search_path = pg_catalog, public, pg_temp
as $$
declare
  own uuid := public.current_tenant();
begin
  select t.tier, t.plan_version into tier_before, version_before from public.tenants t where t.id = own for update;
  update public.tenants t
    set tier = plan, status = standing,
      plan_version = coalesce(version, case when t.tier = plan then t.plan_version end)
    where t.id = own returning t.tier, t.plan_version into tier_after, version_after;
  return next;
end
$$;
create policy billing on tenants to kgents_biller using (true) with check (true);
grant select (id, tier, status, plan_version), update (tier, status, plan_version) on tenants to kgents_biller;
revoke execute on function apply_plan(text, integer, text) from public;
grant execute on function apply_plan(text, integer, text) to kgents_app;
call hand_over('apply_plan(text, integer, text)', 'kgents_biller');

-- Whoever turns off what it pays for pays for what it has used until then.
create function note_overage_end() returns trigger
  language plpgsql security definer set search_path = pg_catalog, public, pg_temp
as $$
begin
  update public.plan_subscriptions set overage_until = now() where tenant_id = new.id and ended_at is null;
  return null;
end
$$;
create policy billing on plan_subscriptions to kgents_biller using (true) with check (true);
grant select (tenant_id, ended_at), update (overage_until) on plan_subscriptions to kgents_biller;
call hand_over('note_overage_end()', 'kgents_biller');
create trigger overage_ends after update of overage_allowed on tenants for each row
  when (old.overage_allowed and not new.overage_allowed) execute function note_overage_end();

-- What is due is found by kgents_scheduler; see 037.
create policy due on plan_subscriptions for select to kgents_scheduler using (true);
create policy due on invoices for select to kgents_scheduler using (true);
create policy due on invoice_lines for select to kgents_scheduler using (true);
create policy due on payments for select to kgents_scheduler using (true);
create policy due on credit_notes for select to kgents_scheduler using (true);
create policy due on dunning for select to kgents_scheduler using (true);
grant select on plan_subscriptions, invoices, invoice_lines, payments, credit_notes, dunning to kgents_scheduler;

-- What operators do with invoices of tenants; see 026.
create policy operating on invoices to kgents_operator using (true) with check (true);
create policy operating on credit_notes to kgents_operator using (true) with check (true);
create policy operating on payments to kgents_operator using (true) with check (true);
grant select, update (status, paid_cents, credited_cents, paid_at, voided_at, void_reason) on invoices to kgents_operator;
grant select, insert on credit_notes, payments to kgents_operator;

create function invoices_for_operator(person uuid, tenant uuid) returns setof invoices
  language plpgsql stable security definer set search_path = pg_catalog, public, pg_temp
as $$
begin
  perform public.require_operator(person);
  return query select i.* from public.invoices i where i.tenant_id = tenant;
end
$$;
revoke execute on function invoices_for_operator(uuid, uuid) from public;
grant execute on function invoices_for_operator(uuid, uuid) to kgents_app;
call hand_over('invoices_for_operator(uuid, uuid)', 'kgents_operator');

-- Makes an invoice void of which nothing was paid and nothing credited; false where it is not such a one.
create function void_invoice_for_operator(person uuid, facts jsonb, tenant uuid, invoice uuid, reason text) returns boolean
  language plpgsql security definer set search_path = pg_catalog, public, pg_temp
as $$
begin
  perform public.require_operator(person);
  update public.invoices i set status = 'void', voided_at = now(), void_reason = reason
    where i.id = invoice and i.tenant_id = tenant and i.status in ('finalized', 'failed')
      and i.paid_cents = 0 and i.credited_cents = 0;
  if not found then
    return false;
  end if;
  perform public.audit_both(person, facts, tenant, 'invoice.voided',
    jsonb_build_object('invoice', invoice, 'reason', reason));
  return true;
end
$$;
revoke execute on function void_invoice_for_operator(uuid, jsonb, uuid, uuid, text) from public;
grant execute on function void_invoice_for_operator(uuid, jsonb, uuid, uuid, text) to kgents_app;
call hand_over('void_invoice_for_operator(uuid, jsonb, uuid, uuid, text)', 'kgents_operator');

-- Takes an amount off an invoice: what is still open is open no longer, and what was paid is given back as credits. False where
-- that much is not left of it.
create function credit_invoice_for_operator(
    person uuid, facts jsonb, tenant uuid, invoice uuid, note uuid, amount bigint, reason text)
  returns boolean
  language plpgsql security definer set search_path = pg_catalog, public, pg_temp
as $$
declare
  it public.invoices;
  open_cents bigint;
  place integer;
begin
  perform public.require_operator(person);
  select i.* into it from public.invoices i where i.id = invoice and i.tenant_id = tenant for update;
  if not found or amount < 1 or it.status not in ('finalized', 'failed', 'paid')
    or amount > it.total_cents - it.credited_cents then
    return false;
  end if;
  open_cents := greatest(it.total_cents - it.paid_cents - it.credited_cents, 0);
  select count(*) + 1 into place from public.credit_notes n where n.invoice_id = invoice;
  insert into public.credit_notes (id, tenant_id, invoice_id, seq, cents, refund_cents, reason)
    values (note, tenant, invoice, place, amount, greatest(amount - open_cents, 0), reason);
  update public.invoices i set credited_cents = i.credited_cents + amount,
    status = case when i.status <> 'paid' and amount >= open_cents then 'paid' else i.status end,
    paid_at = case when i.status <> 'paid' and amount >= open_cents then now() else i.paid_at end
    where i.id = invoice;
  perform public.audit_both(person, facts, tenant, 'invoice.credited',
    jsonb_build_object('invoice', invoice, 'credit_note', note, 'cents', amount, 'reason', reason));
  return true;
end
$$;
revoke execute on function credit_invoice_for_operator(uuid, jsonb, uuid, uuid, uuid, bigint, text) from public;
grant execute on function credit_invoice_for_operator(uuid, jsonb, uuid, uuid, uuid, bigint, text) to kgents_app;
call hand_over('credit_invoice_for_operator(uuid, jsonb, uuid, uuid, uuid, bigint, text)', 'kgents_operator');

-- Notes that an invoice was paid by bank transfer, in full; false where nothing of it is open.
create function pay_invoice_for_operator(
    person uuid, facts jsonb, tenant uuid, invoice uuid, payment uuid, reference text)
  returns boolean
  language plpgsql security definer set search_path = pg_catalog, public, pg_temp
as $$
declare
  it public.invoices;
  open_cents bigint;
begin
  perform public.require_operator(person);
  select i.* into it from public.invoices i where i.id = invoice and i.tenant_id = tenant for update;
  open_cents := it.total_cents - it.paid_cents - it.credited_cents;
  if it.id is null or it.status not in ('finalized', 'failed') or open_cents < 1 then
    return false;
  end if;
  insert into public.payments (id, tenant_id, invoice_id, cents, method, reference, received_at)
    values (payment, tenant, invoice, open_cents, 'bank_transfer', reference, now());
  update public.invoices i set paid_cents = i.paid_cents + open_cents, status = 'paid', paid_at = now() where i.id = invoice;
  perform public.audit_both(person, facts, tenant, 'invoice.paid',
    jsonb_build_object('invoice', invoice, 'payment', payment, 'cents', open_cents, 'reference', reference));
  return true;
end
$$;
revoke execute on function pay_invoice_for_operator(uuid, jsonb, uuid, uuid, uuid, text) from public;
grant execute on function pay_invoice_for_operator(uuid, jsonb, uuid, uuid, uuid, text) to kgents_app;
call hand_over('pay_invoice_for_operator(uuid, jsonb, uuid, uuid, uuid, text)', 'kgents_operator');
