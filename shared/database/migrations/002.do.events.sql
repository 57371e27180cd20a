-- Events leave through the outbox, in the transaction of what they tell, and come in through the inbox.

-- xid orders rows by transaction: the relay reads only below the oldest running one, so that nothing is overtaken.
create table outbox (
  seq bigint generated always as identity primary key,
  xid xid8 not null default pg_current_xact_id(),
  id uuid not null,
  tenant_id uuid not null,
  subjects text[] not null check (cardinality(subjects) > 0),
  event text not null,
  created_at timestamptz not null default now(),
  published_at timestamptz
);
create index outbox_unpublished on outbox (xid, seq) where published_at is null;
create index outbox_published on outbox (published_at) where published_at is not null;

-- What each consumer has already done: inserted in the transaction of the effect, so a second delivery changes nothing.
create table inbox (
  tenant_id uuid not null,
  consumer text not null,
  event_id uuid not null,
  received_at timestamptz not null default now(),
  primary key (consumer, event_id)
);

-- One row for each relay that sleeps. Writers notify only while there is one: a NOTIFY takes a database-wide lock.
create table relay_sleep (since timestamptz not null default now());

create function wake_relay() returns trigger
  language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
begin
  if exists (select from public.relay_sleep) then
    perform pg_notify('outbox', '');
  end if;
  return null;
end
$$;
grant select on relay_sleep to kgents_waker;
call hand_over('wake_relay()', 'kgents_waker');
create trigger outbox_wakes_relay after insert on outbox for each statement execute function wake_relay();

select enable_tenant_isolation(array['outbox', 'inbox']::regclass[]);
grant insert on outbox to kgents_app;
grant select, insert on inbox to kgents_app;

create policy relay on outbox to kgents_relay using (true);
grant select, delete on outbox to kgents_relay;
grant update (published_at) on outbox to kgents_relay;
grant select, insert, delete on relay_sleep to kgents_relay;
