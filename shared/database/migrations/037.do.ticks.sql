-- The tenants for which time brings something: a month or a trial ends, an invoice is overdue, a payment waits. A tenant that is
-- deleted is not invoiced; if it is restored, that is made good.
grant select (deleted_at) on tenants to kgents_scheduler;
create function tenants_with_due_billing() returns setof uuid
  language sql stable security definer set search_path = pg_catalog, public, pg_temp
as $$
  select due.tenant_id from (
    select s.tenant_id from public.plan_subscriptions s where s.ended_at is null and (
      (s.status in ('active', 'past_due') and s.period_end <= now())
      or (s.status = 'trialing' and s.stripe_id is null and s.trial_end <= now())
      or (s.status = 'trialing' and s.trial_noticed_at is null and s.trial_end <= now() + interval '3 days')
      or (s.status = 'past_due' and s.lapsed_at is null and s.past_due_since <= now() - interval '7 days')
      or (s.status = 'past_due' and s.stripe_id is null and not exists (
        select from public.invoices i where i.subscription_id = s.id and i.status = 'failed')))
    union select i.tenant_id from public.invoices i where i.status = 'finalized' and i.due_at <= now()
    union select d.tenant_id from public.dunning d where d.done_at is null and d.due_at <= now()
    union select n.tenant_id from public.credit_notes n where n.refund_cents > 0 and n.refunded_at is null
    union select i.tenant_id from public.invoices i where i.status = 'void' and i.restored_at is null
    union select p.tenant_id from public.payments p join public.invoices i on i.tenant_id = p.tenant_id
      where p.invoice_id is null and i.status in ('finalized', 'failed')
  ) due join public.tenants t on t.id = due.tenant_id where t.deleted_at is null
$$;
revoke execute on function tenants_with_due_billing() from public;
grant execute on function tenants_with_due_billing() to kgents_app, kgents_relay;
call hand_over('tenants_with_due_billing()', 'kgents_scheduler');

-- The functions that have something to do now, of all that have a tick.
create or replace function due_functions() returns setof text
  language sql stable security invoker set search_path = pg_catalog, public, pg_temp
as $$
  select function from (values
    ('logos', exists (select from public.tenants_with_stalled_compositions())),
    ('time-schedule', exists (select from public.tenants_with_due_schedules())),
    ('credits', exists (select from public.tenants_with_due_credits())),
    ('usage', exists (select from public.tenants_with_usage_alerts())),
    ('billing', exists (select from public.tenants_with_due_billing())),
    ('tenant', exists (select from public.tenants_with_tenancy_work()))
  ) as ticking (function, is_due)
  where is_due
$$;
